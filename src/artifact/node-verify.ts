/** The C of an artifact, compiled and run, against the simulator: every arena byte after every kernel. */

import { at, InputError, must } from '../base/errors.ts';
import { wrongMacroIn } from '../emit/header.ts';
import { formOf, withoutMacro } from '../emit/instruction-sets.ts';
import type { InstructionSet } from '../ir/kernel/primitive.ts';
import type { Form, MeasuredTarget } from '../program/measured.ts';
import type { Outcome } from '../program/program.ts';
import { proveProgram } from '../prove/prove.ts';
import { compareOutcomes, differenceText } from '../sim/difference.ts';
import { createSimulator } from '../sim/simulate.ts';
import { aliveBytes, onlyAlive } from '../targets/byte-order.ts';
import { type Measures, runNative } from '../targets/native.ts';
import { isHost, setsOn, type Target, type TargetName, targets } from '../targets/targets.ts';
import type { Artifact } from './make.ts';
import { checkVariants } from './variants.ts';

/** What is verified, and where. */
export interface VerifyOptions {
  /** Bytes of the program's input slot, one array per inference. */
  readonly inputs: readonly Uint8Array[];
  readonly targets: readonly TargetName[];
  /** The compiler's optimization on chips. */
  readonly opt?: string;
  /** Which form of the C runs on a chip that can run several; all when absent. */
  readonly form?: Form | 'best';
  /** At which milliseconds are said; each chip's own (`Target.clockHz`) when absent. */
  readonly clockHz?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** A target and what was measured on it. */
export interface VerifyRow extends Omit<MeasuredTarget, 'layers' | 'sizes'> {
  readonly measures?: Measures;
}

/** Whether the C computes what the simulator does, target by target. */
export interface VerifyReport {
  readonly rows: readonly VerifyRow[];
  /** The bytes of the simulator's outputs, by inference. */
  readonly outputs: readonly Uint8Array[];
}

/** A program, and its C. */
export type Sources = Pick<Artifact, 'program' | 'sources'>;

/** A build of the C for a target; without a form where the C has only one for it. */
interface Job {
  readonly target: TargetName;
  readonly form?: Form;
}

/** C of earlier versions does not know the macro, and has one form unless it is asked for another. */
function jobsOf(
  { program, sources }: Sources,
  { targets: names, form: wanted }: VerifyOptions,
): readonly Job[] {
  const texts = [...sources.values()];
  const has = (set: InstructionSet): boolean =>
    texts.some((text) => text.includes(withoutMacro(program, set)));
  return names.flatMap((target): readonly Job[] => {
    const sets = setsOn(targets[target]).filter(has);
    if (sets.length === 0) return [{ target }];
    const forms: readonly Form[] = [...sets.map(formOf), 'plain'];
    const one = wanted === 'best' ? at(forms, 0) : wanted;
    return (one === undefined ? forms : [one]).map((form) => ({ target, form }));
  });
}

/**
 * On chips that have Helium or DSP instructions, C that uses them is verified with and without: a row for each. Targets
 * whose compiler or emulator is missing are skipped, and the result says so. The simulator runs with all of C's
 * rules checked, and so do the forms of kernels for chips with more instructions.
 * @throws Trap when the simulated program breaks a rule; InputError for inputs of a wrong length.
 */
export async function verifyArtifact(artifact: Sources, options: VerifyOptions): Promise<VerifyReport> {
  const { program } = artifact;
  const simulator = createSimulator(program, { mode: 'checked', facts: proveProgram(program) });
  const expected = options.inputs.map((input) => simulator.run(input, { keepArenas: true }));
  checkVariants(program, options.inputs, expected);
  let done = 0;
  const jobs = jobsOf(artifact, options);
  const rows = await Promise.all(
    jobs.map(async (job) => {
      const row = await verifyTarget(artifact, job, expected, options);
      options.onProgress?.('verifying', ++done, jobs.length);
      return row;
    }),
  );
  return { rows, outputs: expected.map(({ output }) => output) };
}

async function verifyTarget(
  { program, sources }: Sources,
  job: Job,
  expected: readonly Outcome[],
  { inputs, opt, clockHz }: VerifyOptions,
): Promise<VerifyRow> {
  const { target } = job;
  const none = { ...job, bytesCompared: 0, mismatches: 0 };
  try {
    // The host's own default optimization suits its sanitizers.
    const chip: Target = targets[target];
    const result = await runNative(program, sources, target, inputs, {
      keepArenas: true,
      ...(job.form === undefined ? {} : { form: job.form }),
      ...(opt === undefined || isHost(chip) ? {} : { opt }),
    });
    if (result.kind === 'does not fit') {
      const { region, needed, available } = result.overflow;
      return {
        ...none,
        status: 'does not fit',
        note: `needs ${needed} bytes of ${region}, has ${available}`,
      };
    }
    const wrong = wrongMacroIn(must(sources.get(`${program.name}.h`), 'an artifact has a header'), program);
    const bytes = compared(program, expected, result.outcomes, chip);
    const told = wrong === undefined ? {} : { status: 'differs' as const, note: bytes.note ?? wrong };
    return { ...job, ...bytes, ...told, ...measuresOf(result.measures, clockHz ?? chip.clockHz) };
  } catch (error) {
    if (error instanceof InputError) return { ...none, status: 'skipped', note: error.message };
    if (error instanceof Error) return { ...none, status: 'failed', note: error.message };
    throw error;
  }
}

function measuresOf(
  measures: Measures | undefined,
  clockHz: number | undefined,
): Omit<Partial<VerifyRow>, 'target' | 'status'> {
  if (measures === undefined) return {};
  const { instructions, cycles, stackBytes } = measures;
  return {
    ...(instructions === undefined ? {} : { instructions: instructions.total }),
    ...(cycles === undefined ? {} : { cycles: cycles.total, cyclesBy: cycles.by }),
    ...(cycles === undefined || clockHz === undefined ? {} : timeOf(cycles.total, clockHz)),
    stackBytes,
    measures,
  };
}

const timeOf = (cycles: number, clockHz: number): { milliseconds: number; clockHz: number } => ({
  milliseconds: (1000 * cycles) / clockHz,
  clockHz,
});

function compared(
  program: Artifact['program'],
  expected: readonly Outcome[],
  found: readonly Outcome[],
  { bigEndian }: Target,
): Pick<VerifyRow, 'status' | 'note' | 'bytesCompared' | 'mismatches'> {
  let bytesCompared = 0;
  let mismatches = 0;
  let note: string | undefined;
  expected.forEach((whole, i) => {
    const outcome = bigEndian ? onlyAlive(program, whole) : whole;
    const other = found[i] ?? { output: new Uint8Array(), arenas: [] };
    outcome.arenas.forEach((arena, step) => {
      bytesCompared += bigEndian ? aliveBytes(program, step) : arena.length;
      const bytes = other.arenas[step];
      mismatches += arena.reduce((n, byte, at) => n + (byte === bytes?.[at] ? 0 : 1), 0);
    });
    const difference = note === undefined ? compareOutcomes(program, outcome, other) : undefined;
    if (difference !== undefined) note = `input ${i}: ${differenceText(difference)}`;
  });
  const status = mismatches === 0 && note === undefined ? 'equal' : 'differs';
  return { status, bytesCompared, mismatches, ...(note === undefined ? {} : { note }) };
}
