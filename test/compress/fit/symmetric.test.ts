import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { Elimination } from '../../../src/compress/fit/elimination.ts';
import { reconstruct, times } from '../../../src/compress/fit/reconstruct.ts';
import {
  addOuter,
  cholesky,
  inverse,
  quadratic,
  restricted,
  solveFactored,
} from '../../../src/compress/fit/symmetric.ts';
import { bestWithout, full, problems, solved } from '../../support/spd.ts';

test('the factors solve what Gaussian elimination solves', () => {
  fc.assert(
    fc.property(problems(), ({ hessian, row }) => {
      const expected = solved(full(hessian), [...row]);
      const found = solveFactored(cholesky(hessian), row.slice());
      for (const [i, x] of expected.entries()) expect(found[i]).toBeCloseTo(x, 8);
    }),
  );
});

test('the inverse times the matrix is 1', () => {
  fc.assert(
    fc.property(problems(), ({ hessian }) => {
      const [a, b] = [full(hessian), full(inverse(hessian))];
      a.forEach((row, i) => {
        a.forEach((_, j) => {
          const element = row.reduce((sum, x, k) => sum + x * b[k]![j]!, 0);
          expect(element).toBeCloseTo(i === j ? 1 : 0, 8);
        });
      });
    }),
  );
});

test('products and restrictions see both triangles', () => {
  fc.assert(
    fc.property(problems(), ({ hessian, row }) => {
      const h = full(hessian);
      const product = h.map((line) => line.reduce((sum, x, j) => sum + x * row[j]!, 0));
      for (const [i, x] of product.entries()) expect(times(hessian, row)[i]).toBeCloseTo(x, 9);
      expect(quadratic(hessian, row)).toBeCloseTo(
        product.reduce((sum, x, i) => sum + x * row[i]!, 0),
        8,
      );
      expect(full(restricted(hessian, [2, 0]))).toEqual([
        [h[2]![2], h[2]![0]],
        [h[0]![2], h[0]![0]],
      ]);
    }),
  );
});

test('vectors that are too short and rows beyond the last are defects of the caller', () => {
  const hessian = { size: 2, data: Float64Array.of(2, 0, 1, 2) };
  const short = Float64Array.of(1);
  expect(() => addOuter(hessian, short, 1)).toThrow(DefectError);
  expect(() => solveFactored(cholesky(hessian), short)).toThrow(DefectError);
  expect(() => quadratic(hessian, short)).toThrow(DefectError);
  expect(() => times(hessian, short)).toThrow(DefectError);
  expect(() => restricted(hessian, [0, 2])).toThrow(DefectError);
  expect(() => cholesky({ size: 3, data: hessian.data })).toThrow(DefectError);
});

test('a weight is fixed once: another has its place then', () => {
  const elimination = new Elimination({ size: 3, data: Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1) }, [
    Float64Array.of(1, 2, 3),
  ]);
  elimination.fix(1);
  expect(elimination.value(0, 2)).toBe(3);
  expect(() => elimination.fix(1)).toThrow('weight 1 is fixed already');
  expect(() => elimination.value(0, 1)).toThrow(DefectError);
  expect(() => elimination.inverseAt(2, 3)).toThrow(DefectError);
});

test('a matrix that is not positive definite is a defect of the caller', () => {
  expect(() => cholesky({ size: 2, data: Float64Array.of(1, 0, 2, 1) })).toThrow(DefectError);
});

test('reconstruction is the exact least squares, and never worse than zeros alone', () => {
  fc.assert(
    fc.property(problems(), fc.nat(), ({ hessian, row }, pick) => {
      const gone = row.length > 2 ? [1 + (pick % (row.length - 1))] : [1];
      const kept = Array.from(row.keys()).filter((i) => !gone.includes(i));
      const made = reconstruct(hessian, row, kept, 0);
      const errorOf = (w: Float64Array): number =>
        quadratic(
          hessian,
          w.map((x, i) => x - row[i]!),
        );
      expect(gone.map((i) => made[i])).toEqual(gone.map(() => 0));
      expect(errorOf(made)).toBeCloseTo(bestWithout({ hessian, row }, gone), 6);
      const cut = row.map((x, i) => (gone.includes(i) ? 0 : x));
      expect(errorOf(made)).toBeLessThanOrEqual(errorOf(cut) * (1 + 1e-9));
      const damped = reconstruct(hessian, row, kept, 0.1);
      expect(errorOf(damped)).toBeLessThanOrEqual(errorOf(cut) * (1 + 1e-9));
    }),
  );
});
