/**
 * Rows of 8-bit weights on steps as coarse as costs nothing: sums of smaller integers stay small for longer, which
 * kernels that multiply by two weights at once need (src/lower/packed.ts). A row rounded to the nearest plane
 * compensates for its own errors, so that at twice the step it is mostly as close to the float row as one that is
 * rounded weight by weight. How close is measured on inputs that the rounding has not seen.
 *
 * Signal to noise of outputs, weight by weight and so: ResNet-8 34.5 and 35.2 dB, CIFAR net 36.7 and 36.9, DS-CNN 37.0 and
 * 37.7, LeNet-5 40.5 and 40.1.
 */
import { at } from '../../base/errors.ts';
import { largestSize } from '../../base/extremes.ts';
import { mulberry32 } from '../../base/random.ts';
import { evaluate, inputTensors } from '../../ir/graph/evaluate.ts';
import type { Graph, Node } from '../../ir/graph/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { type MacLayer, macLayers } from '../fit/layers.ts';
import { times } from '../fit/reconstruct.ts';
import { emptyWeights, type Weights, withWeights } from '../fit/refit.ts';
import { addOuter, type Symmetric, zeros } from '../fit/symmetric.ts';
import { uniformGrid } from './levels.ts';
import { type RoundingNorm, roundingNorm, roundRow } from './nearest-plane.ts';
import { type RoundedWeights, roundingDamping } from './round-weights.ts';

export interface CoarserOptions {
  /** Inputs of the network as `calibrate` takes them; of fewer than 8 nothing is made. */
  readonly samples: readonly Float32Array[];
  /** Whether a node's weights may change. */
  readonly mayChange: (node: Node) => boolean;
  /** Default 1. */
  readonly seed?: number;
}

/** Samples that are run: every other one is rounded for, the others judge. */
const looked = 64;
/** Multiplications that the Hessian of a layer may take: half a second. */
const hessianBudget = 6e8;
const mostFitted = 4096;
const mostJudging = 512;
/** A weight that is used less often gains nothing from a shorter sum. */
const fewPositions = 16;
/** Of the step that reaches the largest weight; the coarsest leaves 5 bits. */
const factors = [4, 3.36, 2.83, 2.38, 2, 1.68, 1.41, 1.19];
const grid = uniformGrid(127);

/** What is known of a layer's inputs: columns behind a constant 1. */
interface Seen {
  readonly layer: MacLayer;
  /** The sum of x xT over `count` columns. */
  readonly hessian: Symmetric;
  count: number;
  readonly judging: Float64Array[];
}

/**
 * The network with rows of weights on coarser steps, where that brings their sums no farther from the float sums on
 * inputs that were not rounded for. Weights that are 0 stay so. Steps are 0 for rows that stay.
 * @param graph fused
 */
export function coarserSteps(
  graph: Graph<'float'>,
  { samples, mayChange, seed = 1 }: CoarserOptions,
): Pick<RoundedWeights, 'graph' | 'weightSteps'> {
  const layers =
    samples.length < 8 ? [] : macLayers(graph).filter((layer) => mayChange(layer.node) && isServed(layer));
  const steps = new Map<string, Float64Array>();
  const made = new Map<MacLayer, Weights>();
  for (const seen of layers.length === 0 ? [] : lookAt(graph, layers, samples, seed)) {
    const rounded = roundedLayer(seen);
    if (rounded === undefined) continue;
    made.set(seen.layer, rounded.weights);
    steps.set(seen.layer.node.name, rounded.steps);
  }
  return { graph: made.size === 0 ? graph : withWeights(graph, made), weightSteps: steps };
}

const columnsFor = ({ terms }: MacLayer): number =>
  Math.min(mostFitted, Math.floor((2 * hessianBudget) / (terms + 1) ** 2));

/** Rows of one group, used often, and short enough for a Hessian of twice as many columns. */
const isServed = (layer: MacLayer): boolean =>
  layer.groups === 1 && layer.positions >= fewPositions && columnsFor(layer) >= 2 * (layer.terms + 1);

function lookAt(
  graph: Graph<'float'>,
  layers: readonly MacLayer[],
  samples: readonly Float32Array[],
  seed: number,
): readonly Seen[] {
  const seen = layers.map(
    (layer): Seen => ({ layer, hessian: zeros(layer.terms + 1), count: 0, judging: [] }),
  );
  const random = mulberry32(seed);
  const count = Math.min(looked, samples.length);
  for (let i = 0; i < count; i++) {
    const values = new Map<string, Tensor>();
    const note = (name: string, tensor: Tensor): void => {
      if (layers.some(({ input }) => input === name)) values.set(name, tensor);
    };
    evaluate(graph, inputTensors(graph, at(samples, Math.floor((i * samples.length) / count))), note);
    for (const one of seen) {
      const x = values.get(one.layer.input);
      if (x !== undefined) take(one, x, i % 2 === 0, count / 2, random);
    }
  }
  return seen;
}

/** Some columns of a sample, for the Hessian or for the judges. */
function take(seen: Seen, x: Tensor, isFitted: boolean, samples: number, random: () => number): void {
  const { layer, hessian, judging } = seen;
  const wanted = (isFitted ? columnsFor(layer) : mostJudging) / samples;
  const columns = layer.columnsOf(x);
  const places = Math.min(layer.positions, Math.ceil(wanted));
  const first = random();
  for (let p = 0; p < places; p++) {
    const column = new Float64Array(layer.terms + 1);
    columns.fill(column, 0, Math.floor(((p + first) * layer.positions) / places));
    if (isFitted) {
      addOuter(hessian, column, 1);
      seen.count++;
    } else judging.push(column);
  }
}

function roundedLayer(seen: Seen): { readonly weights: Weights; readonly steps: Float64Array } | undefined {
  const { layer, hessian, count } = seen;
  if (count < 2 * hessian.size) return undefined;
  const norm = roundingNorm(hessian, roundingDamping(hessian.size, count));
  const means = Float64Array.from(
    { length: hessian.size },
    (_, i) => at(hessian.data, i * hessian.size) / count,
  );
  const weights = emptyWeights(layer);
  const steps = new Float64Array(layer.rows);
  for (let row = 0; row < layer.rows; row++) {
    const old = rowOf(layer, row);
    const coarser = coarserRow(norm, old, means, seen.judging);
    const made = coarser?.row ?? old;
    steps[row] = coarser?.step ?? 0;
    weights.bias[row] = at(made, 0);
    weights.weights.set(made.subarray(1), row * layer.terms);
  }
  return steps.some((step) => step > 0) ? { weights, steps } : undefined;
}

/** Behind its bias. */
const rowOf = ({ weights, bias, terms }: MacLayer, row: number): Float64Array =>
  Float64Array.from([at(bias, row), ...weights.subarray(row * terms, (row + 1) * terms)]);

/** The row on the coarsest step that the judges take; undefined: none but its own. */
function coarserRow(
  norm: RoundingNorm,
  w: Float64Array,
  means: Float64Array,
  judging: readonly Float64Array[],
): { readonly step: number; readonly row: Float64Array } | undefined {
  const own = largestSize(w.subarray(1)) / grid.largest;
  if (own === 0) return undefined;
  const allowed = errorOf(w, toNearest(w, own, means), judging, Infinity);
  const image = times(norm.hessian, w);
  for (const factor of factors) {
    const made = roundRow(norm, w, grid, [factor * own], image);
    if (made.step > own && errorOf(w, made.row, judging, allowed) <= allowed) return made;
  }
  return undefined;
}

/** Weight by weight, with the bias that makes up for the mean error. */
function toNearest(w: Float64Array, step: number, means: Float64Array): Float64Array {
  const made = w.map((x, i) => (i === 0 ? x : step * Math.round(x / step)));
  for (let i = 1; i < w.length; i++) made[0] = at(made, 0) + at(means, i) * (at(w, i) - at(made, i));
  return made;
}

/** The sum of squares of what sums of these columns are off; of less columns where they are off by more than `most`. */
function errorOf(
  w: Float64Array,
  made: Float64Array,
  columns: readonly Float64Array[],
  most: number,
): number {
  const off = w.map((x, i) => x - at(made, i));
  let squares = 0;
  for (const column of columns) {
    let sum = 0;
    // Read unchecked: this is run for every column of every step that is tried, all of one length.
    for (let i = 0; i < off.length; i++) sum += (off[i] as number) * (column[i] as number);
    squares += sum * sum;
    if (squares > most) break;
  }
  return squares;
}
