/** Which weights stay, while learning: the least important of all layers go first. */
import { at } from '../../base/errors.ts';
import { type Price, priceOf } from '../prune/options.ts';
import type { LayerState } from './layer-state.ts';

/**
 * What the loss would lose without the weight: w^2 E[g^2] / 2 (optimal brain damage, LeCun 1990, with the
 * empirical Fisher information for the curvature; Adam has its running mean). `magnitude` is |w|.
 */
export type Importance = 'damage' | 'magnitude';

export interface PruneRules {
  readonly importance: Importance;
  readonly price: Price;
  /** Weights that are pruned now may come back, those that were 0 from the beginning not. */
  readonly regrow: boolean;
}

/** Bits of a row that is not empty, priced by bytes: two bytes of bias, one of scale, one for the number of its weights. */
const rowBits = 32;

function importanceOf({ weight }: LayerState, i: number, importance: Importance): number {
  const w = at(weight.value, i);
  return importance === 'magnitude' ? Math.abs(w) : w * w * at(weight.square, i);
}

/**
 * Keeps the `count` weights of all layers together that are worth most for their price, in rows that are worth
 * their own (damages are losses, which add up; magnitudes do not, and rows have no price then). Ties go to the
 * earlier weight.
 */
export function prune(layers: readonly LayerState[], count: number, rules: PruneRules): void {
  const prices = layers.map((layer) => weightPrice(layer, rules.price));
  const scores = layers.map((layer, l) => scoresOf(layer, at(prices, l), rules));
  // No layer is ever left without any weight: nothing would get through to the next.
  for (const row of scores) {
    const best = largestOf(row);
    if (best >= 0) row[row.indexOf(best)] = Infinity;
  }
  const inGoodRows =
    rules.price === 'bytes' && rules.importance === 'damage'
      ? withoutPoorRows(layers, scores, prices, count)
      : scores;
  const candidates = inGoodRows.reduce((n, row) => row.reduce((m, score) => m + (score >= 0 ? 1 : 0), n), 0);
  keepBest(layers, candidates < count ? scores : inGoodRows, count);
}

function withoutPoorRows(
  layers: readonly LayerState[],
  scores: readonly Float64Array[],
  prices: readonly number[],
  count: number,
): Float64Array[] {
  const threshold = nthLargest(scores, count);
  return layers.map(({ layer }, l) => {
    const left = at(scores, l).slice();
    const rowPrice = (rowBits / at(prices, l)) * threshold;
    for (let r = 0; r < layer.rows; r++)
      dropPoorRow(left.subarray(r * layer.termsPerRow, (r + 1) * layer.termsPerRow), threshold, rowPrice);
    return left;
  });
}

/** A row whose weights together bring less than their own prices and the row's, at the going rate, is given up. */
function dropPoorRow(row: Float64Array, threshold: number, rowPrice: number): void {
  let gain = -rowPrice;
  for (const score of row) if (score > threshold) gain += score - threshold;
  if (gain < 0) row.fill(-1);
}

function keepBest(layers: readonly LayerState[], scores: readonly Float64Array[], count: number): void {
  const threshold = nthLargest(scores, count);
  let ties = count;
  for (const row of scores) for (const score of row) if (score > threshold) ties--;
  scores.forEach((row, l) => {
    const { kept } = at(layers, l);
    row.forEach((score, i) => {
      kept[i] = score > threshold || (score === threshold && score >= 0 && ties-- > 0) ? 1 : 0;
    });
  });
}

function weightPrice({ layer, kept, bits = 8 }: LayerState, price: Price): number {
  const density =
    Math.max(
      1,
      kept.reduce((sum, k) => sum + k, 0),
    ) / kept.length;
  return priceOf({ node: layer.node, positions: layer.pixels, density, bits }, price);
}

const largestOf = (row: Float64Array): number => row.reduce((max, score) => Math.max(max, score), -1);

/** -1 for weights that are not to be kept: importances are not negative. */
const scoresOf = (layer: LayerState, price: number, { importance, regrow }: PruneRules): Float64Array =>
  Float64Array.from(regrow ? layer.allowed : layer.kept, (candidate, i) =>
    candidate === 1 ? importanceOf(layer, i, importance) / price : -1,
  );

function nthLargest(scores: readonly Float64Array[], n: number): number {
  if (n <= 0) return Infinity;
  const all = new Float64Array(scores.reduce((sum, { length }) => sum + length, 0));
  scores.reduce((from, row) => {
    all.set(row, from);
    return from + row.length;
  }, 0);
  return n > all.length ? -1 : at(all.sort(), all.length - n);
}
