/**
 * Functions of each element become one: what exporters write as a product with a sigmoid, or as a dozen nodes around an error
 * function, and what stands in a row. Each part of the graph that reads one tensor, makes one, and consists of nothing
 * but real functions of the elements at one place and of single numbers.
 */
import { at } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { type FormulaStep, formula, type Operand } from '../ir/ops/formula.ts';
import { line } from '../ir/ops/scale-shift.ts';
import { type Shape, sameShape } from '../ir/tensor.ts';
import { constantAt, exhausted, viewOf, withNodes } from './rewrite.ts';

/** The one number of a constant. */
function numberAt(graph: Graph<'float'>, node: Node, index: number): number | undefined {
  const data = constantAt(graph, node, index)?.data;
  const [first] = data ?? [];
  return first !== undefined && data?.every((x: number) => x === first) ? first : undefined;
}

/** What a node does with each element; operands are names of tensors, or numbers. */
interface Part {
  readonly kind: string;
  readonly attrs: unknown;
  readonly inputs: readonly (string | { readonly constant: number })[];
}

/** Undefined for a node that is more than one real function. */
function partOf(graph: Graph<'float'>, node: Node): Part | undefined {
  const shape = shapeOf(graph, at(node.outputs, 0));
  const scaled = scaleOf(graph, node);
  if (scaled !== undefined) return scaled;
  if (node.op.real === undefined) return undefined;
  const inputs = node.inputs.map((name, i) => {
    if (constantAt(graph, node, i) === undefined)
      return sameShape(shapeOf(graph, name), shape) ? name : undefined;
    const constant = numberAt(graph, node, i);
    return constant === undefined ? undefined : { constant };
  });
  if (inputs.includes(undefined)) return undefined;
  return { kind: node.op.kind, attrs: node.attrs, inputs: inputs.flatMap((input) => input ?? []) };
}

/** A map that is the same for all channels, and has no kernel. */
function scaleOf(graph: Graph<'float'>, node: Node): Part | undefined {
  const { op, inputs } = node;
  if (op.real !== undefined || op.affine.kind !== 'channelwise' || op.affine.again === undefined)
    return undefined;
  const f = op.affine.map(viewOf(graph, node));
  if (f === undefined || f.trained !== undefined || f.clamp !== undefined) return undefined;
  const [gain, shift] = [at(f.gain, 0), at(f.shift, 0)];
  if (f.gain.some((g) => g !== gain) || f.shift.some((h) => h !== shift)) return undefined;
  return { kind: line.kind, attrs: { gain, shift }, inputs: inputs.slice(0, 1) };
}

const shapeOf = (graph: Graph<'float'>, name: string): Shape => graph.tensors.get(name)?.shape ?? [];

/** Nodes in order of execution, of which the last makes what is read outside. */
interface Region {
  readonly source: string;
  readonly nodes: readonly Node[];
}

const partsOf = (graph: Graph<'float'>): ReadonlyMap<Node, Part> =>
  new Map(
    graph.nodes.flatMap((node) => {
      const part = partOf(graph, node);
      return part === undefined ? [] : [[node, part]];
    }),
  );

/** From the last node back, as long as what is added is read inside alone; the largest that reads one tensor. */
function regionAt(graph: Graph<'float'>, parts: ReadonlyMap<Node, Part>, last: Node): Region | undefined {
  const inside = new Set([last]);
  let found: Region | undefined;
  for (;;) {
    const read = new Set([...inside].flatMap((node) => namesOf(parts.get(node))));
    for (const { outputs } of inside) read.delete(at(outputs, 0));
    const [source, ...others] = read;
    if (source !== undefined && others.length === 0)
      found = { source, nodes: graph.nodes.filter((node) => inside.has(node)) };
    const next = graph.nodes.findLast(
      (node) => parts.has(node) && read.has(at(node.outputs, 0)) && isReadInside(graph, node, inside),
    );
    if (next === undefined) return found;
    inside.add(next);
  }
}

const namesOf = (part: Part | undefined): readonly string[] =>
  part?.inputs.filter((input) => typeof input === 'string') ?? [];

const isReadInside = (graph: Graph<'float'>, { outputs }: Node, inside: ReadonlySet<Node>): boolean =>
  !graph.outputs.includes(at(outputs, 0)) &&
  graph.nodes.every((node) => inside.has(node) || !node.inputs.includes(at(outputs, 0)));

const isMap = ({ op }: Node): boolean => op.affine.kind === 'channelwise';

/** Without the maps in front, which the layer before may take in. */
function withoutMaps(parts: ReadonlyMap<Node, Part>, { source, nodes }: Region): Region {
  const [first, ...rest] = nodes;
  const readers = nodes.filter((node) => namesOf(parts.get(node)).includes(source));
  if (first === undefined || readers.length > 1 || !isMap(first)) return { source, nodes };
  return withoutMaps(parts, { source: at(first.outputs, 0), nodes: rest });
}

function stepsOf(parts: ReadonlyMap<Node, Part>, { source, nodes }: Region): readonly FormulaStep[] {
  const places = new Map([
    [source, -1],
    ...nodes.map(({ outputs }, i): [string, number] => [at(outputs, 0), i]),
  ]);
  return nodes.flatMap((node) => {
    const part = parts.get(node);
    if (part === undefined) return [];
    const inputs = part.inputs.map((x): Operand => (typeof x === 'string' ? (places.get(x) ?? -1) : x));
    return { ...part, inputs };
  });
}

function composeOne(graph: Graph<'float'>, keepMaps: boolean): Graph<'float'> | undefined {
  const parts = partsOf(graph);
  for (const last of graph.nodes.toReversed()) {
    const whole = parts.has(last) ? regionAt(graph, parts, last) : undefined;
    const region = whole && keepMaps ? withoutMaps(parts, whole) : whole;
    if (region === undefined || region.nodes.length < 2 || (keepMaps && region.nodes.every(isMap))) continue;
    const { source, nodes } = region;
    const made: Node = {
      name: last.name,
      op: formula,
      attrs: { steps: stepsOf(parts, region) },
      inputs: [source],
      outputs: last.outputs,
      origin: nodes.flatMap(({ origin }) => origin),
    };
    const left = graph.nodes.filter((node) => node === last || !nodes.includes(node));
    return withNodes(
      graph,
      left.map((node) => (node === last ? made : node)),
    );
  }
  return undefined;
}

/** Maps that stand in front of all others stay: layers take them in. */
export const composedFrom = (graph: Graph<'float'>): Graph<'float'> =>
  exhausted(graph, (current) => composeOne(current, true));

/** Everything that stands in a row. */
export const composed = (graph: Graph<'float'>): Graph<'float'> =>
  exhausted(graph, (current) => composeOne(current, false));
