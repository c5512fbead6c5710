/** Masks of attention: what is to be hidden from a softmax is chosen, and no number of a grid. */
import { at, must } from '../base/errors.ts';
import { freshIn, type Graph, is, type Node, type TensorInfo } from '../ir/graph/graph.ts';
import { add } from '../ir/ops/add.ts';
import { choice } from '../ir/ops/choice.ts';
import { move } from '../ir/ops/move.ts';
import { softmax } from '../ir/ops/softmax.ts';
import { floats, sameShape } from '../ir/tensor.ts';
import { constantAt, exhausted, inRow } from './rewrite.ts';

type Float = Graph<'float'>;

/** Finite numbers alone, and choices instead of sums with what hides. */
export const withChosenMasks = (graph: Float): Float => exhausted(withLowestFinite(graph), chosenOne);

/** Half of the lowest float32, which hides what it is added to in a softmax as -Infinity does, and can be computed with. */
const lowest = -1.7e38;

/** -Infinity in constants that are added or chosen, as masks of attention have it. */
function withLowestFinite(graph: Float): Float {
  const added = new Set(
    graph.nodes.flatMap((node) => (is(node, add) || is(node, choice) ? node.inputs : [])),
  );
  const tensors = [...graph.tensors].map(([name, info]): [string, TensorInfo<'float'>] => {
    const { constant } = info;
    if (constant?.dtype !== 'float32' || !added.has(name) || !constant.data.includes(-Infinity))
      return [name, info];
    const data = Float32Array.from(constant.data, (x) => (x === -Infinity ? lowest : x));
    return [name, { ...info, constant: floats(constant.shape, data) }];
  });
  return { ...graph, tensors: new Map(tensors) };
}

/** Choices that are read by softmaxes alone know that. */
export function withHiding(graph: Float): Float {
  const shown = new Set(graph.outputs);
  for (const node of graph.nodes) if (!is(node, softmax)) for (const name of node.inputs) shown.add(name);
  const nodes = graph.nodes.map((node) =>
    is(node, choice) && !shown.has(at(node.outputs, 0)) ? { ...node, attrs: { hides: true } } : node,
  );
  return { ...graph, nodes };
}

/** Below this, a sum with any score is the number itself in float32. */
const beyond = -1e30;

/** Where a float is 0 or hides, by a condition: the choice, which of the two hides, and what only renames it on the way. */
interface Mask {
  readonly choice: Node;
  readonly hides: 1 | 2;
  /** From the choice on. */
  readonly views: readonly Node[];
}

/** The two of a choice where one is 0 and the other hides; undefined for others. */
function hidingOf(graph: Float, node: Node): 1 | 2 | undefined {
  const [x, y] = [constantAt(graph, node, 1)?.data, constantAt(graph, node, 2)?.data];
  if (x === undefined || y === undefined) return undefined;
  const hides = (data: typeof x): boolean => data.every((value: number) => value <= beyond);
  const none = (data: typeof x): boolean => data.every((value: number) => value === 0);
  if (hides(x) && none(y)) return 1;
  return none(x) && hides(y) ? 2 : undefined;
}

/** Whether all that it makes are elements of its only input: a view, or a repetition of them. */
const handsOn = (node: Node): boolean =>
  node.inputs.length === 1 && (node.op.alias === true || (is(node, move) && node.attrs.fill === undefined));

function maskAt(graph: Float, name: string): Mask | undefined {
  const views: Node[] = [];
  for (let from = name; ; ) {
    const maker = graph.nodes.find(({ outputs }) => outputs.includes(from));
    if (maker === undefined) return undefined;
    if (is(maker, choice)) {
      const hides = hidingOf(graph, maker);
      const [from, to] = [at(maker.inputs, 0), at(maker.outputs, 0)].map((x) => graph.tensors.get(x)?.shape);
      if (hides === undefined || from === undefined || to === undefined || !sameShape(from, to))
        return undefined;
      return { choice: maker, hides, views: views.toReversed() };
    }
    if (!handsOn(maker)) return undefined;
    views.push(maker);
    from = at(maker.inputs, 0);
  }
}

/** s + (c ? hidden : 0) before a softmax, as c ? hidden : s: the grid of the scores need not reach to what is hidden. */
function chosenOne(graph: Float): Float | undefined {
  for (const node of graph.nodes) {
    if (!is(node, add) || node.inputs.length !== 2 || node.attrs.clamp !== undefined) continue;
    const readers = graph.nodes.filter(({ inputs }) => inputs.includes(at(node.outputs, 0)));
    if (readers.length === 0 || !readers.every((reader) => is(reader, softmax))) continue;
    if (graph.outputs.includes(at(node.outputs, 0))) continue;
    const masks = node.inputs.map((name) => maskAt(graph, name));
    const index = masks.findIndex((mask) => mask !== undefined);
    const mask = masks[index];
    if (mask !== undefined) return chosen(graph, node, at(node.inputs, 1 - index), mask);
  }
  return undefined;
}

/** The sum of scores and a mask as a choice between the scores and what hides. */
function chosen(graph: Float, sum: Node, scores: string, { choice: mask, hides, views }: Mask): Float {
  const tensors = new Map(graph.tensors);
  const named = (stem: string, info: TensorInfo<'float'>): string => {
    const name = freshIn(tensors, stem);
    tensors.set(name, info);
    return name;
  };
  const names = views.map(({ outputs }) => {
    const { shape } = must(tensors.get(at(outputs, 0)), 'a view has a type');
    return named(`${outputs[0]}~mask`, { dtype: 'bool', shape });
  });
  const all = [at(mask.inputs, 0), ...names];
  const low = floats([], Float32Array.of(lowest));
  const hidden = named(`${sum.name}~hidden`, { dtype: 'float32', shape: [], constant: low });
  const own = new Set(graph.nodes.map(({ name }) => name));
  const moved = inRow(views, all).map((node) => {
    const name = freshIn(own, `${node.name}~mask`);
    own.add(name);
    return { ...node, name };
  });
  const pair = hides === 1 ? [hidden, scores] : [scores, hidden];
  const one: Node = { ...sum, op: choice, attrs: {}, inputs: [at(all, all.length - 1), ...pair] };
  const nodes = graph.nodes.flatMap((node) => (node === sum ? [...moved, one] : [node]));
  return { ...graph, tensors, nodes };
}
