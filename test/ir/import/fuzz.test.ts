/** Damaged files: whatever the damage, the importer ends, and with a graph or an InputError that says something. */
import fc from 'fast-check';
import { test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import {
  encodeModel,
  float,
  floatTensor,
  graph,
  int,
  ints,
  intTensor,
  nodeProto,
  text,
  valueInfo,
} from '../../support/onnx-model.ts';

/** Small, with all that there is to decode: attributes of most kinds, both fields and raw data, shape arithmetic. */
const seed = encodeModel({
  nodes: [
    {
      op: 'Conv',
      name: 'c',
      inputs: ['x', 'w', 'b'],
      outputs: ['c'],
      attributes: [ints('pads', [1, 1, 1, 1]), text('auto_pad', 'NOTSET')],
    },
    { op: 'Rectified', domain: 'own', inputs: ['c'], outputs: ['k'], attributes: [float('alpha', 2)] },
    {
      op: 'If',
      inputs: ['zero'],
      outputs: ['r'],
      attributes: [
        graph('then_branch', [{ op: 'Loop', inputs: ['k'], outputs: ['a'] }], ['a']),
        graph(
          'else_branch',
          [{ op: 'Add', inputs: ['k', 'w2'], outputs: ['b'] }],
          ['b'],
          [floatTensor('w2', [1], [0.5])],
        ),
      ],
    },
    {
      op: 'MaxPool',
      inputs: ['r'],
      outputs: ['p'],
      attributes: [ints('kernel_shape', [2, 2]), ints('strides', [2, 2])],
    },
    { op: 'Shape', inputs: ['p'], outputs: ['s'] },
    { op: 'Gather', inputs: ['s', 'zero'], outputs: ['n'] },
    { op: 'Concat', inputs: ['n', 'rest'], outputs: ['to'], attributes: [int('axis', 0)] },
    { op: 'Reshape', inputs: ['p', 'to'], outputs: ['f'] },
    { op: 'Gemm', inputs: ['f', 'g'], outputs: ['y'], attributes: [float('alpha', 2), int('transB', 1)] },
  ],
  initializers: [
    floatTensor(
      'w',
      [2, 1, 3, 3],
      Array.from({ length: 18 }, (_, i) => i / 8),
    ),
    { name: 'b', dims: [2], dataType: 1, rawData: new Uint8Array(8) },
    floatTensor('g', [3, 8], new Array<number>(24).fill(0.5)),
    intTensor('zero', [1], [0]),
    intTensor('rest', [1], [-1]),
  ],
  inputs: [valueInfo('x', ['batch', 1, 4, 4])],
  functions: [
    {
      name: 'Rectified',
      domain: 'own',
      input: ['v'],
      output: ['o'],
      attribute: ['alpha'],
      opsetImport: [{ domain: '', version: 6 }],
      node: [
        nodeProto({
          op: 'Clip',
          inputs: ['v'],
          outputs: ['o'],
          attributes: [float('min', 0), { name: 'max', type: 1, refAttrName: 'alpha' }],
        }),
      ],
    },
  ],
});

/** Anything but a graph that keeps the rules, or an InputError with a message, is a defect. */
function survives(bytes: Uint8Array): void {
  try {
    const graph = importOnnx(bytes);
    verifyGraph(graph);
    verifyGraph(canonicalize.run(graph));
  } catch (error) {
    if (!(error instanceof InputError) || error.message.length < 10) throw error;
  }
}

const position = fc.nat({ max: seed.length - 1 });
const runs = { numRuns: 3000 };

test('the undamaged model is accepted', () => {
  verifyGraph(canonicalize.run(importOnnx(seed)));
});

test('truncated anywhere', () => {
  for (let length = 0; length < seed.length; length++) survives(seed.subarray(0, length));
});

test('some bytes changed', () => {
  const change = fc.tuple(position, fc.nat({ max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = seed.slice();
      for (const [at, value] of changes) bytes[at] = value;
      survives(bytes);
    }),
    runs,
  );
});

test('bits flipped', () => {
  for (let at = 0; at < seed.length; at++)
    for (let bit = 0; bit < 8; bit++) survives(seed.with(at, seed[at]! ^ (1 << bit)));
});

test('a stretch moved to another place', () => {
  fc.assert(
    fc.property(position, position, position, (from, length, to) => {
      const piece = seed.subarray(from, from + length);
      survives(Uint8Array.from([...seed.subarray(0, to), ...piece, ...seed.subarray(to)]));
    }),
    runs,
  );
});

test('a stretch left out', () => {
  fc.assert(
    fc.property(position, position, (from, length) => {
      survives(Uint8Array.from([...seed.subarray(0, from), ...seed.subarray(from + length)]));
    }),
    runs,
  );
});

test('noise', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), survives), runs);
});
