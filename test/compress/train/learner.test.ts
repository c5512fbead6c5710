import { expect, test } from 'vitest';
import { networkOf, type Terms } from '../../../src/compress/gradient/network.ts';
import { Learner } from '../../../src/compress/train/learner.ts';
import { settingsOf } from '../../../src/compress/train/options.ts';
import { layoutOf, sharedFor } from '../../../src/compress/train/shard.ts';
import { tinyStudent } from '../../support/tiny-training.ts';

const pruning = settingsOf(
  { epochs: 1, sparsity: 0.8, pruneEvery: 1, pruneBegin: 0, pruneEnd: 0.5, roundFrom: 0.25, weightBits: 4 },
  100,
);
const network = networkOf(tinyStudent);

/** A learner after the forward weights of steps 0 to `last` of 40 were written; every gradient is 1. */
function after(last: number, settings = pruning) {
  const shared = sharedFor(network, 16, ArrayBuffer);
  const learner = new Learner(tinyStudent, network, settings, 40, shared);
  let terms: readonly Terms[] = [];
  for (let step = 0; step <= last; step++) {
    learner.prepare(step, (now) => {
      terms = now;
    });
    if (step === last) break;
    shared.gradients[0]!.fill(1);
    learner.learn(step);
  }
  const values = layoutOf(network).regions.map(({ weights }, l) =>
    shared.values.subarray(weights, weights + terms[l]!.offsets.length),
  );
  return { learner, terms, values };
}

test('while weights may grow back, those pruned are in the lists and count as 0', () => {
  const { learner, terms, values } = after(15);
  learner.layers.forEach(({ allowed, kept }, l) => {
    expect(terms[l]!.offsets).toHaveLength(allowed.reduce((n, a) => n + a, 0));
    const inLists = [...kept].filter((_, i) => allowed[i] === 1);
    expect([...values[l]!].filter((w, k) => inLists[k] === 0 && w !== 0)).toEqual([]);
    expect([...values[l]!].some((w) => w !== 0)).toBe(true);
  });
  expect(learner.layers.some(({ allowed, kept }) => kept.join() !== allowed.join())).toBe(true);
});

test('pruned weights learn while they may grow back, and no longer', () => {
  const moved = (a: number, b: number): boolean[] => {
    const [early, late] = [after(a).learner, after(b).learner];
    return late.layers.map(({ weight, kept }, l) =>
      weight.value.some((w, i) => kept[i] === 0 && w !== early.layers[l]!.weight.value[i]),
    );
  };
  expect(moved(14, 15)).toContain(true);
  expect(moved(25, 30)).not.toContain(true);
});

test('after the last pruning only the weights kept are in the lists', () => {
  const { learner, terms } = after(20);
  expect(learner.sparsity).toBeGreaterThan(0.799);
  expect(learner.sparsity).toBeLessThan(0.9);
  learner.layers.forEach(({ kept }, l) => {
    expect(terms[l]!.offsets).toHaveLength(kept.reduce((n, k) => n + k, 0));
  });
});

test('weights are rounded from their share of the run on: 7 values per row at most', () => {
  const distinct = (last: number): number => {
    const { values, terms } = after(last, settingsOf({ epochs: 1, roundFrom: 0.25, weightBits: 3 }, 100));
    const [from, to] = [...terms[1]!.rowStarts];
    return new Set(values[1]!.subarray(from, to)).size;
  };
  expect(distinct(9)).toBeGreaterThan(7);
  expect(distinct(10)).toBeLessThanOrEqual(7);
});
