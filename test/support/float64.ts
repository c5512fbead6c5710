/** Float networks in float64, where their own rounding is out of the way of what is to be measured. */
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { type Graph, is, type Node, type TensorInfo } from '../../src/ir/graph/graph.ts';
import { conversion } from '../../src/ir/ops/conversion.ts';
import type { Shape, Tensor } from '../../src/ir/tensor.ts';

export type Values = ReadonlyMap<string, Tensor>;

export const f64 = (shape: Shape, data: ArrayLike<number>): Tensor => ({
  dtype: 'float64',
  shape,
  data: Float64Array.from(data),
});

export const map = (t: Tensor, f: (x: number, i: number) => number): Tensor =>
  f64(t.shape, Array.from(t.data, f));
export const abs = (t: Tensor): Tensor => map(t, Math.abs);

/** Elementwise sum of tensors of one shape. */
export const plus = (first: Tensor, ...more: readonly Tensor[]): Tensor =>
  map(first, (x, i) => more.reduce((sum, t) => sum + t.data[i]!, x));
export const times = (t: Tensor, factor: number): Tensor => map(t, (x) => x * factor);

function doubled<G extends Graph<'imported'> | Graph<'float'>>(graph: G): G {
  const tensors = new Map(
    [...(graph.tensors as ReadonlyMap<string, TensorInfo<'float'>>)].map(([name, info]) => {
      const constant = info.constant && f64(info.constant.shape, info.constant.data);
      return [name, { ...info, dtype: 'float64', ...(constant === undefined ? {} : { constant }) }] as const;
    }),
  );
  const nodes = (graph.nodes as readonly Node[]).map((node) =>
    is(node, conversion) && node.attrs.to === 'float32'
      ? { ...node, attrs: { ...node.attrs, to: 'float64' } }
      : node,
  );
  return { ...graph, tensors, nodes };
}

/** Every tensor that the graph makes of `input`, and the input. */
export function valuesOf(graph: Graph<'imported'> | Graph<'float'>, input: ArrayLike<number>): Values {
  const wide = doubled(graph);
  const [name] = graph.inputs;
  const values = new Map<string, Tensor>();
  const x = f64(graph.tensors.get(name!)!.shape!, input);
  evaluate(wide, new Map([[name!, x]]), (tensor, value) => values.set(tensor, value));
  return values;
}

/** A node's constant inputs in float64; undefined where it reads an activation or nothing. */
export const constantsOf = (
  graph: Graph<'imported'> | Graph<'float'> | Graph<'int8'>,
  node: Node,
): (Tensor | undefined)[] =>
  node.inputs.map((name) => {
    const constant = graph.tensors.get(name)?.constant;
    return constant && f64(constant.shape, constant.data);
  });
