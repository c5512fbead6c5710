/** Runs a law on random recipes; a failure prints the recipe as JSON and the command line that replays it. */
import fc from 'fast-check';
import type { Law } from './laws.ts';
import { type Recipe, recipes } from './recipes.ts';
import { fixedSeed, freshSeed, runsOf } from './seeds.ts';

export interface Run {
  readonly runs: number;
  readonly seed: number;
}

export const replayCommand = (seed: number, path: string): string =>
  `npm run replay -- --seed ${seed} --path ${path}`;

export function failure(recipe: Recipe, seed: number, path: string, error: unknown): Error {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Error(`${text}\n\nrecipe: ${JSON.stringify(recipe)}\nreplay: ${replayCommand(seed, path)}\n`);
}

/** @throws the shrunk failure, if there is one */
export function requireLaw(law: Law, { runs, seed }: Run): void {
  const result = fc.check(
    fc.property(recipes(), (recipe) => {
      law(recipe);
    }),
    { numRuns: runs, seed },
  );
  if (result.failed)
    throw failure(result.counterexample![0], seed, result.counterexamplePath!, result.errorInstance);
}

/** Half of the runs on the same networks in every run, half on those of this commit. */
export function requireLawInTurn(law: Law, runs: number): void {
  const half = Math.ceil(runsOf(runs) / 2);
  for (const seed of [fixedSeed, freshSeed()]) requireLaw(law, { runs: half, seed });
}

/** The first `count` recipes of a seed, as a property over them would draw them. */
export const recipesOf = (seed: number, count: number): readonly Recipe[] =>
  fc.sample(recipes(), { seed, numRuns: count });

/** The recipe at a path of a seed. */
export const recipeAt = (seed: number, path: string): Recipe =>
  fc.sample(recipes(), { seed, path, numRuns: 1 })[0]!;
