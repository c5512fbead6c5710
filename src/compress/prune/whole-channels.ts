/**
 * Whole channels: a channel goes where its readers can best make up for it. What a reader loses with the columns
 * B of a channel is, summed over its rows, wT_B (H^-1_BB)^-1 w_B: optimal brain surgeon with a mask that all rows
 * share.
 */
import { at } from '../../base/errors.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { type KeptChannels, shrink } from '../../passes/channels/remove.ts';
import { type ChannelSpaces, channelSpaces, channelsIn, type Space } from '../../passes/channels/spaces.ts';
import { Elimination } from '../fit/elimination.ts';
import { sweep } from '../fit/layer-by-layer.ts';
import { type MacLayer, macLayers } from '../fit/layers.ts';
import { augmentedRow, damped, type Problem } from '../fit/problems.ts';
import { targetsOf } from '../fit/reference.ts';
import { emptyWeights, type Weights, withWeights } from '../fit/refit.ts';
import { statistics } from '../fit/statistics.ts';
import { inverse } from '../fit/symmetric.ts';
import { allocate, type RemovalCurve } from './allocate.ts';
import { weightPrice } from './obs.ts';
import type { PruneOptions } from './options.ts';
import { costOf, type Trace, type Unit } from './removals.ts';

const damping = 1e-2;

/** @returns a smaller graph */
export function pruneChannels(graph: Graph<'float'>, options: PruneOptions): Graph<'float'> {
  const { samples, seed = 1, onProgress } = options;
  const layers = macLayers(graph);
  const spaces = channelSpaces(graph);
  const report = (what: string) => (done: number, total: number) => onProgress?.(what, done, total);
  const measured = { seed, projections: 2, focus: 0.5, onProgress: report('measuring layers') };
  const problems = statistics(graph, layers, samples, measured);
  const curves = spaces.free.map((space) => offerOf(space, layers, problems, options));
  const kept = choose(layers, spaces, curves, options.sparsity);
  const silent = withWeights(graph, silenced(spaces, layers, kept));
  const targets = targetsOf(graph, samples, { ...measured, onProgress: report('refitting') });
  const fitted = sweep(silent, targets, samples, { damping: () => 1e-3 });
  return shrink(fitted, spaces, kept);
}

const isOneOf = (ends: Space['readers' | 'makers'], layer: MacLayer): boolean =>
  ends.some(({ node }) => node.name === layer.node.name);

/** The columns (0 is the bias) that each channel of a space is in a reader's part. */
function unitsIn(space: Space, { layer, firstTerm, terms }: Problem): Unit[] {
  const perChannel = layer.terms / space.channels;
  return channelsIn(space).map((c) =>
    Array.from({ length: perChannel }, (_, i) => c * perChannel + i - firstTerm + 1).filter(
      (column) => column >= 1 && column <= terms,
    ),
  );
}

interface Reader {
  readonly elimination: Elimination;
  readonly rows: readonly Float64Array[];
  readonly importance: readonly number[];
  readonly units: readonly Unit[];
}

function readerOf(space: Space, problem: Problem): Reader {
  const rows = Array.from({ length: problem.rows }, (_, row) => augmentedRow(problem, row));
  const elimination = new Elimination(inverse(damped(problem.hessian, damping)), rows);
  return { elimination, rows, importance: [...problem.importance], units: unitsIn(space, problem) };
}

function offerOf(
  space: Space,
  layers: readonly MacLayer[],
  problems: readonly Problem[],
  { price = 'weights' }: PruneOptions,
): RemovalCurve {
  const readers = problems.filter((p) => isOneOf(space.readers, p.layer)).map((p) => readerOf(space, p));
  const { order, costs } = channelTrace(readers, space.channels);
  const touched = layers.filter((l) => isOneOf(space.makers, l) || isOneOf(space.readers, l));
  const saved = touched.reduce((sum, l) => sum + weightsPerChannel(space, l), 0);
  const saving = touched.reduce((sum, l) => sum + weightsPerChannel(space, l) * weightPrice(l, price), 0);
  // The last channel stays.
  const trace: Trace = { order: order.subarray(0, -1), costs: costs.subarray(0, -1), forced: 0 };
  return { trace, sizes: trace.order.map(() => saved), price: saving / saved };
}

const weightsPerChannel = (space: Space, layer: MacLayer): number => layer.weights.length / space.channels;

/** Channels in the order of removal, the cheapest for all readers together first. */
function channelTrace(readers: readonly Reader[], channels: number): Pick<Trace, 'order' | 'costs'> {
  const left = new Set(Array.from({ length: channels }, (_, c) => c));
  const order = new Int32Array(channels);
  const costs = new Float64Array(channels);
  for (let step = 0; step < channels; step++) {
    let [best, cost] = [-1, Number.POSITIVE_INFINITY];
    for (const channel of left) {
      const found = readers.reduce((sum, r) => sum + costOf(r, r.elimination, at(r.units, channel)), 0);
      if (found < cost || best < 0) [best, cost] = [channel, found];
    }
    [order[step], costs[step]] = [best, cost];
    left.delete(best);
    for (const r of readers) for (const weight of at(r.units, best)) r.elimination.fix(weight);
  }
  return { order, costs };
}

/**
 * A channel's weights overlap with those of the spaces around it, so the curves' sizes are only estimates: what to
 * ask of them is found by bisection on the weights that are really left.
 */
function choose(
  layers: readonly MacLayer[],
  spaces: ChannelSpaces,
  curves: readonly RemovalCurve[],
  sparsity: number,
): KeptChannels {
  const total = layers.reduce((sum, l) => sum + l.weights.length, 0);
  const most = curves.reduce((sum, { sizes }) => sum + sizes.reduce((n, size) => n + size, 0), 0);
  let [low, high] = [0, most];
  for (let i = 0; i < 40 && high - low > 0.5; i++) {
    const middle = (low + high) / 2;
    const left = weightsLeft(layers, spaces, keptFor(spaces, curves, middle));
    if (total - left >= sparsity * total) high = middle;
    else low = middle;
  }
  return sparsity === 0 ? new Map() : keptFor(spaces, curves, high);
}

function keptFor(spaces: ChannelSpaces, curves: readonly RemovalCurve[], target: number): KeptChannels {
  const counts = allocate(curves, target);
  return new Map(
    spaces.free.map((space, i) => {
      const gone = new Set(curves[i]?.trace.order.subarray(0, counts[i]));
      return [space, channelsIn(space).filter((c) => !gone.has(c))];
    }),
  );
}

function weightsLeft(layers: readonly MacLayer[], spaces: ChannelSpaces, kept: KeptChannels): number {
  const share = (tensor: string): number => {
    const { space } = spaces.axisOf(tensor);
    return (kept.get(space)?.length ?? space.channels) / space.channels;
  };
  return layers.reduce((sum, layer) => {
    const { node, input, weights } = layer;
    const rows = share(at(node.outputs, 0));
    return (
      sum + weights.length * rows * (isOneOf(spaces.axisOf(input).space.readers, layer) ? share(input) : 1)
    );
  }, 0);
}

/** The layers with zeros where a channel that goes is made or read: shapes stay, for the sweep. */
function silenced(
  spaces: ChannelSpaces,
  layers: readonly MacLayer[],
  kept: KeptChannels,
): ReadonlyMap<MacLayer, Weights> {
  return new Map(
    layers.map((layer) => {
      const { input, node, rows, terms } = layer;
      const made = emptyWeights(layer);
      made.bias.set(layer.bias);
      const { space } = spaces.axisOf(input);
      const rowStays = staying(spaces.axisOf(at(node.outputs, 0)).space, kept, rows);
      const termStays = isOneOf(space.readers, layer) ? staying(space, kept, terms) : () => true;
      layer.weights.forEach((w, i) => {
        made.weights[i] = rowStays(Math.floor(i / terms)) && termStays(i % terms) ? w : 0;
      });
      return [layer, made];
    }),
  );
}

/** Whether the channel of an element stays, of `count` that are in the order of channels. */
function staying(space: Space, kept: KeptChannels, count: number): (element: number) => boolean {
  const stays = new Set(kept.get(space) ?? channelsIn(space));
  return (element) => stays.has(Math.floor((element * space.channels) / count));
}
