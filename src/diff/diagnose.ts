/** Why a layer is not what it should be, where the evidence shows it. */
import type { Program } from '../program/program.ts';
import type { Diagnosis, Suspect, TracedRun } from './causes/cause.ts';
import { layout } from './causes/layout.ts';
import { wrongBuild } from './causes/other-build.ts';
import { overwritten } from './causes/overwritten.ts';
import { preprocessing } from './causes/preprocessing.ts';
import { rounding } from './causes/rounding.ts';
import { saturation } from './causes/saturation.ts';
import { scale } from './causes/scale.ts';
import { weightsDiffer } from './causes/weights.ts';
import { type Diff, suspectIn } from './compare.ts';
import type { Inference } from './feed.ts';

/** Of a device's own account; each that speaks is said. */
export const deviceCauses: readonly ((traced: TracedRun) => Diagnosis | undefined)[] = [
  wrongBuild,
  weightsDiffer,
  overwritten,
];

/** Of one tensor: the first that explains it is said, those that explain every byte before those that fit. */
export const suspectCauses: readonly ((suspect: Suspect) => Diagnosis | undefined)[] = [
  layout,
  preprocessing,
  rounding,
  saturation,
  scale,
];

/** With another build nothing else is worth saying. */
function diagnoseDevice(traced: TracedRun): readonly Diagnosis[] {
  const other = wrongBuild(traced);
  if (other !== undefined) return [other];
  return deviceCauses.flatMap((cause) => cause(traced) ?? []);
}

/**
 * The first wrong tensor, in the first inference in which it is wrong; undefined where nothing is known of it, and
 * where the other side would store the same bytes: there is no difference then that a cause could explain.
 */
export function firstSuspect(
  program: Program,
  inferences: readonly Inference[],
  { first, mode }: Diff,
): Suspect | undefined {
  if (first === undefined) return undefined;
  const at = first.each.find(({ different }) => different > 0)?.inference;
  const inference = at === undefined ? undefined : inferences[at];
  return inference && suspectIn(program, first.slot, inference, mode);
}

/** Looks for the cause of a difference: first in the data of the device, then in the first wrong tensor. */
export function diagnose(
  program: Program,
  inferences: readonly Inference[],
  tracedRuns: readonly TracedRun[],
  found: Diff,
): readonly Diagnosis[] {
  const told = new Map(tracedRuns.flatMap(diagnoseDevice).map((d) => [d.text, d]));
  if (told.size > 0) return [...told.values()];
  const suspect = firstSuspect(program, inferences, found);
  for (const cause of suspect === undefined ? [] : suspectCauses) {
    const diagnosis = suspect && cause(suspect);
    if (diagnosis !== undefined) return [diagnosis];
  }
  return [];
}
