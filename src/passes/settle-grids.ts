/**
 * Grids of a quantized model: behind fusion the tensor that is rounded to one is stored on it, and the rounding has no
 * kernel. Fusion sees no tensor that the model stores, so nothing is taken over one.
 */
import { at } from '../base/errors.ts';
import { freshIn, type Graph, is, type Node } from '../ir/graph/graph.ts';
import type { RequantMode } from '../ir/graph/op.ts';
import { rangeOfGrid } from '../ir/integers/quant.ts';
import { fileStep, fileValue, halfEven } from '../ir/kernel/file-grid.ts';
import { type Quant, sameGrid } from '../ir/kernel/stored.ts';
import { add } from '../ir/ops/add.ts';
import { type ClipAttrs, clip } from '../ir/ops/clip.ts';
import { grid } from '../ir/ops/grid.ts';
import { maxPool } from '../ir/ops/max-pool.ts';
import type { Pass } from './pass.ts';
import {
  activationInput,
  constantAt,
  exhausted,
  freshName,
  handsOn,
  onlyReader,
  withNodes,
} from './rewrite.ts';

type Float = Graph<'float'>;

/** Whether the network's activations are on grids of its file. */
export const isQuantized = (graph: Float): boolean => graph.nodes.some((node) => is(node, grid));

/** Whether the file has integers for weights, and real numbers for all activations. */
export const hasWeightsAlone = (graph: Float): boolean =>
  !isQuantized(graph) &&
  graph.nodes.some(
    ({ op, inputs }) =>
      op.rows !== undefined && graph.tensors.get(inputs[1] ?? '')?.constant?.integers !== undefined,
  );

/** Both ends of a grid's node. */
interface Ends {
  readonly from: string;
  readonly to: string;
}

const endsOf = (node: Node): Ends => ({ from: at(node.inputs, 0), to: at(node.outputs, 0) });

/** The graph without `node`: its two tensors are one, under the name of the network's output or input where one is. */
function bypassed(graph: Float, node: Node): Float {
  const { from, to } = endsOf(node);
  const kept = graph.outputs.includes(to) ? to : from;
  const named = (names: readonly string[]) =>
    names.map((name) => (name === from || name === to ? kept : name));
  const nodes = graph.nodes
    .filter((other) => other !== node)
    .map((other) => ({ ...other, inputs: named(other.inputs), outputs: named(other.outputs) }));
  const info = graph.tensors.get(from);
  const tensors = new Map(graph.tensors);
  if (info !== undefined) tensors.set(kept, info);
  return withNodes({ ...graph, tensors }, nodes);
}

/** Whether a node's two tensors can be one: not where both are the network's own. */
const isFree = ({ inputs, outputs }: Float, { from, to }: Ends): boolean =>
  !(outputs.includes(to) && (inputs.includes(from) || outputs.includes(from)));

/** The node's only input that is no constant; undefined where it has several. */
function single(graph: Float, node: Node): string | undefined {
  const [input, ...more] = node.inputs.filter((name) => graph.tensors.get(name)?.constant === undefined);
  return more.length === 0 && node.outputs.length === 1 ? input : undefined;
}

/** Whether a bound cuts numbers of the grid to numbers of the grid. */
const isOn = (bound: number, quant: Quant): boolean => {
  const { lo, hi } = rangeOfGrid(quant);
  return (
    bound <= lo || bound >= hi || fileValue(fileStep(Math.fround(bound), quant), quant) === Math.fround(bound)
  );
};

const isClipOn = ({ lo, hi }: ClipAttrs, quant: Quant): boolean => isOn(lo, quant) && isOn(hi, quant);

/** Rounding to a grid keeps the order, so behind a bound or a maximum it is the same as before it. */
function sunkOne(graph: Float): Float | undefined {
  for (const node of graph.nodes) {
    if (!is(node, grid)) continue;
    const { from, to } = endsOf(node);
    const next = onlyReader(graph, to);
    if (next === undefined) continue;
    if (is(next, grid) && sameGrid(next.attrs, node.attrs)) return bypassed(graph, node);
    if (!(is(next, maxPool) || is(next, clip)) || single(graph, next) !== to) continue;
    const made = at(next.outputs, 0);
    const behind = onlyReader(graph, made);
    if (behind !== undefined && is(behind, grid) && sameGrid(behind.attrs, node.attrs))
      return bypassed(graph, node);
    // An input is stored on its grid.
    if (is(next, clip) && (!isClipOn(next.attrs, node.attrs) || graph.inputs.includes(from))) continue;
    const between = freshName(graph, `${made}~wide`);
    const first = { ...next, inputs: [from], outputs: [between] };
    const second = { ...node, inputs: [between], outputs: [made] };
    return withNodes(
      graph,
      graph.nodes.flatMap((n) => (n === node ? [] : n === next ? [first, second] : [n])),
    );
  }
  return undefined;
}

/** One grid over what both of two in a row hold. */
function joinedGrid(a: Quant, b: Quant): Quant {
  const [first, second] = [rangeOfGrid(a), rangeOfGrid(b)];
  const f = Math.fround;
  const lo = Math.max(f(first.lo), f(second.lo));
  const scale = f(f(Math.min(f(first.hi), f(second.hi)) - lo) / 255);
  return { ...b, scale, zeroPoint: halfEven(f(0 - f(lo / scale))) };
}

/** onnxruntime rounds once where a tensor is rounded to two grids with nothing in between. */
function joinedOne(graph: Float): Float | undefined {
  for (const node of graph.nodes) {
    const next = is(node, grid) ? onlyReader(graph, at(node.outputs, 0)) : undefined;
    if (
      next === undefined ||
      !is(node, grid) ||
      !is(next, grid) ||
      node.attrs.file !== next.attrs.file ||
      node.attrs.file === undefined
    )
      continue;
    const attrs = joinedGrid(node.attrs, next.attrs);
    const made = { ...next, attrs, inputs: node.inputs, origin: [...node.origin, ...next.origin] };
    return withNodes(
      graph,
      graph.nodes.flatMap((n) => (n === node ? [] : n === next ? [made] : [n])),
    );
  }
  return undefined;
}

/** The layer whose sums a grid cuts off, behind pools and views that nothing else reads; '' where there is none. */
function sumsBefore(graph: Float, tensor: string): string {
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(tensor));
  if (maker === undefined || onlyReader(graph, tensor) === undefined) return '';
  if (maker.op.affine.kind === 'weighted' || is(maker, add)) return tensor;
  return maker.op.alias === true || is(maker, maxPool)
    ? sumsBefore(graph, activationInput(graph, maker))
    : '';
}

/**
 * Layers with the bounds of the grids behind them: a model leaves an activation out where its grid ends there. Layers
 * take bounds in, so that the float network has them without its grids.
 */
function bounded(graph: Float): Float {
  return graph.nodes.reduce((current, node) => {
    const sums = is(node, grid) ? sumsBefore(current, at(node.inputs, 0)) : '';
    if (!is(node, grid) || sums === '') return current;
    const cut = freshName(current, `${sums}~cut`);
    const name = freshIn(new Set(current.nodes.map((n) => n.name)), `${node.name}~clip`);
    const clipped: Node = {
      ...{ name, op: clip, attrs: rangeOfGrid(node.attrs), inputs: [sums], outputs: [cut], origin: [] },
    };
    const nodes = current.nodes.flatMap((n) => {
      const inputs = n.inputs.map((input) => (input === sums ? cut : input));
      return n.outputs.includes(sums) ? [n, clipped] : [{ ...n, inputs }];
    });
    return withNodes(current, nodes);
  }, graph);
}

/** Grids move behind activations and max-pools, which then can join the layers before them. */
export const sinkGrids = (mode: RequantMode): Pass<'float', 'float'> => ({
  name: 'sink-grids',
  doc: 'of a quantized model: rounding moves behind activations and max-pools; with ort-float two in a row are one, as in onnxruntime',
  run(graph) {
    const joined = mode === 'ort-float' ? exhausted(graph, joinedOne) : graph;
    return bounded(exhausted(joined, sunkOne));
  },
});

/** The node's output is stored on the grid behind it, by whatever makes it. */
function settledOne(graph: Float, mode: RequantMode): Float | undefined {
  for (const node of graph.nodes) {
    if (!is(node, grid)) continue;
    const { from, to } = endsOf(node);
    const known = graph.tensors.get(from)?.grid;
    if (known !== undefined) {
      if (!sameGrid(known, node.attrs) || !isFree(graph, endsOf(node))) continue;
      return bypassed(graph, node);
    }
    const readers = graph.nodes.filter(({ inputs }) => inputs.includes(from));
    const alike = readers.every((reader) => is(reader, grid) && sameGrid(reader.attrs, node.attrs));
    if (!alike || graph.outputs.includes(from)) continue;
    const maker = graph.nodes.find(({ outputs }) => outputs.includes(from));
    if (maker !== undefined && handsOn(maker)) return before(graph, maker, node.attrs);
    if (maker?.op.fixedGrid?.(mode) === true) continue;
    if (maker === undefined && graph.outputs.includes(to)) return withGrid(graph, [from], node.attrs);
    return stored(graph, from, node, maker);
  }
  return undefined;
}

/** What only moves numbers moves rounded ones. */
function before(graph: Float, maker: Node, quant: Quant): Float {
  const taken = new Set(graph.nodes.map(({ name }) => name));
  const more: Node[] = [];
  const inputs = maker.inputs.map((name, i) => {
    if (name === '' || constantAt(graph, maker, i) !== undefined) return name;
    const to = freshName(graph, `${name}~${maker.name}.${i}`);
    const node = {
      name: freshIn(taken, `${maker.name}~grid`),
      op: grid,
      attrs: quant,
      inputs: [name],
      outputs: [to],
      origin: [],
    };
    taken.add(node.name);
    more.push(node);
    return to;
  });
  const moved = { ...maker, inputs };
  const made = withNodes(
    graph,
    graph.nodes.flatMap((n) => (n === maker ? [...more, moved] : [n])),
  );
  return withGrid(made, maker.outputs, quant);
}

function withGrid(graph: Float, names: readonly string[], quant: Quant): Float {
  const tensors = new Map(graph.tensors);
  for (const name of names) {
    const info = tensors.get(name);
    if (info !== undefined) tensors.set(name, { ...info, grid: quant });
  }
  return { ...graph, tensors };
}

/** `from` is stored on the grid of `node`, under the name that the node gave it; an input keeps its own. */
function stored(
  graph: Float,
  from: string,
  node: Node & { readonly attrs: Quant },
  maker: Node | undefined,
): Float {
  const to = at(node.outputs, 0);
  if (maker === undefined) return bypassed(withGrid(graph, [from], node.attrs), node);
  const origin = [...maker.origin, ...node.origin];
  const made: Node = { ...maker, outputs: maker.outputs.map((name) => (name === from ? to : name)), origin };
  const nodes = graph.nodes.flatMap((n) => {
    if (n === node) return [];
    if (n === maker) return [made];
    return [{ ...n, inputs: n.inputs.map((name) => (name === from ? to : name)) }];
  });
  return withGrid(withNodes(graph, nodes), [to], node.attrs);
}

/** What only moves numbers leaves them on their grid. */
function spread(graph: Float): Float {
  return graph.nodes.reduce((current, node) => {
    if (is(node, grid)) return withGrid(current, node.outputs, node.attrs);
    const quant = current.tensors.get(activationInput(current, node))?.grid;
    const stays = quant !== undefined && is(node, clip) && isClipOn(node.attrs, quant);
    if (!handsOn(node) && !stays) return current;
    const free = node.outputs.filter((name) => current.tensors.get(name)?.grid === undefined);
    return quant === undefined ? current : withGrid(current, free, quant);
  }, graph);
}

export const settleGrids = (mode: RequantMode): Pass<'float', 'float'> => ({
  name: 'settle-grids',
  doc: 'of a quantized model: tensors are stored on the grids that the model rounds them to',
  run: (graph) =>
    isQuantized(graph) ? spread(exhausted(graph, (current) => settledOne(current, mode))) : graph,
});
