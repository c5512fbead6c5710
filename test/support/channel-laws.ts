/** What operators say of channels holds, node by node and of whole networks. */

import type { Channels, Columns } from '../../src/ir/graph/channels.ts';
import { verifyGraph } from '../../src/ir/graph/check.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { channelsOf, type Graph, type Node } from '../../src/ir/graph/graph.ts';
import {
  countOf,
  floats,
  numbersFor,
  picked,
  sameShape,
  showShape,
  type Tensor,
} from '../../src/ir/tensor.ts';
import { dropDeadChannels } from '../../src/passes/channels/drop-dead-channels.ts';
import { liveChannels } from '../../src/passes/channels/live.ts';
import { shrink } from '../../src/passes/channels/remove.ts';
import { channelSpaces, type Space } from '../../src/passes/channels/spaces.ts';
import { Draw } from './draw.ts';
import { floatStages } from './pipeline.ts';
import type { Recipe } from './recipes.ts';

/** Not empty, ascending. */
function someOf(draw: Draw, count: number): readonly number[] {
  const some = Array.from({ length: count }, (_, i) => i).filter(() => draw.unit() < 0.6);
  return some.length > 0 ? some : [draw.int(0, count - 1)];
}

const without = (count: number, some: readonly number[]): readonly number[] =>
  Array.from({ length: count }, (_, i) => i).filter((i) => !some.includes(i));

const spread = (channels: readonly number[], inner: number): readonly number[] =>
  channels.flatMap((c) => Array.from({ length: inner }, (_, i) => c * inner + i));

/** Weights with zeros for some channels of the input, and for some rows. */
function silenced(columns: Columns, unread: readonly number[], rows: readonly number[]): Float32Array {
  const weights = Float32Array.from(columns.weights.data);
  for (let row = 0; row < columns.rows; row++)
    for (let c = 0; c < columns.channels; c++) {
      const start = columns.start(row, c);
      if (start !== undefined && (unread.includes(c) || rows.includes(row)))
        weights.fill(0, start, start + columns.taps);
    }
  return weights;
}

function requireSame(what: string, have: Tensor, want: Tensor): void {
  if (!sameShape(have.shape, want.shape))
    throw new Error(`${what}: ${showShape(have.shape)} instead of ${showShape(want.shape)}`);
  const i = want.data.findIndex((x: number, k: number) => x !== have.data[k]);
  if (i >= 0) throw new Error(`${what}, element ${i}: ${have.data[i]} instead of ${want.data[i]}`);
}

/** Every weight is of one row and one channel. */
function columnsLaw(where: string, { weights, rows, channels, taps, start }: Columns): void {
  const starts = Array.from({ length: rows * channels }).flatMap(
    (_, i) => start(Math.floor(i / channels), i % channels) ?? [],
  );
  const all = Array.from({ length: weights.data.length / taps }, (_, i) => i * taps);
  if (starts.toSorted((a, b) => a - b).join() !== all.join()) throw new Error(`${where}, columns: ${starts}`);
}

type Inputs = readonly (Tensor | undefined)[];

/** Zeros and ones. */
const whole = (dtype: Tensor['dtype'], shape: Tensor['shape'], draw: Draw): Tensor => ({
  ...{ dtype, shape },
  data: numbersFor(dtype, countOf(shape)).map(() => draw.int(0, 1)),
});

/** Random activations, and layers of which some rows, and the columns of what is to go, are 0. */
function inputsOf(graph: Graph<'float'>, node: Node, draw: Draw, gone: readonly number[]): Inputs {
  const { columns, flow } = channelsOf(graph, node);
  const dead = columns === undefined ? [] : without(columns.rows, someOf(draw, columns.rows));
  return node.inputs.map((name, i): Tensor | undefined => {
    if (name === '') return undefined;
    const { shape, constant, dtype } = graph.tensors.get(name)!;
    if (constant === undefined && dtype !== 'float32') return whole(dtype, shape, draw);
    if (constant === undefined) return floats(shape, draw.floats(countOf(shape), -2, 2));
    if (columns === undefined || i > 2) return constant;
    if (i === 1) return floats(shape, silenced(columns, flow === 'made' ? gone : [], dead));
    return floats(
      shape,
      Float32Array.from(constant.data, (b, row) => (dead.includes(row) ? 0 : b)),
    );
  });
}

/** A node with fewer channels makes what is left of its output, of the type that it infers. */
function nodeLaw(graph: Graph<'float'>, node: Node, draw: Draw): void {
  const { op, attrs, name } = node;
  const where = `node '${name}' (${op.kind})`;
  const first = graph.tensors.get(node.inputs[0]!)!.shape[1] ?? 1;
  const outputs = graph.tensors.get(node.outputs[0]!)!.shape[1] ?? 1;
  const left = someOf(draw, first);
  const inputs = inputsOf(graph, node, draw, without(first, left));
  const isConstant = node.inputs.map((input) => graph.tensors.get(input)?.constant !== undefined);
  const typed = (list: Inputs) =>
    list.map((t, i) => t && { dtype: t.dtype, shape: t.shape, ...(isConstant[i] ? { constant: t } : {}) });
  const channels: Channels = op.channels(attrs, typed(inputs));
  const made = op.reference(attrs, inputs)[0]!;
  const { padding } = channels.columns ?? {};
  if (channels.columns !== undefined) columnsLaw(where, channels.columns);
  if (padding !== undefined)
    requireSame(`${where}, padded alike`, op.reference(padding.replaced(padding.values), inputs)[0]!, made);
  if (channels.flow === 'opaque') return;
  const stays = channels.flow === 'made' ? someOf(draw, outputs) : spread(left, outputs / first);
  const reduced = channels.reduced(left, stays);
  const fewer = inputs.map((t, i) =>
    isConstant[i] ? (reduced.constants?.[i] ?? t) : t && picked(t, 1, left),
  );
  const want = picked(made, 1, stays);
  requireSame(where, op.reference(reduced.attrs, fewer)[0]!, want);
  const [type] = op.infer(reduced.attrs, typed(fewer));
  if (!sameShape(type!.shape, want.shape)) throw new Error(`${where} infers ${showShape(type!.shape)}`);
  silenceLaw(where, node, inputs, isConstant, channels);
}

/** Channels of which it is said that they are 0 where all that they are made of is are. */
function silenceLaw(
  where: string,
  { op, attrs }: Node,
  inputs: Inputs,
  isConstant: readonly boolean[],
  channels: Exclude<Channels, { flow: 'opaque' }>,
): void {
  const zeros = inputs.map((t, i) =>
    isConstant[i] ? t : t && floats(t.shape, new Float32Array(t.data.length)),
  );
  const padding = channels.columns?.padding;
  const bare = padding === undefined ? attrs : padding.replaced(padding.values.map(() => 0));
  const { shape, data } = op.reference(bare, zeros)[0]!;
  const size = countOf(shape.slice(2));
  data.forEach((x: number, i: number) => {
    const c = Math.floor(i / size) % (shape[1] ?? 1);
    if (x !== 0 && channels.isSilent(c)) throw new Error(`${where}: channel ${c} is said to be 0, and ${x}`);
  });
}

/** The graph with 0 in every column of channels that go, or in every row that makes them and its bias. */
function withDead(
  graph: Graph<'float'>,
  where: 'columns' | 'rows',
  goneOf: (tensor: string) => readonly number[],
): Graph<'float'> {
  const tensors = new Map(graph.tensors);
  for (const node of graph.nodes) {
    const { columns } = channelsOf(graph, node);
    if (columns === undefined) continue;
    const [input, weight, bias] = node.inputs;
    const unread = where === 'columns' ? goneOf(input!) : [];
    const rows = where === 'rows' ? goneOf(node.outputs[0]!) : [];
    const put = (name: string, data: Float32Array): void => {
      const info = graph.tensors.get(name)!;
      tensors.set(name, { ...info, constant: floats(info.shape, data) });
    };
    put(weight!, silenced(columns, unread, rows));
    const old = graph.tensors.get(bias ?? '')?.constant?.data;
    if (old !== undefined)
      put(
        bias!,
        Float32Array.from(old, (b, row) => (rows.includes(row) ? 0 : b)),
      );
  }
  return { ...graph, tensors };
}

/** Channels that nothing reads go, whatever they are; then all that are dead, by their columns or their rows. */
function networkLaw(graph: Graph<'float'>, samples: readonly Float32Array[], draw: Draw): void {
  const spaces = channelSpaces(graph);
  const kept = new Map(spaces.free.map((space) => [space, someOf(draw, space.channels)] as const));
  const goneOf = (tensor: string): readonly number[] => {
    const { space, inner } = spaces.axisOf(tensor);
    const stays = kept.get(space);
    return stays === undefined ? [] : spread(without(space.channels, stays), inner);
  };
  const isSame = (what: string, after: Graph<'float'>, before: Graph<'float'>): void => {
    verifyGraph(after);
    for (const sample of samples) requireSame(what, outputOf(after, sample), outputOf(before, sample));
  };
  const ignored = withDead(graph, 'columns', goneOf);
  const again = channelSpaces(ignored);
  const named = new Map(
    again.free.map((space, i): [Space, readonly number[]] => [space, kept.get(spaces.free[i]!)!]),
  );
  isSame('without what nothing reads', shrink(ignored, again, named), ignored);
  for (const dead of [ignored, withDead(graph, 'rows', goneOf)]) {
    const live = dropDeadChannels.run(dead);
    isSame('without what is dead', live, dead);
    const alive = liveChannels(dead);
    const deadIn = (tensor: string): readonly number[] =>
      [...alive(tensor).keys()].filter((c) => alive(tensor)[c] === 0);
    for (const side of ['columns', 'rows'] as const)
      isSame(`with 0 for the ${side} of what is dead`, withDead(dead, side, deadIn), dead);
    if (dropDeadChannels.run(live) !== live) throw new Error('what is left is dead again');
  }
}

function outputOf(graph: Graph<'float'>, sample: Float32Array): Tensor {
  const [input] = graph.inputs;
  const { shape } = graph.tensors.get(input!)!;
  return evaluate(graph, new Map([[input!, floats(shape, sample)]])).get(graph.outputs[0]!)!;
}

/** With other padding, some of it 0. */
const padded = (graph: Graph<'float'>, draw: Draw): Graph<'float'> => ({
  ...graph,
  nodes: graph.nodes.map((node): Node => {
    const padding = channelsOf(graph, node).columns?.padding;
    if (padding === undefined) return node;
    const values = padding.values.map(() => (draw.unit() < 0.5 ? 0 : draw.between(-1, 1)));
    return { ...node, attrs: padding.replaced(values) };
  }),
});

export function channelsLaw(recipe: Recipe): void {
  const { canonical, settled, samples } = floatStages(recipe);
  const draw = new Draw(recipe.seed + 17);
  for (const node of [...canonical.nodes, ...settled.nodes])
    nodeLaw(canonical.nodes.includes(node) ? canonical : settled, node, draw);
  for (const graph of [canonical, settled, padded(settled, draw)])
    networkLaw(graph, samples.slice(0, 2), draw);
}
