/** What a page holds besides its code: the programs and everything the visitor may ask about them. */
import type { Preprocessing } from '../artifact.ts';
import type { Program } from '../ir/program.ts';
import { packPrograms, unpackPrograms } from '../program-text.ts';

/** The float32 program of the same model, or a sentence on why there is none. */
export type FloatSide =
  | { readonly kind: 'program'; readonly program: Program }
  | { readonly kind: 'none'; readonly reason: string };

/** A sample to begin with: row-major, in the model's shape without the batch axis. */
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

/** JSON that may stand inside of a `script` element: no `<` begins anything there. */
export const viewText = (data: ViewData): string =>
  JSON.stringify(data, packPrograms).replaceAll('<', '\\u003c');

export const viewDataFrom = (text: string): ViewData => JSON.parse(text, unpackPrograms) as ViewData;
