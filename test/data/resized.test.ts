import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { padPlanes, resizePlanes } from '../../src/data/resized.ts';

const plane = (w: number, h: number, c = 1): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: c * w * h, maxLength: c * w * h });
const side = fc.integer({ min: 1, max: 9 });

describe('resizePlanes', () => {
  test('to its own size changes nothing', () => {
    fc.assert(
      fc.property(
        side.chain((w) => side.chain((h) => fc.tuple(fc.constant([2, h, w] as const), plane(w, h, 2)))),
        ([shape, data]) => {
          expect(resizePlanes(data, shape, shape[1], shape[2])).toEqual(data);
        },
      ),
    );
  });

  test('shrinking by a whole factor is the mean of blocks, halves up', () => {
    const data = Uint8Array.of(0, 1, 10, 20, 2, 3, 30, 42, 8, 8, 1, 0, 8, 8, 0, 0);
    expect([...resizePlanes(data, [1, 4, 4], 2, 2)]).toEqual([2, 26, 8, 0]);
  });

  test('shrinking by a fraction weighs pixels by their share', () => {
    // 3 pixels to 2: (1 + 0.5 * 2) / 1.5 and (0.5 * 2 + 4) / 1.5
    const out = resizePlanes(Float32Array.of(1, 2, 4), [1, 1, 3], 1, 2);
    expect([...out]).toEqual([Math.fround(4 / 3), Math.fround(10 / 3)]);
  });

  test('shrinking keeps the mean', () => {
    fc.assert(
      fc.property(side, side, fc.array(fc.nat(255), { minLength: 81, maxLength: 81 }), (h, w, pixels) => {
        const out = resizePlanes(Float32Array.from(pixels), [1, 9, 9], h, w);
        const mean = (xs: ArrayLike<number>): number => Array.from(xs).reduce((a, b) => a + b, 0) / xs.length;
        expect(mean(out)).toBeCloseTo(mean(pixels), 3);
      }),
    );
  });

  test('growing interpolates between pixel centres', () => {
    // Output centres lie at -0.25, 0.25, 0.75, 1.25 of the input's pixels.
    expect([...resizePlanes(Float32Array.of(0, 8), [1, 1, 2], 1, 4)]).toEqual([0, 2, 6, 8]);
    expect([...resizePlanes(Uint8Array.of(7), [1, 1, 1], 3, 2)]).toEqual([7, 7, 7, 7, 7, 7]);
  });

  test('an axis that grows and one that shrinks', () => {
    const data = Float32Array.of(0, 2, 4, 6, 8, 10, 12, 14);
    expect([...resizePlanes(data, [1, 2, 4], 4, 2)]).toEqual([1, 5, 3, 7, 7, 11, 9, 13]);
  });

  test('never leaves the range of its input', () => {
    fc.assert(
      fc.property(side, side, plane(5, 4), (h, w, data) => {
        const out = resizePlanes(data, [1, 4, 5], h, w);
        expect(out.length).toBe(h * w);
        expect(Math.min(...out)).toBeGreaterThanOrEqual(Math.min(...data));
        expect(Math.max(...out)).toBeLessThanOrEqual(Math.max(...data));
      }),
    );
  });
});

test('padPlanes puts zeros on all four sides of every plane', () => {
  expect([...padPlanes(Uint8Array.of(1, 2, 3, 4), [2, 1, 2], 1)]).toEqual([
    ...[0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0],
    ...[0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0],
  ]);
});
