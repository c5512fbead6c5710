/** Products of activations: MatMul, Gemm and Einsum, held to sums written out, in float32 and in 8 bits. */
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { countOf, floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  ints,
  intTensor,
  type ModelSpec,
  type NodeSpec,
  text,
  valueInfo,
} from '../../support/onnx-model.ts';

type Constants = NonNullable<ModelSpec['initializers']>;

const random = (name: string, shape: readonly number[], seed: number) =>
  floatTensor(name, shape, [...new Draw(seed).floats(countOf(shape), -1, 1)]);

/** Two projections p[1,6,8] and q[1,6,8] of an input of 6 rows of 5, and what is to be tried. */
const around = (middle: readonly NodeSpec[], constants: Constants = [], opset = 13): Uint8Array =>
  encodeModel({
    opset,
    inputs: [valueInfo('x', [1, 6, 5])],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'wp'], outputs: ['p'] },
      { op: 'MatMul', inputs: ['x', 'wq'], outputs: ['q'] },
      ...middle,
    ],
    initializers: [random('wp', [5, 8], 1), random('wq', [5, 8], 2), ...constants],
  });

/** p and q as two heads of 4: [1,2,6,4]. */
const heads: readonly NodeSpec[] = ['p', 'q'].flatMap((name) => [
  { op: 'Reshape', inputs: [name, 'split'], outputs: [`${name}_split`] },
  {
    op: 'Transpose',
    inputs: [`${name}_split`],
    outputs: [`${name}_heads`],
    attributes: [ints('perm', [0, 2, 1, 3])],
  },
]);
const split = intTensor('split', [4], [1, 6, 2, 4]);
const turn = (from: string, to: string, perm: readonly number[]): NodeSpec => ({
  op: 'Transpose',
  inputs: [from],
  outputs: [to],
  attributes: [ints('perm', perm)],
});

/** A square matrix, three columns, and one row, as operands of sums of products. */
const others = [
  { op: 'MatMul', inputs: ['p', 'six'], outputs: ['square'] },
  { op: 'MatMul', inputs: ['q', 'three'], outputs: ['narrow'] },
  { op: 'Slice', inputs: ['p', 'from', 'to', 'axis'], outputs: ['p_row'] },
];
const numbers = [
  ...[random('six', [8, 6], 5), random('three', [8, 3], 6)],
  ...[2, 3, 1].map((n, i) => intTensor(['from', 'to', 'axis'][i]!, [1], [n])),
];

const cases: readonly (readonly [string, Uint8Array])[] = [
  [
    'rows times columns',
    around([turn('q', 't', [0, 2, 1]), { op: 'MatMul', inputs: ['p', 't'], outputs: ['y'] }]),
  ],
  [
    'heads',
    around(
      [
        ...heads,
        turn('q_heads', 't', [0, 1, 3, 2]),
        { op: 'MatMul', inputs: ['p_heads', 't'], outputs: ['s'] },
        { op: 'MatMul', inputs: ['s', 'p_heads'], outputs: ['o'] },
        turn('o', 'u', [0, 2, 1, 3]),
        { op: 'Reshape', inputs: ['u', 'joined'], outputs: ['y'] },
      ],
      [split, intTensor('joined', [3], [1, 6, 8])],
    ),
  ],
  [
    'one matrix for all heads',
    around(
      [...heads, { op: 'Transpose', inputs: ['q'], outputs: ['t'], attributes: [ints('perm', [0, 2, 1])] }]
        .concat([{ op: 'Slice', inputs: ['t', 'from', 'to', 'axis'], outputs: ['r'] }])
        .concat([{ op: 'MatMul', inputs: ['p_heads', 'r'], outputs: ['y'] }]),
      [split, intTensor('from', [1], [2]), intTensor('to', [1], [6]), intTensor('axis', [1], [1])],
    ),
  ],
  [
    'a constant before it',
    around([{ op: 'MatMul', inputs: ['c', 'p'], outputs: ['y'] }], [random('c', [3, 6], 3)]),
  ],
  [
    'a constant for each head',
    around(
      [...heads, { op: 'MatMul', inputs: ['p_heads', 'c'], outputs: ['y'] }],
      [split, random('c', [2, 4, 3], 3)],
    ),
  ],
  [
    'a vector',
    around(
      [
        { op: 'Slice', inputs: ['q', 'from', 'to', 'axis'], outputs: ['m'] },
        { op: 'Reshape', inputs: ['m', 'flat'], outputs: ['v'] },
        { op: 'MatMul', inputs: ['p', 'v'], outputs: ['y'] },
      ],
      [
        intTensor('flat', [1], [8]),
        ...[2, 3, 1].map((n, i) => intTensor(['from', 'to', 'axis'][i]!, [1], [n])),
      ],
    ),
  ],
  [
    'Gemm, both turned, with a factor',
    around(
      [
        ...['p', 'q'].map((name) => ({ op: 'Reshape', inputs: [name, 'flat'], outputs: [`${name}2`] })),
        {
          op: 'Gemm',
          inputs: ['p2', 'q2'],
          outputs: ['y'],
          attributes: [int('transA', 1), float('alpha', 0.5)],
        },
      ],
      [intTensor('flat', [2], [6, 8])],
    ),
  ],
  ...[
    ['bnd,bne->bde', ['p', 'q']],
    ['bnd,bmd->bmn', ['p', 'q']],
    ['bnd,bnd->bn', ['p', 'q']],
    ['bnd,de->ebn', ['p', 'c']],
    ['bthd,bshd->bhts', ['p_split', 'q_split']],
    ['...nd,...md->...nm', ['p', 'q']],
    ['abc->cab', ['p']],
    // Sums along axes of one operand alone, diagonals, repeated axes, several products.
    ['bnd,bme->bde', ['p', 'q']],
    ['bnd->bd', ['p']],
    ['bnd,dc->n', ['p', 'c']],
    ['bnn->bn', ['square']],
    ['bnn,bnd->d', ['square', 'q']],
    ['bnd,bnd->nd', ['p_row', 'q']],
    ['bnd,de,bme->bnm', ['p', 'c', 'narrow']],
    ['bnd,bmd,bme->bne', ['p', 'q', 'q']],
  ].map(([equation, inputs]) => {
    const node = {
      op: 'Einsum',
      inputs: inputs as string[],
      outputs: ['y'],
      attributes: [text('equation', String(equation))],
    };
    return [
      `Einsum ${equation}`,
      around([...heads, ...others, node], [split, random('c', [8, 3], 4), ...numbers]),
    ] as const;
  }),
];

describe('products of activations', () => {
  for (const [title, bytes] of cases)
    test(title, () => {
      const imported = importOnnx(bytes);
      const x = floats([1, 6, 5], new Draw(6).floats(30, -1, 1));
      const [wanted, made] = [imported, canonicalize.run(imported)].map(
        (graph) => evaluate(graph, new Map([['x', x]])).get('y')!,
      );
      expect(made!.shape).toEqual(wanted!.shape);
      made!.data.forEach((y: number, i: number) => {
        expect(Math.abs(y - wanted!.data[i]!), `element ${i}`).toBeLessThan(1e-5);
      });
      holdsModel(bytes, { seed: 4, float: 2e-6 });
    });
});
