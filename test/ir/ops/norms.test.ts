/** Normalizations: float outputs, all engines' bytes, proofs, and integers near their meaning. */
import { describe, expect, test } from 'vitest';
import { spatialOrder } from '../../../src/ir/kernel/memory-order.ts';
import { longestNormalized } from '../../../src/ir/ops/kernels/group-norm.ts';
import { type NormalizeAttrs, normalize, rmsNormalize } from '../../../src/ir/ops/normalize-groups.ts';
import { floats, type Tensor } from '../../../src/ir/tensor.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  ints,
  type ModelSpec,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';
import { ownError } from '../../support/own-error.ts';

type Constants = NonNullable<ModelSpec['initializers']>;
const draw = new Draw(31);
const near = (name: string, dims: readonly number[], lo: number, hi: number) =>
  floatTensor(name, dims, [
    ...draw.floats(
      dims.reduce((n, d) => n * d, 1),
      lo,
      hi,
    ),
  ]);

/** A convolution to 6 channels of 5x7 pixels, and the normalization of it. */
function image(nodes: readonly NodeSpec[], constants: Constants, opset = 21): Uint8Array {
  return encodeModel({
    opset,
    inputs: [valueInfo('x', [1, 2, 5, 7])],
    nodes: [
      { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['a'], attributes: [ints('pads', [1, 1, 1, 1])] },
      ...nodes,
    ],
    initializers: [near('w', [6, 2, 3, 3], -1, 1), near('b', [6], -0.5, 0.5), ...constants],
  });
}

/** Rows of 24 numbers from rows of 12. */
function rows(nodes: readonly NodeSpec[], constants: Constants, opset = 21): Uint8Array {
  return encodeModel({
    opset,
    inputs: [valueInfo('x', [1, 5, 12])],
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['a'] }, ...nodes],
    initializers: [near('w', [12, 24], -1, 1), ...constants],
  });
}

const one = (
  op: string,
  inputs: readonly string[],
  ...attributes: NodeSpec['attributes'] & object
): NodeSpec => ({
  op,
  inputs: ['a', ...inputs],
  attributes,
});

const pair = (dims: readonly number[]): Constants => [near('s', dims, 0.5, 1.5), near('h', dims, -0.5, 0.5)];

describe('in networks', () => {
  test.each<readonly [string, () => Uint8Array]>([
    ['LayerNormalization', () => rows([one('LayerNormalization', ['s', 'h'])], pair([24]))],
    ['without a bias', () => rows([one('LayerNormalization', ['s'], int('axis', -1))], pair([24]))],
    [
      'of a whole image',
      () => image([one('LayerNormalization', ['s', 'h'], int('axis', 1))], pair([6, 5, 7])),
    ],
    ['RMSNormalization', () => rows([one('RMSNormalization', ['s'])], pair([24]), 23)],
    ['InstanceNormalization', () => image([one('InstanceNormalization', ['s', 'h'])], pair([6]))],
    [
      'GroupNormalization-21',
      () => image([one('GroupNormalization', ['s', 'h'], int('num_groups', 3))], pair([6])),
    ],
    [
      'GroupNormalization-18',
      () => image([one('GroupNormalization', ['s', 'h'], int('num_groups', 3))], pair([3]), 18),
    ],
    ['MeanVarianceNormalization', () => image([one('MeanVarianceNormalization', [])], [])],
    ['LpNormalization', () => image([one('LpNormalization', [], int('axis', 1))], [])],
  ])('%s', (_, model) => {
    holdsModel(model(), { seed: 3, float: 2e-6 });
  });

  test('an activation behind it is in the kernel, and so is a batch normalization', () => {
    const nodes = [
      { ...one('InstanceNormalization', ['s', 'h'], float('epsilon', 1e-3)), outputs: ['n'] },
      { op: 'BatchNormalization', inputs: ['n', 's', 'h', 'h', 's'], outputs: ['m'] },
      { op: 'Relu', inputs: ['m'] },
    ];
    const { int8, float32 } = holdsModel(image(nodes, pair([6])), { seed: 4, float: 2e-6 });
    expect(int8.program.steps.length).toBe(2);
    expect(float32.program.steps.length).toBe(2);
  });
});

const vector = (count: number, lo: number, hi: number): Tensor => floats([count], draw.floats(count, lo, hi));
const alike = (count: number, byte: number) => new Uint8Array(count).fill(byte);
const between = (count: number, lo: number, hi: number) =>
  Uint8Array.from({ length: count }, () => draw.int(lo, hi));

describe.each([normalize, rmsNormalize].map((op) => [op.kind, op] as const))('%s in integers', (_, op) => {
  const attrs = (view: readonly number[], axes: readonly number[], epsilon = 1e-5): NormalizeAttrs => ({
    view,
    axes,
    epsilon,
  });
  const input = { scale: 0.03, zeroPoint: 121 };

  test.each([2, 3, 16, 64, 256, 1024, 4096])('rows of %i', (n) => {
    const constants = [vector(n, 0.5, 1.5), vector(n, -0.5, 0.5)];
    const rows = n > 500 ? 1 : Math.max(2, Math.ceil(64 / n));
    const samples = Array.from({ length: n > 500 ? 2 : 6 }, () => between(n * rows, 0, 255));
    const one = { attrs: attrs([rows, n], [1]), shape: [rows, n], input, constants };
    expect(ownError(op, one, samples)).toBeLessThan(0.7);
  });

  test.each([
    [1e-2, 1],
    [1e-14, 1e-4],
    [1e-5, 1e-3],
    [1e-5, 1e-6],
    [1e-12, 0.1],
  ])('epsilon %f in steps of %f', (epsilon, scale) => {
    const samples = [
      between(256, 0, 255),
      between(256, 100, 140),
      alike(256, 255),
      alike(256, 0),
      between(256, 121, 122),
    ];
    const one = { attrs: attrs([1, 256], [1], epsilon), shape: [1, 256], input: { scale, zeroPoint: 121 } };
    expect(ownError(op, one, samples.slice(0, 2))).toBeLessThan(0.7);
    expect(ownError(op, one, samples)).toBeLessThan(0.7);
  });

  test('rows that are constant, alternating, or a spike', () => {
    const n = 96;
    const samples = [
      alike(n, 0),
      alike(n, 255),
      alike(n, 121),
      Uint8Array.from({ length: n }, (_, i) => (i % 2) * 255),
      Uint8Array.from({ length: n }, (_, i) => (i === 5 ? 255 : 0)),
      Uint8Array.from({ length: n }, (_, i) => (i === 5 ? 122 : 121)),
    ];
    const one = {
      attrs: attrs([1, n], [1]),
      shape: [1, n],
      input,
      constants: [vector(n, 0.5, 1.5), vector(n, -1, 1)],
    };
    // Where the deviation is a tenth of a step, a mean in 128ths tells.
    expect(ownError(op, one, samples.slice(0, 5))).toBeLessThan(0.7);
    expect(ownError(op, one, samples.slice(5))).toBeLessThan(1.5);
  });

  test('the longest row, at its largest', () => {
    const n = longestNormalized;
    const samples = [alike(n, 255), alike(n, 0), Uint8Array.from({ length: n }, (_, i) => (i % 2) * 255)];
    expect(ownError(op, { attrs: attrs([1, n], [1]), shape: [1, n], input }, samples)).toBeLessThan(0.7);
  });

  test('groups, channels and pixels of images', () => {
    const shape = [1, 6, 4, 5];
    const samples = Array.from({ length: 4 }, () => between(120, 0, 255));
    for (const order of [undefined, spatialOrder(shape)]) {
      const common = { shape, order, input };
      const gains = (...dims: number[]): Tensor[] =>
        [0, 1].map(() =>
          floats(
            dims,
            draw.floats(
              dims.reduce((a, b) => a * b, 1),
              0.5,
              1,
            ),
          ),
        );
      for (const [one, constants] of [
        [attrs([1, 3, 2, 4, 5], [2, 3, 4]), gains(3, 2, 1, 1)],
        [attrs(shape, [2, 3]), gains(6, 1, 1)],
        [attrs(shape, [1]), gains(6, 1, 1)],
        [attrs(shape, [1, 2, 3]), gains(6, 4, 5)],
        [attrs(shape, [3]), gains(4, 5)],
      ] as const)
        expect(ownError(op, { ...common, attrs: one, constants }, samples)).toBeLessThan(0.7);
    }
  });

  test('zero points far away', () => {
    if (op.anyZeroPoint === undefined) return;
    const far = { scale: 0.03, zeroPoint: -70_000 };
    const one = {
      attrs: attrs([4, 32], [1]),
      shape: [4, 32],
      input: far,
      constants: [vector(32, 0.5, 1), vector(32, 99, 101)],
    };
    expect(ownError(op, one, [between(128, 0, 255)])).toBeLessThan(0.7);
  });
});
