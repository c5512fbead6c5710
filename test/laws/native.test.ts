/** Random networks on the host with sanitizers, and on every chip under QEMU. */
import { afterAll, expect } from 'vitest';
import { dense8 } from '../../src/ir/kernel/weight-format.ts';
import { chips, type TargetName } from '../../src/targets/targets.ts';
import { compareOn, type Member, member } from '../support/native-laws.ts';
import { failure, recipesOf } from '../support/property.ts';
import type { Recipe } from '../support/recipes.ts';
import { fixedSeed, freshSeed } from '../support/seeds.ts';
import { crossTools, hostTools, testWith } from '../support/toolchain.ts';

const perBatch = 7;
const batches = 20;
/** The first half of the batches is the same in every run, the second is this commit's; each takes every chip. */
const seedOf = (batch: number): number => (batch < batches / 2 ? fixedSeed : freshSeed()) + batch;

const totals = { networks: 0, bytes: 0 };
afterAll(() => {
  console.log(`${totals.networks} random networks, ${totals.bytes} bytes compared`);
});

interface Run {
  readonly target: TargetName;
  readonly opt: string;
  /** Of the batch, where not the whole batch runs: every second network, from this one on. */
  readonly half?: 0 | 1;
}

const chipLevels = ['-Os', '-O1', '-O3'] as const;

/**
 * Every network runs on the host with sanitizers and on one chip. Measured for a batch: gcc compiles sanitized code
 * in 2.0 s at -O0 and 8.6 s at -O1, clang in 10.4 s; so those two share every tenth batch.
 */
function runsOf(batch: number): readonly Run[] {
  const target = chips[batch % chips.length]!;
  const chip = { target, opt: chipLevels[batch % chipLevels.length]! };
  if (batch % 10 !== 0) return [{ target: 'host-gcc', opt: '-O0' }, chip];
  return [{ target: 'host-gcc', opt: '-O1', half: 0 }, chip, { target: 'host-clang', opt: '-O1', half: 1 }];
}

const partOf = (members: readonly Member[], { half }: Run): readonly Member[] =>
  half === undefined ? members : members.filter((_, i) => i % 2 === half);

testWith([...hostTools, ...crossTools])(
  `${batches * perBatch} networks leave the simulator's bytes on the host and on chips`,
  async () => {
    const used = Array.from({ length: batches }, (_, i) => runsOf(i).map((run) => run.target)).flat();
    expect(new Set(used).size).toBe(chips.length + 2);
    for (let batch = 0; batch < batches; batch++) {
      const seed = seedOf(batch);
      const members = recipesOf(seed, perBatch).map((recipe, i) => member(recipe, `net${i}`));
      const found = await Promise.all(
        runsOf(batch).map(async (run) => {
          const some = partOf(members, run);
          return { run, some, ...(await compareOn(some, run.target, run.opt)) };
        }),
      );
      for (const { run, some, bytes, differences } of found) {
        totals.bytes += bytes;
        const [worst] = differences;
        if (worst === undefined) continue;
        const { recipe } = some[worst.index]!;
        const index = members.findIndex((one) => one.recipe === recipe);
        throw failure(recipe, seed, String(index), `${run.target} ${run.opt}: ${worst.text}`);
      }
      totals.networks += members.length;
    }
  },
  // Two minutes on a machine of its own.
  1_800_000,
);

/** Where int has 16 bits and constants lie in program memory. Float comes from avr-libc, whose sums are not IEEE's. */
testWith(['avr-gcc'])(
  'networks leave the same bytes on AVR',
  async () => {
    for (const seed of [fixedSeed, freshSeed()]) {
      const recipes = recipesOf(seed, perBatch).filter(({ arith }) => arith === 'int8');
      const members = recipes.map((recipe, i) => member(recipe, `net${i}`));
      const { bytes, differences } = await compareOn(members, 'atmega2560', '-Os');
      const [worst] = differences;
      if (worst !== undefined)
        throw failure(members[worst.index]!.recipe, seed, String(worst.index), worst.text);
      expect(bytes).toBeGreaterThan(0);
    }
  },
  300_000,
);

/** gcc 12's -fipa-ra took r0 for unchanged by a kernel whose epilogue pops into it: arena byte 0 seemed lost. */
const poppedPointer: Recipe = {
  input: [6, 3, 11],
  layers: [
    { kind: 'linear', as: 'linear', out: 6, weights: { kind: 'tiny', bias: 'huge', seed: 8852 } },
    { kind: 'twice' },
    { kind: 'linear', as: 'matMul', out: 14, weights: { kind: 'single', bias: 'zero', seed: 8450 } },
  ],
  arith: 'int8',
  mode: 'compact',
  bits: 8,
  format: dense8,
  correction: false,
  method: 'minmax',
  raw: 'one',
  tweak: 'none',
  plan: 'disjoint',
  seed: 9995,
};

testWith(crossTools)('a pointer that survives a call at -Os on Cortex-M0', async () => {
  const { bytes, differences } = await compareOn([member(poppedPointer, 'net')], 'cortex-m0', '-Os');
  expect(bytes).toBeGreaterThan(0);
  expect(differences).toEqual([]);
});
