/** What each layer of a reference network computed at some positions of each sample, and how much it matters. */

import { at, must } from '../../base/errors.ts';
import { mulberry32 } from '../../base/random.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { SampleRun } from '../gradient/sample-run.ts';
import { type MacLayer, macLayers } from './layers.ts';
import { type StatisticsOptions, squaredGradients } from './statistics.ts';

/** Of one layer and one sample. */
export interface Targets {
  readonly positions: Int32Array;
  /** positions x rows: the sums before clamp and pool. */
  readonly sums: Float32Array;
  /** positions x rows: how much a squared error there costs the network's outputs, on average never 0. */
  readonly weights: Float32Array;
}

/** How closely networks are looked at by all that compresses them. */
export const attention = { projections: 2, focus: 0.5 } as const;

/** Columns of a layer that are looked at, over all samples: enough for some thousand weights per row. */
const columnsPerLayer = 20_000;

/** By layer, then by sample. */
export type LayerTargets = readonly (readonly Targets[])[];

export function targetsOf(
  reference: Graph<'float'>,
  samples: readonly Float32Array[],
  options: StatisticsOptions,
): LayerTargets {
  const random = mulberry32(options.seed);
  const layers = macLayers(reference);
  const run = new SampleRun(reference);
  const all = layers.map((): Targets[] => []);
  const units = layers.map(() => 1);
  samples.forEach((sample, i) => {
    options.onProgress?.(i, samples.length);
    run.forward(sample);
    const squares = squaredGradients(run, options.projections, random);
    layers.forEach((layer, l) => {
      const sums = must(run.sums[l], 'the reference has the layer');
      const positions = chosen(layer.positions, Math.ceil(columnsPerLayer / samples.length), random);
      const found = must(squares[l], 'the reference has the layer');
      const unit = units[l] === 1 ? unitOf(found) : at(units, l);
      units[l] = unit;
      const weights = found.map((x) => Math.min(x / unit, largestWeight));
      const pick = (from: ArrayLike<number>) => picked(from, layer, positions);
      at(all, l).push({ positions, sums: pick(sums), weights: pick(weights) });
    });
  });
  for (const [l, targets] of all.entries()) soften(targets, at(layers, l).rows, options.focus);
  return all;
}

const largestWeight = 2 ** 120;

/**
 * Squared gradients count relative to each other, in any unit. Where their own is near the ends of float32, in
 * which they are kept: a power of two near the largest; else 1.
 */
function unitOf(squares: Float64Array): number {
  const largest = squares.reduce((most, x) => Math.max(most, x), 0);
  const exponent = Math.round(Math.log2(Math.min(largest, Number.MAX_VALUE)));
  return largest === 0 || Math.abs(exponent) < 60 ? 1 : 2 ** Math.min(exponent, 1023);
}

/** `wanted` of 0..count-1 without repetition, by a partial shuffle. */
function chosen(count: number, wanted: number, random: () => number): Int32Array {
  const all = Int32Array.from({ length: count }, (_, i) => i);
  if (wanted >= count) return all;
  for (let i = 0; i < wanted; i++) {
    const j = i + Math.floor(random() * (count - i));
    [all[i], all[j]] = [at(all, j), at(all, i)];
  }
  return all.slice(0, wanted);
}

/** From rows x positions of one batch element to the chosen positions x rows. */
function picked(
  from: ArrayLike<number>,
  { rows, positions: count }: MacLayer,
  positions: Int32Array,
): Float32Array {
  const made = new Float32Array(positions.length * rows);
  positions.forEach((position, p) => {
    for (let row = 0; row < rows; row++) made[p * rows + row] = at(from, row * count + position);
  });
  return made;
}

/** weights = (1 - focus) * the row's mean + focus * weights. Rows that never mattered count a little. */
function soften(targets: readonly Targets[], rows: number, focus: number): void {
  const means = new Float64Array(rows);
  let count = 0;
  for (const { weights } of targets) {
    for (let i = 0; i < weights.length; i++) means[i % rows] = at(means, i % rows) + at(weights, i);
    count += weights.length / rows;
  }
  for (const { weights } of targets)
    for (let i = 0; i < weights.length; i++) {
      const mean = at(means, i % rows) / count;
      weights[i] = (1 - focus) * (mean > 0 ? mean : 1) + focus * at(weights, i);
    }
}
