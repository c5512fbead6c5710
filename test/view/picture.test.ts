import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  colourOf,
  cornerOf,
  elementAt,
  type Planes,
  planesOf,
  scaleOf,
  tilingFor,
  wantsBlack,
} from '../../src/view/picture.ts';

const planesArbitrary: fc.Arbitrary<Planes> = fc.record({
  channels: fc.integer({ min: 1, max: 70 }),
  height: fc.integer({ min: 1, max: 40 }),
  width: fc.integer({ min: 1, max: 40 }),
});

test('shapes become planes', () => {
  expect(planesOf([1, 6, 14, 12])).toEqual({ channels: 6, height: 14, width: 12 });
  expect(planesOf([1, 3, 20])).toEqual({ channels: 3, height: 1, width: 20 });
  expect(planesOf([1, 10])).toEqual({ channels: 1, height: 1, width: 10 });
  expect(planesOf([1, 120])).toEqual({ channels: 1, height: 8, width: 16 });
  expect(planesOf([1, 64, 1, 1])).toEqual({ channels: 1, height: 6, width: 12 });
});

test('every element is drawn where pointing finds it, inside of the picture, once', () => {
  fc.assert(
    fc.property(planesArbitrary, fc.integer({ min: 100, max: 700 }), fc.nat(), (planes, width, at) => {
      const tiling = tilingFor(planes, { width, height: 300 });
      const count = planes.channels * planes.height * planes.width;
      const element = at % count;
      const channel = Math.floor(element / (planes.height * planes.width));
      const corner = cornerOf(planes, tiling, channel);
      const x = corner.x + ((element % planes.width) + 0.5) * tiling.scale;
      const y = corner.y + ((Math.floor(element / planes.width) % planes.height) + 0.5) * tiling.scale;
      expect(elementAt(planes, tiling, count, { x, y })).toBe(element);
      expect(x).toBeLessThan(tiling.width);
      expect(y).toBeLessThan(tiling.height);
      if (tiling.scale > 1) expect(tiling.width).toBeLessThanOrEqual(width);
      if (tiling.scale > 1) expect(tiling.height).toBeLessThanOrEqual(300);
    }),
  );
});

test('gaps, and cells beyond the last element, are nothing', () => {
  const planes = planesOf([1, 2, 4, 4]);
  const tiling = tilingFor(planes, { width: 300, height: 300 });
  const middleOfGap = { x: 4 * tiling.scale + tiling.gap / 2, y: 1 };
  expect(elementAt(planes, tiling, 32, middleOfGap)).toBeUndefined();
  expect(elementAt(planes, tiling, 32, { x: -1, y: 0 })).toBeUndefined();
  const wrapped = planesOf([1, 85]);
  const one = tilingFor(wrapped, { width: 300, height: 300 });
  const last = { x: one.width - 1, y: one.height - 1 };
  expect(elementAt(wrapped, one, 85, last)).toBeUndefined();
});

test('colours: grey for one sign, two hues around 0 for both', () => {
  const grey = scaleOf([[0, 2], [4]]);
  expect(grey).toEqual({ kind: 'grey', lo: 0, hi: 4 });
  expect([0, 2, 4, 9].map((x) => colourOf(grey, x)[0])).toEqual([0, 128, 255, 255]);
  const both = scaleOf([[-3, 2]]);
  expect(both).toEqual({ kind: 'diverging', limit: 3 });
  const [negative, none, positive] = [-3, 0, 3].map((x) => colourOf(both, x));
  expect(negative![2]).toBeGreaterThan(negative![0]);
  expect(positive![0]).toBeGreaterThan(positive![2]);
  expect(Math.min(...none!)).toBeGreaterThan(230);
  expect(scaleOf([[0, 0.5]], true)).toEqual({ kind: 'diverging', limit: 0.5 });
  expect(scaleOf([[0, 0]])).toEqual({ kind: 'grey', lo: 0, hi: 1 });
});

test('text on any colour has a contrast of 4.5 to 1', () => {
  const luminance = (rgb: readonly number[]): number => {
    const [r, g, b] = rgb.map((c) =>
      c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  for (let x = -1; x <= 1; x += 1 / 128)
    for (const scale of [
      { kind: 'grey', lo: -1, hi: 1 } as const,
      { kind: 'diverging', limit: 1 } as const,
    ]) {
      const colour = colourOf(scale, x);
      const [a, b] = [luminance(colour), wantsBlack(colour) ? 0 : 1];
      expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).toBeGreaterThan(4.5);
    }
});
