import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatShare, wilson } from '../../src/text/wilson.ts';

const counted = fc
  .integer({ min: 1, max: 100_000 })
  .chain((total) => fc.record({ hits: fc.nat(total), total: fc.constant(total) }));

describe('wilson', () => {
  test('its ends are where the score test turns', () => {
    const z = 1.959964;
    fc.assert(
      fc.property(counted, ({ hits, total }) => {
        const { low, high, share } = wilson({ hits, total });
        for (const p of [low, high]) {
          if (p <= 1e-12 || p >= 1 - 1e-12) continue;
          expect(Math.abs(share - p)).toBeCloseTo(z * Math.sqrt((p * (1 - p)) / total), 6);
        }
      }),
    );
  });

  test('holds the share and stays inside of 0..1', () => {
    fc.assert(
      fc.property(counted, (share) => {
        const { low, high, share: p } = wilson(share);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(p + 1e-12);
        expect(high).toBeGreaterThanOrEqual(p - 1e-12);
        expect(high).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('known values', () => {
    // Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81 of 263 and 0 of 20.
    expect(wilson({ hits: 81, total: 263 }).low).toBeCloseTo(0.2553, 4);
    expect(wilson({ hits: 81, total: 263 }).high).toBeCloseTo(0.3662, 4);
    expect(wilson({ hits: 0, total: 20 })).toMatchObject({ low: 0 });
    expect(wilson({ hits: 0, total: 20 }).high).toBeCloseTo(0.1611, 4);
  });
});

test('in words', () => {
  expect(formatShare({ hits: 9935, total: 10000 })).toBe(
    '99.35 % (9,935 of 10,000; 95 % interval 99.17 % to 99.49 %)',
  );
});
