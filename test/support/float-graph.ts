/** Float graphs by hand: a chain of canonical operators, with branches where a layer names what it reads. */

import { verifyGraph } from '../../src/ir/graph/check.ts';
import type { Graph, Node, TensorInfo } from '../../src/ir/graph/graph.ts';
import type { CanonicalOp } from '../../src/ir/graph/op.ts';
import type { Shape, Tensor } from '../../src/ir/tensor.ts';

export interface LayerSpec {
  readonly op: CanonicalOp;
  readonly attrs: unknown;
  readonly constants?: readonly Tensor[];
  /** Activations read, by name: 'x' is the input, 'y0' the first layer's output. Default: the layer before. */
  readonly reads?: readonly string[];
}

// biome-ignore lint/suspicious/noExplicitAny: operators of all attributes
type AnyOp = CanonicalOp<any, any>;
export const layer = (op: AnyOp, attrs: unknown, more: Omit<LayerSpec, 'op' | 'attrs'> = {}): LayerSpec => ({
  op,
  attrs,
  ...more,
});

export function floatGraph(inputShape: Shape, layers: readonly LayerSpec[]): Graph<'float'> {
  const tensors = new Map<string, TensorInfo<'float'>>([['x', { dtype: 'float32', shape: inputShape }]]);
  const nodes = layers.map(({ op, attrs, constants = [], reads }, i): Node => {
    const names = constants.map((t, c) => {
      tensors.set(`c${i}_${c}`, { dtype: t.dtype, shape: t.shape, constant: t });
      return `c${i}_${c}`;
    });
    const inputs = [...(reads ?? [i === 0 ? 'x' : `y${i - 1}`]), ...names];
    const types = inputs.map((name) => tensors.get(name)!);
    const explicit = op.explicit?.(attrs, types) ?? attrs;
    const [type] = op.infer(explicit, types);
    tensors.set(`y${i}`, type!);
    return { name: `node${i}`, op, attrs: explicit, inputs, outputs: [`y${i}`], origin: [] };
  });
  const graph: Graph<'float'> = {
    stage: 'float',
    name: 'hand',
    opset: 0,
    inputs: ['x'],
    outputs: [`y${layers.length - 1}`],
    tensors,
    nodes,
  };
  verifyGraph(graph);
  return graph;
}

/** The graph with another constant in the place of `name`. */
export const withConstant = (graph: Graph<'float'>, name: string, data: Float32Array): Graph<'float'> => {
  const info = graph.tensors.get(name)!;
  const constant = { ...info.constant!, data };
  return { ...graph, tensors: new Map([...graph.tensors, [name, { ...info, constant }]]) };
};
