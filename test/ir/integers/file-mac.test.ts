import { expect, test } from 'vitest';
import { mayBeCut } from '../../../src/ir/integers/file-mac.ts';
import { floats } from '../../../src/ir/tensor.ts';

const weight = (shape: readonly number[], numbers: readonly number[], type?: 'uint8') => ({
  ...floats(shape, Float32Array.from(numbers)),
  integers: {
    numbers: Int32Array.from(numbers),
    steps: new Float32Array(numbers.length).fill(1),
    ...(type === undefined ? {} : { grid: { type, zeroPoint: 128 } }),
  },
});

/** 255 (65 + 64) is beyond 32,767, and 255 (-65 - 64) below -32,768. */
test.each([
  [[1, 2], [64, 64], false],
  [[1, 2], [65, 64], true],
  [[1, 2], [-64, -65], true],
  [[1, 2], [127, -128], false],
  [[1, 3], [0, 65, 64], false],
  [[1, 3], [0, 0, 127], false],
  [[2, 2], [0, 0, 100, 100], true],
  [[1, 2, 2], [65, 0, 64, 0], true],
  [[1, 2, 2], [65, 64, 0, 0], false],
  [[2, 1, 2], [100, 100, 100, 100], false],
] as const)('weights %j of %j: %s', (shape, numbers, cut) => {
  expect(mayBeCut(weight(shape, numbers))).toBe(cut);
});

test('weights of uint8, and of no file', () => {
  expect(mayBeCut(weight([1, 2], [100, 100], 'uint8'))).toBe(false);
  expect(mayBeCut(floats([1, 2], Float32Array.of(100, 100)))).toBe(false);
});
