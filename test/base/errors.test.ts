import { expect, test } from 'vitest';
import { at, atOr0, DefectError, holds, InputError, locate, must } from '../../src/base/errors.ts';

test('an index that is claimed to be in range is looked at', () => {
  expect(at([5, 6], 1)).toBe(6);
  expect(at(new Int8Array([0, -1]), 0)).toBe(0);
  expect(at('ab', 1)).toBe('b');
  for (const index of [2, -1, 0.5, Number.NaN])
    expect(() => at([5, 6], index)).toThrow(new DefectError(`index ${index} of a list of 2`));
});

test('what is claimed to be there is named where it is not', () => {
  expect(must(0, 'a number')).toBe(0);
  expect(() => must(undefined, 'a layer has weights')).toThrow(new DefectError('a layer has weights'));
});

test('a complaint gets its place once, the innermost', () => {
  const complain = () => {
    throw new InputError({ found: 'rank 5', supported: '1 to 4', todo: 'reshape it' });
  };
  expect(() => locate("model 'm'", () => locate("node 'n'", complain))).toThrow(
    "node 'n': rank 5; supported: 1 to 4; reshape it",
  );
});

test('numbers that are absent altogether are 0; one of those that are given has to be there', () => {
  expect(atOr0(undefined, 5)).toBe(0);
  expect(atOr0([3], 0)).toBe(3);
  expect(() => atOr0([3], 1)).toThrow('index 1 of a list of 1');
});

test('a list may be longer than the loop that reads it, never shorter', () => {
  holds([1, 2], 2);
  holds([1, 2], 1);
  expect(() => holds([1, 2], 3)).toThrow('3 elements of a list of 2');
});
