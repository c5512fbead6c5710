/** A small network of each family of kernels, compiled to int8: their C is kept to be read. */
import { compile } from '../../src/compile.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { countOf } from '../../src/ir/tensor.ts';
import type { Program } from '../../src/program/program.ts';
import { Draw } from './draw.ts';
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
} from './onnx-model.ts';

interface Family {
  readonly shape: readonly number[];
  readonly nodes: readonly NodeSpec[];
  readonly constants?: NonNullable<ModelSpec['initializers']>;
}

const floatsOf = (name: string, dims: readonly number[], seed: number) =>
  floatTensor(name, dims, [...new Draw(seed).floats(countOf(dims), -0.75, 0.75)]);

const node = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: NodeSpec['attributes'] = [],
): NodeSpec => ({ op, inputs, outputs: [output], attributes });

const families: Readonly<Record<string, Family>> = {
  recurrent: {
    shape: [3, 1, 2],
    nodes: [node('GRU', ['x', 'w', 'r', 'b'], 'y', [int('hidden_size', 2), int('linear_before_reset', 1)])],
    constants: [floatsOf('w', [1, 6, 2], 1), floatsOf('r', [1, 6, 2], 2), floatsOf('b', [1, 12], 3)],
  },
  attention: {
    shape: [1, 3, 4],
    nodes: [
      node('Transpose', ['x'], 'k', [ints('perm', [0, 2, 1])]),
      node('MatMul', ['x', 'k'], 'scores'),
      node('Mul', ['scores', 'half'], 'scaled'),
      node('Softmax', ['scaled'], 'shares', [int('axis', -1)]),
      node('MatMul', ['shares', 'x'], 'y'),
    ],
    constants: [floatTensor('half', [], [0.5])],
  },
  norms: {
    shape: [1, 3, 4],
    nodes: [node('LayerNormalization', ['x', 'g', 'h'], 'y', [float('epsilon', 0.01)])],
    constants: [floatsOf('g', [4], 4), floatsOf('h', [4], 5)],
  },
  resample: {
    shape: [1, 1, 2, 3],
    nodes: [node('Resize', ['x', '', '', 'size'], 'y', [text('mode', 'linear')])],
    constants: [intTensor('size', [4], [1, 1, 3, 5])],
  },
  moves: {
    shape: [1, 2, 2, 3],
    nodes: [
      node('Sigmoid', ['x'], 's'),
      node('Concat', ['x', 's'], 'c', [int('axis', 1)]),
      node('Pad', ['c', 'pads'], 'p', [text('mode', 'reflect')]),
      node('Gather', ['p', 'order'], 'y', [int('axis', 1)]),
    ],
    constants: [intTensor('pads', [8], [0, 0, 1, 0, 0, 0, 0, 2]), intTensor('order', [4], [2, 0, 3, 1])],
  },
  choice: {
    shape: [1, 4],
    nodes: [
      node('Neg', ['x'], 'n'),
      node('Greater', ['x', 'low'], 'above'),
      node('Less', ['x', 'high'], 'below'),
      node('And', ['above', 'below'], 'inside'),
      node('Where', ['inside', 'x', 'n'], 'y'),
    ],
    constants: [floatTensor('low', [], [-0.5]), floatTensor('high', [], [0.25])],
  },
  reductions: {
    shape: [1, 3, 4],
    nodes: [
      node('ReduceL2', ['x'], 'l', [ints('axes', [1]), int('keepdims', 0)]),
      node('ArgMax', ['l'], 'y', [int('axis', 1)]),
    ],
  },
};

function programOf(name: string, { shape, nodes, constants = [] }: Family): Program {
  const bytes = encodeModel({ opset: 17, inputs: [valueInfo('x', shape)], nodes, initializers: constants });
  const draw = new Draw(6);
  const inputs = Array.from({ length: 20 }, () => draw.floats(countOf(shape), -1, 1));
  return compile(importOnnx(bytes), { name, arith: 'int8', calibration: { inputs } }).program;
}

export const familyPrograms = (): readonly Program[] =>
  Object.entries(families).map(([name, family]) => programOf(name, family));
