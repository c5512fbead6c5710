/** Weights and biases in integers: grids, bounds, the proof against overflow. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { int8Arithmetic, type MacToQuantize, quantizeMac } from '../../../src/ir/integers/mac.ts';

const mac = (weight: readonly number[], more: Partial<MacToQuantize> = {}): MacToQuantize => ({
  name: 'fc',
  mode: 'single',
  bits: 8,
  weight: Float32Array.from(weight),
  channels: 1,
  bias: undefined,
  input: { scale: 0.5, zeroPoint: 3 },
  output: { scale: 10, zeroPoint: 0 },
  clamp: undefined,
  meanOf: undefined,
  ...more,
});

test('the largest weight is the largest step; the zero point is in the bias', () => {
  const q = quantizeMac(mac([1.27, -0.5, 0], { bias: Float32Array.of(2) }));
  expect([...q.weights]).toEqual([127, -50, 0]);
  expect(q.weightScales[0]).toBeCloseTo(0.01, 8);
  expect(q.bias[0]).toBe(Math.round(2 / (0.5 * 0.01)) - 3 * (127 - 50));
});

test('bias correction takes out the mean error of rounding', () => {
  const weight = [1.27, 0.004];
  const [plain] = quantizeMac(mac(weight)).bias;
  const [corrected] = quantizeMac(mac(weight, { meanOf: () => 100 })).bias;
  // 0.004 rounds to 0: the mean of 100 loses 0.4, which is 80 steps of 0.005.
  expect(corrected! - plain!).toBe(80);
});

test('a row of zeros, and a bias far larger than its weights, have a scale', () => {
  const zeros = quantizeMac(mac([0, 0]));
  expect([...zeros.weights]).toEqual([0, 0]);
  expect(zeros.requant.multiplier[0]).toBeGreaterThan(0);
  const alone = quantizeMac(
    mac([0, 0], { bias: Float32Array.of(-3), output: { scale: 0.02, zeroPoint: 0 } }),
  );
  expect(Math.abs(alone.bias[0]!)).toBeLessThanOrEqual(2 ** 14);
  expect(alone.bias[0]! * alone.weightScales[0]! * 0.5).toBeCloseTo(-3, 3);
  const big = quantizeMac(mac([1e-6], { bias: Float32Array.of(1e6), output: { scale: 1e4, zeroPoint: 0 } }));
  expect(Math.abs(big.bias[0]!)).toBeLessThanOrEqual(2 ** 28 + 3 * 127);
});

test('an accumulator that could overflow is refused, by channel', () => {
  // 255 * 127 * n passes 2^31 at n = 66,311.
  const weight = new Float32Array(2 * 70_000);
  weight.fill(1, 70_000);
  weight[0] = 1;
  const refuse = () => quantizeMac({ ...mac([]), weight, channels: 2, output: { scale: 1e6, zeroPoint: 0 } });
  expect(refuse).toThrow(InputError);
  expect(refuse).toThrow(/node 'fc', output channel 1: an accumulator of up to/);
});

test('power-of-two scales are powers of two, and cover the weights', () =>
  fc.assert(
    fc.property(fc.array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 9 }), (w) => {
      const q = quantizeMac(mac(w, { mode: 'pow2' }));
      const ratio = (0.5 * q.weightScales[0]!) / 10;
      expect(Math.log2(ratio)).toBeCloseTo(-q.requant.shift[0]!, 9);
      expect(Math.max(...w.map(Math.abs))).toBeLessThanOrEqual(127.5 * q.weightScales[0]!);
    }),
  ));

test('weights are within half a step', () =>
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 9 }),
      fc.constantFrom(8, 4, 2),
      (w, bits) => {
        const q = quantizeMac(mac(w, { bits }));
        const step = q.weightScales[0]!;
        q.weights.forEach((x, i) => {
          expect(Math.abs(x * step - Math.fround(w[i]!))).toBeLessThanOrEqual(step * 0.500001);
          expect(Math.abs(x)).toBeLessThanOrEqual(2 ** (bits - 1) - 1);
        });
      },
    ),
  ));

const realWeights = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 12, maxLength: 12 });
const outputScale = fc.double({ min: 0.05, max: 5, noNaN: true });

test('compact scales are exact: whole multiples, 1 to 255, of one power of two', () =>
  fc.assert(
    fc.property(realWeights, outputScale, (weights, scale) => {
      const made = mac(weights, { mode: 'compact', channels: 4, output: { scale, zeroPoint: 0 } });
      const q = quantizeMac(made);
      expect(q.requant.mode).toBe('compact');
      expect(new Set(q.requant.shift).size).toBe(1);
      q.weightScales.forEach((step, c) => {
        const m = q.requant.multiplier[c]!;
        expect(m).toBeGreaterThanOrEqual(1);
        expect(m).toBeLessThanOrEqual(255);
        const real = Math.min(1, (made.input.scale * step) / scale);
        expect(m * 2 ** -q.requant.shift[c]! * (1 / real)).toBeCloseTo(1, 9);
        // Coarser than the row needs by less than one multiplier.
        const largest = Math.max(...weights.slice(3 * c, 3 * c + 3).map(Math.abs));
        const most = m === 2 ? 2 : 1 + 1.5 / m;
        if (real < 1 && largest > 0.01) expect(step / (largest / 127)).toBeLessThanOrEqual(most);
      });
    }),
  ));

test('compact keeps steps that are given, with as wide multipliers as products allow', () => {
  const weightSteps = Float64Array.of(0.1, 0.0731);
  const q = quantizeMac(
    mac([0.7, -0.3, 0.2193, 0], {
      mode: 'compact',
      bits: 4,
      channels: 2,
      weightSteps,
      output: { scale: 1, zeroPoint: 0 },
    }),
  );
  expect([...q.weightScales]).toEqual([...weightSteps]);
  expect([...q.weights]).toEqual([7, -3, 3, 0]);
  q.weightScales.forEach((step, c) => {
    const scale = q.requant.multiplier[c]! * 2 ** -q.requant.shift[c]!;
    expect(Math.abs(scale / (step * 0.5) - 1)).toBeLessThan(2 ** -15);
  });
});

test('a layer whose compact products could leave int32 is requantized in 64 bits', () => {
  const weight = new Float32Array(60_000).fill(1);
  const q = quantizeMac({ ...mac([]), mode: 'compact', weight, output: { scale: 1e6, zeroPoint: 0 } });
  expect(q.requant.mode).toBe('single');
});

test.each([
  [[32_767, -32_768], 'i16'],
  [[32_768, 0], 'i32'],
  [[0, -32_769], 'i32'],
] as const)('biases %j of a layer that is stored small are %s', (bias, elem) => {
  const q = quantizeMac(mac([1, 1], { mode: 'compact', channels: 2 }));
  expect(q.requant.mode).toBe('compact');
  expect(
    int8Arithmetic('fc', { ...q, bias: Int32Array.from(bias) }, { inputs: [], outputs: [] }).bias.elem,
  ).toBe(elem);
});
