/**
 * Odd files of every kind: whatever is given as a model or as samples, the command line ends without a defect,
 * says in one sentence what is wrong, and leaves no half of a folder behind.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import proto, { type onnx } from 'onnx-proto';
import { afterAll, expect, test } from 'vitest';
import { writeNpy } from '../../src/data/npy.ts';
import { supportedOnnx } from '../../src/ir/ops/index.ts';
import { bench } from '../support/cli.ts';
import { Draw } from '../support/draw.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  ints,
  intTensor,
  type ModelSpec,
  type NodeSpec,
  valueInfo,
} from '../support/onnx-model.ts';
import { packPng } from '../support/png.ts';

const cli = bench();
const folder = mkdtempSync(path.join(tmpdir(), 'thimble-odd-'));
afterAll(() => rmSync(folder, { recursive: true }));

let written = 0;
function put(bytes: Uint8Array | string, ending: string): string {
  const file = path.join(folder, `file${written++}${ending}`);
  writeFileSync(file, bytes);
  return file;
}

/** How often each exit code came. */
type Ends = Record<number, number>;

/** Runs a command that may write `out`. */
async function ends(counts: Ends, ...argv: readonly string[]): Promise<void> {
  const out = path.join(folder, 'out');
  const { code, err } = await cli.run(...argv);
  const text = `${argv.join(' ')}\n${err}`;
  expect([0, 1, 2], text).toContain(code);
  if (code === 2) {
    expect(err.trim().split('\n').length, text).toBeLessThanOrEqual(20);
    expect(err, text).toMatch(/^thimble: .{12}/);
    expect(existsSync(out), text).toBe(false);
  }
  rmSync(out, { recursive: true, force: true });
  counts[code] = (counts[code] ?? 0) + 1;
}

const plain: ModelSpec = {
  opset: 13,
  inputs: [valueInfo('x', [1, 1, 4, 4])],
  nodes: [
    { op: 'Conv', inputs: ['x', 'w'], outputs: ['c'] },
    { op: 'Flatten', inputs: ['c'], outputs: ['f'] },
    { op: 'MatMul', inputs: ['f', 'v'], outputs: ['y'] },
  ],
  initializers: [
    floatTensor(
      'w',
      [2, 1, 3, 3],
      Array.from({ length: 18 }, (_, i) => i / 9 - 1),
    ),
    floatTensor(
      'v',
      [8, 3],
      Array.from({ length: 24 }, (_, i) => 1 - i / 12),
    ),
  ],
};
const good = encodeModel(plain);
const samples = put(
  writeNpy({ dtype: 'float32', shape: [4, 1, 4, 4], data: new Float32Array(64).map((_, i) => i / 64) }),
  '.npy',
);

const compile = (counts: Ends, model: string, calibrate = samples): Promise<void> =>
  ends(counts, 'compile', model, '--calibrate', calibrate, '-o', path.join(folder, 'out'), '--name', 'net');

const wild = [-1, 0, 1, 2, 3, 7, -(2 ** 31), 2 ** 31, 2 ** 40, 2 ** 53] as const;
const wildFloats = [0, -1, 0.5, 1e-30, 1e38, Number.NaN, Infinity, -Infinity] as const;
const attributeNames = [
  ...['axis', 'axes', 'perm', 'pads', 'strides', 'dilations', 'kernel_shape', 'group', 'keepdims', 'to'],
  ...[
    'ceil_mode',
    'count_include_pad',
    'transA',
    'transB',
    'allowzero',
    'epsilon',
    'alpha',
    'beta',
    'min',
    'max',
  ],
] as const;

const usual: readonly (readonly number[])[] = [
  ...[[2, 2, 3, 3], [2, 2, 1, 1], [2, 1, 3, 3], [3, 2, 2], [2], [4, 6], [6, 4], [32, 3], [4, 4]],
  ...[[1], [], [2, 1, 1], [1, 2, 1, 1], [1, 1, 6], [1, 1, 1, 1, 1], [6], [1, 2, 4, 4]],
];

const operators = supportedOnnx().map((text) => /^\w+/.exec(text)![0]);

class Nonsense {
  readonly draw: Draw;
  constructor(seed: number) {
    this.draw = new Draw(seed);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.draw.int(0, list.length - 1)]!;
  }
  sizes(most: number, from: readonly number[] = [0, 1, 1, 2, 3, 4]): number[] {
    return Array.from({ length: this.draw.int(0, most) }, () => this.pick(from));
  }
  attribute(): onnx.IAttributeProto {
    const name = this.pick(attributeNames);
    switch (this.draw.int(0, 3)) {
      case 0:
        return float(name, this.pick(wildFloats));
      case 1:
        return int(name, this.pick(wild));
      default:
        return ints(name, this.sizes(5, this.draw.unit() < 0.5 ? wild : [0, 1, 2, 3]));
    }
  }
  constant(name: string): onnx.ITensorProto {
    const dims = this.draw.unit() < 0.2 ? this.sizes(4) : this.pick(usual);
    const count = dims.reduce((n, d) => n * d, 1);
    if (this.draw.unit() < 0.6) return floatTensor(name, dims, [...this.draw.floats(count, -1, 1)]);
    return intTensor(
      name,
      dims,
      Array.from({ length: count }, () => this.pick(wild)),
    );
  }
  node(i: number, names: readonly string[]): NodeSpec {
    const inputs = [
      i === 0 ? 'x' : this.pick([`t${i - 1}`, 'x']),
      ...Array.from({ length: this.draw.int(0, 3) + this.draw.int(0, 1) }, () => this.pick(names)),
    ];
    const attributes = new Map(
      Array.from({ length: Math.max(0, this.draw.int(-3, 2)) }, () => this.attribute()).map((a) => [
        a.name,
        a,
      ]),
    );
    return { op: this.pick(operators), inputs, outputs: [`t${i}`], attributes: [...attributes.values()] };
  }
  model(): Uint8Array {
    const count = this.draw.int(1, 3);
    const initializers = ['a', 'b', 'c', 'd'].map((name) => this.constant(name));
    const names = ['a', 'b', 'c', 'd', '', 'x'];
    return encodeModel({
      opset: this.pick([0, 1, 7, 9, 11, 13, 13, 13, 13, 17, 17, 18, 18, 21, 21, 25, 26]),
      inputs: [
        valueInfo(
          'x',
          this.pick([
            [1, 2, 4, 4],
            [1, 2, 4, 4],
            [1, 2, 4, 4],
            [1, 6],
            [1, 6],
            [1, 2, 3],
            [],
            [1],
            ['n', 3, 4, 4],
            [1, 2 ** 31, 2 ** 31],
            [1, 2, 2, 2, 2],
          ]),
        ),
      ],
      nodes: Array.from({ length: count }, (_, i) => this.node(i, names)),
      initializers,
      outputs: [`t${count - 1}`],
    });
  }
}

test('models of nonsense', async () => {
  const counts: Ends = {};
  for (let seed = 0; seed < 300; seed++) {
    const model = put(new Nonsense(seed).model(), '.onnx');
    await ends(
      counts,
      'compile',
      model,
      '--type',
      'float32',
      '-o',
      path.join(folder, 'out'),
      '--name',
      'net',
    );
  }
  expect(counts[0]).toBeGreaterThan(5);
  expect(counts[2]).toBeGreaterThan(200);
}, 120_000);

test('models with a few bytes changed or cut off', async () => {
  const counts: Ends = {};
  const draw = new Draw(11);
  for (let i = 0; i < 80; i++) {
    const bytes = Uint8Array.from(good.subarray(0, i % 2 === 0 ? good.length : draw.int(0, good.length)));
    for (let k = draw.int(0, 4); k > 0 && bytes.length > 0; k--)
      bytes[draw.int(0, bytes.length - 1)] = draw.int(0, 255);
    await compile(counts, put(bytes, '.onnx'));
  }
  for (let i = 0; i < 10; i++) await compile(counts, put(draw.bytes(draw.int(0, 200)), '.onnx'));
  expect(counts[2]).toBeGreaterThan(40);
  expect(counts[0]).toBeGreaterThan(2);
}, 120_000);

const node = (op: string, inputs: readonly string[], outputs: readonly string[], name = ''): NodeSpec => ({
  op,
  inputs,
  outputs,
  name,
});

/** Each with how it ends. */
const models: Readonly<Record<string, readonly [ends: number, model: ModelSpec]>> = {
  'no nodes': [2, { nodes: [], outputs: ['x'] }],
  'no nodes, and an output that nothing makes': [2, { nodes: [] }],
  'no outputs': [2, { ...plain, outputs: [] }],
  'an input that nothing reads': [2, { ...plain, inputs: [...plain.inputs!, valueInfo('z', [1, 4])] }],
  'weights among the inputs': [0, { ...plain, inputs: [...plain.inputs!, valueInfo('w', [2, 1, 3, 3])] }],
  'two nodes of a name': [2, { nodes: [node('Relu', ['x'], ['t'], 'n'), node('Relu', ['t'], ['y'], 'n')] }],
  'a tensor made twice': [2, { nodes: [node('Relu', ['x'], ['y']), node('Relu', ['x'], ['y'])] }],
  'two initializers of a name': [
    2,
    { ...plain, initializers: [...plain.initializers!, plain.initializers![0]!] },
  ],
  'a cycle': [2, { nodes: [node('Add', ['x', 'y'], ['t']), node('Relu', ['t'], ['y'])] }],
  'a node that reads itself': [2, { nodes: [node('Add', ['x', 'y'], ['y'])] }],
  'opset 0': [2, { ...plain, opset: 0 }],
  'opset 1000': [2, { ...plain, opset: 1000 }],
  'no opset': [2, { ...plain, opset: undefined }],
  'sizes whose product overflows': [
    2,
    { ...plain, inputs: [valueInfo('x', [1, 2 ** 31, 2 ** 31, 2 ** 31])] },
  ],
  'negative sizes': [2, { ...plain, inputs: [valueInfo('x', [1, -1, 4, 4])] }],
  'sizes of 0': [2, { ...plain, inputs: [valueInfo('x', [1, 0, 4, 4])] }],
  'weights of no elements': [
    2,
    { ...plain, initializers: [floatTensor('w', [2, 0, 3, 3], []), ...plain.initializers!.slice(1)] },
  ],
  'weights of negative sizes': [
    2,
    { ...plain, initializers: [floatTensor('w', [-2, 1, 3, 3], []), ...plain.initializers!.slice(1)] },
  ],
  'a batch of 7': [2, { ...plain, inputs: [valueInfo('x', [7, 1, 4, 4])] }],
  'an input without a shape': [2, { ...plain, inputs: [valueInfo('x', undefined)] }],
  float64: [2, { ...plain, inputs: [valueInfo('x', [1, 1, 4, 4], 11)] }],
  'a constant as the output': [2, { ...plain, outputs: ['w'] }],
};

test.each(Object.entries(models))('%s', async (_, [code, model]) => {
  const counts: Ends = {};
  await compile(counts, put(encodeModel(model), '.onnx'));
  expect(counts).toEqual({ [code]: 1 });
});

test('subgraphs in subgraphs, and operators with a graph inside', async () => {
  let graph: onnx.IGraphProto = { name: 'inner', node: [] };
  for (let i = 0; i < 200; i++)
    graph = {
      name: `g${i}`,
      node: [{ opType: 'If', attribute: [{ name: 'then_branch', type: 5, g: graph }] }],
    };
  const bytes = proto.onnx.ModelProto.encode({
    irVersion: 7,
    opsetImport: [{ domain: '', version: 13 }],
    graph,
  }).finish();
  const counts: Ends = {};
  await compile(counts, put(bytes, '.onnx'));
  expect(counts).toEqual({ 2: 1 });
});

/** An array of the right shape but for what is odd about its header. */
function npy(header: string, bytes: number, version = 1): Uint8Array {
  const text = `${header}\n`;
  const head =
    version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return Buffer.concat([
    Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, ...head]),
    Buffer.from(text),
    Buffer.alloc(bytes),
  ]);
}
const described = (descr: string, shape = '4, 1, 4, 4', order = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }`;
const array = (shape: readonly number[]) =>
  writeNpy({ dtype: 'float32', shape, data: new Float32Array(shape.reduce((n, d) => n * d, 1)) });
const idx = (type: number, sizes: readonly number[], bytes: number): Uint8Array => {
  const head = Buffer.alloc(4 + 4 * sizes.length);
  head.set([0, 0, type, sizes.length]);
  sizes.forEach((n, i) => {
    head.writeUInt32BE(n, 4 + 4 * i);
  });
  return Buffer.concat([head, Buffer.alloc(bytes)]);
};
const row = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Samples for a 1x4x4 input: how reading them ends, bytes, ending. */
const odd: Readonly<Record<string, readonly [ends: number, bytes: Uint8Array | string, ending: string]>> = {
  'an empty file': [2, '', '.npy'],
  text: [2, 'hello', '.npy'],
  'version 2': [0, npy(described('<f4'), 256, 2), '.npy'],
  'version 3': [0, npy(described('<f4'), 256, 3), '.npy'],
  'version 9': [2, npy(described('<f4'), 256, 9), '.npy'],
  'Fortran order': [0, npy(described('<f4', '4, 1, 4, 4', 'True'), 256), '.npy'],
  'complex numbers': [2, npy(described('<c8'), 512), '.npy'],
  objects: [2, npy(described('|O'), 512), '.npy'],
  'half precision': [2, npy(described('<f2'), 128), '.npy'],
  'big endian': [0, npy(described('>f4'), 256), '.npy'],
  'too little data': [2, npy(described('<f4'), 255), '.npy'],
  'negative sizes': [2, npy(described('<f4', '-4, 1, 4, 4'), 256), '.npy'],
  'sizes that overflow': [2, npy(described('<f4', '4294967296, 4294967296, 4294967296'), 256), '.npy'],
  'no samples': [2, array([0, 1, 4, 4]), '.npy'],
  'a sample that is too short': [2, array([4, 1, 4, 3]), '.npy'],
  'a sample that is too long': [2, array([4, 1, 4, 5]), '.npy'],
  'five axes': [2, array([4, 1, 1, 4, 4]), '.npy'],
  NaN: [
    2,
    writeNpy({ dtype: 'float32', shape: [1, 1, 4, 4], data: new Float32Array(16).fill(Number.NaN) }),
    '.npy',
  ],
  'beyond float32': [
    2,
    writeNpy({ dtype: 'float64', shape: [1, 1, 4, 4], data: new Float64Array(16).fill(1e300) }),
    '.npy',
  ],
  'an archive of two arrays': [2, zipSync({ 'a.npy': array([4, 1, 4, 4]), 'b.npy': array([4]) }), '.npz'],
  'an archive of one': [0, zipSync({ 'a.npy': array([4, 1, 4, 4]) }), '.npz'],
  'an archive without arrays': [2, zipSync({ 'a.txt': new Uint8Array(9) }), '.npz'],
  'an archive that is cut off': [2, zipSync({ 'a.npy': array([4, 1, 4, 4]) }).subarray(0, 90), '.npz'],
  idx: [0, idx(8, [4, 4, 4], 64), ''],
  'idx of an unknown type': [2, idx(7, [4, 4, 4], 64), ''],
  'idx with more sizes than data': [2, idx(8, [4, 4, 4, 2 ** 31, 2 ** 31], 64), ''],
  'idx without sizes': [2, idx(8, [], 1), ''],
  'gzip in gzip': [2, gzipSync(gzipSync(array([4, 1, 4, 4]))), '.npy.gz'],
  'gzip that is cut off': [2, gzipSync(array([4, 1, 4, 4])).subarray(0, 60), '.npy.gz'],
  'gzip of nothing': [2, gzipSync(''), '.gz'],
  'a picture': [
    0,
    packPng(
      4,
      4,
      8,
      0,
      row(4).map(() => row(4)),
    ),
    '.png',
  ],
  'a picture with alpha': [
    0,
    packPng(
      4,
      4,
      8,
      4,
      row(4).map(() => row(8)),
    ),
    '.png',
  ],
  'a picture of 16 bits': [
    0,
    packPng(
      4,
      4,
      16,
      0,
      row(4).map(() => row(8)),
    ),
    '.png',
  ],
  'an interlaced picture of 2 bits': [
    2,
    packPng(
      4,
      4,
      2,
      0,
      row(4).map(() => [0]),
      [],
      1,
    ),
    '.png',
  ],
  'a picture of another size': [
    2,
    packPng(
      3,
      4,
      8,
      0,
      row(4).map(() => row(3)),
    ),
    '.png',
  ],
  'a picture of too many rows': [
    2,
    packPng(
      4,
      4,
      8,
      0,
      row(9000).map(() => row(4)),
    ),
    '.png',
  ],
  'a picture that is cut off': [
    2,
    packPng(
      4,
      4,
      8,
      0,
      row(4).map(() => row(4)),
    ).subarray(0, 50),
    '.png',
  ],
  'CIFAR of half a record': [2, new Uint8Array(1000), '.bin'],
};

const model = put(good, '.onnx');
const artifact = path.join(folder, 'artifact');

test.each(Object.entries(odd))('samples: %s', async (_, [code, bytes, ending]) => {
  if (!existsSync(artifact)) await cli.run('compile', model, '--calibrate', samples, '-o', artifact, '-q');
  const file = put(bytes, ending);
  const counts: Ends = {};
  await compile(counts, model, file);
  await ends(counts, 'run', model, '--input', file);
  await ends(counts, 'run', artifact, '--input', file);
  await ends(counts, 'verify', artifact, '--input', file, '--targets', 'host');
  await ends(counts, 'diff', artifact, '--against', model, '--input', file);
  await ends(counts, 'compile', model, '--calibrate', samples, '--sparsity', '0.5', '--labels', file);
  const { 1: found = 0, [code]: same = 0 } = counts;
  // A comparison may find something wrong; labels are judged by other rules.
  expect(same + found, JSON.stringify(counts)).toBeGreaterThanOrEqual(5);
});

test('what is no file', async () => {
  const counts: Ends = {};
  const [empty, missing] = [path.join(folder, 'empty'), path.join(folder, 'missing')];
  mkdirSync(empty);
  for (const place of [empty, missing, path.join(model, 'below'), '/dev/null', '']) {
    await compile(counts, place);
    await compile(counts, model, place);
    for (const command of ['inspect', 'verify', 'report', 'view']) await ends(counts, command, place);
    await ends(counts, 'run', place, '--input', samples);
    await ends(counts, 'run', model, '--input', place);
  }
  expect(counts).toEqual({ 2: 40 });
});
