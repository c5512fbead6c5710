/** What every int8 build says of itself: how near the float network it stays, and what speaks against it. */

import type { Distance } from '../base/distance.ts';
import { at, must } from '../base/errors.ts';
import type { Build, Judging } from './build.ts';
import {
  classOf,
  errorOf,
  type LayerError,
  layerErrors,
  type Measured,
  measure,
  onlyOutput,
  tensorsOf,
} from './layer-errors.ts';
import { layerWarnings } from './warnings/layers.ts';
import { pruningWarnings } from './warnings/pruning.ts';
import { rangeWarnings } from './warnings/ranges.ts';
import { oneClass, type SampleFacts, sampleFacts, sampleWarnings } from './warnings/samples.ts';
import { unreadWarnings } from './warnings/unread.ts';
import type { Warning } from './warnings/warning.ts';

/** The agreement of an int8 program with the float network, on samples. */
export interface Agreement {
  /** That were judged by. */
  readonly samples: number;
  /** Whether they did not calibrate. */
  readonly heldBack: boolean;
  /** Of what calibrated. */
  readonly calibration: SampleFacts;
  /** By step; errors of earlier layers are included. */
  readonly layers: readonly LayerError[];
  /** Of several outputs the one that is farthest off. */
  readonly output: LayerError;
  /** Of several: each that a step writes, under the model's name. */
  readonly outputs?: readonly LayerError[];
  /** The layer that is farthest off. */
  readonly worst: LayerError;
  /** Of outputs that are a list of several numbers: samples in which the largest is the same. */
  readonly sameClass?: { readonly hits: number; readonly total: number };
  readonly warnings: readonly Warning[];
}

/** From the model that was given, where that is another than the one that is stored. */
export const fromGiven = (error: LayerError): Distance => error.given ?? error;

function oneClassWarnings({ fused, program }: Build, { calibrating }: Judging): readonly Warning[] {
  const slot = onlyOutput(program);
  if (slot === undefined) return [];
  return oneClass(calibrating, (sample) => {
    const output = tensorsOf(fused, sample).get(at(fused.outputs, 0));
    return output && classOf(slot, output.data);
  });
}

const farthestOf = (errors: readonly LayerError[]): LayerError | undefined =>
  errors.toSorted((a, b) => fromGiven(a).sqnr - fromGiven(b).sqnr)[0];

/** By output; an input that is one too is not listed. */
function outputErrors({ program }: Build, { tensors }: Measured): readonly LayerError[] {
  return program.outputs.flatMap(({ name, slot }) => {
    const facts = must(tensors.get(slot), 'facts of an output');
    const step = facts.slot.firstStep;
    if (step < 0) return [];
    return [errorOf(must(program.steps[step], 'a step').kernel.name, name, facts)];
  });
}

/** Measures how near a build is to the float network, with warnings; undefined for float32 programs. */
export function agreementOf(build: Build): Agreement | undefined {
  const { program, judging } = build;
  if (judging === undefined) return undefined;
  const measured = measure(build, judging.samples);
  const layers = layerErrors(build, measured);
  const outputs = outputErrors(build, measured);
  const calibration = sampleFacts(judging.calibrating);
  const odd = sampleWarnings(calibration);
  return {
    samples: judging.samples.length,
    heldBack: judging.heldBack,
    calibration,
    layers,
    output: must(farthestOf(outputs), 'a step writes an output'),
    ...(program.outputs.length === 1 ? {} : { outputs }),
    worst: must(farthestOf(layers), 'a layer'),
    ...(measured.sameClass === undefined ? {} : { sameClass: measured.sameClass }),
    warnings: [
      ...odd,
      ...(odd.length > 0 || measured.classes > 1 ? [] : oneClassWarnings(build, judging)),
      ...rangeWarnings(build, measured),
      ...layerWarnings(build, measured),
      ...pruningWarnings(build),
      ...unreadWarnings(program),
    ],
  };
}

/** The least of what was measured, warnings about single channels included: what `--min-sqnr` is held to. */
export const leastOf = ({ worst, warnings }: Agreement): number =>
  Math.min(fromGiven(worst).sqnr, ...warnings.map(({ sqnr }) => sqnr ?? Infinity));
