/**
 * Instructions of an inference, and bytes of code, constants and RAM: what test/figures.json has on record, and what
 * is measured now.
 */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import { at } from '../../src/base/errors.ts';
import { compressOptions } from '../../src/cli/flags/compress.ts';
import type { Compiled, CompileOptions } from '../../src/compile.ts';
import { type CostTarget, costTargets } from '../../src/cost/speed.ts';
import { emitC } from '../../src/emit/package.ts';
import { plainProgram, variantsOf } from '../../src/lower/variants.ts';
import type { Program } from '../../src/program/program.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { cached } from '../../src/targets/cache.ts';
import { type Measures, runNative } from '../../src/targets/native.ts';
import { type Target, type TargetName, targets } from '../../src/targets/targets.ts';
import { requireTool } from '../../src/targets/tools.ts';
import { formatCount } from '../../src/text/numbers.ts';

/** Instructions of the first example, bytes of the network's object file, and of its arena. */
export interface Figures {
  readonly instructions: number;
  readonly code: number;
  readonly constants: number;
  readonly ram: number;
}

/** By what is measured: `network build target`. */
export type Recorded = Readonly<Record<string, Figures>>;

/** What `--optimize` says; nothing by default. */
export const objectives = ['default', 'flash', 'speed'] as const;
export type Objective = (typeof objectives)[number];

export const figuresFile = path.join(import.meta.dirname, '../figures.json');
const standing = readFileSync(figuresFile, 'utf8');
export const recorded = JSON.parse(standing) as Recorded;

/** What is not modelled itself is compiled for the chip that is nearest to it. */
export const modelledFor = (target: TargetName): CostTarget =>
  costTargets.find((name) => name === target) ?? 'cortex-m4';

/** The C of an artifact, without what was proved: that stands in comments, and takes seconds. */
function sourcesOf(program: Program): ReadonlyMap<string, string> {
  const plain = plainProgram(program);
  const forms = variantsOf(program);
  const variants = new Map(
    program.steps.map(({ kernel }, i) => [at(plain.steps, i).kernel, forms.get(kernel) ?? []] as const),
  );
  return emitC(plain, { command: '', version: '', hash: '', golden: [], variants });
}

/** The options of `thimble compile` with `--optimize` and `--target`, or without them. */
export const optionsFor = (objective: Objective, target: CostTarget): Partial<CompileOptions> =>
  compressOptions({
    ...(objective === 'default' ? { target: 'cortex-m4' } : { optimize: objective, target }),
    prune: 'obs',
    pattern: 'none',
    heldOut: 0,
    seed: 1,
  });

/** Code is for size where bytes are to be few. */
export const optOf = (objective: string): string => (objective === 'flash' ? '-Os' : '-O3');

/** Counts are exact: they stay true as long as the C, the input and the compiler are the same. */
async function measured(
  { program, examples }: Compiled,
  targetName: TargetName,
  opt: string,
): Promise<Measures> {
  const [input] = examples;
  if (input === undefined) throw new Error('no example to be run');
  const target: Target = targets[targetName];
  const files = sourcesOf(program);
  const file = await cached({
    name: 'figures.json',
    sources: [],
    how: [await requireTool(target.compiler), JSON.stringify([target, opt, [...files], [...input]])],
    build: async (to) => {
      const result = await runNative(program, files, targetName, [input], { opt });
      if (result.kind !== 'ran') throw new Error(`${program.name} does not fit ${targetName}`);
      const { output } = createSimulator(program, { mode: 'fast' }).run(input);
      expect(result.outcomes[0]?.output, `${program.name} on ${targetName}`).toEqual(output);
      await writeFile(to, JSON.stringify(result.measures));
    },
  });
  return JSON.parse(await readFile(file, 'utf8')) as Measures;
}

export async function figuresOf(compiled: Compiled, target: TargetName, opt: string): Promise<Figures> {
  const { instructions, sections } = await measured(compiled, target, opt);
  const { code, constants } = sections;
  const { arenaBytes: ram } = compiled.program;
  return { instructions: instructions?.total ?? Number.NaN, code, constants, ram };
}

/** A figure may grow by so much without being recorded, and shrink by so much. */
const [most, least] = [1.01, 0.95];

const percent = (now: number, then: number): string => {
  const change = 100 * (now / then - 1);
  return `${change > 0 ? '+' : ''}${change.toFixed(1)} %`;
};

function offOf(what: string, now: Figures, then: Figures | undefined): readonly string[] {
  if (then === undefined) return [`${what}: not on record`];
  return (Object.keys(now) as (keyof Figures)[])
    .filter((key) => !(now[key] <= most * then[key] && now[key] >= least * then[key]))
    .map((key) => {
      const how = now[key] > then[key] ? 'grew' : 'shrank';
      const change = `${formatCount(then[key])} to ${formatCount(now[key])} (${percent(now[key], then[key])})`;
      return `${what}: ${key} ${how} from ${change}`;
    });
}

/** What is not as recorded, a sentence each. */
export const complaints = (found: Recorded, record: Recorded = recorded): readonly string[] =>
  Object.entries(found).flatMap(([what, figures]) => offOf(what, figures, record[what]));

const textOf = (figures: Recorded): string =>
  `{\n${Object.entries(figures)
    .map(([what, one]) => `  ${JSON.stringify(what)}: ${JSON.stringify(one)}`)
    .join(',\n')}\n}\n`;

const networkOf = (what: string): string => what.split(' ')[0] ?? '';

/** Of networks that were measured wholly. */
function goneFrom(found: Recorded): readonly string[] {
  const networks = new Set(Object.keys(found).map(networkOf));
  return Object.keys(recorded).filter((what) => networks.has(networkOf(what)) && !(what in found));
}

/**
 * Fails where a figure grew by more than 1 %, or shrank by more than 5 %, so that the record follows; `--update`
 * records what was found.
 * @param found all that is on record of some networks; or a part of it, and the rest stays
 */
export async function expectRecorded(found: Recorded, part: 'all' | 'part'): Promise<void> {
  const gone = part === 'all' ? goneFrom(found) : [];
  const off = [...complaints(found), ...gone.map((what) => `${what}: on record, but not measured`)];
  const kept = Object.entries({ ...recorded, ...found }).filter(([what]) => !gone.includes(what));
  const text = off.length === 0 ? standing : textOf(Object.fromEntries(kept));
  const message = [
    'Figures are not as test/figures.json has them.',
    ...off,
    'To record all: npm run bench:figures -- --update',
    'To record what npm test measures: npx vitest run test/figures.test.ts --update',
  ].join('\n');
  await expect(text, message).toMatchFileSnapshot(figuresFile);
}
