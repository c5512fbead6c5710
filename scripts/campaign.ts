/**
 * npm run campaign -- --nets 20000 [--seed S] [--targets host-gcc,cortex-m4,...] [--every N] [--laws none] [--networks none]
 *   [--shard K/N] [-o FILE]
 * npm run campaign -- --merge FILE...
 * The laws of the test suite on many more random networks. Every network is held to every law; every `every`-th
 * batch of 50 (default: each) is compiled for the targets in turn, and always for the first. `--laws none` leaves
 * out all but the comparison on targets. Then all of models/networks, each on the first target and one of the others.
 * `--shard` does share K of N of the batches and networks, which needs `--seed`; `-o` writes what was counted, and
 * `--merge` adds up the counts of all shares: the last line, and the exit code, of a campaign on one machine.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { InputError } from '../src/base/errors.ts';
import {
  type Part,
  parseShard,
  requireWhole,
  type Shard,
  shardText,
  shareOf,
} from '../src/cli/flags/shares.ts';
import { chips, type TargetName, targetNamed } from '../src/targets/targets.ts';
import { originOfFresh } from '../test/support/commit-seed.ts';
import { lawNames, laws } from '../test/support/laws.ts';
import { compareOn, type Member, member } from '../test/support/native-laws.ts';
import { studied } from '../test/support/network-study.ts';
import { recipesOf, replayCommand } from '../test/support/property.ts';
import { listed } from '../test/support/real-networks.ts';
import type { Recipe } from '../test/support/recipes.ts';

const { values, positionals } = parseArgs({
  options: {
    nets: { type: 'string', default: '20000' },
    seed: { type: 'string' },
    targets: { type: 'string', default: ['host-gcc', 'host-clang', ...chips].join(',') },
    every: { type: 'string', default: '1' },
    laws: { type: 'string', default: 'all' },
    networks: { type: 'string', default: 'all' },
    shard: { type: 'string' },
    out: { type: 'string', short: 'o' },
    merge: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

const perBatch = 50;
const nets = Number(values.nets);
const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 30));
const shard = givenShard();
const every = Number(values.every);
const targets = values.targets
  .split(',')
  .filter((name) => name !== '')
  .map(targetNamed);
type Counts = Record<'nets' | 'onTargets' | 'runs' | 'bytes' | 'broken' | 'mismatches', number>;
const counts: Counts = { nets: 0, onTargets: 0, runs: 0, bytes: 0, broken: 0, mismatches: 0 };
const countNames = Object.keys(counts) as (keyof Counts)[];

function givenShard(): Shard {
  try {
    return parseShard(values.shard ?? '1/1');
  } catch (error) {
    console.error(`--shard: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
}

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

async function drawn(): Promise<void> {
  const started = Date.now();
  const batches = Array.from({ length: Math.ceil(nets / perBatch) }, (_, batch) => batch);
  for (const [i, batch] of shareOf(batches, shard).entries()) {
    const seed = firstSeed + batch;
    const recipes = recipesOf(seed, Math.min(perBatch, nets - batch * perBatch));
    recipes.forEach((recipe, index) => {
      holdToLaws(recipe, seed, index);
    });
    await runOnTargets(recipes, seed, batch);
    counts.nets += recipes.length;
    if (i % 10 === 9) {
      const seconds = (Date.now() - started) / 1000;
      console.log(`${counts.nets} networks, ${counts.bytes} bytes compared, ${seconds.toFixed(0)} s`);
    }
  }
}

async function stored(): Promise<void> {
  const all = values.networks === 'none' ? [] : [...listed.entries()];
  for (const [i, one] of shareOf(all, shard)) {
    const { complaints } = await studied(one, targetsOf(i * every));
    if (complaints.length > 0) counts.mismatches++;
    for (const complaint of complaints) console.log(`${one.name}: ${complaint}`);
  }
}

function end(sum: Counts, laws: string | number | undefined): void {
  console.log(
    `${sum.nets} networks under ${laws === 'none' ? 0 : lawNames.length} laws, ${sum.broken} broken; ` +
      `${sum.onTargets} of them compiled, ${sum.runs} runs on targets, ` +
      `${sum.bytes} bytes compared, ${sum.mismatches} networks differ`,
  );
  process.exitCode = sum.broken + sum.mismatches > 0 ? 1 : 0;
}

/** Everything that shares of one campaign have in common; chips and laws are the commit's. */
const made = (): Part['made'] => ({
  'the code': originOfFresh('.', undefined).from,
  '--nets': nets,
  '--seed': firstSeed,
  '--every': every,
  '--targets': targets.join(','),
  '--laws': values.laws,
  '--networks': values.networks,
});

function write(file: string): void {
  const commandLine = `npm run campaign -- ${process.argv.slice(2).join(' ')}`;
  const part = { campaign: shardText(shard), commandLine, made: made(), counts };
  writeFileSync(file, `${JSON.stringify(part, null, 2)}\n`);
}

function read(where: string): Part & { readonly counts: Counts } {
  try {
    const { campaign, ...part } = JSON.parse(readFileSync(where, 'utf8')) as Part & {
      campaign: string;
      counts: Counts;
    };
    const numbers = countNames.map((name) => part.counts[name]);
    if (numbers.every(Number.isSafeInteger)) return { ...part, where, shard: parseShard(campaign) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  throw new InputError({
    where,
    found: 'no counts of a campaign',
    todo: 'make them with --shard K/N -o FILE',
  });
}

function merge(files: readonly string[]): void {
  const parts = requireWhole(files.map(read));
  for (const part of parts) for (const name of countNames) counts[name] += part.counts[name];
  end(counts, parts[0]?.made['--laws']);
}

async function campaign(): Promise<void> {
  if (values.shard !== undefined && values.seed === undefined)
    throw new InputError({ where: '--shard', found: 'no --seed', todo: 'give all shares the same' });
  const share = values.shard === undefined ? '' : `, share ${shardText(shard)}`;
  console.log(`${nets} networks from seed ${firstSeed}, on ${targets.join(', ')}${share}`);
  await drawn();
  await stored();
  if (values.out !== undefined) write(values.out);
  end(counts, values.laws);
}

try {
  if (values.merge) merge(positionals);
  else await campaign();
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
