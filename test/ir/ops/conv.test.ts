import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ConvAttrs, conv } from '../../../src/ir/ops/conv.ts';
import { maxPool } from '../../../src/ir/ops/max-pool.ts';
import { floats, type Tensor } from '../../../src/ir/tensor.ts';
import { at, indicesOf, randomTensor, seedArbitrary } from '../../support/float-tensors.ts';
import { windowsArbitrary } from '../../support/windows.ts';

/** The definition, element by element, with the bounds checked at each product. */
function convolved(attrs: ConvAttrs, x: Tensor, w: Tensor, b: Tensor, outShape: readonly number[]): number[] {
  const [, channels = 0, ...spatial] = x.shape;
  const [outs = 0, perGroup = 0, ...kernel] = w.shape;
  return indicesOf(outShape).map(([n = 0, oc = 0, ...out]) => {
    let sum = b.data[oc]!;
    for (const [ic = 0, ...tap] of indicesOf([perGroup, ...kernel])) {
      const channel = Math.floor(oc / (outs / attrs.groups)) * (channels / attrs.groups) + ic;
      const place = out.map((o, i) => o * attrs.strides[i]! + tap[i]! * attrs.dilations[i]! - attrs.pads[i]!);
      const inside = place.every((p, i) => p >= 0 && p < spatial[i]!);
      const value = inside ? at(x, [n, channel, ...place]) : (attrs.padValues?.[channel] ?? 0);
      sum += value * at(w, [oc, ic, ...tap]);
    }
    return Math.fround(sum);
  });
}

const cases = fc.record({
  windows: windowsArbitrary,
  groups: fc.integer({ min: 1, max: 3 }),
  insPerGroup: fc.integer({ min: 1, max: 3 }),
  outsPerGroup: fc.integer({ min: 1, max: 6 }),
  batch: fc.integer({ min: 1, max: 2 }),
  padded: fc.boolean(),
  seed: seedArbitrary,
});

const made = cases.map(({ windows, groups, insPerGroup, outsPerGroup, batch, padded, seed }) => {
  const channels = groups * insPerGroup;
  const outs = groups * outsPerGroup;
  const padValues = Array.from({ length: channels }, (_, i) => i / 4 - 0.5);
  const attrs: ConvAttrs = { ...windows.attrs, groups, ...(padded ? { padValues } : {}) };
  const x = randomTensor([batch, channels, ...windows.spatial], seed);
  const w = randomTensor([outs, insPerGroup, ...windows.attrs.kernel], seed + 1);
  return { attrs, x, w, b: randomTensor([outs], seed + 2) };
});

/** `explicit` asks for constants. */
const types = (...tensors: Tensor[]) => tensors.map((constant) => ({ ...constant, constant }));

test('every convolution is the sum of its definition', () => {
  fc.assert(
    fc.property(made, ({ attrs, x, w, b }) => {
      const [y] = conv.reference(attrs, [x, w, b]);
      const explicit = conv.explicit!(attrs, types(x, w, b));
      const wanted = convolved(explicit, x, w, b, y!.shape);
      // Ten-bit numbers: every sum is exact in float64, whatever its order.
      expect([...y!.data]).toEqual(wanted);
      expect(conv.infer(attrs, [x, w, b])).toEqual([{ dtype: 'float32', shape: y!.shape }]);
    }),
  );
});

test('explicit attributes mean the same, and are their own explicit form', () => {
  fc.assert(
    fc.property(made, ({ attrs, x, w, b }) => {
      const explicit = conv.explicit!(attrs, types(x, w, b));
      expect(explicit.autoPad).toBe('NOTSET');
      expect(conv.reference(explicit, [x, w, b])).toEqual(conv.reference(attrs, [x, w, b]));
      expect(conv.explicit!(explicit, types(x, w, b))).toEqual(explicit);
    }),
  );
});

test('clamp and pool come after the sums, in that order', () => {
  const attrs: ConvAttrs = { kernel: [], strides: [], pads: [], autoPad: 'NOTSET', dilations: [], groups: 1 };
  const pool = {
    ...{ kernel: [2, 2], strides: [2, 2], pads: [], autoPad: 'NOTSET' as const, dilations: [] },
    ...{ ceilMode: true, countIncludePad: false },
  };
  const [x, w] = [randomTensor([1, 2, 5, 5], 1), randomTensor([3, 2, 1, 1], 2)];
  const [sums] = conv.reference(attrs, [x, w]);
  const clamp = { lo: -0.25, hi: 0.25 };
  const clamped = floats(
    sums!.shape,
    new Float32Array(sums!.data).map((v) => Math.min(Math.max(v, -0.25), 0.25)),
  );
  expect(clamped.data.some((v) => Math.abs(v) === 0.25)).toBe(true);
  expect(conv.reference({ ...attrs, clamp }, [x, w])).toEqual([clamped]);
  expect(conv.reference({ ...attrs, clamp, pool }, [x, w])).toEqual(maxPool.reference(pool, [clamped]));
  expect(conv.infer({ ...attrs, clamp, pool }, [x, w])).toEqual([{ dtype: 'float32', shape: [1, 3, 3, 3] }]);
});

test.each([
  [
    'groups that do not divide',
    { groups: 2 },
    [1, 3, 4, 4],
    [4, 1, 1, 1],
    undefined,
    /group = 2 for 3 input/,
  ],
  ['a bias of another length', {}, [1, 1, 4, 4], [4, 1, 1, 1], [3], /its B has shape 3; supported: 4/],
  ['weights of another rank', {}, [1, 1, 4, 4], [4, 1, 1], undefined, /X with 4 axes, W with 3/],
  [
    'a kernel_shape that is not the weights',
    { kernel: [3, 3] },
    [1, 1, 4, 4],
    [4, 1, 1, 1],
    undefined,
    /1x1; supported: 3x3/,
  ],
  [
    'padding beyond memory',
    { pads: [1e5, 1e5, 1e5, 1e5] },
    [1, 1, 4, 4],
    [4, 1, 1, 1],
    undefined,
    /channels padded to/,
  ],
  [
    'too few strides',
    { strides: [1] },
    [1, 1, 4, 4],
    [4, 1, 1, 1],
    undefined,
    /strides \[1\]; supported: 2 integers/,
  ],
] as const)('%s is refused', (_, change, x, w, b, message) => {
  const attrs = {
    kernel: [],
    strides: [],
    pads: [],
    autoPad: 'NOTSET' as const,
    dilations: [],
    groups: 1,
    ...change,
  };
  const type = (shape: readonly number[] | undefined) => shape && { dtype: 'float32' as const, shape };
  expect(() => conv.infer(attrs, [type(x), type(w), type(b)])).toThrow(message);
});
