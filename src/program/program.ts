/** A program: kernels with their arguments at planned addresses of one arena of bytes. */

import type { Elem, Kernel } from '../ir/kernel/kernel.ts';
import type { Quant, StoredTensor } from '../ir/kernel/stored.ts';

/** A stretch of the arena that holds one tensor (or a kernel's scratch) for a while. */
export interface Slot extends StoredTensor {
  /** The tensor's name; `scratch:<kernel>` for scratch, `scratch:<kernel>:<parameter>` where a kernel has several. */
  readonly name: string;
  /** In bytes from the start of the arena. */
  readonly address: number;
  readonly elem: Elem;
  /** In elements. */
  readonly length: number;
  /** Steps from the one that writes it (-1 for the program's input) to the last that reads it. */
  readonly firstStep: number;
  readonly lastStep: number;
}

export interface Step {
  readonly kernel: Kernel;
  /** Slot indices, in the order of `kernel.params`. */
  readonly args: readonly number[];
  /** Names of the ONNX nodes that it computes. */
  readonly origin: readonly string[];
}

/** How raw input becomes what the network was trained on: real = (stored - mean) / std, per channel. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface Program {
  /** A C identifier: the prefix of everything public. */
  readonly name: string;
  readonly arith: 'int8' | 'float32';
  readonly arenaBytes: number;
  readonly slots: readonly Slot[];
  readonly steps: readonly Step[];
  /** Slot indices. */
  readonly input: number;
  readonly output: number;
  /** Set when the input takes raw pixels 0..255 and this was folded into the first layer. */
  readonly rawInput?: Normalization;
  /** Set when the input's channels (equal stretches of its elements) each have a grid, folded into the first layer. */
  readonly inputGrids?: readonly Quant[];
}

/** The byte that every arena is filled with before its input is written, on every executor. */
export const arenaFill = 0xa5;

/** What one run of a program leaves behind, whoever ran it. */
export interface Outcome {
  /** The output slot's bytes. */
  readonly output: Uint8Array;
  /** The whole arena after each step; empty unless asked for. */
  readonly arenas: readonly Uint8Array[];
}
