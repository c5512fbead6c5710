/**
 * npm run examples: compiles the model that ships with the project for `examples/`, with digits that it draws, and
 * writes the C. Takes one to two minutes.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { digitSide, drawDigit } from '../src/data/digits.ts';
import { writeNpy } from '../src/data/npy.ts';
import { programFrom } from '../src/program/json.ts';
import { exampleFiles } from '../test/support/example-files.ts';

const folder = path.join('out', 'examples');
const model = 'models/lenet5.onnx';
const count = 600;
const size = digitSide * digitSide;

mkdirSync(folder, { recursive: true });
const data = new Uint8Array(count * size);
for (let i = 0; i < count; i++) data.set(drawDigit(i % 10, Math.floor(i / 10)), i * size);
const images = path.join(folder, 'digits.npy');
const labels = path.join(folder, 'labels.txt');
writeFileSync(images, writeNpy({ dtype: 'uint8', shape: [count, digitSide, digitSide], data }));
writeFileSync(labels, Array.from({ length: count }, (_, i) => `${i % 10}\n`).join(''));

const samples = [
  '--calibrate',
  images,
  '--labels',
  labels,
  '--pad',
  '2',
  '--samples',
  '200',
  '--held-out',
  '200',
];
const smaller = ['--sparsity', '0.85', '--weight-bits', '4', '--requant', 'compact', '--optimize', 'flash'];
const out = path.join(folder, 'lenet5');
execFileSync(process.execPath, ['bin/thimble.js', 'compile', model, ...samples, ...smaller, '-o', out], {
  stdio: 'inherit',
});

const program = programFrom(readFileSync(path.join(out, 'lenet5.program.json'), 'utf8'));
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
for (const [file, text] of exampleFiles(program, readFileSync(model), version)) {
  const to = path.join('examples', file);
  mkdirSync(path.dirname(to), { recursive: true });
  writeFileSync(to, text);
}
