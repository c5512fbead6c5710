/**
 * Every property without a seed of its own draws its cases in turn from the fixed seed and from the fresh one
 * (seeds.ts): half of its runs are those of every run before, half are this commit's.
 */
import fc from 'fast-check';
import { xorshift128plus } from 'pure-rand/generator/xorshift128plus';
import type { JumpableRandomGenerator } from 'pure-rand/types/JumpableRandomGenerator';
import { fixedSeed, freshSeed, runsOf, setTurn } from './seeds.ts';

/** fast-check jumps once before each case, and draws the case from a clone. */
function inTurn(fixed: JumpableRandomGenerator, fresh: JumpableRandomGenerator): JumpableRandomGenerator {
  let [now, next] = [fresh, fixed];
  return {
    clone: () => now.clone(),
    next: () => now.next(),
    getState: () => now.getState(),
    jump: () => {
      [now, next] = [next, now];
      now.jump();
      setTurn(now === fixed);
    },
  };
}

fc.configureGlobal({
  ...fc.readConfigureGlobal(),
  numRuns: runsOf(100),
  seed: fixedSeed,
  randomType: (seed) =>
    seed === fixedSeed
      ? inTurn(xorshift128plus(fixedSeed), xorshift128plus(freshSeed()))
      : xorshift128plus(seed),
});
