/** Random cases are half the same for ever, half the same for one commit. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { originOfFresh, seedOf } from '../support/commit-seed.ts';
import { Reached } from '../support/reached.ts';
import { fixedSeed, freshSeed } from '../support/seeds.ts';
import { root } from '../support/shared.ts';

const drawn = (count: number): readonly number[] => fc.sample(fc.nat(), { numRuns: count });
function withSeed<T>(seed: number, run: () => T): T {
  const was = process.env.THIMBLE_SEED;
  try {
    process.env.THIMBLE_SEED = String(seed);
    return run();
  } finally {
    process.env.THIMBLE_SEED = was;
  }
}
const drawnOf = (seed: number): readonly number[] => withSeed(seed, () => drawn(20));
const turn = (numbers: readonly number[], which: 0 | 1): readonly number[] =>
  numbers.filter((_, i) => i % 2 === which);

test('a property draws every other case from the fixed seed, the rest from the fresh one', () => {
  const [one, other] = [drawnOf(11), drawnOf(12)];
  expect(turn(one, 0)).toEqual(turn(other, 0));
  expect(turn(one, 1)).not.toEqual(turn(other, 1));
  expect(drawnOf(11)).toEqual(one);
});

test('counts are of the fixed seed alone, and the same for every commit', () => {
  const countedOf = (seed: number): readonly number[] => {
    const reached = new Reached();
    withSeed(seed, () =>
      fc.assert(
        fc.property(fc.nat({ max: 1 }), (n) => reached.add(`${n}`, 'all')),
        { numRuns: 40, examples: [[1]] },
      ),
    );
    expect(() => reached.atLeast({ all: 22 })).toThrow('all, of {');
    return ['0', '1', 'all'].map((name) => reached.of(name));
  };
  expect(countedOf(11)).toEqual(countedOf(12));
  expect(countedOf(11)[2]).toBe(1 + 20);
});

test("a seed of a case's own decides all of it", () => {
  const sample = (): readonly number[] => fc.sample(fc.nat(), { seed: 5, numRuns: 4 });
  const was = process.env.THIMBLE_SEED;
  const before = sample();
  process.env.THIMBLE_SEED = '77';
  expect(sample()).toEqual(before);
  process.env.THIMBLE_SEED = was;
});

test('what a failure prints draws its case again', () => {
  const property = fc.property(fc.nat(), (n) => n !== drawn(8)[7]);
  const found = fc.check(property, { endOnFailure: true });
  expect(found.failed).toBe(true);
  const again = fc.check(property, { seed: found.seed, path: found.counterexamplePath!, endOnFailure: true });
  expect(again.counterexample).toEqual(found.counterexample);
});

test('the fresh seed is the commit, and the version where there is no git', () => {
  const here = originOfFresh(root, undefined);
  expect(here).toEqual(originOfFresh(root, undefined));
  expect(here.from).toMatch(/^(commit [0-9a-f]{12}|version )/);
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-seed-'));
  try {
    writeFileSync(path.join(folder, 'package.json'), '{ "version": "3.1.4" }');
    expect(originOfFresh(folder, undefined)).toEqual({ seed: seedOf('3.1.4'), from: 'version 3.1.4' });
    expect(originOfFresh(folder, '42')).toEqual({ seed: 42, from: 'THIMBLE_SEED' });
    expect(() => originOfFresh(folder, 'x')).toThrow(/should be an integer/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('seeds are int32, and this run has one', () => {
  for (const text of ['', 'a', 'efb75c4c77a5']) {
    expect(seedOf(text)).toBeGreaterThanOrEqual(0);
    expect(seedOf(text)).toBeLessThan(2 ** 31);
  }
  expect(seedOf('a')).not.toBe(seedOf('b'));
  expect(freshSeed()).not.toBe(fixedSeed);
});
