/** Outputs with more elements than a function takes arguments. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadProgram } from '../../src/artifact/make.ts';
import { writeNpy } from '../../src/data/npy.ts';
import { floats } from '../../src/ir/tensor.ts';
import { netOf } from '../../src/net/net.ts';
import { bench } from '../support/cli.ts';
import { encodeModel, floatTensor, int, ints, intTensor, valueInfo } from '../support/onnx-model.ts';
import { sampleFiles } from '../support/sample-files.ts';

const files = sampleFiles();
afterAll(files.remove);
const inFolder = (name: string): string => path.join(files.folder, name);
const count = 130_000;

/** Elementwise on more numbers than a call takes arguments; a linear layer of as many channels, each with scales of its own. */
const models = {
  wide: {
    shape: [1, 1, 325, 400],
    bytes: encodeModel({
      inputs: [valueInfo('x', [1, 1, 325, 400])],
      initializers: [floatTensor('w', [1, 1, 1, 1], [2]), intTensor('flat', [2], [1, count])],
      nodes: [
        { op: 'Conv', inputs: ['x', 'w'], outputs: ['c'], attributes: [ints('kernel_shape', [1, 1])] },
        { op: 'Reshape', inputs: ['c', 'flat'] },
      ],
    }),
  },
  channels: {
    shape: [1, 1],
    bytes: encodeModel({
      inputs: [valueInfo('x', [1, 1])],
      initializers: [
        floatTensor(
          'w',
          [count, 1],
          Array.from({ length: count }, (_, i) => 1 + (i % 97) / 50),
        ),
      ],
      nodes: [{ op: 'Gemm', inputs: ['x', 'w'], attributes: [int('transB', 1)] }],
    }),
  },
} as const;
const names = Object.keys(models) as (keyof typeof models)[];

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b);
/** The largest comes first where a sample is one number: 8 bits hold the first sample well. */
const samplesOf = (shape: readonly number[], n = 4): Float32Array =>
  Float32Array.from({ length: n * elements(shape) }, (_, i) =>
    shape.length === 2 ? 1 / (1 + i) : ((i * 37) % 101) / 101 + (i === 77 ? 1 : 0),
  );

beforeAll(async () => {
  for (const name of names) {
    const { shape, bytes } = models[name];
    writeFileSync(inFolder(`${name}.onnx`), bytes);
    writeFileSync(inFolder(`${name}.npy`), writeNpy(floats([4, ...shape.slice(1)], samplesOf(shape))));
    const { code, err } = await bench().run(
      ...['compile', inFolder(`${name}.onnx`), '--calibrate', inFolder(`${name}.npy`), '-q'],
      ...['--samples', '4', '-o', inFolder(name)],
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
  }
}, 120_000);

test.each(names)(
  'run: %s',
  async (name) => {
    const input = ['--input', inFolder(`${name}.npy`), '--limit', '1', '--json'];
    for (const what of [inFolder(name), inFolder(`${name}.onnx`)]) {
      const { code, out, err } = await bench().run('run', what, ...input);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const [top] = (JSON.parse(out) as { top1: readonly number[] }).top1;
      expect(top).toBe(name === 'wide' ? 77 : 96);
    }
  },
  120_000,
);

test('classify', () => {
  const read = (name: string) =>
    [name, new Uint8Array(readFileSync(path.join(inFolder('wide'), name)))] as const;
  const net = netOf(loadProgram(new Map(['manifest.json', 'wide.program.json'].map(read))));
  expect(net.classify(samplesOf(models.wide.shape, 1)).index).toBe(77);
});

test.each(names)(
  'diff: %s',
  async (name) => {
    const { shape } = models[name];
    const x = samplesOf(shape, 1);
    writeFileSync(
      inFolder('capture.npz'),
      zipSync({
        'x.npy': writeNpy(floats([1, ...shape.slice(1)], x)),
        // The other way up: found wrong, and looked into.
        'y.npy': writeNpy(
          floats(
            [1, count],
            Float32Array.from({ length: count }, (_, i) => 3 - (x[i % x.length] ?? 0)),
          ),
        ),
      }),
    );
    for (const [against, wanted] of [
      [inFolder(`${name}.onnx`), 0],
      [inFolder(name), 0],
      [inFolder('capture.npz'), 1],
    ] as const) {
      const { code, err } = await bench().run(
        ...['diff', inFolder(name), '--against', against, '--input', inFolder(`${name}.npy`), '--limit', '1'],
      );
      expect({ code, err }).toEqual({ code: wanted, err: '' });
    }
  },
  120_000,
);
