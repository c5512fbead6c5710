import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { cFloat, cInt, columns, comment, commentText, wrapCode } from '../../../src/emit/c/lines.ts';

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

describe('cInt', () => {
  test.each([
    [-(2 ** 31), 'INT32_MIN'],
    [2 ** 31 - 1, 'INT32_MAX'],
    [-7, '-7'],
    [-0, '0'],
  ])('%d is %s', (value, expected) => {
    expect(cInt(value)).toBe(expected);
  });

  test.each([2 ** 31, -(2 ** 31) - 1, 0.5])('%d is no int32', (value) => {
    expect(() => cInt(value)).toThrow(DefectError);
  });
});

describe('comments', () => {
  test('nothing in them ends or begins a comment, or is no plain character', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('*', '/', '?', 'a', '\n', '\\', 'é', '‮') }), (text) => {
        const made = commentText(text);
        expect(made).not.toMatch(/\*\/|\/\*|\?\?|[^\x20-\x7e]/);
      }),
      { numRuns: 2000 },
    );
  });

  test('one line stands alone, more have their stars', () => {
    expect(comment(['a'], '  ')).toEqual(['  /* a */']);
    expect(comment(['a', '  b'])).toEqual(['/* a', ' *   b', ' */']);
    expect(comment([])).toEqual([]);
  });

  test('long ones are filled to the width', () => {
    const lines = comment(['word '.repeat(60)], '    ');
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.every((line) => line.length <= columns)).toBe(true);
    expect(lines.join(' ').match(/word/g)).toHaveLength(60);
  });
});

test('long lines of code break at blanks outside of brackets, if they can', () => {
  const term = 'table[index * 12 + another] * (left + right)';
  const lines = wrapCode(`    sum = ${[term, term, term, term].join(' + ')};`);
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.every((line) => line.length <= columns)).toBe(true);
  expect(lines.map((line) => line.trim()).join(' ')).toBe(`sum = ${[term, term, term, term].join(' + ')};`);
  const depths = lines.map((line) => line.split('(').length - line.split(')').length);
  expect(depths.every((depth) => depth === 0)).toBe(true);
});
