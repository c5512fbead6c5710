/** Nodes that exporters write for one operator become that operator. */
import { type AnyNode, freshIn, type Graph, type TensorInfo } from '../ir/graph/graph.ts';
import { recognisedAt } from '../ir/graph/graph-pattern.ts';
import { decompositions } from '../ir/ops/decompositions.ts';

/**
 * The graph with an operator instead of each last node of a pattern, from the input on: a pattern may have an operator
 * in it that was recognised. What only a pattern's other nodes needed is read no more.
 */
export function recognised(graph: Graph<'imported'>): Graph<'imported'> {
  const tensors = new Map<string, TensorInfo<'imported'>>(graph.tensors);
  const makers = new Map<string, AnyNode>();
  const made = { graph: { ...graph, tensors }, makers };
  const nodes = graph.nodes.map((node): AnyNode => {
    for (const output of node.outputs) makers.set(output, node);
    const found = node.outputs.length === 1 ? recognisedAt(made, node, decompositions) : undefined;
    if (found === undefined) return node;
    const inputs = found.inputs.map((input, i) => {
      if (typeof input === 'string' || input === undefined) return input ?? '';
      const name = freshIn(tensors, `${node.outputs[0]}~${i}`);
      tensors.set(name, { dtype: input.dtype, shape: input.shape, constant: input });
      return name;
    });
    const whole = {
      ...node,
      type: found.op.kind,
      op: found.op,
      attrs: found.attrs,
      inputs,
      origin: found.nodes.flatMap((n) => n.origin),
    };
    for (const output of node.outputs) makers.set(output, whole);
    return whole;
  });
  return { ...made.graph, nodes };
}
