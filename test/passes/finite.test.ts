/** Numbers beyond float32 end compiling with the node and the number, wherever they arise. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { type CompileOptions, compile } from '../../src/compile.ts';
import type { Graph, TensorInfo } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { Draw } from '../support/draw.ts';
import { refusesCleanly } from '../support/fuzz.ts';
import { networkOf, samplesOf } from '../support/networks.ts';
import { encodeModel, float, floatTensor, valueInfo } from '../support/onnx-model.ts';
import { Reached } from '../support/reached.ts';
import { recipes } from '../support/recipes.ts';

const types = ['int8', 'float32'] as const;

/** The message with which compiling ends. */
function refusal(model: Uint8Array, inputs: readonly Float32Array[], more: Partial<CompileOptions>): string {
  try {
    compile(importOnnx(model), { name: 'net', arith: 'int8', calibration: { inputs }, ...more });
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return 'compiled';
}

const ones = (n: number): Float32Array => new Float32Array(n).fill(1);

/** BatchNorm of two channels, in front of a convolution. */
const normed = (variance: number, epsilon: number, gain = 1): Uint8Array =>
  encodeModel({
    inputs: [valueInfo('x', [1, 2, 2, 2])],
    nodes: [
      {
        op: 'BatchNormalization',
        name: 'norm',
        inputs: ['x', 'g', 'b', 'b', 'v'],
        outputs: ['t'],
        attributes: [float('epsilon', epsilon)],
      },
      { op: 'Conv', name: 'conv', inputs: ['t', 'w'] },
    ],
    initializers: [
      floatTensor('g', [2], [gain, gain]),
      floatTensor('b', [2], [1, 1]),
      floatTensor('v', [2], [1, variance]),
      floatTensor('w', [1, 2, 1, 1], [2, 2]),
    ],
  });

test.each(types)('%s: a variance without a root is named with its batch norm', (arith) => {
  for (const [variance, epsilon] of [
    [-0.001, 1e-5],
    [0, 0],
    [-1e-5, 1e-5],
    [Number.NaN, 1e-5],
  ] as const)
    expect(refusal(normed(variance, epsilon), [ones(8)], { arith })).toMatch(
      /^node 'norm' .*variance (-0\.00|0|-0\.0|NaN).* of channel 1/,
    );
});

test.each(types)(
  '%s: what a fold brings beyond float32 is named with the nodes that it was made of',
  (arith) => {
    const message = refusal(normed(1e-30, 0, 1e30), [ones(8)], { arith });
    expect(message).toMatch(
      /node 'conv' .*Infinity in '.*' \(element \d of .* after pass 'fold-batch-norm', computed from norm, conv/,
    );
  },
);

const huge = encodeModel({
  nodes: [
    { op: 'MatMul', name: 'first', inputs: ['x', 'w'], outputs: ['t'] },
    { op: 'MatMul', name: 'second', inputs: ['t', 'w'], outputs: ['y'] },
  ],
  initializers: [floatTensor('w', [4, 4], new Array<number>(16).fill(1e19))],
});

test.each(types)('%s: an activation beyond float32 is named with the node that makes it', (arith) => {
  expect(refusal(huge, [ones(4)], { arith })).toMatch(
    /^node 'second' .*Infinity in tensor .* \(element 0 of 1x4\)/,
  );
});

test.each(types)('%s: numbers of the file and of samples are named', (arith) => {
  const model = encodeModel({
    nodes: [{ op: 'MatMul', name: 'product', inputs: ['x', 'w'] }],
    initializers: [floatTensor('w', [4, 1], [0, 1, -Infinity, 0])],
  });
  expect(refusal(model, [ones(4)], { arith })).toMatch(
    /^node 'product' .*-Infinity in its constant '.*w' \(element 2 of/,
  );
});

test('samples that are not finite are named with the element', () => {
  const sample = Float32Array.of(1, 2, Number.NaN, 4);
  expect(refusal(huge, [ones(4), sample], {})).toMatch(
    /calibration sample 1: a number that is not finite: NaN at element 2/,
  );
});

/** Each constant times a power of ten of its own. */
function stretched(graph: Graph<'imported'>, draw: Draw): Graph<'imported'> {
  const tensors = new Map(
    [...graph.tensors].map(([name, info]): [string, TensorInfo<'imported'>] => {
      if (info.constant === undefined || info.dtype !== 'float32') return [name, info];
      const factor = draw.unit() < 0.5 ? 1 : 10 ** draw.int(-42, 36);
      const data = Float32Array.from(info.constant.data, (x) => x * factor);
      return [name, { ...info, constant: { ...info.constant, data } }];
    }),
  );
  return { ...graph, tensors };
}

test('weights and samples of any size compile, or are refused', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(recipes(), fc.nat({ max: 9999 }), (recipe, seed) => {
      const draw = new Draw(seed);
      const graph = stretched(networkOf(recipe), draw);
      // Every third is as large as float32 allows: enough of them are refused, whatever the seed.
      const factor = draw.unit() < 0.35 ? 1e37 : 10 ** draw.int(-40, 36);
      const inputs = samplesOf(recipe, 3).map((x) => x.map((value) => value * factor));
      const { arith, mode: requant, bits: weightBits, method: calibrationMethod } = recipe;
      const options = { name: 'net', arith, requant, weightBits, calibrationMethod, calibration: { inputs } };
      reached.add(refusesCleanly(() => compile(graph, options)) ? 'compiled' : 'refused');
    }),
    { numRuns: 60 },
  );
  reached.atLeast({ compiled: 10, refused: 3 });
}, 60_000);
