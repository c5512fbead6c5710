import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inverse } from '../../../src/compress/fit/symmetric.ts';
import { type Trace, traceOf, type Unit } from '../../../src/compress/prune/removals.ts';
import { bestWithout, problemOf, problems, type SmallProblem } from '../../support/spd.ts';

const singles = (row: Float64Array): Unit[] => Array.from({ length: row.length - 1 }, (_, i) => [i + 1]);

const traced = ({ hessian, row }: SmallProblem, units: readonly Unit[] = singles(row)): Trace =>
  traceOf({ inverse: inverse(hessian), rows: [row], importance: [1], units });

test('the first removal is the one that brute force finds', () => {
  fc.assert(
    fc.property(problems(), (problem) => {
      const { order, costs } = traced(problem);
      const all = singles(problem.row).map((unit) => bestWithout(problem, unit));
      expect(costs[0]).toBeCloseTo(Math.min(...all), 6);
      expect(all[order[0]!]).toBeCloseTo(Math.min(...all), 6);
    }),
  );
});

test('removals cost together what exact least squares without them loses', () => {
  fc.assert(
    fc.property(problems(), (problem) => {
      const { order, costs } = traced(problem);
      let sum = 0;
      order.forEach((_, step) => {
        sum += costs[step]!;
        const gone = [...order.subarray(0, step + 1)].map((unit) => unit + 1);
        expect(sum).toBeCloseTo(bestWithout(problem, gone), 5);
      });
    }),
  );
});

test('each removal is the cheapest after those before it', () => {
  fc.assert(
    fc.property(problems(6), (problem) => {
      const { order } = traced(problem);
      const gone: number[] = [];
      for (const unit of order) {
        const left = singles(problem.row).flatMap(([w]) => (gone.includes(w!) ? [] : [w!]));
        const errors = left.map((w) => bestWithout(problem, [...gone, w]));
        expect(bestWithout(problem, [...gone, unit + 1])).toBeCloseTo(Math.min(...errors), 5);
        gone.push(unit + 1);
      }
    }),
  );
});

test('a channel that a part of a layer does not read costs nothing there', () => {
  const { order, costs } = traced(problemOf(3, 1), [[1, 2], [], [3]]);
  expect([order[0], costs[0]]).toEqual([1, 0]);
});

test('blocks are removed whole, at their exact cost', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const problem = problemOf(6, seed);
      const units = [
        [1, 2],
        [3, 4],
        [5, 6],
      ];
      const { order, costs } = traced(problem, units);
      const all = units.map((unit) => bestWithout(problem, unit));
      expect(costs[0]).toBeCloseTo(Math.min(...all), 6);
      expect(costs.reduce((sum, c) => sum + c, 0)).toBeCloseTo(bestWithout(problem, [1, 2, 3, 4, 5, 6]), 5);
      expect([...order].sort()).toEqual([0, 1, 2]);
    }),
  );
});

test('rows that share a mask cost the sum of their own costs', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { hessian, row } = problemOf(5, seed);
      const other = problemOf(5, seed + 1).row;
      const { order, costs } = traceOf({
        inverse: inverse(hessian),
        rows: [row, other],
        importance: [1, 3],
        units: singles(row),
      });
      const gone = [order[0]! + 1];
      const expected = bestWithout({ hessian, row }, gone) + 3 * bestWithout({ hessian, row: other }, gone);
      expect(costs[0]).toBeCloseTo(expected, 5);
    }),
  );
});

test('every group gives what its quota asks before anything else goes', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { hessian, row } = problemOf(7, seed);
      const groups = Int32Array.of(0, 0, 0, 0, 1, 1, 1);
      const { order, forced } = traceOf({
        inverse: inverse(hessian),
        rows: [row],
        importance: [1],
        units: singles(row),
        quotas: { groups, left: Int32Array.of(2, 1) },
      });
      expect(forced).toBe(3);
      const first = [...order.subarray(0, 3)].map((unit) => groups[unit]);
      expect(first.sort()).toEqual([0, 0, 1]);
      expect(new Set(order).size).toBe(7);
    }),
  );
});

test('a weight that is zero goes first and costs nothing', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 5 }), (seed, zero) => {
      const { hessian, row } = problemOf(5, seed);
      row[zero] = 0;
      const { order, costs } = traced({ hessian, row });
      expect([order[0], costs[0]]).toEqual([zero - 1, 0]);
    }),
  );
});
