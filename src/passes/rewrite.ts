/** Rewriting of float graphs by merging a node into the only reader of its output. */
import { at, must } from '../base/errors.ts';
import type { Remade } from '../ir/graph/affine.ts';
import { freshIn, type Graph, inputName, type Node } from '../ir/graph/graph.ts';
import type { NodeView } from '../ir/graph/op.ts';
import { countOf, type Tensor } from '../ir/tensor.ts';

/** What a merge makes of two nodes: one that reads `inputs` and writes the second one's output. */
export interface Merged {
  /** Whose name it takes; the first's when absent. */
  readonly named?: Node;
  readonly op: Node['op'];
  readonly attrs: unknown;
  readonly inputs: readonly string[];
  /** New constants by name. */
  readonly constants?: ReadonlyMap<string, Tensor>;
}

/** Whether a node hands stored numbers on as they are: another name for them, or a move. */
export const handsOn = ({ op }: Pick<Node, 'op'>): boolean =>
  op.alias === true || op.anyZeroPoint === 'moves';

export interface MergeView {
  readonly graph: Graph<'float'>;
  readonly first: Node;
  readonly second: Node;
  /** A name that no tensor has. */
  fresh(stem: string): string;
}

/** A node with what it knows of its tensors, for the rules of its operator. */
export function viewOf(graph: Graph<'float'>, node: Node): Node & NodeView<unknown> {
  const typeOf = (name: string) => graph.tensors.get(name);
  const inputTypes = node.inputs.map(typeOf);
  const outputTypes = node.outputs.includes('')
    ? node.op.infer(node.attrs, inputTypes)
    : node.outputs.map((name) => must(typeOf(name), 'outputs have types'));
  return { ...node, inputTypes, outputTypes };
}

/** A node on `input` with other numbers, its constants under new names. */
export function remade(
  fresh: MergeView['fresh'],
  node: Node,
  { attrs, constants }: Remade<unknown>,
  input: string,
): Merged & { readonly constants: ReadonlyMap<string, Tensor> } {
  const named = new Map(Object.entries(constants).map(([role, t]) => [fresh(`${node.name}.${role}`), t]));
  return { named: node, op: node.op, attrs, inputs: [input, ...named.keys()], constants: named };
}

/** Returns undefined where it does not apply. */
export type Merge = (view: MergeView) => Merged | undefined;

export const constantAt = (graph: Graph<'float'>, node: Node, index: number): Tensor | undefined =>
  graph.tensors.get(inputName(node, index))?.constant;

/** A name that no tensor has. */
export const freshName = ({ tensors }: Graph<'float'>, stem: string): string => freshIn(tensors, stem);

/** Of lists of nodes that were asked before, which never change. */
const readersKnown = new WeakMap<readonly Node[], ReadonlyMap<string, readonly Node[]>>();

/** By tensor, the nodes that read it, in order. */
function readersOf({ nodes }: Graph<'float'>): ReadonlyMap<string, readonly Node[]> {
  const known = readersKnown.get(nodes);
  if (known !== undefined) return known;
  const made = new Map<string, Node[]>();
  for (const node of nodes)
    for (const name of new Set(node.inputs)) {
      const readers = made.get(name);
      if (readers === undefined) made.set(name, [node]);
      else readers.push(node);
    }
  readersKnown.set(nodes, made);
  return made;
}

/** The only reader of a tensor that is no output of the graph. */
export function onlyReader(graph: Graph<'float'>, name: string): Node | undefined {
  const [reader, ...more] = readersOf(graph).get(name) ?? [];
  return more.length === 0 && !graph.outputs.includes(name) ? reader : undefined;
}

/** Rewrites a graph until there is nothing left to do. */
export function exhausted(
  graph: Graph<'float'>,
  once: (graph: Graph<'float'>) => Graph<'float'> | undefined,
): Graph<'float'> {
  let current = graph;
  for (let next = once(current); next !== undefined; next = once(current)) current = next;
  return current;
}

/** Applies `merge` wherever a node is the only reader of another's output, until it applies nowhere. */
export function mergeAll(graph: Graph<'float'>, merge: Merge): Graph<'float'> {
  let current = graph;
  // Behind a merge the scan goes on at its place: one from the start each time would be quadratic in the depth.
  for (let from = 0, changed = false; ; ) {
    const made = mergeFrom(current, from, merge);
    if (made !== undefined) {
      current = made.graph;
      from = Math.max(0, made.index - 1);
      changed = true;
    } else if (changed) [from, changed] = [0, false];
    else return current;
  }
}

/** Nodes in a row, each on what the one before makes: the first reads the first name. */
export const inRow = (nodes: readonly Node[], names: readonly string[]): readonly Node[] =>
  nodes.map((node, i) => ({ ...node, inputs: names.slice(i, i + 1), outputs: names.slice(i + 1, i + 2) }));

/** The graph with the first merge at a node from place `from` on, and the place of that node. */
function mergeFrom(
  graph: Graph<'float'>,
  from: number,
  merge: Merge,
): { readonly graph: Graph<'float'>; readonly index: number } | undefined {
  for (let index = from; index < graph.nodes.length; index++) {
    const first = must(graph.nodes[index], 'a node');
    if (first.outputs.length > 1) continue;
    const second = onlyReader(graph, at(first.outputs, 0));
    if (second === undefined) continue;
    const merged = merge({ graph, first, second, fresh: (stem) => freshName(graph, stem) });
    if (merged !== undefined) return { graph: replace(graph, first, second, merged), index };
  }
  return undefined;
}

function replace(graph: Graph<'float'>, first: Node, second: Node, merged: Merged): Graph<'float'> {
  const node: Node = {
    name: (merged.named ?? first).name,
    op: merged.op,
    attrs: merged.attrs,
    inputs: merged.inputs,
    outputs: second.outputs,
    origin: [...first.origin, ...second.origin],
  };
  // At the second's place: what it reads besides the first's output may be computed in between.
  const nodes = graph.nodes.filter((n) => n !== first).map((n) => (n === second ? node : n));
  return withNodes(graph, nodes, merged.constants);
}

/** The graph with other nodes, and the types of what new ones make. */
export function withNodes(
  graph: Graph<'float'>,
  nodes: readonly Node[],
  constants: ReadonlyMap<string, Tensor> = new Map(),
): Graph<'float'> {
  const tensors = new Map(graph.tensors);
  const typeOf = (name: string) => constants.get(name) ?? tensors.get(name);
  const known = new Set(graph.nodes);
  for (const { op, attrs, inputs, outputs } of nodes.filter((node) => !known.has(node)))
    for (const [i, type] of op.infer(attrs, inputs.map(typeOf)).entries()) {
      const name = outputs[i] ?? '';
      if (name !== '') tensors.set(name, { ...tensors.get(name), ...type });
    }
  return withConstants({ ...graph, tensors, nodes }, constants);
}

/** The graph with `constants` added and every tensor that nothing names any more removed. */
export function withConstants(graph: Graph<'float'>, constants: ReadonlyMap<string, Tensor>): Graph<'float'> {
  const all = new Map(graph.tensors);
  for (const [name, t] of constants) all.set(name, { dtype: t.dtype, shape: t.shape, constant: t });
  const named = new Set([
    ...graph.inputs,
    ...graph.outputs,
    ...graph.nodes.flatMap((n) => [...n.inputs, ...n.outputs]),
  ]);
  return { ...graph, tensors: new Map([...all].filter(([name]) => named.has(name))) };
}

/** The only input that is not a constant. */
export const activationInput = (graph: Graph<'float'>, node: Node): string =>
  must(
    node.inputs.find((name) => name !== '' && graph.tensors.get(name)?.constant === undefined),
    node.name,
  );

/** A float32 constant. */
export const constantOf = (shape: readonly number[], data: Float32Array): Tensor => {
  must(data.length === countOf(shape) ? data : undefined, 'as many numbers as the shape holds');
  return { dtype: 'float32', shape, data };
};
