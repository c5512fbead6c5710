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
  const candidates = layers.flatMap((layer, l) => {
    const from = regrow ? layer.allowed : layer.kept;
    return Array.from(from.keys())
      .filter((i) => from[i] === 1)
      .map((i) => ({ l, i, score: importanceOf(layer, i, importance) }));
  });
  const best = candidates.sort((a, b) => b.score - a.score || a.l - b.l || a.i - b.i).slice(0, count);
  for (const { kept } of layers) kept.fill(0);
  for (const { l, i } of best) (layers[l] as LayerState).kept[i] = 1;
}
