/** The programs at work: what was computed for the sample that is looked at. */

import { at, must } from '../../base/errors.ts';
import { elemBytes } from '../../ir/kernel/kernel.ts';
import { sameShape } from '../../ir/tensor.ts';
import type { Program, Slot } from '../../program/program.ts';
import { isInput, slotAt } from '../../program/slots.ts';
import { decodePort, type Sample } from '../../program/values.ts';
import type { ViewData } from '../data.ts';
import { createRecorder, type Recording } from '../recording.ts';
import { argumentsOf } from '../use.ts';
import type { Side } from './state.ts';

/** One tensor's numbers, or why there are none. */
export type Numbers =
  | { readonly kind: 'numbers'; readonly real: Float32Array }
  | { readonly kind: 'none'; readonly reason: string };

export interface Lab {
  readonly data: ViewData;
  readonly program: Program;
  /** Moments are 0 to this. */
  readonly last: number;
  recording(sample: Sample): Recording;
  /** Row-major, of a slot of the program. */
  numbers(sample: Sample, slot: number, side: Side): Numbers;
  /** How long the last run of the program took, in milliseconds. */
  milliseconds(): number;
}

/** Remembers the result for the last sample: there is only one to look at. */
function lastOf<T>(work: (sample: Sample) => T): (sample: Sample) => T {
  let kept: { readonly sample: Sample; readonly result: T } | undefined;
  return (sample) => {
    if (kept?.sample !== sample) kept = { sample, result: work(sample) };
    return kept.result;
  };
}

/** The slot of the other program that holds the same tensor. */
function twinOf(program: Program, other: Program, index: number): number | undefined {
  for (const role of ['inputs', 'outputs'] as const) {
    const place = program[role].findIndex(({ slot }) => slot === index);
    if (place >= 0) return other[role][place]?.slot;
  }
  const at = other.slots.findIndex(({ name }) => name === program.slots[index]?.name);
  return at < 0 ? undefined : at;
}

interface Twin {
  readonly program: Program;
  readonly recording: (sample: Sample) => Recording;
}

function floatNumbers(program: Program, float: Twin | string, sample: Sample, index: number): Numbers {
  if (typeof float === 'string') return { kind: 'none', reason: float };
  const twin = twinOf(program, float.program, index);
  const slot = twin === undefined ? undefined : float.program.slots[twin];
  const shape = program.slots[index]?.shape ?? [];
  if (twin === undefined || slot === undefined || !sameShape(slot.shape, shape))
    return { kind: 'none', reason: 'The float network has no such tensor: pruning changed its shape.' };
  const bytes = must(float.recording(sample).tensors.get(twin), 'every tensor is made');
  return { kind: 'numbers', real: decodePort(float.program, twin, bytes) };
}

export function createLab(data: ViewData): Lab {
  const { program, float } = data;
  let took = 0;
  const record = createRecorder(program);
  const recording = lastOf((sample) => {
    const start = performance.now();
    const made = record(sample);
    took = performance.now() - start;
    return made;
  });
  const twin: Twin | string =
    float.kind === 'none'
      ? float.reason
      : { program: float.program, recording: lastOf(createRecorder(float.program)) };
  const own = (sample: Sample, index: number): Float32Array =>
    decodePort(program, index, must(recording(sample).tensors.get(index), 'every tensor is made'));
  const numbers = (sample: Sample, index: number, side: Side): Numbers => {
    if (side === 'program') return { kind: 'numbers', real: own(sample, index) };
    const other = floatNumbers(program, twin, sample, index);
    if (side === 'float' || other.kind === 'none') return other;
    return { kind: 'numbers', real: own(sample, index).map((x, i) => x - at(other.real, i)) };
  };
  return { data, program, last: program.steps.length, recording, numbers, milliseconds: () => took };
}

/** Tensors that the step of this moment reads, and makes; scratch is left out. */
export const readBy = (lab: Lab, moment: number): readonly number[] => argumentsOf(lab.program, moment, true);
export const madeBy = (lab: Lab, moment: number): readonly number[] =>
  argumentsOf(lab.program, moment, false).filter((index) => !isScratch(slotAt(lab.program, index)));

const isScratch = ({ name }: Slot): boolean => name.startsWith('scratch:');

/** `input`, `conv1`: what has happened at a moment. */
export const momentName = ({ program }: Lab, moment: number): string =>
  moment === 0 ? 'input' : must(program.steps[moment - 1], 'a step of the program').kernel.name;

/** `input`, or whose output a slot is. */
export function slotName(lab: Lab, index: number): string {
  const slot = slotAt(lab.program, index);
  if (isInput(lab.program, index)) return 'input';
  const maker = momentName(lab, slot.firstStep + 1);
  return isScratch(slot) ? `${maker} scratch` : `${maker} output`;
}

/** The bytes of the element at an address. */
export const bytesEach = (slot: Slot): number => elemBytes[slot.elem];
