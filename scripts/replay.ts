/**
 * npm run replay -- --seed S --path P [--targets host-gcc,cortex-m4]
 * npm run replay -- --recipe '{...}'
 * Runs every law on one recipe, and its program on the given targets; prints the first difference of each.
 */
import { parseArgs } from 'node:util';
import { targetNamed } from '../src/emit/native-targets.ts';
import { lawNames, laws } from '../test/support/laws.ts';
import { compareOn, member } from '../test/support/native-laws.ts';
import { recipeAt } from '../test/support/property.ts';
import type { Recipe } from '../test/support/recipes.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    path: { type: 'string' },
    recipe: { type: 'string' },
    targets: { type: 'string', default: 'host-gcc,host-clang,cortex-m0' },
  },
});

function recipeAsked(): Recipe {
  if (values.recipe !== undefined) return JSON.parse(values.recipe) as Recipe;
  if (values.seed !== undefined && values.path !== undefined)
    return recipeAt(Number(values.seed), values.path);
  throw new Error('give --seed S --path P, or --recipe JSON');
}

const recipe = recipeAsked();
console.log(JSON.stringify(recipe));
for (const name of lawNames) {
  try {
    laws[name](recipe);
    console.log(`${name}: holds`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`${name}: BROKEN\n${error instanceof Error ? error.stack : error}`);
  }
}
for (const target of values.targets.split(',').filter((name) => name !== '')) {
  const { bytes, differences } = await compareOn([member(recipe, 'net')], targetNamed(target));
  if (differences.length > 0) process.exitCode = 1;
  console.log(`${target}: ${differences[0]?.text ?? `${bytes} bytes are the simulator's`}`);
}
