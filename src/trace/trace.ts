/**
 * What a device printed about its inferences, read back from a capture of its console. docs/trace.md has the
 * format. Steps, slots and tables are numbered as in the program: `Program.steps`, `Program.slots`,
 * `tracedTables(program)`. Bytes are as they lie in the device's memory: little-endian, in the slot's order.
 */

/** Stretches of bytes: from the first to one past the last. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** A tensor at one moment of a run. */
export interface TraceTensor {
  /** Index of `Program.slots`. */
  readonly slot: number;
  /** Of the tensor, in bytes; undefined when the line that says it was lost. */
  readonly length?: number;
  /** CRC-32 of its bytes; undefined when the line that says it was lost. */
  readonly crc?: number;
  /**
   * All bytes, where the trace carries bytes and at least one of them arrived; 0 where they are `missing`. Of an
   * input that is what was written when it was made, these are those bytes: they are printed once.
   */
  readonly bytes?: Uint8Array;
  /** What of `bytes` did not arrive. Empty when all is there; without `bytes`, empty too. */
  readonly missing: readonly ByteRange[];
}

/** An input of a layer, right before the layer read it. */
export interface TraceInput extends TraceTensor {
  /**
   * Whether it was something else when it was written, by the layer that made it (or by the caller, of the
   * network's input): something else wrote in between. Undefined when one of both checksums was lost.
   */
  readonly changed?: boolean;
}

/**
 * What one step read and wrote. Step -1 is the caller that wrote the network's input: it has no inputs. The
 * step after the last is the caller that gets the network's output: it has no outputs.
 */
export interface TraceLayer {
  readonly step: number;
  /** One per slot that it reads, in the order of its arguments. */
  readonly inputs: readonly TraceInput[];
  /** One per slot that it writes, in the order of its arguments, right after it was written. */
  readonly outputs: readonly TraceTensor[];
}

/** A constant array of the C, as it was in the device's memory when the run began. */
export interface TraceTable {
  /** Index of `tracedTables(program)`. */
  readonly index: number;
  /** In the device's memory. */
  readonly address: number;
  /** In bytes. */
  readonly length: number;
  /** CRC-32 of its bytes. */
  readonly crc: number;
}

/** One inference. */
export interface TraceRun {
  /** Identifies network, build and input: runs with other inputs have other tags, except for one in 65,536. */
  readonly tag: string;
  /** Among the runs of its network in the capture. */
  readonly index: number;
  /** 1: checksums; 2: all bytes. Undefined when the run's first line was lost; so are the next three. */
  readonly level?: 1 | 2;
  /** How many steps the program has. */
  readonly steps?: number;
  /** Where the arena began in the device's memory. */
  readonly arena?: number;
  /** The stack pointer when the run began, less than 256 bytes off. */
  readonly stack?: number;
  /** Those whose lines arrived, by index. */
  readonly tables: readonly TraceTable[];
  /** Those of which a line arrived, by step. */
  readonly layers: readonly TraceLayer[];
  /** Every line from the first to the last arrived undamaged. */
  readonly complete: boolean;
  /** Where its first line that arrived begins: byte of the capture. */
  readonly offset: number;
}

/** The kinds of errors in a capture. */
export type TraceProblemKind =
  /** Text that is no trace: boot messages, the firmware's own output. Nothing is wrong with it. */
  | 'noise'
  /** Text that begins as a line of a trace and has a wrong checksum, or is cut. */
  | 'damaged'
  /** Lines of a run that are missing between two that arrived, or at its end. */
  | 'lost'
  /** A line that arrived twice. */
  | 'repeated'
  /** An undamaged line that this version does not know, or that contradicts others. */
  | 'unknown'
  /** All bytes of a tensor arrived and are not those of its checksum: they changed while they were printed. */
  | 'inconsistent';

/** An error in a part of a capture. */
export interface TraceProblem {
  readonly kind: TraceProblemKind;
  /** Byte of the capture where it begins. */
  readonly offset: number;
  /** Line of the capture, counted from 1. */
  readonly line: number;
  /** In words, for people. */
  readonly what: string;
}

/** Everything in a capture about one network in one build. */
export interface DeviceTrace {
  /** The C prefix; undefined when the capture has no run of which the first or the last line arrived. */
  readonly name?: string;
  /** `<NAME>_BUILD`: the first 16 hex digits of the SHA-256 of `<name>.program.json`. */
  readonly build?: string;
  readonly runs: readonly TraceRun[];
  /** Of the whole capture, in its order. */
  readonly problems: readonly TraceProblem[];
}
