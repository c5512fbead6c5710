/** Builds within limits, on a network of which a build takes a moment. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { mulberry32 } from '../../src/base/random.ts';
import type { CompileOptions } from '../../src/compile.ts';
import { fitWithin, paretoFront, Search, type SearchOptions, sparsities } from '../../src/search/search.ts';
import { network } from '../support/small-network.ts';

const random = mulberry32(7);
const numbers = (n: number): number[] => Array.from({ length: n }, () => random() * 2 - 1);
const graph = network(numbers(12), numbers(3), numbers(48), numbers(8));
const front = { floatGraph: graph, fused: graph };
const inputs = Array.from({ length: 60 }, () => Float32Array.from(numbers(9)));
const compile: CompileOptions = { name: 'net', arith: 'int8', calibration: { inputs: inputs.slice(0, 30) } };
const heldOut = { inputs: inputs.slice(30) };
const search = (more: Partial<SearchOptions> = {}): Search =>
  new Search(front, heldOut, { compile, objective: 'flash', target: 'cortex-m4', ...more });

test('without labels the float model is always right, and nothing pruned loses little', () => {
  const s = search();
  expect(s.floatRight).toBe(30);
  const { loss, flashBytes, right } = s.build({ sparsity: 0, weightBits: 8 });
  expect(loss).toBeCloseTo((100 * (30 - right)) / 30, 9);
  expect(loss).toBeLessThanOrEqual(10);
  expect(s.build({ sparsity: 0.9, weightBits: 8 }).flashBytes).toBeLessThan(flashBytes);
});

test('a build is made once', () => {
  const s = search();
  expect(s.build({ sparsity: 0.5, weightBits: 8 })).toBe(s.build({ sparsity: 0.5, weightBits: 8 }));
  expect(s.tried).toHaveLength(1);
});

test('what builds have in common is computed once, and each is what it would be alone', () => {
  const points = [
    { sparsity: 0.5, weightBits: 8 },
    { sparsity: 0.8, weightBits: 4 },
    { sparsity: 0.5, weightBits: 4 },
    { sparsity: 0, weightBits: 4 },
    { sparsity: 0.2, weightBits: 8 },
  ] as const;
  const together = search();
  for (const point of points)
    expect(together.build(point).compiled.program).toEqual(search().build(point).compiled.program);
});

describe('limits', () => {
  test('on flash: it fits, and of all that fit it loses least', () => {
    const s = search({ grids: [{ weightBits: 8 }] });
    const whole = s.build({ sparsity: 0, weightBits: 8 }).flashBytes;
    const limit = Math.floor(whole * 0.8);
    const { found } = fitWithin(s, { flashBytes: limit });
    expect(found!.flashBytes).toBeLessThanOrEqual(limit);
    const fitting = s.tried.filter((b) => b.flashBytes <= limit);
    expect(found!.loss).toBe(Math.min(...fitting.map((b) => b.loss)));
    expect(fitting.length).toBeLessThan(s.tried.length);
  });

  test('on loss: all of it allowed gives the smallest build, nearly the sparsest', () => {
    const s = search({ grids: [{ weightBits: 8 }] });
    const { found } = fitWithin(s, { maxLoss: 100 });
    for (const sparsity of sparsities) s.build({ sparsity, weightBits: 8 });
    expect(found!.flashBytes).toBe(Math.min(...s.tried.map((b) => b.flashBytes)));
    // Of 60 weights the last few are worth no byte.
    expect(found!.point.sparsity).toBeGreaterThan(0.8);
  });

  test('that nothing reaches: the nearest build, and none found', () => {
    const { found, best } = fitWithin(search({ grids: [{ weightBits: 8 }] }), { ramBytes: 1 });
    expect(found).toBeUndefined();
    expect(best.ramBytes).toBeGreaterThan(1);
  });
});

test('the Pareto front holds what nothing beats', () => {
  const s = search();
  const builds = [0, 0.5, 0.9].flatMap((sparsity) =>
    ([8, 4] as const).map((weightBits) => s.build({ sparsity, weightBits })),
  );
  const best = paretoFront(builds);
  expect(best.length).toBeGreaterThan(0);
  for (const b of builds.filter((x) => !best.includes(x)))
    expect(
      best.some((a) => a.flashBytes <= b.flashBytes && a.instructions <= b.instructions && a.loss <= b.loss),
    ).toBe(true);
});

test('held-out inputs and labels that cannot be', () => {
  const make = (h: ConstructorParameters<typeof Search>[1]) => () =>
    new Search(front, h, { compile, objective: 'flash', target: 'cortex-m4' });
  expect(make({ inputs: [] })).toThrow(InputError);
  expect(make({ inputs: heldOut.inputs, labels: [1] })).toThrow(/1 for 30 inputs/);
});
