/** Memory plans: never a clash, never below the bound, and the smallest where brute force can tell. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DefectError } from '../../src/base/errors.ts';
import {
  type Buffer,
  type PlanStrategy,
  planMemory,
  type Sharing,
  verifyPlan,
} from '../../src/plan/addresses.ts';

const buffer = (bytes: number, firstStep: number, lastStep: number, align = 1): Buffer => ({
  name: `b${bytes}.${firstStep}`,
  bytes,
  align,
  firstStep,
  lastStep,
});

/** A chain of buffers, each read by the step that writes the next. */
const chain = (...sizes: readonly number[]): Buffer[] => sizes.map((n, i) => buffer(n, i - 1, i));
const sharing = (input: number, below: number, above: number, inPlace = false): Sharing => ({
  input,
  output: input + 1,
  below,
  above,
  inPlace,
});

const buffers = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: 40 }), fc.nat(6), fc.nat(3), fc.constantFrom(1, 4))
    .map(([bytes, first, length, align]) => buffer(bytes, first, first + length, align)),
  { minLength: 1, maxLength: 8 },
);
const strategies: readonly PlanStrategy[] = ['overlap', 'disjoint', 'separate'];

test('every plan stands its own check, and is not below its bound', () =>
  fc.assert(
    fc.property(buffers, fc.constantFrom(...strategies), (all, strategy) => {
      const plan = planMemory(all, [], strategy);
      verifyPlan(all, [], plan);
      expect(plan.arenaBytes).toBeGreaterThanOrEqual(plan.lowerBound);
    }),
  ));

test('a chain without sharing needs its largest pair of neighbours: ping-pong', () => {
  expect(planMemory(chain(1024, 1176, 400, 120, 84, 10), [], 'disjoint').arenaBytes).toBe(2200);
});

test('separate buffers need their sum', () => {
  expect(planMemory(chain(5, 6, 7), [], 'separate').arenaBytes).toBe(18);
});

test('the bound is the largest footprint of a step: of the first, of one in between, of the last', () => {
  const boundOf = (all: readonly Buffer[], sharings: readonly Sharing[] = []): number =>
    planMemory(all, sharings, 'overlap').lowerBound;
  expect(boundOf([buffer(9, -1, -1), buffer(4, 0, 1)])).toBe(9);
  expect(boundOf(chain(5, 7, 3))).toBe(12);
  expect(boundOf([buffer(4, 0, 1), buffer(9, 2, 2)])).toBe(9);
  // 10 bytes and 8 that begin 2 below them end where the 10 end: 12 together; 3 above: 11.
  expect(boundOf(chain(10, 8), [sharing(0, 2, 18)])).toBe(12);
  expect(boundOf(chain(10, 8), [sharing(0, 18, 3)])).toBe(11);
  expect(boundOf(chain(10, 8), [sharing(0, 18, 18)])).toBe(18);
});

test('in place, one buffer is enough', () => {
  const plan = planMemory(chain(100, 100, 100), [sharing(0, 0, 100, true), sharing(1, 0, 100, true)]);
  expect(plan.arenaBytes).toBe(100);
  expect(plan.lowerBound).toBe(100);
});

test('an output that trails its input by d bytes costs d', () => {
  expect(planMemory(chain(1024, 1176), [sharing(0, 312, 1024)]).arenaBytes).toBe(1336);
});

test('a sharing counts only where the input dies', () => {
  const all = [buffer(100, -1, 5), buffer(100, 0, 1)];
  expect(planMemory(all, [sharing(0, 0, 100, true)]).arenaBytes).toBe(200);
});

/** The least arena over all addresses up to a limit. */
function bruteForce(all: readonly Buffer[], sharings: readonly Sharing[], limit: number): number {
  let best = limit;
  const addresses: number[] = [];
  const place = (i: number): void => {
    const b = all[i];
    if (b === undefined) {
      best = Math.min(best, Math.max(...addresses.map((a, k) => a + all[k]!.bytes)));
      return;
    }
    for (let a = 0; a + b.bytes < best; a += b.align) {
      addresses[i] = a;
      const plan = {
        strategy: 'overlap',
        addresses: addresses.slice(0, i + 1),
        arenaBytes: limit,
        lowerBound: 0,
      } as const;
      if (
        stands(
          all.slice(0, i + 1),
          sharings.filter((s) => s.output <= i),
          plan,
        )
      )
        place(i + 1);
    }
    addresses.length = i;
  };
  place(0);
  return best;
}

function stands(...args: Parameters<typeof verifyPlan>): boolean {
  try {
    verifyPlan(...args);
    return true;
  } catch {
    return false;
  }
}

test('small problems are solved as well as brute force solves them', () => {
  const size = fc.integer({ min: 1, max: 7 });
  fc.assert(
    fc.property(
      size,
      size,
      size,
      size,
      fc.nat(7),
      fc.nat(7),
      fc.boolean(),
      (a, b, c, d, below, above, skip) => {
        const all = chain(a, b, c, d).map((x, i) => (skip && i === 0 ? { ...x, lastStep: 2 } : x));
        const sharings = [sharing(0, below, above), sharing(1, above, below), sharing(2, below, below)];
        expect(planMemory(all, sharings).arenaBytes).toBe(bruteForce(all, sharings, a + b + c + d + 1));
      },
    ),
    { numRuns: 60 },
  );
});

describe('the check finds', () => {
  const all = chain(10, 10);
  const plan = (addresses: readonly number[], arenaBytes = 20) =>
    ({ strategy: 'overlap', addresses, arenaBytes, lowerBound: 0 }) as const;

  test('a clash', () => {
    expect(() => verifyPlan(all, [], plan([0, 9]))).toThrow(/'b10.0' at 9 and 'b10.-1' at 0 clash/);
    expect(() => verifyPlan(all, [sharing(0, 3, 20)], plan([2, 0]))).toThrow(DefectError);
    expect(() => verifyPlan(all, [sharing(0, 2, 20)], plan([2, 0]))).not.toThrow();
  });

  test('an address outside of the arena', () => {
    expect(() => verifyPlan(all, [], plan([0, 11]))).toThrow(/leaves the arena/);
  });

  test('a wrong alignment', () => {
    expect(() => verifyPlan([buffer(4, 0, 1, 4)], [], plan([2]))).toThrow(/misaligned/);
  });
});

test('a sharing of a buffer that is not there is a defect', () => {
  expect(() => planMemory(chain(4, 4), [{ ...sharing(0, 0, 0), output: 7 }])).toThrow(DefectError);
});
