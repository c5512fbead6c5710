/** Gemm and MatMul: their meaning against sums written out, and their canonical forms against their meaning. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { linear } from '../../../src/ir/ops/linear.ts';
import { matMul } from '../../../src/ir/ops/mat-mul.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { randomTensor, seedArbitrary } from '../../support/float-tensors.ts';
import { encodeModel, float, floatTensor, int, valueInfo } from '../../support/onnx-model.ts';

const size = fc.integer({ min: 1, max: 6 });
const factor = fc.constantFrom(0, 1, -0.5, 2);

const gemms = fc.record({
  ...{ k: size, n: size, alpha: factor, beta: factor, transA: fc.boolean(), transB: fc.boolean() },
  bias: fc.constantFrom('none', 'row', 'matrix', 'column', 'scalar', 'one'),
  seed: seedArbitrary,
});

const biasShape = (kind: string, n: number) =>
  ({ row: [n], matrix: [1, n], column: [1, 1], scalar: [] as number[], one: [1] })[kind];

test('Gemm is alpha A B + beta C, and so is the linear layer that it becomes', () => {
  fc.assert(
    fc.property(gemms, ({ k, n, alpha, beta, transA, transB, bias, seed }) => {
      const x = randomTensor(transA ? [k, 1] : [1, k], seed);
      const b = randomTensor(transB ? [n, k] : [k, n], seed + 1);
      const c = biasShape(bias, n) && randomTensor(biasShape(bias, n)!, seed + 2);
      // A batch of 1 is wanted on the first axis, so a column comes from a row by Flatten.
      const bytes = encodeModel({
        nodes: [
          { op: 'Flatten', outputs: ['a'], attributes: [int('axis', transA ? 2 : 1)] },
          {
            op: 'Gemm',
            inputs: c ? ['a', 'b', 'c'] : ['a', 'b'],
            attributes: [
              float('alpha', alpha),
              float('beta', beta),
              int('transA', +transA),
              int('transB', +transB),
            ],
          },
        ],
        inputs: [valueInfo('x', [1, k])],
        initializers: [
          floatTensor('b', b.shape, [...b.data]),
          ...(c ? [floatTensor('c', c.shape, [...c.data])] : []),
        ],
      });
      const imported = importOnnx(bytes);
      const canonical = canonicalize.run(imported);
      verifyGraph(canonical);
      const given = new Map([['x', { ...x, shape: [1, k] }]]);
      const wanted = Array.from({ length: n }, (_, j) => {
        const sum = [...x.data].reduce((all, v, f) => all + v * b.data[transB ? j * k + f : f * n + j]!, 0);
        return Math.fround(alpha * sum + beta * (c ? c.data[c.data.length === 1 ? 0 : j]! : 0));
      });
      // Factors are powers of two: folding them into weights rounds nothing.
      expect([...evaluate(imported, given).get('y')!.data].map((v) => v + 0)).toEqual(
        wanted.map((v) => v + 0),
      );
      expect([...evaluate(canonical, given).get('y')!.data].map((v) => v + 0)).toEqual(
        wanted.map((v) => v + 0),
      );
      expect(canonical.nodes.some((node) => node.op === linear)).toBe(true);
    }),
  );
});

test('weights that need no change keep their name', () => {
  const canonical = canonicalize.run(
    importOnnx(
      encodeModel({
        nodes: [
          { op: 'Gemm', name: 'fc', inputs: ['x', 'fc.weight', 'fc.bias'], attributes: [int('transB', 1)] },
        ],
        initializers: [
          floatTensor('fc.weight', [2, 4], new Array(8).fill(1)),
          floatTensor('fc.bias', [2], [0, 1]),
        ],
      }),
    ),
  );
  expect(canonical.nodes.map(({ name, inputs }) => [name, ...inputs])).toEqual([
    ['fc', 'x', 'fc.weight', 'fc.bias'],
  ]);
});

test('Gemm with an activation added becomes a product and a sum', () => {
  const bytes = encodeModel({
    nodes: [{ op: 'Gemm', inputs: ['x', 'w', 'x'] }],
    initializers: [floatTensor('w', [4, 4], randomTensor([4, 4], 3).data as unknown as number[])],
  });
  const imported = importOnnx(bytes);
  const canonical = canonicalize.run(imported);
  const given = new Map([['x', randomTensor([1, 4], 9)]]);
  expect(canonical.nodes.map((node) => node.op.kind)).toEqual(['linear', 'add']);
  expect(evaluate(canonical, given)).toEqual(evaluate(imported, given));
});

test.each([
  [[1, 4], ['linear']],
  [
    [1, 1, 4],
    ['reshape', 'linear', 'reshape'],
  ],
] as const)('MatMul of %s', (shape, kinds) => {
  const w = randomTensor([4, 3], 5);
  const bytes = encodeModel({
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'] }],
    inputs: [valueInfo('x', shape)],
    initializers: [floatTensor('w', [4, 3], [...w.data])],
  });
  const imported = importOnnx(bytes);
  const canonical = canonicalize.run(imported);
  verifyGraph(canonical);
  const given = new Map([['x', randomTensor(shape, 6)]]);
  expect(canonical.nodes.map((node) => node.op.kind)).toEqual(kinds);
  expect(evaluate(canonical, given)).toEqual(evaluate(imported, given));
});

test.each([
  [[3], [3], []],
  [[3], [3, 2], [2]],
  [[2, 3], [3], [2]],
  [
    [5, 1, 2, 3],
    [4, 3, 2],
    [5, 4, 2, 2],
  ],
])('MatMul of %s and %s gives %s, as numpy.matmul', (a, b, shape) => {
  expect(matMul.infer({}, [randomTensor(a, 1), randomTensor(b, 2)])).toEqual([{ dtype: 'float32', shape }]);
  expect(matMul.reference({}, [randomTensor(a, 1), randomTensor(b, 2)])[0]!.shape).toEqual(shape);
});
