/**
 * Inputs of another magnitude than 1. Raw pixels make the first layer's weights some hundred times smaller than
 * all others, and Adam, whose steps do not know how large a weight is, tears them apart. Training therefore
 * sees x / f and f W, for a power of two f: the same sums, to the bit, and the same grids.
 */
import { at } from '../../base/errors.ts';
import { type Graph, inputName, type Node, type TensorInfo } from '../../ir/graph/graph.ts';
import { floats } from '../../ir/tensor.ts';
import type { TrainingData } from './options.ts';

/** Below this root mean square nothing is done. */
const ordinary = 4;
const looked = 64;

/** A power of two; 1 where inputs are of an ordinary magnitude, or something else than a layer reads them. */
export function inputScale(graph: Graph<'float'>, { count, input }: TrainingData): number {
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(at(graph.inputs, 0)));
  if (graph.inputs.length > 1 || !readers.every(({ op }) => op.rows !== undefined)) return 1;
  let [sum, n] = [0, 0];
  for (let i = 0; i < Math.min(count, looked); i++)
    for (const x of input(i)) {
      sum += x * x;
      n++;
    }
  const size = Math.sqrt(sum / n);
  return size > ordinary ? 2 ** Math.round(Math.log2(size)) : 1;
}

/** The graph that computes of x / factor what `graph` computes of x. */
export function forScaledInput(graph: Graph<'float'>, factor: number): Graph<'float'> {
  if (factor === 1) return graph;
  const tensors = new Map<string, TensorInfo<'float'>>(graph.tensors);
  const nodes = graph.nodes.map((node): Node => {
    if (node.inputs[0] !== graph.inputs[0]) return node;
    const name = inputName(node, 1);
    const info = graph.tensors.get(name);
    if (info?.constant !== undefined) {
      const { shape, data } = info.constant;
      const scaled = Float32Array.from(data as ArrayLike<number>, (w) => w * factor);
      tensors.set(name, { ...info, constant: floats(shape, scaled) });
    }
    return { ...node, attrs: node.op.rows?.scaled(node.attrs, 1 / factor) ?? node.attrs };
  });
  return { ...graph, nodes, tensors };
}

/** Samples divided by `factor`. */
export const scaledSamples = (data: TrainingData, factor: number): TrainingData =>
  factor === 1 ? data : { ...data, input: (i) => data.input(i).map((x) => x / factor) };
