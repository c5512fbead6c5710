import type { Preprocessing } from '../artifact.ts';
import type { Compiled } from '../compile.ts';
import { readBytes } from '../data/files.ts';
import { encodeInput } from '../run.ts';
import type { Context } from './context.ts';
import { randomInputs } from './random-inputs.ts';

export interface Origin {
  /** The model's. */
  readonly file: string;
  readonly preprocessing: Preprocessing;
  /** Samples as the network computes with them; the first ones become the C's self-test. */
  readonly inputs: readonly Float32Array[] | undefined;
}

/** Inferences that the C's self-test repeats: two, so that it runs on an arena that was used before. */
const selfTests = 2;

/** The files of an artifact, with what is proved of it. */
export function artifactFiles(
  { api, commandLine: command, version }: Context,
  compiled: Compiled,
  { file, preprocessing, inputs }: Origin,
): ReadonlyMap<string, string | Uint8Array> {
  const { program } = compiled;
  const golden =
    inputs?.slice(0, selfTests).map((input) => encodeInput(program, input)) ??
    randomInputs(program, selfTests);
  const facts = api.proveProgram(program);
  return api.artifactOf(compiled, { command, version, model: readBytes(file), preprocessing, golden, facts });
}
