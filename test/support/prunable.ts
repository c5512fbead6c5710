/** A small network with everything that pruning has to walk through, with made-up weights and inputs. */
import type { onnx } from 'onnx-proto';
import { mulberry32, normal } from '../../src/base/random.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { floats } from '../../src/ir/tensor.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { fuse } from '../../src/passes/fuse.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from './onnx-model.ts';

const inputShape = [1, 2, 8, 8] as const;

/** A constant of normal deviates. */
function deviates(name: string, dims: readonly number[], random: () => number): onnx.ITensorProto {
  const count = dims.reduce((n, d) => n * d, 1);
  const scale = 1 / Math.sqrt(count / (dims[0] ?? 1));
  return floatTensor(
    name,
    dims,
    Array.from({ length: count }, () => scale * normal(random)),
  );
}

/**
 * 3x3 convolution 2 -> 6 with ReLU and max-pool; 1x1 convolutions around a depthwise one and a shortcut; average
 * pool; two linear layers with ReLU between them.
 */
const nodes: readonly NodeSpec[] = [
  {
    op: 'Conv',
    name: 'stem',
    inputs: ['x', 'w0', 'b0'],
    outputs: ['a'],
    attributes: [ints('pads', [1, 1, 1, 1])],
  },
  { op: 'Relu', name: 'r0', inputs: ['a'], outputs: ['ar'] },
  {
    op: 'MaxPool',
    name: 'p0',
    inputs: ['ar'],
    outputs: ['p'],
    attributes: [ints('kernel_shape', [2, 2]), ints('strides', [2, 2])],
  },
  { op: 'Conv', name: 'wide', inputs: ['p', 'w1', 'b1'], outputs: ['c'] },
  { op: 'Relu', name: 'r1', inputs: ['c'], outputs: ['cr'] },
  {
    op: 'Conv',
    name: 'depth',
    inputs: ['cr', 'w2', 'b2'],
    outputs: ['d'],
    attributes: [ints('pads', [1, 1, 1, 1]), int('group', 8)],
  },
  { op: 'Relu', name: 'r2', inputs: ['d'], outputs: ['dr'] },
  { op: 'Conv', name: 'narrow', inputs: ['dr', 'w3', 'b3'], outputs: ['e'] },
  { op: 'Add', name: 'sum', inputs: ['e', 'p'], outputs: ['f'] },
  { op: 'Relu', name: 'r3', inputs: ['f'], outputs: ['fr'] },
  {
    op: 'AveragePool',
    name: 'ap',
    inputs: ['fr'],
    outputs: ['g'],
    attributes: [ints('kernel_shape', [2, 2]), ints('strides', [2, 2])],
  },
  { op: 'Flatten', name: 'flat', inputs: ['g'], outputs: ['h'] },
  { op: 'Gemm', name: 'hidden', inputs: ['h', 'w4', 'b4'], outputs: ['i'], attributes: [int('transB', 1)] },
  { op: 'Relu', name: 'r4', inputs: ['i'], outputs: ['ir'] },
  { op: 'Gemm', name: 'logits', inputs: ['ir', 'w5', 'b5'], outputs: ['y'], attributes: [int('transB', 1)] },
];

const shapes: readonly (readonly [string, readonly number[]])[] = [
  ['w0', [6, 2, 3, 3]],
  ['b0', [6]],
  ['w1', [8, 6, 1, 1]],
  ['b1', [8]],
  ['w2', [8, 1, 3, 3]],
  ['b2', [8]],
  ['w3', [6, 8, 1, 1]],
  ['b3', [6]],
  ['w4', [10, 24]],
  ['b4', [10]],
  ['w5', [4, 10]],
  ['b5', [4]],
];

/** @param zero names of weights that are all zero */
export const prunableNet = (seed = 1, zero: readonly string[] = []): Graph<'float'> =>
  fuse.run(canonicalize.run(importOnnx(prunableBytes(seed, zero), { name: 'prunable' })));

export function prunableBytes(seed = 1, zero: readonly string[] = []): Uint8Array {
  const random = mulberry32(seed);
  const initializers = shapes.map(([name, dims]) => {
    const made = deviates(name, dims, random);
    return zero.includes(name)
      ? floatTensor(
          name,
          dims,
          made.floatData!.map(() => 0),
        )
      : made;
  });
  return encodeModel({ nodes, initializers, inputs: [valueInfo('x', inputShape)] });
}

/** @param dead pixels from this one on are 0 in every input */
export function prunableInputs(count: number, seed = 2, dead = 128): Float32Array[] {
  const random = mulberry32(seed);
  return Array.from({ length: count }, () =>
    Float32Array.from({ length: 128 }, (_, i) => (i < dead ? normal(random) : 0)),
  );
}

/** The outputs for one input of the graph's own shape. */
export function outputsOf(graph: Graph<'float'>, input: Float32Array): Float64Array {
  const name = graph.inputs[0]!;
  const [output] = evaluate(graph, new Map([[name, floats(graph.tensors.get(name)!.shape, input)]])).values();
  return Float64Array.from(output!.data);
}

/** Squared distance of the outputs of two networks, relative to the first one's own squares. */
export function distance(
  graph: Graph<'float'>,
  other: Graph<'float'>,
  inputs: readonly Float32Array[],
): number {
  let [lost, whole] = [0, 0];
  for (const input of inputs) {
    const [a, b] = [outputsOf(graph, input), outputsOf(other, input)];
    a.forEach((x, i) => {
      lost += (x - b[i]!) ** 2;
      whole += x ** 2;
    });
  }
  return lost / whole;
}
