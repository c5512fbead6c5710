import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { cInt, columns, comment, commentText, wrapCode } from '../../../src/emit/c/lines.ts';

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
