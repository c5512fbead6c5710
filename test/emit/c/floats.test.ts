import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { cFloat, putFloat } from '../../../src/emit/c/floats.ts';

/** Every bit pattern but NaNs'. */
const float32 = fc
  .integer({ min: 0, max: 2 ** 32 - 1 })
  .map((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0]!)
  .filter((x) => !Number.isNaN(x));

describe('cFloat', () => {
  test.each([
    [0, '0.0f'],
    [-0, '-0.0f'],
    [1, '1.0f'],
    [-3, '-3.0f'],
    [Math.fround(0.1), '0.1f'],
    [Math.fround(0.01), '0.01f'],
    [1 - 2 ** -24, '0.99999994f'],
    [Math.fround(1e-4) + 2 ** -37, '0.000100000005f'],
    [10 - 2 ** -20, '9.999999f'],
    [Math.fround(1 / 3), '0.33333334f'],
    [2 ** 24, '16777216.0f'],
    [Math.fround(3.4028234663852886e38), '3.4028235e+38f'],
    [2 ** -149, '1e-45f'],
    [2 ** -126, '1.1754944e-38f'],
    [Number.NEGATIVE_INFINITY, '-INFINITY'],
  ])('%d is %s', (value, expected) => {
    expect(cFloat(value)).toBe(expected);
  });

  test('is read back as the same number, and one digit less is not', () => {
    fc.assert(
      fc.property(float32, (x) => {
        fc.pre(Number.isFinite(x));
        const text = cFloat(x).slice(0, -1);
        expect(Object.is(Math.fround(Number(text)), x)).toBe(true);
        const digits = text
          .replace(/e.*/, '')
          .replace(/[-.]/g, '')
          .replace(/^0+|0+$/g, '').length;
        if (digits <= 1) return;
        // Or it lies half way to the next number, which is not for a compiler to decide.
        const shorter = Number(x.toPrecision(digits - 1));
        const nudged = [1 - 2 ** -52, 1, 1 + 2 ** -52].map((by) => Math.fround(shorter * by));
        expect(nudged.every((y) => y === x)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([0.1, Number.NaN, 2 ** 129])('%d is not binary32', (value) => {
    expect(() => cFloat(value)).toThrow(DefectError);
  });
});

/** The first count of digits that is read back: the meaning, without a search from the other end. */
function searched(value: number): string {
  const digits = Array.from({ length: 9 }, (_, i) => value.toPrecision(i + 1));
  const found = digits.find((text) => Math.fround(Number(text)) === value) ?? '';
  return String(Number(found));
}

describe('putFloat', () => {
  const put = (value: number): string => {
    const bytes = new Uint8Array(40);
    return new TextDecoder().decode(bytes.subarray(0, putFloat(bytes, 0, value)));
  };

  test('is the bytes of cFloat', () => {
    fc.assert(
      fc.property(float32, (x) => {
        expect(put(x)).toBe(cFloat(x));
      }),
      { numRuns: 2000 },
    );
  });

  test('weights of all sizes: as few digits as are read back', () => {
    const weight = fc.tuple(fc.integer({ min: -13, max: 2 }), fc.integer({ min: 0, max: 2 ** 23 - 1 }));
    fc.assert(
      fc.property(weight, fc.integer({ min: 1, max: 9 }), ([exponent, mantissa], digits) => {
        const exact = 2 ** exponent * (1 + mantissa * 2 ** -23);
        for (const x of [exact, -exact, 2 ** exponent, Math.fround(Number(exact.toPrecision(digits)))]) {
          expect(put(x)).toBe(cFloat(x));
          expect(Math.fround(Number(put(x).slice(0, -1)))).toBe(x);
          expect(Number(put(x).slice(0, -1))).toBe(Math.sign(x) * Number(searched(Math.abs(x))));
        }
      }),
      { numRuns: 800 },
    );
  });
});
