/** Operators that name elements one by one: their programs against a meaning that is written down here. */
import { describe, expect, test } from 'vitest';
import { compile } from '../../../src/compile.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats, type Tensor } from '../../../src/ir/tensor.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  intTensor,
  type ModelSpec,
  type NodeSpec,
  text,
  valueInfo,
} from '../../support/onnx-model.ts';

type Constants = NonNullable<ModelSpec['initializers']>;

const [rows, columns] = [4, 6];

/** 4x6 numbers through a layer, and what is tried on 'a'. */
function around(nodes: readonly NodeSpec[], constants: Constants, opset = 16): Uint8Array {
  const draw = new Draw(3);
  return encodeModel({
    opset,
    inputs: [valueInfo('x', [rows, 5])],
    nodes: [
      { op: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['a'] },
      { op: 'Gemm', inputs: ['x', 'w2'], outputs: ['c'] },
      ...nodes,
    ],
    initializers: [
      floatTensor('w', [5, columns], [...draw.floats(5 * columns, -1, 1)]),
      floatTensor('w2', [5, columns], [...draw.floats(5 * columns, -1, 1)]),
      floatTensor('b', [columns], [...draw.floats(columns, -0.5, 0.5)]),
      ...constants,
    ],
  });
}

/** What the reference makes of some input, by name. */
function values(bytes: Uint8Array, seed = 9): ReadonlyMap<string, readonly number[]> {
  const seen = new Map<string, readonly number[]>();
  const x = floats([rows, 5], new Draw(seed).floats(rows * 5, -1, 1));
  evaluate(importOnnx(bytes), new Map([['x', x]]), (name: string, { data }: Tensor) => {
    seen.set(name, [...data]);
  });
  return seen;
}

const get = (list: readonly number[], row: number, column: number): number => list[row * columns + column]!;

interface Case {
  readonly title: string;
  readonly node: NodeSpec;
  readonly constants: Constants;
  readonly opset?: number;
  readonly meaning: (a: readonly number[], c: readonly number[]) => readonly number[];
}

const picks = [2, -1, 0, 3, 1, 2, 0, 0];
const places: readonly (readonly [number, number])[] = [
  [0, 5],
  [3, 1],
  [2, -4],
];

const cases: readonly Case[] = [
  {
    title: 'GatherElements along axis 0',
    node: { op: 'GatherElements', inputs: ['a', 'i'] },
    constants: [intTensor('i', [2, 4], picks)],
    meaning: (a) => picks.map((row, i) => get(a, (row + rows) % rows, i % 4)),
  },
  {
    title: 'GatherElements along axis 1',
    node: { op: 'GatherElements', inputs: ['a', 'i'], attributes: [int('axis', 1)] },
    constants: [intTensor('i', [2, 4], picks)],
    meaning: (a) => picks.map((column, i) => get(a, Math.floor(i / 4), (column + columns) % columns)),
  },
  {
    title: 'ScatterElements of one layer into another, the last one wins',
    node: { op: 'ScatterElements', inputs: ['a', 'i', 'u'], attributes: [int('axis', 0)] },
    constants: [
      intTensor('i', [2, 4], picks),
      floatTensor('u', [2, 4], [1, -1, 0.5, 0.25, 2, -2, 1.5, -0.5]),
    ],
    meaning(a) {
      const made = [...a];
      [1, -1, 0.5, 0.25, 2, -2, 1.5, -0.5].forEach((value, i) => {
        made[((picks[i]! + rows) % rows) * columns + (i % 4)] = value;
      });
      return made;
    },
  },
  {
    title: 'ScatterND of activations',
    node: { op: 'ScatterND', inputs: ['a', 'i', 'u'] },
    constants: [intTensor('i', [3, 2], places.flat()), floatTensor('u', [3], [3, -3, 0.5])],
    meaning(a) {
      const made = [...a];
      places.forEach(([row, column], i) => {
        made[row * columns + ((column + columns) % columns)] = [3, -3, 0.5][i]!;
      });
      return made;
    },
  },
  {
    title: 'ScatterND that adds rows of another layer',
    node: { op: 'ScatterND', inputs: ['a', 'i', 'c'], attributes: [text('reduction', 'add')] },
    constants: [intTensor('i', [4, 1], [2, 0, 3, 1])],
    meaning: (a, c) => a.map((x, i) => x + get(c, [1, 3, 0, 2][Math.floor(i / columns)]!, i % columns)),
  },
  {
    title: 'GatherND in batches',
    node: { op: 'GatherND', inputs: ['a', 'i'], attributes: [int('batch_dims', 1)] },
    constants: [intTensor('i', [4, 2, 1], [0, 5, 1, -1, 2, 2, 4, 3])],
    meaning: (a) =>
      [0, 5, 1, -1, 2, 2, 4, 3].map((c, i) => get(a, Math.floor(i / 2), (c + columns) % columns)),
  },
  {
    title: 'ReverseSequence',
    node: {
      op: 'ReverseSequence',
      inputs: ['a', 'i'],
      attributes: [int('batch_axis', 0), int('time_axis', 1)],
    },
    constants: [intTensor('i', [4], [1, 6, 3, 4])],
    meaning: (a) =>
      a.map((_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        const length = [1, 6, 3, 4][row]!;
        return get(a, row, column < length ? length - 1 - column : column);
      }),
  },
  {
    title: 'Compress along axis 1',
    node: { op: 'Compress', inputs: ['a', 'i'], attributes: [int('axis', 1)] },
    constants: [{ name: 'i', dims: [5], dataType: 9, int32Data: [0, 1, 1, 0, 1] }],
    meaning: (a) => [0, 1, 2, 3].flatMap((row) => [1, 2, 4].map((column) => get(a, row, column))),
  },
  {
    title: 'Compress of all elements',
    node: { op: 'Compress', inputs: ['a', 'i'] },
    constants: [{ name: 'i', dims: [9], dataType: 9, int32Data: [1, 0, 0, 1, 0, 0, 0, 1, 1] }],
    meaning: (a) => [0, 3, 7, 8].map((i) => a[i]!),
  },
  {
    title: 'ReduceLogSum',
    node: { op: 'ReduceLogSum', inputs: ['e'], attributes: [int('keepdims', 0)] },
    constants: [],
    meaning: (a) => [Math.log(a.reduce((sum, x) => sum + Math.exp(x), 0))],
  },
];

const modelOf = ({ node, constants, opset }: Case): Uint8Array =>
  around(
    [
      { op: 'Exp', inputs: ['a'], outputs: ['e'] },
      { ...node, outputs: ['y'] },
    ],
    constants,
    opset,
  );

describe('elements by their places', () => {
  for (const one of cases) {
    test(`${one.title}: as written out`, () => {
      const seen = values(modelOf(one));
      const wanted = one.meaning(seen.get('a')!, seen.get('c') ?? []);
      const made = seen.get('y')!;
      expect(made.length).toBe(wanted.length);
      made.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!), `element ${i}`).toBeLessThan(1e-6);
      });
    });
    test(`${one.title}: programs`, () => {
      holdsModel(modelOf(one), { seed: 7, float: 2e-6 });
    });
  }

  test('updates that would have to be computed one after the other are refused', () => {
    const twice = around(
      [{ op: 'ScatterND', inputs: ['a', 'i', 'u'], attributes: [text('reduction', 'add')] }],
      [intTensor('i', [2, 2], [0, 1, 0, 1]), floatTensor('u', [2], [1, 2])],
    );
    expect(() => compile(importOnnx(twice), { name: 'net', arith: 'float32' })).toThrow(
      "reduction 'add' of activations at indices that are there twice",
    );
  });
});

describe('statistics of a layer norm', () => {
  for (const [output, name] of [
    [1, 'the mean'],
    [2, 'one over the deviation'],
  ] as const)
    test(name, () => {
      const outputs = output === 1 ? ['n', 'y'] : ['n', '', 'y'];
      const bytes = around(
        [{ op: 'LayerNormalization', inputs: ['a', 'g'], outputs, attributes: [float('epsilon', 0.01)] }],
        [floatTensor('g', [columns], [1, 2, 1, -1, 0.5, 1])],
        17,
      );
      const seen = values(bytes);
      const a = seen.get('a')!;
      seen.get('y')!.forEach((value, row) => {
        const own = a.slice(row * columns, (row + 1) * columns);
        const mean = own.reduce((sum, x) => sum + x, 0) / columns;
        const variance = own.reduce((sum, x) => sum + (x - mean) ** 2, 0) / columns;
        expect(value).toBeCloseTo(output === 1 ? mean : (variance + 0.01) ** -0.5, 5);
      });
      holdsModel(bytes, { seed: 4, float: 3e-6, int8: 25 });
    });
});

describe('one of several', () => {
  test('Hardmax: one number of each row', () => {
    const bytes = around(
      [{ op: 'Hardmax', inputs: ['a'], outputs: ['y'], attributes: [int('axis', 0)] }],
      [],
    );
    const seen = values(bytes);
    const a = seen.get('a')!;
    expect(seen.get('y')).toEqual(
      a.map((_, i) => {
        const column = [0, 1, 2, 3].map((row) => get(a, row, i % columns));
        return Number(column.indexOf(Math.max(...column)) === Math.floor(i / columns));
      }),
    );
    holdsModel(bytes, { seed: 6, int8: 10 });
  });

  test('Hardmax before opset 13: all axes from one on are one', () => {
    const bytes = around(
      [{ op: 'Hardmax', inputs: ['a'], outputs: ['y'], attributes: [int('axis', 0)] }],
      [],
      11,
    );
    const seen = values(bytes);
    const a = seen.get('a')!;
    expect(seen.get('y')).toEqual(a.map((_, i) => Number(i === a.indexOf(Math.max(...a)))));
  });

  test('OneHot of an index that the network computes', () => {
    const bytes = around(
      [
        { op: 'ArgMax', inputs: ['a'], outputs: ['i'], attributes: [int('axis', 1), int('keepdims', 0)] },
        { op: 'Sub', inputs: ['i', 'less'], outputs: ['j'] },
        { op: 'OneHot', inputs: ['i', 'depth', 'pair'], outputs: ['y'], attributes: [int('axis', 0)] },
      ],
      [intTensor('less', [], [3]), intTensor('depth', [], [5]), floatTensor('pair', [2], [-0.5, 2])],
    );
    const seen = values(bytes);
    const index = seen.get('i')!;
    expect(seen.get('y')).toEqual([0, 1, 2, 3, 4].flatMap((k) => index.map((i) => (i === k ? 2 : -0.5))));
    holdsModel(bytes, { seed: 6, int8: 5 });
  });
});
