/**
 * npm run campaign -- --nets 20000 [--seed S] [--targets host-gcc,cortex-m4,...] [--every N] [--laws none] [--networks none]
 * The laws of the test suite on many more random networks. Every network is held to every law; every `every`-th
 * batch of 50 (default: each) is compiled for the targets in turn, and always for the first. `--laws none` leaves
 * out all but the comparison on targets. Then all of models/networks, each on the first target and one of the others.
 */
import { parseArgs } from 'node:util';
import { chips, type TargetName, targetNamed } from '../src/targets/targets.ts';
import { lawNames, laws } from '../test/support/laws.ts';
import { compareOn, type Member, member } from '../test/support/native-laws.ts';
import { studied } from '../test/support/network-study.ts';
import { recipesOf, replayCommand } from '../test/support/property.ts';
import { listed } from '../test/support/real-networks.ts';
import type { Recipe } from '../test/support/recipes.ts';

const { values } = parseArgs({
  options: {
    nets: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 30)) },
    targets: { type: 'string', default: ['host-gcc', 'host-clang', ...chips].join(',') },
    every: { type: 'string', default: '1' },
    laws: { type: 'string', default: 'all' },
    networks: { type: 'string', default: 'all' },
  },
});

const perBatch = 50;
const nets = Number(values.nets);
const firstSeed = Number(values.seed);
const every = Number(values.every);
const targets = values.targets
  .split(',')
  .filter((name) => name !== '')
  .map(targetNamed);
const counts = { nets: 0, onTargets: 0, runs: 0, bytes: 0, broken: 0, mismatches: 0 };

function report(seed: number, index: number, what: string): void {
  console.log(`\n${what}\n  ${replayCommand(seed, String(index))}`);
}

function holdToLaws(recipe: Recipe, seed: number, index: number): void {
  for (const name of values.laws === 'none' ? [] : lawNames)
    try {
      laws[name](recipe);
    } catch (error) {
      counts.broken++;
      report(seed, index, `${name}: ${String(error)}\n  ${JSON.stringify(recipe)}`);
    }
}

/** The first target and one of the others. */
function targetsOf(batch: number): readonly TargetName[] {
  const [always, ...others] = targets;
  if (always === undefined || batch % every !== 0) return [];
  const other = others[(batch / every) % Math.max(1, others.length)];
  return other === undefined ? [always] : [always, other];
}

/** A random network that does not compile is a fault too; the others of its batch go on. */
function compiled(recipe: Recipe, seed: number, index: number): readonly Member[] {
  try {
    return [member(recipe, `net${index}`)];
  } catch (error) {
    counts.broken++;
    report(seed, index, `compile: ${String(error)}`);
    return [];
  }
}

async function runOnTargets(recipes: readonly Recipe[], seed: number, batch: number): Promise<void> {
  const chosen = targetsOf(batch);
  if (chosen.length === 0) return;
  const members = recipes.flatMap((recipe, i) => compiled(recipe, seed, i));
  counts.onTargets += members.length;
  await Promise.all(
    chosen.map(async (target) => {
      // Sanitized code compiles four times as fast without optimization; every tenth batch has it.
      const opt = target.startsWith('host') && batch % 10 > 0 ? '-O0' : '-O1';
      const { bytes, differences } = await compareOn(members, target, opt);
      counts.bytes += bytes;
      counts.runs += members.length;
      counts.mismatches += differences.length;
      for (const { index, text } of differences) report(seed, index, `${target}: ${text}`);
    }),
  );
}

const started = Date.now();
console.log(`${nets} networks from seed ${firstSeed}, on ${targets.join(', ')}`);
for (let batch = 0; batch * perBatch < nets; batch++) {
  const seed = firstSeed + batch;
  const recipes = recipesOf(seed, Math.min(perBatch, nets - batch * perBatch));
  recipes.forEach((recipe, index) => {
    holdToLaws(recipe, seed, index);
  });
  await runOnTargets(recipes, seed, batch);
  counts.nets += recipes.length;
  if (batch % 10 === 9) {
    const seconds = (Date.now() - started) / 1000;
    console.log(`${counts.nets} networks, ${counts.bytes} bytes compared, ${seconds.toFixed(0)} s`);
  }
}
for (const [i, one] of (values.networks === 'none' ? [] : listed).entries()) {
  const { complaints } = await studied(one, targetsOf(i * every));
  if (complaints.length > 0) counts.mismatches++;
  for (const complaint of complaints) console.log(`${one.name}: ${complaint}`);
}
console.log(
  `${counts.nets} networks under ${values.laws === 'none' ? 0 : lawNames.length} laws, ${counts.broken} broken; ` +
    `${counts.onTargets} of them compiled, ${counts.runs} runs on targets, ` +
    `${counts.bytes} bytes compared, ${counts.mismatches} networks differ`,
);
process.exitCode = counts.broken + counts.mismatches > 0 ? 1 : 0;
