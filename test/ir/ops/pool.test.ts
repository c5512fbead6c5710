import fc from 'fast-check';
import { expect, test } from 'vitest';
import { extentOf, windowAxes } from '../../../src/ir/geometry/window.ts';
import { avgPool } from '../../../src/ir/ops/avg-pool.ts';
import type { PoolAttrs } from '../../../src/ir/ops/common/pool.ts';
import { maxPool } from '../../../src/ir/ops/max-pool.ts';
import type { Tensor } from '../../../src/ir/tensor.ts';
import { at, indicesOf, randomTensor, seedArbitrary } from '../../support/float-tensors.ts';
import { windowsArbitrary } from '../../support/windows.ts';

const made = fc
  .record({
    windows: windowsArbitrary,
    ceilMode: fc.boolean(),
    countIncludePad: fc.boolean(),
    seed: seedArbitrary,
  })
  .map(({ windows, ceilMode, countIncludePad, seed }) => ({
    attrs: { ...windows.attrs, ceilMode, countIncludePad } satisfies PoolAttrs,
    x: randomTensor([2, 3, ...windows.spatial], seed),
  }));

/** What lies under each window: the real elements, and how many places of the padded tensor there are. */
function windowsOver(attrs: PoolAttrs, x: Tensor) {
  const axes = windowAxes(attrs, x.shape, attrs.kernel, attrs.ceilMode);
  const shape = [...x.shape.slice(0, 2), ...axes.map((axis) => axis.out)];
  return indicesOf(shape).map(([n = 0, c = 0, ...out]) => {
    const places = indicesOf(axes.map((axis) => axis.kernel)).map((tap) =>
      axes.map((axis, i) => out[i]! * axis.stride + tap[i]! * axis.dilation - axis.before),
    );
    const real = places.filter((place) => place.every((p, i) => p >= 0 && p < axes[i]!.in));
    const padded = places.filter((place) => place.every((p, i) => p < axes[i]!.in + axes[i]!.after));
    return { values: real.map((place) => at(x, [n, c, ...place])), places: padded.length };
  });
}

/** Dilation may leave a window without a real element; it has no maximum and no mean. */
const allHold = (attrs: PoolAttrs, x: Tensor) =>
  windowsOver(attrs, x).every(({ values }) => values.length > 0);

test('max-pool takes the largest real element of each window', () => {
  fc.assert(
    fc.property(made, ({ attrs, x }) => {
      fc.pre(allHold(attrs, x));
      const [y] = maxPool.reference(attrs, [x]);
      expect([...y!.data]).toEqual(windowsOver(attrs, x).map(({ values }) => Math.max(...values)));
      expect(maxPool.infer(attrs, [x])).toEqual([{ dtype: 'float32', shape: y!.shape }]);
    }),
  );
});

test('average-pool divides by the real elements, or by all within the padding', () => {
  fc.assert(
    fc.property(made, ({ attrs, x }) => {
      fc.pre(allHold(attrs, x));
      const wanted = windowsOver(attrs, x).map(({ values, places }) =>
        Math.fround(values.reduce((sum, v) => sum + v, 0) / (attrs.countIncludePad ? places : values.length)),
      );
      expect([...avgPool.reference(attrs, [x])[0]!.data]).toEqual(wanted);
    }),
  );
});

test.each([maxPool, avgPool])('explicit attributes of $kind mean the same', (op) => {
  fc.assert(
    fc.property(made, ({ attrs, x }) => {
      fc.pre(allHold(attrs, x));
      const explicit = op.explicit!(attrs, [x]);
      expect(explicit.autoPad).toBe('NOTSET');
      expect(explicit.ceilMode && !explicit.countIncludePad).toBe(false);
      expect(op.reference(explicit, [x])).toEqual(op.reference(attrs, [x]));
      expect(op.explicit!(explicit, [x])).toEqual(explicit);
    }),
  );
});

test('windows without a real element are refused, and no others but for more padding than a window', () => {
  let refused = 0;
  fc.assert(
    fc.property(made, ({ attrs, x }) => {
      const infer = () => avgPool.infer(attrs, [x]);
      const axes = windowAxes(attrs, x.shape, attrs.kernel, attrs.ceilMode);
      if (!allHold(attrs, x)) {
        refused++;
        expect(infer).toThrow(/padding/);
      } else if (axes.every((axis) => Math.max(axis.before, axis.after) < extentOf(axis)))
        expect(infer).not.toThrow();
    }),
    { numRuns: 500 },
  );
  expect(refused).toBeGreaterThan(2);
});

test('a window that could lie in the padding alone is refused', () => {
  const attrs: PoolAttrs = {
    ...{ kernel: [2], strides: [1], pads: [2, 0], autoPad: 'NOTSET', dilations: [1] },
    ...{ ceilMode: false, countIncludePad: false },
  };
  const x = randomTensor([1, 1, 4], 1);
  expect(() => maxPool.infer(attrs, [x])).toThrow(/padding 2, 0 of a window of 2; supported: less padding/);
});

test('bytes stay bytes', () => {
  const attrs: PoolAttrs = {
    ...{ kernel: [2], strides: [2], pads: [], autoPad: 'NOTSET', dilations: [] },
    ...{ ceilMode: false, countIncludePad: false },
  };
  const x: Tensor = { dtype: 'uint8', shape: [1, 1, 4], data: Uint8Array.of(1, 200, 3, 4) };
  expect(maxPool.reference(attrs, [x])).toEqual([
    { dtype: 'uint8', shape: [1, 1, 2], data: Uint8Array.of(200, 4) },
  ]);
});
