/** A program: kernels with their arguments at planned addresses of one arena of bytes. */

import type { Elem, Kernel } from '../ir/kernel/kernel.ts';
import type { Quant, StoredTensor } from '../ir/kernel/stored.ts';
import type { DType } from '../ir/tensor.ts';

/** A part of the arena that contains one tensor (or a kernel's scratch) for some steps. */
export interface Slot extends StoredTensor {
  /** The tensor's name; `scratch:<kernel>` for scratch, `scratch:<kernel>:<parameter>` where a kernel has several. */
  readonly name: string;
  /** In bytes from the start of the arena. */
  readonly address: number;
  readonly elem: Elem;
  /** In elements. */
  readonly length: number;
  /** Steps from the one that writes it (-1 for inputs) to the last that reads it (the number of steps for outputs). */
  readonly firstStep: number;
  readonly lastStep: number;
  /** Index of the slot that contains its bytes: it is a slice, or a branch of a concatenation. */
  readonly within?: number;
}

/** A call of a kernel. */
export interface Step {
  readonly kernel: Kernel;
  /** Slot indices, in the order of `kernel.params`. */
  readonly args: readonly number[];
  /** Names of the ONNX nodes that it computes. */
  readonly origin: readonly string[];
}

/** An input or output of the network. */
export interface ProgramPort {
  /** The model's name of it. */
  readonly name: string;
  /** Index of the slot that holds it. */
  readonly slot: number;
  /** The model's element type, if that is not float32: integers and booleans are stored without a scale. */
  readonly type?: DType;
  /** Set where its order in memory does not say whether an input of four axes has its channels last. */
  readonly channelsLast?: boolean;
  /** Set where it is that slot's memory under another shape or order. */
  readonly view?: Pick<StoredTensor, 'shape' | 'order'>;
}

/** The conversion of raw input to the numbers that the network was trained on: real = (stored - mean) / std, per channel. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * What code and tables for chips with more instructions are made for. Balanced: tables grow where it saves much; tables:
 * they do not grow; flash: there are no such forms, as their code is larger.
 */
export type Aim = 'speed' | 'balanced' | 'tables' | 'flash';

/** A program, which is printed as C and simulated: kernels in order, and one arena for all of their tensors. */
export interface Program {
  /** A C identifier: the prefix of everything public. */
  readonly name: string;
  readonly arith: 'int8' | 'float32';
  readonly arenaBytes: number;
  readonly slots: readonly Slot[];
  readonly steps: readonly Step[];
  /** In the model's order. All are alive before the first step, none shares a slot with another. */
  readonly inputs: readonly ProgramPort[];
  /** In the model's order. All are live after the last step; several may be one slot, which may be an input's. */
  readonly outputs: readonly ProgramPort[];
  /** Absent: balanced. */
  readonly aim?: Exclude<Aim, 'balanced'>;
  /** Set if all of these have the model's order in memory, row-major. */
  readonly portOrder?: 'model';
  /** Set if the (only) input takes raw pixels 0..255 and this was folded into the first layer. */
  readonly rawInput?: Normalization;
  /** Set when the (only) input's channels (equal stretches of its elements) each have a grid, folded into the first layer. */
  readonly inputGrids?: readonly Quant[];
}

/** The byte that every arena is filled with before its input is written, on every executor. */
export const arenaFill = 0xa5;

/** The state after one run of a program, in the simulator or on a device. */
export interface Outcome {
  /** The bytes of the outputs' slots, one output after the other. */
  readonly output: Uint8Array;
  /** The whole arena after each step; empty unless asked for. */
  readonly arenas: readonly Uint8Array[];
}
