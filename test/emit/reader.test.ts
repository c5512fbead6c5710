/** From the comments of the C, its tables and docs/numerics.md alone every byte of a network can be computed. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type CompileOptions, compile } from '../../src/compile.ts';
import { emitC } from '../../src/emit/package.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { countOf } from '../../src/ir/tensor.ts';
import type { Program } from '../../src/program/program.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { readC, recompute } from '../oracles/c-reader.ts';
import { Draw } from '../support/draw.ts';
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
} from '../support/onnx-model.ts';

const info = { command: '', version: '', hash: '', golden: [] };

interface Options extends Partial<CompileOptions> {
  readonly isSparse?: true;
}

interface Net {
  readonly shape: readonly number[];
  readonly model: Uint8Array;
}

const node = (
  op: string,
  inputs: string,
  output: string,
  attributes: NodeSpec['attributes'] = [],
): NodeSpec => ({
  op,
  inputs: inputs.split(' '),
  outputs: [output],
  attributes,
});

const net = (
  shape: readonly number[],
  nodes: readonly NodeSpec[],
  weights: Readonly<Record<string, readonly number[]>>,
  integers: NonNullable<ModelSpec['initializers']> = [],
): Net => {
  const draw = new Draw(11);
  const initializers = Object.entries(weights).map(([name, dims]) => {
    const reach = 1.5 / Math.sqrt(countOf(dims.slice(1)));
    return floatTensor(name, dims, [...draw.floats(countOf(dims), -reach, reach)]);
  });
  const constants = [...initializers, ...integers];
  return {
    shape,
    model: encodeModel({ opset: 17, inputs: [valueInfo('x', shape)], nodes, initializers: constants }),
  };
};

const lenet: Net = {
  shape: [1, 1, 32, 32],
  model: readFileSync(path.join(import.meta.dirname, '../../models/lenet5.onnx')),
};

/** Depthwise and pointwise layers, a residual addition, averages, softmax. */
const residual = net(
  [1, 3, 9, 8],
  [
    node('Conv', 'x w1 b1', 'c1', [ints('pads', [1, 1, 1, 1])]),
    node('Relu', 'c1', 'r1'),
    node('Conv', 'r1 w2 b2', 'c2', [int('group', 8), ints('pads', [1, 1, 1, 1])]),
    node('Clip', 'c2 zero six', 'r2'),
    node('Conv', 'r2 w3 b3', 'c3'),
    node('Add', 'c3 r1', 'a'),
    node('AveragePool', 'a', 'p', [
      ints('kernel_shape', [3, 3]),
      ints('strides', [2, 2]),
      ints('pads', [1, 1, 1, 1]),
    ]),
    node('MaxPool', 'p', 'm', [
      ints('kernel_shape', [3, 3]),
      ints('pads', [1, 1, 1, 1]),
      ints('strides', [1, 2]),
    ]),
    node('Conv', 'm w4 b4', 'c4', [
      int('group', 2),
      ints('dilations', [2, 1]),
      ints('pads', [0, 0, 1, 1]),
      ints('strides', [1, 2]),
    ]),
    node('GlobalAveragePool', 'c4', 'g'),
    node('Flatten', 'g', 'f'),
    node('Gemm', 'f w5 b5', 'l', [int('transB', 1)]),
    node('Softmax', 'l', 'y'),
  ],
  {
    w1: [8, 3, 3, 3],
    b1: [8],
    w2: [8, 1, 3, 3],
    b2: [8],
    w3: [8, 8, 1, 1],
    b3: [8],
    w4: [6, 4, 2, 2],
    b4: [6],
    w5: [5, 6],
    b5: [5],
    zero: [],
    six: [],
  },
);

/** Functions by themselves, and behind layers. */
const functions = net(
  [1, 2, 4, 5],
  [
    node('Sigmoid', 'x', 's'),
    node('Conv', 's w1 b1', 'c1'),
    node('Sigmoid', 'c1', 't'),
    node('Mul', 't gains', 'g'),
    node('LeakyRelu', 'g', 'r'),
    node('Flatten', 'r', 'f'),
    node('Gemm', 'f w2 b2', 'h', [int('transB', 1)]),
    node('Tanh', 'h', 'y'),
  ],
  { w1: [3, 2, 2, 2], b1: [3], gains: [1, 3, 1, 1], w2: [4, 36], b2: [4] },
);

/** What only moves, with and without a grid of its own. */
const moves = net(
  [1, 2, 3, 4],
  [
    node('Sigmoid', 'x', 's'),
    node('Concat', 'x s', 'c', [int('axis', 1)]),
    node('Transpose', 'c', 't', [ints('perm', [0, 1, 3, 2])]),
    node('Pad', 't pads', 'p', [text('mode', 'reflect')]),
    node('Gather', 'p order', 'y', [int('axis', 2)]),
  ],
  {},
  [intTensor('pads', [8], [0, 0, 1, 0, 0, 0, 0, 2]), intTensor('order', [3], [4, 0, 3])],
);

/** Without the smallest four of five weights of each layer. */
const sparsened = (graph: Graph<'imported'>): Graph<'imported'> => ({
  ...graph,
  tensors: new Map(
    [...graph.tensors].map(([name, info]) => {
      const { constant } = info;
      if (constant === undefined || constant.shape.length < 2) return [name, info];
      const sizes = Float64Array.from(constant.data, Math.abs).sort();
      const least = sizes[Math.floor(0.8 * sizes.length)]!;
      const data = Float32Array.from(constant.data, (x) => (Math.abs(x) < least ? 0 : x));
      return [name, { ...info, constant: { ...constant, data } }];
    }),
  ),
});

function programOf(net: Net, { isSparse, ...options }: Options): Program {
  const { model, shape } = net;
  const draw = new Draw(6);
  const inputs = Array.from({ length: net === lenet ? 3 : 20 }, () => draw.floats(countOf(shape), -1, 1));
  const graph = importOnnx(model);
  return compile(isSparse ? sparsened(graph) : graph, {
    name: 'net',
    arith: 'int8',
    calibration: { inputs },
    ...options,
  }).program;
}

const textOf = (program: Program): string => {
  const files = emitC(program, info);
  return `${files.get('net.h')}\n${files.get('net.c')}`;
};

/** @returns how many bytes are equal */
function compared(program: Program, c99: string, samples: number): number {
  const [c, simulator, draw] = [readC(c99), createSimulator(program, { mode: 'fast' }), new Draw(3)];
  let count = 0;
  for (let i = 0; i < samples; i++) {
    const slot = program.slots[program.inputs[0]!.slot]!;
    const values = Uint8Array.from({ length: slot.length }, () => draw.int(0, 255));
    const bytes =
      slot.elem === 'i16' ? new Uint8Array(Int16Array.from(values, (v) => 250 * (v - 128)).buffer) : values;
    const { output } = simulator.run(bytes);
    expect([...recompute(c, bytes)]).toEqual([...output]);
    count += output.length;
  }
  return count;
}

const small = { formats: { objective: 'tables', target: 'cortex-m4' } } as const;

test.each<[string, Net, Options, number]>([
  ['LeNet-5', lenet, {}, 1],
  ['LeNet-5, sparse', lenet, { isSparse: true, ...small }, 1],
  ['a residual network', residual, {}, 2],
  ['a residual network, 4 bits', residual, { weightBits: 4, ...small }, 2],
  ['a residual network, two roundings', residual, { requant: 'tfl-double' }, 2],
  ['a residual network, multipliers of one byte', residual, { requant: 'compact' }, 2],
  ['a residual network, shifts', residual, { requant: 'pow2' }, 2],
  ['a residual network, 16 bits', residual, { activationBits: 16 }, 2],
  ['functions', functions, {}, 5],
  ['moves', moves, {}, 3],
  ['moves of 16 bits', moves, { activationBits: 16 }, 3],
])('%s', (_, net, options, samples) => {
  const program = programOf(net, options);
  expect(compared(program, textOf(program), samples)).toBeGreaterThan(3);
});

/** Each is a comment that says something else. */
const wrong: readonly (readonly [string | RegExp, string])[] = [
  ['strides 2x2, dilations 1x1', 'strides 2x1, dilations 1x1'],
  ['dilations 2x1', 'dilations 1x1'],
  ['padding 1 above', 'padding 0 above'],
  [/each element \d+/, 'each element 250'],
  ['2 groups of', '1 group of'],
  ['bias[c] + window', 'shift[c] + window'],
  ['for each x of the n', 'for some x'],
  [/value starts at 0; (?=[^*]*\+=)/, 'value starts at 99; '],
  ['(256 * e +', '(128 * e +'],
  [', rounded half up, for', ' for'],
  ['x, but not below lo', 'x, but below lo'],
  [/x0 of a, x1 of b/, 'x0 of b, x1 of a'],
  ['a byte each, output by output', 'a byte each; 2 outputs at a time, byte by byte in turns'],
  [/(\n \* {6}in \d+\.\.\d+, out )\d+/, '$1999'],
];

test('a comment that says anything else is found', () => {
  const program = programOf(residual, {});
  const c = textOf(program);
  for (const [from, to] of wrong) {
    const edited = c.replace(from, to);
    expect(edited, String(from)).not.toBe(c);
    expect(() => compared(program, edited, 1), String(from)).toThrow();
  }
});
