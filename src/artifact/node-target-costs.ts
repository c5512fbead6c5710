/** What a build costs on targets: counted and weighed, not modelled. */

import { at, InputError } from '../base/errors.ts';
import type { CodeSize, LayerCounts, MeasuredTarget } from '../program/measured.ts';
import type { Program } from '../program/program.ts';
import type { Measures } from '../targets/native.ts';
import { sizesOf } from '../targets/size.ts';
import { isHost, type TargetName, targets } from '../targets/targets.ts';
import type { Artifact } from './make.ts';
import { type VerifyRow, verifyArtifact } from './node-verify.ts';

/** What is measured, and where. */
export interface MeasureOptions {
  /** Bytes of the program's input slot, one array per inference. */
  readonly inputs: readonly Uint8Array[];
  readonly targets: readonly TargetName[];
  /** As `VerifyOptions`. */
  readonly clockHz?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** What is run, and what is smallest. */
const optimizations = ['-O3', '-Os'] as const;

/** Undefined on the host, whose code goes into no chip, and where the compiler is missing. */
async function sizesOn({ program, sources }: Artifact, target: TargetName): Promise<CodeSize[] | undefined> {
  if (isHost(targets[target])) return undefined;
  try {
    return await Promise.all(
      optimizations.map(async (opt) => {
        const { code, constants } = await sizesOf(program, sources, target, opt);
        return { opt, code, constants };
      }),
    );
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

const layersOf = ({ steps }: Program, { instructions, cycles }: Measures): readonly LayerCounts[] =>
  steps.map(({ kernel }, i) => ({
    kernel: kernel.name,
    ...(instructions === undefined ? {} : { instructions: at(instructions.perStep, i) }),
    ...(cycles === undefined ? {} : { cycles: at(cycles.perStep, i) }),
  }));

/** Where a target's compiler does not take the C, that is what its row says already. */
const sizesUnless = async (artifact: Artifact, row: VerifyRow, target: TargetName) =>
  row.status === 'failed' || row.status === 'skipped' ? undefined : sizesOn(artifact, target);

/**
 * Builds the artifact's C at -O3 (on the host at -O1, with sanitizers), compares every arena byte with the
 * simulator, counts instructions and cycles of the whole and of each layer, and weighs the code, at -Os too.
 * With Helium or DSP instructions on chips that have them, as a compiler takes the C.
 * Targets whose compiler or emulator is missing are skipped, and the result says so.
 * @throws Trap when the simulated program breaks a rule; InputError for inputs of a wrong length.
 */
export async function measureTargets(
  artifact: Artifact,
  options: MeasureOptions,
): Promise<readonly MeasuredTarget[]> {
  const { rows } = await verifyArtifact(artifact, { ...options, form: 'best' });
  return Promise.all(
    rows.map(async ({ measures, ...row }, i) => {
      const sizes = await sizesUnless(artifact, row, options.targets[i] ?? 'host-gcc');
      return {
        ...row,
        ...(measures === undefined ? {} : { layers: layersOf(artifact.program, measures) }),
        ...(sizes === undefined ? {} : { sizes }),
      };
    }),
  );
}
