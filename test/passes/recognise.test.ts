/** What exporters write in several nodes is one operator, with the numbers of the nodes. */
import { describe, expect, test } from 'vitest';
import { evaluate, inputTensors } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { recognised } from '../../src/passes/recognise.ts';
import { Draw } from '../support/draw.ts';
import {
  encodeModel,
  float,
  floatTensor,
  ints,
  intTensor,
  type ModelSpec,
  type NodeSpec,
  valueInfo,
} from '../support/onnx-model.ts';

type Constants = NonNullable<ModelSpec['initializers']>;

const vector = (name: string, dims: readonly number[], values: readonly number[]) =>
  floatTensor(name, dims, values);
const scalar = (name: string, x: number) => floatTensor(name, [], [x]);
const n = (
  op: string,
  inputs: readonly string[],
  output: string,
  ...attributes: NodeSpec['attributes'] & object
): NodeSpec => ({
  op,
  inputs,
  outputs: [output],
  attributes,
});

const gain = new Draw(1).floats(6, 0.5, 1.5);
const bias = new Draw(2).floats(6, -1, 1);
const constants: Constants = [
  scalar('two', 2),
  scalar('one', 1),
  scalar('e', 1e-3),
  scalar('minushalf', -0.5),
  vector('g', [6], [...gain]),
  vector('b', [6], [...bias]),
];
const last = ints('axes', [-1]);

const centre = [n('ReduceMean', ['x'], 'm', last), n('Sub', ['x', 'm'], 'd')];
const squares = [
  ...centre,
  n('Pow', ['d', 'two'], 'q'),
  n('ReduceMean', ['q'], 'v', last),
  n('Add', ['v', 'e'], 'w'),
];
const root = [...squares, n('Sqrt', ['w'], 's')];
const twice = [
  n('Mul', ['x', 'x'], 'q'),
  n('ReduceMean', ['q'], 'v', last),
  n('Add', ['e', 'v'], 'w'),
  n('Sqrt', ['w'], 's'),
];

function rowsOf(x: Float32Array, centred: boolean): number[] {
  return Array.from({ length: x.length / 6 }, (_, r) => {
    const row = [...x.subarray(6 * r, 6 * r + 6)];
    const mean = centred ? row.reduce((a, b) => a + b, 0) / 6 : 0;
    const deviation = Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / 6 + 1e-3);
    return row.map((value, c) => ((value - mean) / deviation) * gain[c]! + bias[c]!);
  }).flat();
}

const cases: readonly (readonly [string, string, readonly NodeSpec[], boolean])[] = [
  [
    'a quotient',
    'normalize',
    [...root, n('Div', ['d', 's'], 'z'), n('Mul', ['z', 'g'], 'y0'), n('Add', ['y0', 'b'], 'y')],
    true,
  ],
  [
    'gain first',
    'normalize',
    [...root, n('Div', ['d', 's'], 'z'), n('Mul', ['g', 'z'], 'y0'), n('Add', ['b', 'y0'], 'y')],
    true,
  ],
  [
    'a reciprocal, the mean subtracted twice',
    'normalize',
    [
      ...root,
      n('ReduceMean', ['x'], 'm2', last),
      n('Sub', ['x', 'm2'], 'd2'),
      n('Reciprocal', ['s'], 'r'),
      n('Mul', ['r', 'd2'], 'z'),
      n('Mul', ['z', 'g'], 'y0'),
      n('Add', ['y0', 'b'], 'y'),
    ],
    true,
  ],
  [
    'a power',
    'normalize',
    [
      ...squares,
      n('Pow', ['w', 'minushalf'], 'r'),
      n('Mul', ['d', 'r'], 'z'),
      n('Mul', ['z', 'g'], 'y0'),
      n('Add', ['y0', 'b'], 'y'),
    ],
    true,
  ],
  [
    'a map',
    'normalize',
    [
      ...root,
      n('Reciprocal', ['s'], 'r'),
      n('Mul', ['r', 'g'], 'k'),
      n('Mul', ['x', 'k'], 'a'),
      n('Mul', ['m', 'k'], 'c'),
      n('Sub', ['b', 'c'], 'h'),
      n('Add', ['a', 'h'], 'y'),
    ],
    true,
  ],
  [
    'no mean',
    'rmsNormalize',
    [
      ...twice,
      n('Div', ['one', 's'], 'r'),
      n('Mul', ['x', 'r'], 'z'),
      n('Mul', ['g', 'z'], 'y0'),
      n('Add', ['y0', 'b'], 'y'),
    ],
    false,
  ],
];

describe('layer normalization', () => {
  test.each(cases)('as %s', (_, kind, nodes, centred) => {
    const model = encodeModel({
      opset: 13,
      inputs: [valueInfo('x', [1, 4, 6])],
      nodes,
      initializers: constants,
    });
    const graph = canonicalize.run(importOnnx(model));
    expect(graph.nodes.map(({ op }) => op.kind)).toEqual([kind]);
    const x = new Draw(9).floats(24, -2, 3);
    const [made] = evaluate(graph, inputTensors(graph, x)).values();
    rowsOf(x, centred).forEach((wanted, i) => {
      expect(made!.data[i]).toBeCloseTo(wanted, 5);
    });
  });

  test('other axes below and above are no normalization', () => {
    const nodes = [
      n('ReduceMean', ['x'], 'm', ints('axes', [1])),
      ...root.slice(1),
      n('Div', ['d', 's'], 'y'),
    ];
    const model = encodeModel({
      opset: 13,
      inputs: [valueInfo('x', [1, 4, 6])],
      nodes,
      initializers: constants,
    });
    const kinds = recognised(importOnnx(model)).nodes.map(({ op }) => op.kind);
    expect(kinds).not.toContain('normalize');
  });
});

test('group normalization as an instance normalization of other channels', () => {
  const nodes = [
    n('Reshape', ['x', 'to'], 'r'),
    n('InstanceNormalization', ['r', 'ones', 'zeros'], 'i', float('epsilon', 1e-3)),
    n('Reshape', ['i', 'back'], 'z'),
    n('Mul', ['z', 'g1'], 'y0'),
    n('Add', ['y0', 'b1'], 'y'),
  ];
  const initializers: Constants = [
    intTensor('to', [3], [0, 2, -1]),
    intTensor('back', [4], [1, 6, 2, 3]),
    vector('ones', [2], [1, 1]),
    vector('zeros', [2], [0, 0]),
    vector('g1', [6, 1, 1], [...gain]),
    vector('b1', [6, 1, 1], [...bias]),
  ];
  const model = encodeModel({ opset: 13, inputs: [valueInfo('x', [1, 6, 2, 3])], nodes, initializers });
  const graph = canonicalize.run(importOnnx(model));
  expect(graph.nodes.map(({ op }) => op.kind)).toEqual(['normalize']);
  const x = new Draw(9).floats(36, -2, 3);
  const [made] = evaluate(graph, inputTensors(graph, x)).values();
  for (let group = 0; group < 2; group++) {
    const own = [...x.subarray(18 * group, 18 * group + 18)];
    const mean = own.reduce((a, b) => a + b, 0) / 18;
    const deviation = Math.sqrt(own.reduce((a, b) => a + (b - mean) ** 2, 0) / 18 + 1e-3);
    own.forEach((value, i) => {
      const c = 3 * group + Math.floor(i / 6);
      expect(made!.data[18 * group + i]).toBeCloseTo(((value - mean) / deviation) * gain[c]! + bias[c]!, 5);
    });
  }
});

test('over the L2 norm', () => {
  const nodes = [
    n('ReduceL2', ['x'], 'l', last),
    n('Clip', ['l', 'tiny'], 'c'),
    n('Expand', ['c', 'shape'], 'e'),
    n('Div', ['x', 'e'], 'y'),
  ];
  const initializers = [scalar('tiny', 1e-12), intTensor('shape', [3], [1, 4, 6])];
  const model = encodeModel({ opset: 13, inputs: [valueInfo('x', [1, 4, 6])], nodes, initializers });
  const graph = canonicalize.run(importOnnx(model));
  expect(graph.nodes.map(({ op }) => op.kind)).toEqual(['rmsNormalize']);
  const x = new Draw(9).floats(24, -2, 3).fill(0, 6, 12);
  const [made] = evaluate(graph, inputTensors(graph, x)).values();
  made!.data.forEach((y: number, i: number) => {
    const row = x.subarray(6 * Math.floor(i / 6), 6 * Math.floor(i / 6) + 6);
    expect(y).toBeCloseTo(x[i]! / Math.max(1e-12, Math.hypot(...row)), 5);
  });
});

test.each([4, 5])('local response normalization over %i channels, as a pool', (size) => {
  const nodes = [
    n('Mul', ['x', 'x'], 'q'),
    n('Unsqueeze', ['q', 'axis'], 'u'),
    n('Pad', ['u', 'pads'], 'p'),
    n('AveragePool', ['p'], 'a', ints('kernel_shape', [size, 1, 1])),
    n('Squeeze', ['a', 'axis'], 's'),
    n('Mul', ['s', 'alpha'], 'm'),
    n('Add', ['m', 'k'], 'w'),
    n('Pow', ['w', 'beta'], 'v'),
    n('Div', ['x', 'v'], 'y'),
  ];
  const before = Math.floor(size / 2);
  const initializers = [
    intTensor('axis', [1], [1]),
    intTensor('pads', [10], [0, 0, before, 0, 0, 0, 0, size - 1 - before, 0, 0]),
    scalar('alpha', 0.3),
    scalar('k', 2),
    scalar('beta', 0.75),
  ];
  const model = encodeModel({ opset: 13, inputs: [valueInfo('x', [1, 6, 2, 3])], nodes, initializers });
  const graph = canonicalize.run(importOnnx(model));
  expect(graph.nodes.map(({ op }) => op.kind)).toEqual(['lrn']);
  const x = new Draw(9).floats(36, -2, 3);
  const [made] = evaluate(graph, inputTensors(graph, x)).values();
  x.forEach((value, i) => {
    const [c, pixel] = [Math.floor(i / 6), i % 6];
    let sum = 0;
    for (let k = c - before; k < c - before + size; k++) if (k >= 0 && k < 6) sum += x[6 * k + pixel]! ** 2;
    expect(made!.data[i]).toBeCloseTo(value / (2 + (0.3 / size) * sum) ** 0.75, 5);
  });
});
