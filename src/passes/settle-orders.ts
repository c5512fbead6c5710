/**
 * Orders in memory: an operator says in which orders it reads (`CanonicalOp.reads`). Where a tensor lies otherwise, a
 * copy in the order that is asked for stands between the two; the input's order is the one with which the fewest
 * elements are copied.
 */
import { DefectError, must } from '../base/errors.ts';
import { wholePiece } from '../ir/geometry/strided.ts';
import { freshIn, type Graph, type Node } from '../ir/graph/graph.ts';
import { type Order, sameOrder, spatialOrder } from '../ir/kernel/memory-order.ts';
import { type MoveAttrs, move } from '../ir/ops/move.ts';
import type { Shape } from '../ir/tensor.ts';
import { misplacedIn, misplacedOutputs } from '../plan/orders.ts';
import type { Pass } from './pass.ts';
import { withNodes } from './rewrite.ts';

/** A tensor's copy in another order, and the nodes that read it instead. */
interface Copy {
  readonly source: string;
  readonly order: Order;
  readonly name: string;
  readonly readers: ReadonlySet<string>;
}

function liesAs(shape: Shape, order: Order): 'image' | 'rows' {
  if (order === undefined) return 'rows';
  if (sameOrder(order, spatialOrder(shape))) return 'image';
  throw new DefectError(`a copy of [${shape.join(', ')}] in an order that is neither of images nor of rows`);
}

/** One copy for each tensor and order. */
function copiesIn(graph: Graph<'float'>): readonly Copy[] {
  const copies: (Copy & { readonly readers: Set<string> })[] = [];
  const taken = new Set(graph.tensors.keys());
  for (const { node, tensor, order } of misplacedIn(graph)) {
    const known = copies.find((copy) => copy.source === tensor && sameOrder(copy.order, order));
    if (known !== undefined) {
      known.readers.add(node.name);
      continue;
    }
    const { shape } = must(graph.tensors.get(tensor), `tensor '${tensor}' is known`);
    const name = freshIn(taken, `${tensor}.${liesAs(shape, order)}`);
    taken.add(name);
    copies.push({ source: tensor, order, name, readers: new Set([node.name]) });
  }
  return copies;
}

function nodeFor(graph: Graph<'float'>, { source, order, name }: Copy): Node {
  const { shape } = must(graph.tensors.get(source), `tensor '${source}' is known`);
  const lies = liesAs(shape, order);
  const words = lies === 'image' ? 'Channels innermost' : 'Channels outermost';
  const attrs: MoveAttrs = { shape, pieces: [wholePiece(shape)], lies, words };
  return { name, op: move, attrs, inputs: [source], outputs: [name], origin: [] };
}

/** With a copy before the first of its readers. */
function withCopies(graph: Graph<'float'>, copies: readonly Copy[]): Graph<'float'> {
  const made = new Set<Copy>();
  const nodes = graph.nodes.flatMap((node) => {
    const own = copies.filter(({ readers }) => readers.has(node.name));
    const first = own.filter((copy) => !made.has(copy));
    for (const copy of first) made.add(copy);
    if (own.length === 0) return [node];
    const inputs = node.inputs.map((input) => own.find(({ source }) => source === input)?.name ?? input);
    return [...first.map((copy) => nodeFor(graph, copy)), { ...node, inputs }];
  });
  const copying = withNodes(graph, nodes);
  const { tensors } = copying;
  const copied = new Map(tensors);
  for (const { source, name } of copies)
    if (tensors.get(source)?.real) copied.set(name, { ...must(tensors.get(name), 'a copy'), real: true });
  return { ...copying, tensors: copied };
}

/** An output under another name, for its maker and readers, and its copy, row-major, under its own. */
function withCopyOfOutput(graph: Graph<'float'>, output: string): Graph<'float'> {
  const info = must(graph.tensors.get(output), `tensor '${output}' is known`);
  const taken = new Set([...graph.tensors.keys(), ...graph.nodes.map(({ name }) => name)]);
  const inner = freshIn(taken, `${output}.inner`);
  const renamed = (name: string): string => (name === output ? inner : name);
  const nodes = graph.nodes.map((node) =>
    [...node.inputs, ...node.outputs].includes(output)
      ? { ...node, inputs: node.inputs.map(renamed), outputs: node.outputs.map(renamed) }
      : node,
  );
  const tensors = new Map(graph.tensors).set(inner, { ...info, label: info.label ?? output });
  const copy: Copy = { source: inner, order: undefined, name: output, readers: new Set() };
  const base = { ...graph, tensors };
  const node = { ...nodeFor(base, copy), name: freshIn(taken, `${output}.rows`) };
  return withNodes(base, [...nodes, node]);
}

/** For ports in the model's order: says so, and copies outputs that lie otherwise. Inputs are `settleOrders`' work. */
export const settlePorts: Pass<'float', 'float'> = {
  name: 'settle-ports',
  doc: 'inputs and outputs lie as the model has them; a copy of each output that its maker writes in another order',
  run(graph) {
    const asModel = { ...graph, portOrder: 'model' } as const;
    return [...new Set(misplacedOutputs(asModel))].reduce(withCopyOfOutput, asModel);
  },
};

/** Copies where operators read other orders than tensors lie in. */
export const settleOrders: Pass<'float', 'float'> = {
  name: 'settle-orders',
  doc: 'a copy in memory where two operators cannot agree on an order; the same numbers',
  run(graph) {
    const copies = copiesIn(graph);
    return copies.length === 0 ? graph : withCopies(graph, copies);
  },
};
