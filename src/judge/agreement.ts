/** What every int8 build says of itself: how near the float network it stays, and what speaks against it. */

import type { Distance } from '../base/distance.ts';
import { at, must } from '../base/errors.ts';
import { outputSlot } from '../program/slots.ts';
import type { Build, Judging } from './build.ts';
import { classOf, type LayerError, layerErrors, measure, outputOf, tensorsOf } from './layer-errors.ts';
import { layerWarnings } from './warnings/layers.ts';
import { pruningWarnings } from './warnings/pruning.ts';
import { rangeWarnings } from './warnings/ranges.ts';
import { oneClass, type SampleFacts, sampleFacts, sampleWarnings } from './warnings/samples.ts';
import type { Warning } from './warnings/warning.ts';

export interface Agreement {
  /** That were judged by. */
  readonly samples: number;
  /** Whether they did not calibrate. */
  readonly heldBack: boolean;
  /** Of what calibrated. */
  readonly calibration: SampleFacts;
  /** By step; errors of earlier layers are included. */
  readonly layers: readonly LayerError[];
  readonly output: LayerError;
  /** The layer that is farthest off. */
  readonly worst: LayerError;
  /** Of outputs that are a list of several numbers: samples in which the largest is the same. */
  readonly sameClass?: { readonly hits: number; readonly total: number };
  readonly warnings: readonly Warning[];
}

/** From the model that was given, where that is another than the one that is stored. */
export const fromGiven = (error: LayerError): Distance => error.given ?? error;

function oneClassWarnings({ fused, program }: Build, { calibrating }: Judging): readonly Warning[] {
  const slot = outputSlot(program);
  return oneClass(calibrating, (sample) => {
    const output = tensorsOf(fused, sample).get(at(fused.outputs, 0));
    return output && classOf(slot, output.data);
  });
}

/** Undefined for float32 programs. */
export function agreementOf(build: Build): Agreement | undefined {
  const { program, judging } = build;
  if (judging === undefined) return undefined;
  const measured = measure(build, judging.samples);
  const layers = layerErrors(build, measured);
  const last = program.steps.findIndex((_, step) => outputOf(program, step) === program.output);
  const calibration = sampleFacts(judging.calibrating);
  const odd = sampleWarnings(calibration);
  return {
    samples: judging.samples.length,
    heldBack: judging.heldBack,
    calibration,
    layers,
    output: must(layers[last], 'a step writes the output'),
    worst: layers.reduce((a, b) => (fromGiven(b).sqnr < fromGiven(a).sqnr ? b : a)),
    ...(measured.sameClass === undefined ? {} : { sameClass: measured.sameClass }),
    warnings: [
      ...odd,
      ...(odd.length > 0 || measured.classes > 1 ? [] : oneClassWarnings(build, judging)),
      ...rangeWarnings(build, measured),
      ...layerWarnings(build, measured),
      ...pruningWarnings(build),
    ],
  };
}

/** The least of what was measured, warnings about single channels included: what `--min-sqnr` is held to. */
export const leastOf = ({ worst, warnings }: Agreement): number =>
  Math.min(fromGiven(worst).sqnr, ...warnings.map(({ sqnr }) => sqnr ?? Infinity));
