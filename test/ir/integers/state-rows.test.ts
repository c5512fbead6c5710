/** Rows for 16-bit sums: weights to half a step, multipliers exact, no sum beyond int32. */
import { describe, expect, test } from 'vitest';
import { quantizeStateRows, type RowsToQuantize } from '../../../src/ir/integers/state-rows.ts';
import { Draw } from '../../support/draw.ts';

const rows = (count: number, terms: number, more: Partial<RowsToQuantize> = {}): RowsToQuantize => {
  const draw = new Draw(5);
  return {
    weights: draw.floats(count * terms, -1, 1),
    bias: draw.floats(count, -1, 1),
    scale: 2 ** -15,
    zeroPoint: 0,
    largest: 2 ** 15,
    fraction: 11,
    ...more,
  };
};

const cases: readonly (readonly [string, RowsToQuantize])[] = [
  ['states', rows(5, 48)],
  [
    'more states than int32 has room for at full steps',
    rows(2, 4000, { weights: new Float32Array(8000).fill(1) }),
  ],
  [
    'a large bias',
    rows(3, 4, { bias: Float32Array.of(1e4, -3e4, 2e4), weights: new Float32Array(12).fill(0.01) }),
  ],
  ['rows of zeros', rows(2, 3, { weights: new Float32Array(6), bias: Float32Array.of(0, 1) })],
  ['bytes of coarse steps', rows(4, 3, { scale: 8, zeroPoint: 100, largest: 255 })],
  ['bytes far from 0', rows(4, 6, { scale: 1e-4, zeroPoint: -300000, largest: 255 })],
];

describe('rows of weights whose sums become 16 bits', () => {
  test.each(cases)('%s', (_, given) => {
    const { weights, bias, multiplier, shift, up } = quantizeStateRows(given);
    const { scale, zeroPoint, largest, fraction } = given;
    const terms = weights.length / bias.length;
    bias.forEach((b, row) => {
      const [m, s] = [multiplier[row]!, shift[row]!];
      expect(m).toBeGreaterThanOrEqual(2 ** 14);
      expect(m).toBeLessThan(2 ** 15);
      expect(s).toBeGreaterThanOrEqual(17);
      expect(s).toBeLessThanOrEqual(46);
      const step = (m * 2 ** (up - s - fraction)) / scale;
      const own = weights.subarray(row * terms, (row + 1) * terms);
      const reach = own.reduce((sum, q) => sum + largest * Math.abs(q), Math.abs(b));
      expect(reach * 2 ** up).toBeLessThan(2 ** 31);
      own.forEach((q, i) => {
        expect(Math.abs(q * step - given.weights[row * terms + i]!)).toBeLessThan(0.5001 * step);
      });
      // The real sum of a stored 0 that stands for 0, and of one in the middle of what bytes hold.
      const middle = zeroPoint < 0 || zeroPoint > 255 ? 127.5 : zeroPoint;
      const sum = own.reduce((total, q) => total + q * middle, b) * scale * step;
      const real = own.reduce(
        (total, _q, i) => total + given.weights[row * terms + i]! * scale * (middle - zeroPoint),
        given.bias[row]!,
      );
      expect(Math.abs(sum - real)).toBeLessThan(0.51 * scale * step);
    });
  });

  test('sums of which no gate sees anything are refused', () => {
    expect(() => quantizeStateRows(rows(2, 3, { scale: 1e5, largest: 255 }))).toThrow(
      /sums before its gates/,
    );
  });
});
