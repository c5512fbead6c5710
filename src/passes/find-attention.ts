/**
 * Attention as exporters write it: a product of queries and keys, scaled, with a constant mask added or without, the
 * softmax of its rows, and the product of that with values. Scales may stand before the product too. What is found
 * becomes one node, which never makes the shares.
 */
import { at, InputError, must, nodeLabel } from '../base/errors.ts';
import { type Graph, is, type Node, type NodeOf } from '../ir/graph/graph.ts';
import { add } from '../ir/ops/add.ts';
import { type AttentionAttrs, attention } from '../ir/ops/attention.ts';
import { type MatricesAttrs, matrices } from '../ir/ops/matrices.ts';
import { softmax } from '../ir/ops/softmax.ts';
import type { Pass } from './pass.ts';
import { activationInput, constantAt, exhausted, onlyReader, viewOf, withNodes } from './rewrite.ts';

/** A factor above 0 for all elements alike, and nothing added; undefined of any other node. */
function factorOf(graph: Graph<'float'>, node: Node): number | undefined {
  const { affine } = node.op;
  const f = affine.kind === 'channelwise' ? affine.map(viewOf(graph, node)) : undefined;
  if (f === undefined || f.clamp !== undefined || f.shift.some((h) => h !== 0)) return undefined;
  const [gain = 0] = f.gain;
  return gain > 0 && f.gain.every((g) => g === gain) ? gain : undefined;
}

/** The node that makes a tensor for one reader. */
const makerOf = (graph: Graph<'float'>, name: string): Node | undefined =>
  onlyReader(graph, name) && graph.nodes.find(({ outputs }) => outputs[0] === name);

/** A tensor without the factors that it was multiplied by last. */
interface Factored {
  readonly name: string;
  readonly gain: number;
  readonly gone: readonly Node[];
}

function factored(graph: Graph<'float'>, name: string): Factored {
  const maker = makerOf(graph, name);
  const gain = maker && factorOf(graph, maker);
  if (maker === undefined || gain === undefined) return { name, gain: 1, gone: [] };
  const before = factored(graph, activationInput(graph, maker));
  return { ...before, gain: gain * before.gain, gone: [...before.gone, maker] };
}

/** What makes the scores of a softmax. */
interface Scores {
  readonly product: NodeOf<MatricesAttrs>;
  readonly gain: number;
  /** The name of a constant. */
  readonly mask?: string;
  readonly gone: readonly Node[];
}

function scoresOf(graph: Graph<'float'>, name: string): Scores | undefined {
  const scaled = factored(graph, name);
  const maker = makerOf(graph, scaled.name);
  if (maker === undefined) return undefined;
  if (is(maker, matrices)) {
    const gain = scaled.gain * (maker.attrs.gain ?? 1);
    return { product: maker, gain, gone: [...scaled.gone, maker] };
  }
  const mask = maskOf(graph, maker);
  if (mask === undefined || scaled.gain !== 1) return undefined;
  const inner = scoresOf(graph, activationInput(graph, maker));
  return inner === undefined || inner.mask !== undefined
    ? undefined
    : { ...inner, mask, gone: [...inner.gone, maker] };
}

/** The constant that a node adds, and does nothing else. */
function maskOf(graph: Graph<'float'>, node: Node): string | undefined {
  if (!is(node, add) || Object.keys(node.attrs).length > 0) return undefined;
  const index = node.inputs.findIndex((_, i) => constantAt(graph, node, i) !== undefined);
  return index < 0 ? undefined : node.inputs[index];
}

const isAlongRows = (graph: Graph<'float'>, node: Node): boolean => {
  const { shape } = must(graph.tensors.get(at(node.outputs, 0)), 'a known tensor');
  return is(node, softmax) && node.attrs.axis === shape.length - 1;
};

/** The last product of an attention as all of it; undefined where it is the last of none. */
function attended(
  graph: Graph<'float'>,
  last: Node,
): readonly [node: Node, gone: readonly Node[]] | undefined {
  if (!is(last, matrices) || constantAt(graph, last, 1) !== undefined || last.inputs[0] === last.inputs[1])
    return undefined;
  const shares = makerOf(graph, at(last.inputs, 0));
  if (shares === undefined || !isAlongRows(graph, shares)) return undefined;
  const scores = scoresOf(graph, at(shares.inputs, 0));
  if (scores === undefined || [0, 1].some((i) => constantAt(graph, scores.product, i) !== undefined))
    return undefined;
  const [q, k] = scores.product.inputs.map((name) => factored(graph, name));
  if (q === undefined || k === undefined || (last.attrs.gain ?? 1) !== 1) return undefined;
  const gone = [...q.gone, ...k.gone, ...scores.gone, shares];
  const attrs: AttentionAttrs = { gain: scores.gain * q.gain * k.gain };
  const inputs = [q.name, k.name, at(last.inputs, 1), ...(scores.mask === undefined ? [] : [scores.mask])];
  const origin = [...gone, last].flatMap((node) => node.origin);
  return [{ name: last.name, op: attention, attrs, inputs, outputs: last.outputs, origin }, gone];
}

function findOne(graph: Graph<'float'>): Graph<'float'> | undefined {
  for (const last of graph.nodes) {
    const found = attended(graph, last);
    if (found === undefined) continue;
    const [node, gone] = found;
    const nodes = graph.nodes.flatMap((n) => (n === last ? [node] : gone.includes(n) ? [] : [n]));
    return withNodes(graph, nodes);
  }
  return undefined;
}

/** Nothing but a softmax makes 0 of what is this far below. @throws InputError for masks that are left */
function requireNoMasks(graph: Graph<'float'>): Graph<'float'> {
  for (const node of graph.nodes) {
    const [name] = is(node, add) ? node.inputs.filter((_, i) => isMask(graph, node, i)) : [];
    if (name !== undefined)
      throw new InputError({
        where: nodeLabel(node.name, 'Add'),
        found: `-Infinity in its constant '${name}'`,
        supported: 'masks between a product of queries and keys and the softmax of its rows',
        todo: 'write the attention in this form, or add a finite number such as -100',
      });
  }
  return graph;
}

const isMask = (graph: Graph<'float'>, node: Node, index: number): boolean =>
  constantAt(graph, node, index)?.data.some((x: number) => x < -1e37) ?? false;

export const findAttention: Pass<'float', 'float'> = {
  name: 'find-attention',
  doc: 'products of queries and keys, softmax and values become one node; numbers move within float32 rounding',
  run: (graph) => requireNoMasks(exhausted(graph, findOne)),
};
