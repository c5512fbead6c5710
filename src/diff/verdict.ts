/** What a comparison comes to. */
import type { Diff, LayerDiff } from './compare.ts';

/** Layers, without the network's input. */
export interface Coverage {
  readonly layers: number;
  /** Compared in every inference. */
  readonly compared: number;
  /** In some. */
  readonly partly: number;
  /** In none. */
  readonly notCompared: number;
  /** Of which lines of a device's log were lost, or which read what was lost and differ. */
  readonly lost: number;
}

const isLost = ({ gaps }: LayerDiff): boolean =>
  gaps.some(({ kind }) => kind === 'lost' || kind === 'unclear');

/** The part of the program that was compared, over all inferences. */
export function coverageOf({ layers: all, inferences }: Diff): Coverage {
  const layers = all.filter(({ step }) => step >= 0);
  const [whole, none] = [
    layers.filter(({ compared }) => compared > 0 && compared === inferences).length,
    layers.filter(({ compared }) => compared === 0).length,
  ];
  return {
    layers: layers.length,
    compared: whole,
    partly: layers.length - whole - none,
    notCompared: none,
    lost: layers.filter(isLost).length,
  };
}

/**
 * `wrong`: a layer is wrong. `unknown`: none is among those compared, and not all were. `right`: all were
 * compared, and none is wrong.
 */
export type Verdict = 'wrong' | 'unknown' | 'right';

/** The conditions for a verdict. */
export interface VerdictOptions {
  /** That the other side has not captured a layer is accepted, as long as one was compared; lost lines are not. */
  readonly partial?: boolean;
}

const isMeant = ({ gaps }: LayerDiff): boolean => gaps.every(({ kind }) => kind === 'not captured');

/** The overall verdict of a comparison. */
export function verdictOf(found: Diff, { partial = false }: VerdictOptions = {}): Verdict {
  if (found.first !== undefined) return 'wrong';
  const { layers, compared, notCompared } = coverageOf(found);
  if (layers > 0 && compared === layers) return 'right';
  const accepted = found.layers.every((layer) => layer.step < 0 || isMeant(layer));
  return partial && accepted && notCompared < layers ? 'right' : 'unknown';
}
