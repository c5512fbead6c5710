/** Which weights stay, while learning: the least important of all layers go first. */
import type { LayerState } from './layer-state.ts';

/**
 * What the loss would lose without the weight: w^2 E[g^2] / 2 (optimal brain damage, LeCun 1990, with the
 * empirical Fisher information for the curvature; Adam has its running mean). `magnitude` is |w|.
 */
export type Importance = 'damage' | 'magnitude';

function importanceOf({ weight }: LayerState, i: number, importance: Importance): number {
  const w = weight.value[i] as number;
  return importance === 'magnitude' ? Math.abs(w) : w * w * (weight.square[i] as number);
}

/**
 * Keeps the `count` most important weights of all layers together. Without `regrow`, only of those that are
 * kept now. Ties go to the earlier weight.
 */
export function prune(
  layers: readonly LayerState[],
  count: number,
  { importance, regrow }: { readonly importance: Importance; readonly regrow: boolean },
): void {
  const scores = layers.map((layer) => scoresOf(layer, regrow ? layer.allowed : layer.kept, importance));
  const threshold = nthLargest(scores, count);
  let ties = count;
  for (const row of scores) for (const score of row) if (score > threshold) ties--;
  scores.forEach((row, l) => {
    const { kept } = layers[l] as LayerState;
    row.forEach((score, i) => {
      kept[i] = score > threshold || (score === threshold && score >= 0 && ties-- > 0) ? 1 : 0;
    });
  });
}

/** -1 for weights that are not to be kept: importances are not negative. */
const scoresOf = (layer: LayerState, from: Uint8Array, importance: Importance): Float64Array =>
  Float64Array.from(from, (candidate, i) => (candidate === 1 ? importanceOf(layer, i, importance) : -1));

function nthLargest(scores: readonly Float64Array[], n: number): number {
  const all = new Float64Array(scores.reduce((sum, { length }) => sum + length, 0));
  scores.reduce((at, row) => {
    all.set(row, at);
    return at + row.length;
  }, 0);
  if (n <= 0) return Infinity;
  return all.sort()[all.length - n] ?? -1;
}
