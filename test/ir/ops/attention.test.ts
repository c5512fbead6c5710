/** Attention found in what exporters write, held to the sums written out: one kernel, in float32 and in 8 bits. */
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { attention } from '../../../src/ir/ops/attention.ts';
import { countOf, floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { findAttention } from '../../../src/passes/find-attention.ts';
import { prove } from '../../../src/prove/prove.ts';
import { evaluate as evaluateKernel } from '../../oracles/kernel-evaluator.ts';
import { Draw } from '../../support/draw.ts';
import * as ir from '../../support/ir.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  floatTensor,
  int,
  ints,
  intTensor,
  type ModelSpec,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';

const [rows, heads, width] = [7, 2, 4];

const random = (name: string, shape: readonly number[], seed: number, size = 1) =>
  floatTensor(name, shape, [...new Draw(seed).floats(countOf(shape), -size, size)]);

/** Queries, keys and values of an input of 7 rows of 5, as two heads of 4; keys with rows as their last axis. */
const projections: readonly NodeSpec[] = ['q', 'k', 'v'].flatMap((name) => [
  { op: 'MatMul', inputs: ['x', `w${name}`], outputs: [`${name}0`] },
  { op: 'Reshape', inputs: [`${name}0`, 'split'], outputs: [`${name}1`] },
  {
    op: 'Transpose',
    inputs: [`${name}1`],
    outputs: [name],
    attributes: [ints('perm', name === 'k' ? [0, 2, 3, 1] : [0, 2, 1, 3])],
  },
]);

const model = (
  middle: readonly NodeSpec[],
  more: NonNullable<ModelSpec['initializers']> = [],
  joined = true,
): Uint8Array =>
  encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, rows, 5])],
    nodes: [
      ...projections,
      ...middle,
      { op: 'Softmax', inputs: ['s'], outputs: ['p'], attributes: [int('axis', -1)] },
      { op: 'MatMul', inputs: ['p', 'v'], outputs: [joined ? 'o' : 'y'] },
      ...(joined
        ? [
            { op: 'Transpose', inputs: ['o'], outputs: ['t'], attributes: [ints('perm', [0, 2, 1, 3])] },
            { op: 'Reshape', inputs: ['t', 'whole'], outputs: ['y'] },
          ]
        : []),
    ],
    initializers: [
      ...['q', 'k', 'v'].map((name, i) => random(`w${name}`, [5, heads * width], i)),
      intTensor('split', [4], [1, rows, heads, width]),
      intTensor('whole', [3], [1, rows, heads * width]),
      floatTensor('half', [], [0.5]),
      floatTensor('root', [1], [Math.SQRT1_2]),
      ...more,
    ],
  });

const product = (to: string, q = 'q', k = 'k'): NodeSpec => ({ op: 'MatMul', inputs: [q, k], outputs: [to] });
const scaled = (from: string, to: string, by = 'half', op = 'Mul'): NodeSpec => ({
  op,
  inputs: [from, by],
  outputs: [to],
});

/** Row i sees the keys up to i. */
const causal = Array.from({ length: rows * rows }, (_, i) =>
  i % rows > Math.floor(i / rows) ? -Infinity : 0,
);

const cases: readonly (readonly [string, Uint8Array])[] = [
  ['as it is', model([product('s')])],
  ['heads as they come out', model([product('s')], [], false)],
  ['scores times a factor', model([product('a'), scaled('a', 's')])],
  [
    'scores divided',
    model([product('a'), { ...scaled('a', 's', 'two', 'Div') }], [floatTensor('two', [], [2])]),
  ],
  [
    'queries and keys times a factor',
    model([scaled('q', 'q2', 'root'), scaled('k', 'k2', 'root'), product('s', 'q2', 'k2')]),
  ],
  [
    'keys that are hidden',
    model(
      [product('a'), scaled('a', 'b'), { op: 'Add', inputs: ['b', 'mask'], outputs: ['s'] }],
      [floatTensor('mask', [rows, rows], causal)],
    ),
  ],
  [
    'a bias of each pair, by head',
    model(
      [product('a'), scaled('a', 'b'), { op: 'Add', inputs: ['mask', 'b'], outputs: ['s'] }],
      [random('mask', [1, heads, rows, rows], 9, 3)],
    ),
  ],
];

const bytes = (draw: Draw, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, () => draw.int(0, 255));

/** The largest error of 8 queries of random bytes, in steps of the output. */
function errorOf(draw: Draw, keys: number, scale: number, hides: boolean): number {
  const [queries, depth] = [4, 8];
  const shapes = [
    [1, queries, depth],
    [1, depth, keys],
    [1, keys, depth],
  ];
  const quants = shapes.map((_, i) => ({ scale: i === 2 ? 0.03 : scale, zeroPoint: draw.int(0, 255) }));
  const output = { scale: 0.011, zeroPoint: 120 };
  const mask = floats([queries, keys], draw.floats(queries * keys, -2, hides ? -1 : 2));
  for (let i = 0; hides && i < mask.data.length; i++) mask.data[i] = i % 3 === 1 ? -1e38 : 0;
  const types = [
    ...shapes.map((shape) => ({ dtype: 'float32', shape }) as const),
    { ...mask, constant: mask },
  ];
  const attrs = { gain: 0.5 };
  const quantized = attention.quantize!({
    ...{ name: 'y', attrs, inputs: ['q', 'k', 'v', 'm'], outputs: ['y'], inputTypes: types },
    ...{ outputTypes: [types[0]!], mode: 'single', weightBits: 8, inputQuants: [...quants, undefined] },
    ...{ range: { lo: -1, hi: 1 }, outputQuant: output, outputQuants: [output], inputMean: undefined },
  });
  const places = shapes.map((shape, i) => ({ shape, quant: quants[i]! }));
  const kernel = attention.int8!(attrs, quantized, {
    name: 'y',
    inputs: places,
    outputs: [{ shape: [1, queries, depth], quant: output }],
  });
  expect(prove(kernel).unproven).toEqual([]);
  const stored = shapes.map((shape) => bytes(draw, countOf(shape)));
  const reals = stored.map((x, i) =>
    floats(
      shapes[i]!,
      Float32Array.from(x, (byte) => (byte - quants[i]!.zeroPoint) * quants[i]!.scale),
    ),
  );
  const [wanted] = attention.reference(attrs, [...reals, mask]);
  const made = evaluateKernel(ir.single(kernel), Uint8Array.from(stored.flatMap((x) => [...x]))).output;
  return Math.max(
    ...Array.from(made, (byte, i) => {
      const steps = wanted!.data[i]! / output.scale + output.zeroPoint;
      return Math.abs(byte - Math.max(0, Math.min(255, steps)));
    }),
  );
}

describe('attention', () => {
  for (const [title, bytes] of cases)
    test(title, () => {
      const imported = importOnnx(bytes);
      const x = floats([1, rows, 5], new Draw(6).floats(rows * 5, -1, 1));
      const found = findAttention.run(canonicalize.run(imported));
      const kinds = found.nodes.map(({ op }) => op.kind);
      expect(kinds.filter((kind) => kind === 'attention').length).toBe(1);
      expect(kinds).not.toContain('softmax');
      const [wanted, made] = [imported, found].map((graph) => evaluate(graph, new Map([['x', x]])).get('y')!);
      made!.data.forEach((y: number, i: number) => {
        expect(Math.abs(y - wanted!.data[i]!), `element ${i}`).toBeLessThan(2e-6);
      });
      // A row that sees few keys is as large as the values, others are their means: less signal in the same steps.
      const { int8 } = holdsModel(bytes, { seed: 4, float: 2e-6, int8: title.includes('hidden') ? 23 : 30 });
      // Heads are strides: nothing is copied before or behind.
      const kernels = int8.program.steps.map(({ kernel }) => kernel.name.replace(/\d+$/, ''));
      expect(kernels.slice(0, 4)).toEqual(['conv', 'conv', 'conv', 'attention']);
      if (title !== 'heads as they come out') expect(kernels.length).toBe(4);
    });
  test('each byte is the nearest to what float64 makes of the same bytes, or beside it', () => {
    const draw = new Draw(21);
    for (const [keys, spread, hides] of [
      [4, 0.02, false],
      [16, 0.005, true],
      [64, 0.02, false],
      [260, 0.01, false],
      [1024, 0.001, false],
      [8, 0.5, true],
    ] as const)
      expect(errorOf(draw, keys, spread, hides), `${keys} keys`).toBeLessThan(0.75);
  });
  test('a mask that hides keys of no attention is refused by name', () => {
    const bytes = encodeModel({
      inputs: [valueInfo('x', [1, 4])],
      nodes: [{ op: 'Add', name: 'hide', inputs: ['x', 'mask'] }],
      initializers: [floatTensor('mask', [4], [0, 0, -Infinity, 0])],
    });
    expect(() => findAttention.run(canonicalize.run(importOnnx(bytes)))).toThrow(/'hide'.*-Infinity/);
  });
});
