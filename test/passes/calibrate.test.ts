/** Calibration: ranges, means, and samples that cannot be used. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { holding, quantOf } from '../../src/ir/integers/quant.ts';
import { clip } from '../../src/ir/ops/clip.ts';
import { calibrate } from '../../src/passes/calibrate.ts';
import { Draw } from '../support/draw.ts';

const shape = [1, 2, 2, 1];
const graph: Graph<'float'> = {
  stage: 'float',
  name: 'relu',
  opset: 0,
  inputs: ['x'],
  outputs: ['y'],
  tensors: new Map([
    ['x', { dtype: 'float32', shape }],
    ['y', { dtype: 'float32', shape }],
  ]),
  nodes: [
    { name: 'relu', op: clip, attrs: { lo: 0, hi: Infinity }, inputs: ['x'], outputs: ['y'], origin: [] },
  ],
};
const samples = (...rows: readonly (readonly number[])[]): Float32Array[] =>
  rows.map((r) => Float32Array.from(r));

test('minmax: the smallest and largest value of all samples', () => {
  const given = samples([-6, 2, 3, 5], [5, -6, 0, 1], [5, -6, 1, 1]);
  const { ranges, means, samples: n } = calibrate(graph, given, 'minmax');
  expect(ranges.get('x')).toEqual({ lo: -6, hi: 5 });
  expect(ranges.get('y')).toEqual({ lo: 0, hi: 5 });
  expect([...(means.get('x') ?? [])]).toEqual([-1, 11 / 6]);
  expect(n).toBe(3);
});

test('minmax of few values leaves room on the sides that are no bound, up to 0', () => {
  const few = calibrate(graph, samples([-2, -1, 3, 4], [3, 2, 1, 4]), 'minmax').ranges;
  expect(few.get('x')).toEqual({ lo: -5, hi: 4 });
  expect(few.get('y')).toEqual({ lo: 0, hi: 4 });
  const draw = new Draw(1);
  const many = Array.from({ length: 500 }, () => draw.floats(4, 1, 2));
  const { lo, hi } = calibrate(graph, many, 'minmax').ranges.get('x')!;
  expect([lo, hi]).toEqual([
    Math.min(...many.map((x) => Math.min(...x))),
    Math.max(...many.map((x) => Math.max(...x))),
  ]);
  const half = calibrate(graph, many.slice(0, 37), 'minmax').ranges.get('x')!;
  expect(half.hi - half.lo).toBeGreaterThan(1.2);
  expect(half.hi - half.lo).toBeLessThan(1.4);
});

test('percentile leaves out the outermost values, mse clips only where that pays', () => {
  const many = Float32Array.from({ length: 4 }, (_, i) => i / 4);
  const spread = Array.from({ length: 20_000 }, () => many);
  const outlier = [...spread, ...samples([100, 0, 0, 0])];
  expect(calibrate(graph, outlier, 'percentile').ranges.get('y')!.hi).toBeLessThan(2);
  expect(calibrate(graph, spread.slice(0, 50), 'mse').ranges.get('y')!.hi).toBeCloseTo(0.75, 5);
});

/** The range of 40,000 values in -1..1 but for so many outliers at either end; 0.01 % of them are four values. */
function rangeWithOutliers(count: number): readonly [number, number] {
  const values = Float32Array.from({ length: 40_000 }, (_, i) => Math.sin(i));
  values.fill(100, 0, count).fill(-50, count, 2 * count);
  const rows = Array.from({ length: 10_000 }, (_, i) => values.subarray(4 * i, 4 * i + 4));
  const { lo, hi } = calibrate(graph, rows, 'percentile').ranges.get('x')!;
  return [lo, hi];
}

test('percentile leaves out 0.01 % at either end, and no value more', () => {
  const [low, high] = rangeWithOutliers(4);
  expect(high).toBeLessThan(1.1);
  expect(low).toBeGreaterThan(-1.1);
  const [lowest, highest] = rangeWithOutliers(5);
  expect(highest).toBeGreaterThan(99);
  expect(lowest).toBeLessThan(-49);
});

/** k values of h among n in 0..1: n (f h / 255)^2 / 12 + k (h - f h)^2 is least at f = 1 / (1 + n / (12 * 255^2 k)). */
test('mse clips where the squared error is least', () => {
  const count = 12 * 255 ** 2;
  const length = count / 4;
  const wide = {
    ...graph,
    tensors: new Map([...graph.tensors].map(([name, t]) => [name, { ...t, shape: [1, 1, 1, length] }])),
  };
  const values = Float32Array.from({ length }, (_, i) => (i === 0 ? 20 : (i % 100) / 100));
  const { lo, hi } = calibrate(wide, [values], 'mse').ranges.get('y')!;
  expect(lo).toBe(0);
  expect(hi).toBeCloseTo(0.8 * 20, 9);
});

test('a tensor of zeros has a range of nothing, and still a scale', () => {
  for (const method of ['minmax', 'percentile', 'mse'] as const) {
    const range = calibrate(graph, samples([-1, -2, -3, -4]), method).ranges.get('y')!;
    expect(range).toEqual({ lo: 0, hi: 0 });
    expect(quantOf(range)).toEqual({ scale: 1 / 255, zeroPoint: 0 });
  }
});

describe('refused', () => {
  test.each([
    ['no samples', [], /no samples/],
    ['too few numbers', samples([1, 2, 3]), /sample 0: 3 numbers; supported: 1x2x2x1 = 4 numbers/],
    ['not a number', samples([1, 2, 3, 4], [1, Number.NaN, 3, 4]), /sample 1: a number that is not finite/],
    ['infinity', samples([1, 2, 3, Infinity]), /not finite/],
  ] as const)('%s', (_, given, message) => {
    expect(() => calibrate(graph, given, 'minmax')).toThrow(InputError);
    expect(() => calibrate(graph, given, 'minmax')).toThrow(message);
  });
});

test('a range without 0 has a zero point outside of 0..255', () => {
  for (const [lo, hi] of [
    [280, 310],
    [-7, -6],
    [101_225, 101_425],
    [5, 5],
    [-1e-20, -1e-20],
  ] as const) {
    const { scale, zeroPoint } = quantOf({ lo, hi });
    expect(Number.isInteger(zeroPoint)).toBe(true);
    expect(Math.abs(zeroPoint)).toBeLessThanOrEqual(2 ** 22);
    for (const real of [lo, hi]) {
      const stored = Math.max(0, Math.min(255, Math.round(real / scale + zeroPoint)));
      expect(Math.abs((stored - zeroPoint) * scale - real)).toBeLessThanOrEqual(scale * 0.501);
    }
  }
});

test('0 is stored exactly where the range holds it', () => {
  for (const range of [
    [-3, 5],
    [0.5, 2],
    [-7, -1],
    [-1e-9, 1e9],
  ] as const) {
    const { lo, hi } = holding({ lo: range[0], hi: range[1] }, [0]);
    const { scale, zeroPoint } = quantOf({ lo, hi });
    expect(Number.isInteger(zeroPoint)).toBe(true);
    expect(zeroPoint).toBeGreaterThanOrEqual(0);
    expect(zeroPoint).toBeLessThanOrEqual(255);
    expect(scale * 255).toBeCloseTo(Math.max(0, hi) - Math.min(0, lo), 6);
  }
});

test('the stored 0 is the byte nearest to it', () => {
  expect(quantOf({ lo: -1, hi: 1.01 }).zeroPoint).toBe(127);
  expect(quantOf({ lo: -1.01, hi: 1 }).zeroPoint).toBe(128);
  expect(quantOf({ lo: -0.001, hi: 1 }).zeroPoint).toBe(0);
  expect(quantOf({ lo: -0.003, hi: 1 }).zeroPoint).toBe(1);
});
