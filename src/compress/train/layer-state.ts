/** What is learned of a layer, and which of its weights are kept. */
import { at, holds, must } from '../../base/errors.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { largestWeight, type WeightBits } from '../../ir/graph/op.ts';
import type { Layer, Terms } from '../gradient/network.ts';
import { type Parameter, parameterOf } from './adam.ts';
import { firstSteps, type Grid } from './learned-step.ts';

export interface LayerState {
  readonly layer: Layer;
  readonly weight: Parameter;
  readonly bias: Parameter;
  /** The natural logarithm of each row's weight step. */
  readonly logStep: Parameter;
  /** 1 where a weight is used; others count as 0. */
  readonly kept: Uint8Array;
  /** 1 where a weight may be used: it was not 0 from the beginning, and has not lost its effect since. */
  readonly allowed: Uint8Array;
  /** 1 for rows that pruning emptied: they answer 0. */
  readonly dead: Uint8Array;
  readonly bits: WeightBits | undefined;
}

export function layerStateOf(graph: Graph<'float'>, layer: Layer, bits: WeightBits | undefined): LayerState {
  const data = must(graph.tensors.get(layer.weight)?.constant, 'a layer has constant weights').data;
  const bias = graph.tensors.get(layer.bias)?.constant?.data;
  const weights = Float32Array.from(data);
  const allowed = Uint8Array.from(weights, (w) => (w === 0 ? 0 : 1));
  return {
    layer,
    weight: parameterOf(weights),
    bias: parameterOf(bias === undefined ? new Float32Array(layer.rows) : Float32Array.from(bias)),
    logStep: parameterOf(new Float32Array(layer.rows)),
    kept: allowed.slice(),
    allowed,
    dead: new Uint8Array(layer.rows),
    bits,
  };
}

export const gridOf = (bits: WeightBits): Grid => ({ largest: largestWeight(bits) });

/** Sets each row's step to the one of least squared error for its kept weights: when rounding begins. */
export function fitSteps({ layer, weight, logStep, kept, bits }: LayerState): void {
  if (bits === undefined) return;
  const used = weight.value.map((w, i) => (kept[i] === 1 ? w : 0));
  logStep.value.set(firstSteps(used, layer.rows, gridOf(bits)).map(Math.log));
}

/** The weights that take part, row by row: `positions[term]` is the place of a term in the layer's weights. */
export interface Active {
  readonly positions: Int32Array;
  readonly terms: Terms;
}

export function activeOf({ layer, weight }: LayerState, used: Uint8Array): Active {
  const { rows, termsPerRow, offsets } = layer;
  holds(weight.value, rows * termsPerRow);
  const positions: number[] = [];
  const rowStarts = new Int32Array(rows + 1);
  for (let row = 0; row < rows; row++) {
    for (let i = row * termsPerRow; i < (row + 1) * termsPerRow; i++) if (used[i] === 1) positions.push(i);
    rowStarts[row + 1] = positions.length;
  }
  const kept = Int32Array.from(positions);
  return { positions: kept, terms: { rowStarts, offsets: kept.map((i) => at(offsets, i)) } };
}

export const keptCount = (layers: readonly LayerState[]): number =>
  layers.reduce((sum, { kept }) => sum + kept.reduce((n, k) => n + k, 0), 0);

export const weightCount = (layers: readonly LayerState[]): number =>
  layers.reduce((sum, { kept }) => sum + kept.length, 0);
