/** What a package says of itself. */
import type { Interval } from '../ir/kernel/interval.ts';
import type { Variants } from '../program/variants.ts';

/** The build systems whose folders `emitC` lays out; `none`: the C alone. */
export const packageKinds = [
  'cmake',
  'arduino',
  'platformio',
  'zephyr',
  'esp-idf',
  'cmsis-pack',
  'none',
] as const;
/** A build system whose folder `emitC` lays out; `none`: the C alone. */
export type PackageKind = (typeof packageKinds)[number];

/** One inference on record: the bytes of the input and output slots, little-endian. */
export interface Golden {
  readonly input: Uint8Array;
  readonly output: Uint8Array;
}

/** What the files say about their origin, and what was proved or recorded about the program. */
export interface EmitInfo {
  /** The command line that the user typed. */
  readonly command: string;
  /** Of thimble. */
  readonly version: string;
  /** Of the model, with the method's name: `sha256 ...`. */
  readonly hash: string;
  /** First 16 hex digits of the SHA-256 of the program's file; zeros when there is none. */
  readonly build?: string;
  /** The self-test's cases; without any there is no self-test. */
  readonly golden: readonly Golden[];
  /** Proved bounds by kernel name, then by local. */
  readonly ranges?: ReadonlyMap<string, ReadonlyMap<string, Interval>>;
  /** Forms of kernels for chips with more instructions: `variantsOf`. */
  readonly variants?: Variants;
  /** Default: cmake. */
  readonly package?: PackageKind;
  /** With a program for the host that reads inputs from files: `<name>_main.c`. */
  readonly main?: boolean;
  /** Constant arrays in `<name>_weights.c` and `.h` instead of `<name>.c`. */
  readonly weightsFile?: boolean;
}

/** Said of C that was printed without an artifact around it. */
export const noBuild = '0'.repeat(16);
