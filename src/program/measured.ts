/** What compilers and emulators said about a build, for pages that show it beside what is modelled. */

/** The size of the network's object file, in bytes. */
export interface CodeSize {
  /** The compiler's optimization, for example `-Os`. */
  readonly opt: string;
  readonly code: number;
  readonly constants: number;
}

/** The C with Helium or DSP instructions, of which a compiler takes the first that the chip has, or without: -D<NAME>_NO_MVE, -D<NAME>_NO_DSP. `V6M` and `RV32`: for the registers of Armv6-M and of RV32I, -D<NAME>_NO_V6M, -D<NAME>_NO_RV32. */
export type Form = 'MVE' | 'DSP' | 'V6M' | 'RV32' | 'plain';

export interface LayerCounts {
  readonly kernel: string;
  readonly instructions?: number;
  readonly cycles?: number;
}

/** A target that the C was built for, and run on where that is possible here. */
export interface MeasuredTarget {
  readonly target: string;
  /** Which form of the C ran, where the chip can run several. */
  readonly form?: Form;
  /** Of all arena bytes after every kernel, against the simulator. */
  readonly status: 'equal' | 'differs' | 'does not fit' | 'skipped' | 'failed';
  /** Why it was skipped, failed or does not fit; where it differs first. */
  readonly note?: string;
  readonly bytesCompared: number;
  readonly mismatches: number;
  /** Executed by one inference: the first. Absent where the target does not count them, as the host. */
  readonly instructions?: number;
  /** Of the same inference, where they are known; `cyclesBy` says how. */
  readonly cycles?: number;
  /** A simulator of the chip, or a model of what was executed. */
  readonly cyclesBy?: 'simulator' | 'model';
  /** What the cycles take at `clockHz`. */
  readonly milliseconds?: number;
  readonly clockHz?: number;
  /** The same by layer, in the program's order; their sum differs a little from the whole. */
  readonly layers?: readonly LayerCounts[];
  readonly stackBytes?: number;
  /** Absent on the host. */
  readonly sizes?: readonly CodeSize[];
}
