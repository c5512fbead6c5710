/**
 * The simulator, compilers and chips agree on every byte of the arena after every step. Networks run in batches
 * that compare checksums; where one differs, that network runs again alone with its whole arenas, and the first
 * difference is named.
 */

import { emitC } from '../../src/emit/package.ts';
import { variantsOf } from '../../src/lower/variants.ts';
import type { Outcome } from '../../src/program/program.ts';
import { compareOutcomes, differenceText } from '../../src/sim/difference.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { arenaChecksum, runNativeBatch } from '../../src/targets/batch.ts';
import { runNative } from '../../src/targets/native.ts';
import type { TargetName } from '../../src/targets/targets.ts';
import { type Built, built } from './pipeline.ts';
import type { Recipe } from './recipes.ts';

/** A program, its C, and what the simulator makes of its inputs. */
export interface Ran {
  readonly built: Built;
  readonly files: ReadonlyMap<string, string>;
  readonly outcomes: readonly Outcome[];
}

export interface Member extends Ran {
  readonly recipe: Recipe;
}

/** A recipe's program, its C, and what the simulator makes of it. */
export function member(recipe: Recipe, name: string): Member {
  const made = built(recipe, name);
  const variants = variantsOf(made.program);
  const files = emitC(made.program, { command: '', version: '', hash: '', golden: [], variants });
  const simulator = createSimulator(made.program, { mode: 'fast' });
  const outcomes = made.inputs.map((input) => simulator.run(input, { keepArenas: true }));
  return { recipe, built: made, files, outcomes };
}

export interface Compared {
  /** Bytes of arenas and outputs that were compared. */
  readonly bytes: number;
  /** Index in the batch, and the difference in words. */
  readonly differences: readonly { readonly index: number; readonly text: string }[];
}

const sameBytes = (a: Uint8Array, b: Uint8Array | undefined): boolean =>
  b !== undefined && Buffer.compare(a, b) === 0;

const sameAsChecksums = (whole: Outcome, short: Outcome | undefined): boolean =>
  short !== undefined &&
  sameBytes(whole.output, short.output) &&
  whole.arenas.length === short.arenas.length &&
  whole.arenas.every((arena, step) => sameBytes(arenaChecksum(arena), short.arenas[step]));

/** The first difference of one network on a target, from its whole arenas. */
export async function explain(m: Ran, target: TargetName, opt: string): Promise<string> {
  const { program, inputs } = m.built;
  const ran = await runNative(program, m.files, target, inputs, { keepArenas: true, opt });
  if (ran.kind !== 'ran') return `does not fit: ${JSON.stringify(ran.overflow)}`;
  const found = m.outcomes.flatMap((outcome, i) => {
    const difference = compareOutcomes(program, outcome, ran.outcomes[i]!);
    return difference === undefined ? [] : [`input ${i}, ${differenceText(difference)}`];
  });
  return found[0] ?? 'differs in a batch, and not alone';
}

/** Only this network's error, where one network's C ends a whole batch. */
async function culprits(
  batch: readonly Ran[],
  target: TargetName,
  opt: string,
  error: unknown,
): Promise<Compared> {
  for (const [index, one] of batch.entries()) {
    const text = await explain(one, target, opt).catch((alone: unknown) => String(alone));
    if (!text.startsWith('differs in a batch')) return { bytes: 0, differences: [{ index, text }] };
  }
  throw error;
}

export async function compareOn(batch: readonly Ran[], target: TargetName, opt = '-O1'): Promise<Compared> {
  const items = batch.map(({ built: { program, inputs }, files }) => ({ program, inputs, files }));
  let ran: readonly (readonly Outcome[])[];
  try {
    ran = await runNativeBatch(items, target, { checksums: true, opt });
  } catch (error) {
    return culprits(batch, target, opt, error);
  }
  const differences: { index: number; text: string }[] = [];
  let bytes = 0;
  for (const [index, one] of batch.entries()) {
    for (const { arenas, output } of one.outcomes)
      bytes += arenas.reduce((n, arena) => n + arena.length, output.length);
    if (one.outcomes.every((outcome, i) => sameAsChecksums(outcome, ran[index]?.[i]))) continue;
    differences.push({ index, text: await explain(one, target, opt) });
  }
  return { bytes, differences };
}
