/** The input and the result of a function that looks for a cause. */
import type { Program } from '../../program/program.ts';
import type { DeviceTrace, TraceRun } from '../../trace/trace.ts';
import type { Inference } from '../feed.ts';

export const causeNames = [
  'wrong build',
  'weights differ',
  'stack ran into the arena',
  'buffer overwritten',
  'input preprocessing',
  'layout',
  'rounding',
  'saturation',
  'scale or zero point',
] as const;

/** The possible causes of a wrong layer. */
export type CauseName = (typeof causeNames)[number];

/** A cause that the numbers speak for. */
export interface Diagnosis {
  readonly cause: CauseName;
  /** One sentence for people. */
  readonly text: string;
}

/** One inference of a device's trace, with the program that it should be of. */
export interface TracedRun {
  readonly program: Program;
  /** `buildOf(program)`: what `trace.build` should be. */
  readonly build: string;
  readonly trace: DeviceTrace;
  readonly run: TraceRun;
}

/** One tensor that is not what it should be, of one inference. Bytes as stored, in the slot's order. */
export interface Suspect {
  readonly program: Program;
  readonly slot: number;
  /** -1 for the input. */
  readonly step: number;
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
  /** Whether `theirs` are what the other side stored; else what would be stored for its real numbers. */
  readonly stored: boolean;
  /** Row-major real numbers of both. */
  readonly ourReals: Float32Array;
  readonly theirReals: Float32Array;
  readonly inference: Inference;
}
