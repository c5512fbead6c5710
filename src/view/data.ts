/** What a page holds besides its code: the programs and everything the visitor may ask about them. */
import type { Preprocessing } from '../artifact/make.ts';
import { type PackedProgram, packProgram, unpackProgram } from '../program/json.ts';
import type { Program } from '../program/program.ts';

/** The float32 program of the same model, or a sentence on why there is none. */
export type FloatSide =
  | { readonly kind: 'program'; readonly program: Program }
  | { readonly kind: 'none'; readonly reason: string };

/** A sample to begin with: row-major, all inputs one after the other. */
export type Example =
  | { readonly kind: 'pixels'; readonly name: string; readonly numbers: readonly number[] }
  | { readonly kind: 'real'; readonly name: string; readonly numbers: readonly number[] };

export interface ViewData {
  /** Of thimble. */
  readonly version: string;
  readonly program: Program;
  readonly float: FloatSide;
  /** How drawn and dropped pixels become the input. */
  readonly preprocessing: Preprocessing;
  /** Names of the outputs, where they are known. */
  readonly classes?: readonly string[];
  /** The C function of each kernel, by its name. */
  readonly sources: Readonly<Record<string, string>>;
  readonly examples: readonly Example[];
}

type Packed<T> = Omit<T, 'program'> & { readonly program: PackedProgram };
type PackedFloat = Packed<FloatSide & { kind: 'program' }> | (FloatSide & { kind: 'none' });
type PackedData = Omit<Packed<ViewData>, 'float'> & { readonly float: PackedFloat };

const packed = <T extends { readonly program: Program }>(side: T) => ({
  ...side,
  program: packProgram(side.program),
});
const unpacked = <T extends { readonly program: PackedProgram }>(side: T) => ({
  ...side,
  program: unpackProgram(side.program),
});

/** JSON that may stand inside of a `script` element: no `<` begins anything there. */
export function viewText(data: ViewData): string {
  const { float } = data;
  const all: PackedData = { ...packed(data), float: float.kind === 'program' ? packed(float) : float };
  return JSON.stringify(all).replaceAll('<', '\\u003c');
}

export function viewDataFrom(text: string): ViewData {
  const data = JSON.parse(text) as PackedData;
  const { float } = data;
  return { ...unpacked(data), float: float.kind === 'program' ? unpacked(float) : float };
}
