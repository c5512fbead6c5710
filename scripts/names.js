/**
 * node scripts/names.js, part of `npm run check`: a file's name says what it is about, so no two files of src have the
 * same, unless both are about one thing: the parts of one language in several others, a command and its subject.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';

const shared = new Set([
  // In each room that has such a thing.
  ...['index', 'text', 'options', 'page', 'summary', 'main', 'node-worker', 'check'],
  // Kernel IR in C, JavaScript, WebAssembly and intervals.
  ...['expr', 'stmt', 'kernel', 'arithmetic'],
  // A command, a flag, or the part of a page that is about the thing of the other file.
  ...[
    'compile',
    'report',
    'build',
    'calibrate',
    'compress',
    'checkpoint',
    'finetune',
    'arena',
    'targets',
    'tensor',
    'trace',
  ],
  // An operator and its loops.
  ...['attention', 'elementwise', 'linear', 'matrices', 'softmax', 'window'],
  // What is modelled and what is measured; what is read and what is warned of.
  ...['size', 'samples', 'layers'],
  // Forms of kernels: as data, made, and held to each other.
  'variants',
]);

/** @returns a line for each name that stands in two places without being of the list. */
export function doubled(files) {
  const places = new Map();
  for (const file of files) {
    const name = path.basename(file, '.ts');
    places.set(name, [...(places.get(name) ?? []), file]);
  }
  return [...places]
    .filter(([name, found]) => found.length > 1 && !shared.has(name))
    .map(([name, found]) => `'${name}' is the name of ${found.join(' and ')}`);
}

if (import.meta.filename === process.argv[1]) {
  const src = path.join(import.meta.dirname, '../src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const found = doubled(files.sort());
  for (const line of found) console.error(`names: ${line}: one of them says too little`);
  process.exitCode = found.length > 0 ? 1 : 0;
}
