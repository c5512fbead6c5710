/** Which activations are stored in more than 8 bits: those for which all nodes that make and read them support the same such grid. */
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { Quant } from '../ir/kernel/stored.ts';
import { handsOn } from './rewrite.ts';

/** A tensor with all that hold the same stored numbers, through views and moves: the nodes that make and that read them. */
interface Family {
  readonly tensors: ReadonlySet<string>;
  /** A node with the index of its output or input. */
  readonly makers: readonly (readonly [Node, number])[];
  readonly readers: readonly (readonly [Node, number])[];
}

function familyOf(graph: Graph<'float'>, name: string): Family {
  const tensors = new Set([name]);
  const isActivation = (tensor: string): boolean => {
    const info = graph.tensors.get(tensor);
    return info?.dtype === 'float32' && info.constant === undefined;
  };
  for (const tensor of tensors)
    for (const node of graph.nodes.filter(handsOn))
      if (node.inputs.includes(tensor) || node.outputs.includes(tensor))
        for (const other of [...node.inputs, ...node.outputs]) if (isActivation(other)) tensors.add(other);
  const ends = (side: 'inputs' | 'outputs') =>
    graph.nodes
      .filter((node) => !handsOn(node))
      .flatMap((node) =>
        node[side].flatMap((tensor, i): readonly (readonly [Node, number])[] =>
          tensors.has(tensor) ? [[node, i]] : [],
        ),
      );
  return { tensors, makers: ends('outputs'), readers: ends('inputs') };
}

/** Whether a constant lies beside the numbers, which has no such grid. */
const joinsConstants = (graph: Graph<'float'>, { tensors }: Family): boolean =>
  graph.nodes.some(
    (node) =>
      handsOn(node) &&
      node.outputs.some((name) => tensors.has(name)) &&
      node.inputs.some((name) => graph.tensors.get(name)?.constant !== undefined),
  );

/** The grid of more than 8 bits that a float32 activation has; undefined: it has 8 bits. */
export function wideGridOf(graph: Graph<'float'>, name: string): Quant | undefined {
  const family = familyOf(graph, name);
  const { tensors, makers, readers } = family;
  const isPort = graph.inputs.some((input) => tensors.has(input));
  const grids = [
    ...makers.map(([{ op, attrs }, i]) => op.wide?.made(attrs, i, readers.length > 0)),
    ...readers.map(([{ op, attrs }, i]) => op.wide?.read(attrs, i, isPort)),
  ];
  const [first] = grids;
  const agree = grids.every((grid) => grid?.bits === first?.bits && grid?.scale === first?.scale);
  return agree && !joinsConstants(graph, family) ? first : undefined;
}
