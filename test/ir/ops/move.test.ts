/** What only moves elements: its float32 outputs are exact, its bytes those of the input, in C as in the simulator. */
import { describe, expect, test } from 'vitest';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
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

/** A convolution to 6 channels of 5x7 pixels, what is to be tried, and a layer behind it that reads rows. */
function around(middle: readonly NodeSpec[], constants: Constants, size: number, head = true): Uint8Array {
  const draw = new Draw(3);
  return encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, 2, 5, 7])],
    nodes: [
      { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['t'], attributes: [ints('pads', [1, 1, 1, 1])] },
      { op: 'Relu', inputs: ['t'], outputs: ['a'] },
      ...middle,
      ...(head
        ? [
            { op: 'Flatten', inputs: ['m'], outputs: ['f'] },
            { op: 'MatMul', inputs: ['f', 'v'], outputs: ['y'] },
          ]
        : [{ op: 'Identity', inputs: ['m'], outputs: ['y'] }]),
    ],
    initializers: [
      floatTensor('w', [6, 2, 3, 3], [...draw.floats(6 * 18, -1, 1)]),
      floatTensor('b', [6], [...draw.floats(6, -0.5, 0.5)]),
      ...(head ? [floatTensor('v', [size, 3], [...draw.floats(3 * size, -1, 1)])] : []),
      ...constants,
    ],
  });
}

const one = (
  op: string,
  more: readonly string[] = [],
  attributes: NodeSpec['attributes'] = [],
): NodeSpec => ({
  op,
  inputs: ['a', ...more],
  outputs: ['m'],
  attributes,
});

const cases: readonly (readonly [string, readonly NodeSpec[], Constants, number])[] = [
  [
    'a slice of rows',
    [one('Slice', ['s', 'e', 'i'])],
    [intTensor('s', [1], [1]), intTensor('e', [1], [4]), intTensor('i', [1], [2])],
    126,
  ],
  [
    'a slice backward, by steps, of channels and columns',
    [one('Slice', ['s', 'e', 'i', 'k'])],
    [
      intTensor('s', [2], [-1, 0]),
      intTensor('e', [2], [-100, 7]),
      intTensor('i', [2], [1, 3]),
      intTensor('k', [2], [-2, 3]),
    ],
    45,
  ],
  ['channels joined', [one('Concat', ['a'], [int('axis', 1)])], [], 420],
  [
    'rows joined, of different grids',
    [
      { op: 'MaxPool', inputs: ['a'], outputs: ['p'], attributes: [ints('kernel_shape', [1, 1])] },
      { op: 'Sigmoid', inputs: ['p'], outputs: ['s'] },
      one('Concat', ['s'], [int('axis', 2)]),
    ],
    [],
    420,
  ],
  [
    'joined with a constant',
    [one('Concat', ['c'], [int('axis', 3)])],
    [floatTensor('c', [1, 6, 5, 1], [...new Draw(8).floats(30, -2, 2)])],
    240,
  ],
  [
    'parts joined again in another order',
    [
      { op: 'Split', inputs: ['a', 's'], outputs: ['p', 'q'], attributes: [int('axis', 1)] },
      { op: 'Concat', inputs: ['q', 'p'], outputs: ['m'], attributes: [int('axis', 1)] },
    ],
    [intTensor('s', [2], [2, 4])],
    210,
  ],
  ['constant padding', [one('Pad', ['p'])], [intTensor('p', [8], [0, 0, 1, 2, 0, 1, 0, 3])], 504],
  [
    'reflected padding',
    [one('Pad', ['p'], [text('mode', 'reflect')])],
    [intTensor('p', [8], [0, 0, 2, 1, 0, 0, 1, 2])],
    480,
  ],
  [
    'padding by edges',
    [one('Pad', ['p'], [text('mode', 'edge')])],
    [intTensor('p', [8], [0, 0, 2, 1, 0, 0, 1, 2])],
    480,
  ],
  ['channels picked', [one('Gather', ['g'], [int('axis', 1)])], [intTensor('g', [4], [5, 0, 3, 3])], 140],
  ['repetition', [one('Tile', ['r'])], [intTensor('r', [4], [1, 2, 1, 2])], 840],
  [
    'channels shuffled',
    [
      one('Reshape', ['to']),
      { op: 'Transpose', inputs: ['m'], outputs: ['u'], attributes: [ints('perm', [0, 2, 1, 3, 4])] },
      { op: 'Reshape', inputs: ['u', 'back'], outputs: ['n'] },
      { op: 'Conv', inputs: ['n', 'k'], outputs: ['o'] },
    ],
    [
      intTensor('to', [5], [1, 2, 3, 5, 7]),
      intTensor('back', [4], [1, 6, 5, 7]),
      floatTensor('k', [2, 6, 1, 1], [...new Draw(9).floats(12, -1, 1)]),
    ],
    70,
  ],
  [
    'rows as columns, and a convolution on them',
    [
      { op: 'Transpose', inputs: ['a'], outputs: ['u'], attributes: [ints('perm', [0, 3, 1, 2])] },
      { op: 'Conv', inputs: ['u', 'k'], outputs: ['m'] },
    ],
    [floatTensor('k', [2, 7, 3, 3], [...new Draw(9).floats(126, -1, 1)])],
    24,
  ],
  [
    'an addition of what lies otherwise',
    [
      { op: 'Reshape', inputs: ['a', 'to'], outputs: ['r'] },
      { op: 'Reshape', inputs: ['r', 'back'], outputs: ['q'] },
      { op: 'Slice', inputs: ['q', 's', 'e', 'i', 'k'], outputs: ['z'] },
      { op: 'Add', inputs: ['z', 'a'], outputs: ['m'] },
    ],
    [
      intTensor('to', [2], [1, 210]),
      intTensor('back', [4], [1, 6, 5, 7]),
      intTensor('s', [1], [-1]),
      intTensor('e', [1], [-100]),
      intTensor('i', [1], [2]),
      intTensor('k', [1], [-1]),
    ],
    210,
  ],
  [
    'space to depth',
    [
      one('Slice', ['s', 'e', 'i']),
      { op: 'SpaceToDepth', inputs: ['m'], outputs: ['d'], attributes: [int('blocksize', 2)] },
    ],
    [intTensor('s', [2], [0, 0]), intTensor('e', [2], [4, 6]), intTensor('i', [2], [2, 3])],
    144,
  ],
  ['softmax of rows', [one('Softmax', [], [int('axis', 3)])], [], 210],
  ['softmax of columns', [one('Softmax', [], [int('axis', 2)])], [], 210],
];

/** The last one makes 'm'; what others call so is 'm0'. */
function named(nodes: readonly NodeSpec[]): readonly NodeSpec[] {
  const rename = (name: string) => (name === 'm' ? 'm0' : name);
  const last = nodes.length - 1;
  return nodes.map(({ inputs = [], outputs = [], ...node }, i) => ({
    ...node,
    inputs: inputs.map(rename),
    outputs: i === last ? ['m'] : outputs.map(rename),
  }));
}

describe('elements that move', () => {
  for (const [title, nodes, constants, size] of cases) {
    test(`${title}, before a linear layer`, () => {
      holdsModel(around(named(nodes), constants, size), { seed: 5 });
    });
    test(`${title}, as the output`, () => {
      holdsModel(around(named(nodes), constants, size, false), { seed: 6 });
    });
  }
});

describe('constant padding before windows', () => {
  const stepsOf = (window: NodeSpec, value: number, pads: readonly number[]) => {
    const nodes = [{ op: 'Pad', inputs: ['a', 'p', 'value'], outputs: ['q'] }, window];
    const constants = [
      intTensor('p', [8], pads),
      floatTensor('value', [], [value]),
      floatTensor('k', [2, 6, 3, 3], [...new Draw(9).floats(108, -1, 1)]),
    ];
    return holdsModel(around(nodes, constants, 0, false), { seed: 7 }).int8.program.steps.map(
      ({ kernel }) => kernel.name,
    );
  };
  const conv: NodeSpec = {
    op: 'Conv',
    inputs: ['q', 'k'],
    outputs: ['m'],
    attributes: [ints('pads', [0, 0, 0, 1])],
  };
  const plain: NodeSpec = { op: 'Conv', inputs: ['q', 'k'], outputs: ['m'] };
  const average: NodeSpec = {
    op: 'AveragePool',
    inputs: ['q'],
    outputs: ['m'],
    attributes: [ints('kernel_shape', [2, 3])],
  };
  const around4 = [0, 0, 1, 2, 0, 0, 1, 0];

  test('joins a convolution, of any value where that has none of its own', () => {
    expect(stepsOf(conv, 0, around4)).toEqual(['conv1', 'conv2']);
    expect(stepsOf(plain, 0.75, around4)).toEqual(['conv1', 'conv2']);
    expect(stepsOf(conv, 0.75, around4)).toEqual(['conv1', 'move1', 'conv2']);
  });

  test('joins an average that counts it', () => {
    expect(stepsOf(average, 0, around4)).toEqual(['conv1', 'avg_pool1']);
    expect(stepsOf(average, 0.5, around4)).toEqual(['conv1', 'move1', 'avg_pool1']);
  });

  test('of channels stays', () => {
    const deep: NodeSpec = {
      op: 'MaxPool',
      inputs: ['q'],
      outputs: ['m'],
      attributes: [ints('kernel_shape', [2, 2])],
    };
    expect(stepsOf(deep, 0, [0, 1, 0, 0, 0, 2, 0, 0])).toEqual(['conv1', 'move1', 'max_pool1']);
  });
});

test('branches of different ranges are made on the grid of what they are joined to', () => {
  const draw = new Draw(4);
  const model = encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, 2, 5, 7])],
    nodes: [
      { op: 'Conv', inputs: ['x', 'v'], outputs: ['p'] },
      { op: 'Conv', inputs: ['x', 'w'], outputs: ['q'] },
      { op: 'Relu', inputs: ['q'], outputs: ['r'] },
      { op: 'MaxPool', inputs: ['r'], outputs: ['s'], attributes: [ints('kernel_shape', [1, 1])] },
      { op: 'Concat', inputs: ['p', 's'], outputs: ['y'], attributes: [int('axis', 1)] },
    ],
    initializers: [
      floatTensor('v', [2, 2, 3, 3], [...draw.floats(36, -1, 1)]),
      floatTensor('w', [3, 2, 3, 3], [...draw.floats(54, -2, 2)]),
    ],
  });
  const { int8 } = holdsModel(model, { seed: 8 });
  const [quant, ...others] = new Set(int8.program.slots.slice(1).map(({ quant }) => JSON.stringify(quant)));
  expect([quant, others]).toEqual([JSON.stringify(int8.program.slots.at(-1)?.quant), []]);
  expect(int8.program.steps.at(-1)?.kernel.tables).toEqual([]);
});

describe('memory that is only looked at', () => {
  const draw = new Draw(4);
  const dense = (name: string, rows: number, columns: number) =>
    floatTensor(name, [rows, columns], [...draw.floats(rows * columns, -1, 1)]);
  const kernelsOf = (model: Uint8Array) => {
    const { int8, float32 } = holdsModel(model, { seed: 8 });
    for (const { program } of [int8, float32])
      for (const { within, address, length } of program.slots) {
        if (within === undefined) continue;
        const owner = program.slots[within]!;
        const width = program.arith === 'int8' ? 1 : 4;
        expect(address).toBeGreaterThanOrEqual(owner.address);
        expect(address + width * length).toBeLessThanOrEqual(owner.address + width * owner.length);
      }
    return int8.program.steps.map(({ kernel }) => kernel.name);
  };

  test('branches of features are written where the whole is read; a slice of it, and its output, is read there', () => {
    const model = encodeModel({
      opset: 13,
      inputs: [valueInfo('x', [1, 9])],
      nodes: [
        { op: 'MatMul', inputs: ['x', 'v'], outputs: ['p'] },
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['q'] },
        { op: 'Relu', inputs: ['q'], outputs: ['r'] },
        { op: 'Concat', inputs: ['p', 'r'], outputs: ['z'], attributes: [int('axis', 1)] },
        { op: 'Slice', inputs: ['z', 's', 'e', 'i'], outputs: ['m'] },
        { op: 'MatMul', inputs: ['m', 'u'], outputs: ['y1'] },
        { op: 'MatMul', inputs: ['z', 'h'], outputs: ['y2'] },
        { op: 'Concat', inputs: ['y1', 'y2'], outputs: ['y'], attributes: [int('axis', 1)] },
      ],
      initializers: [
        dense('v', 9, 5),
        dense('w', 9, 6),
        dense('u', 4, 3),
        dense('h', 11, 2),
        ...[intTensor('s', [1], [3]), intTensor('e', [1], [7]), intTensor('i', [1], [1])],
      ],
    });
    expect(kernelsOf(model)).toEqual(['linear1', 'linear2', 'linear3', 'linear4']);
  });

  test('what is joined twice, or is an input, is moved', () => {
    const model = encodeModel({
      opset: 13,
      inputs: [valueInfo('x', [1, 9])],
      nodes: [
        { op: 'MatMul', inputs: ['x', 'v'], outputs: ['p'] },
        { op: 'Concat', inputs: ['p', 'p'], outputs: ['q'], attributes: [int('axis', 1)] },
        { op: 'MatMul', inputs: ['q', 'u'], outputs: ['r'] },
        { op: 'Concat', inputs: ['r', 'x'], outputs: ['y'], attributes: [int('axis', 1)] },
      ],
      initializers: [dense('v', 9, 5), dense('u', 10, 3)],
    });
    expect(kernelsOf(model)).toEqual(['linear1', 'move1', 'linear2', 'move2']);
  });
});
