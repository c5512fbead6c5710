import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { datasetFor } from '../../src/data/dataset.ts';
import type { Samples } from '../../src/data/samples.ts';
import { countOf, type Tensor } from '../../src/ir/tensor.ts';

const counting = (shape: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from({ length: countOf(shape) }, (_, i) => i),
});
const of = (shape: readonly number[], rest: Partial<Samples> = {}): Samples => ({
  where: 'x.npy',
  array: counting(shape),
  ...rest,
});

describe('datasetFor recognises', () => {
  test.each([
    ['NCHW', [5, 3, 4, 6], [3, 4, 6], 5],
    ['CHW', [3, 4, 6], [3, 4, 6], 1],
    ['NHW', [5, 4, 6], [1, 4, 6], 5],
    ['HW', [4, 6], [1, 4, 6], 1],
    ['1HW', [1, 4, 6], [1, 4, 6], 1],
    ['NW for flat models', [5, 24], [24], 5],
    ['W', [24], [24], 1],
    ['NHW for flat models', [5, 4, 6], [24], 5],
    ['NCW', [5, 3, 6], [3, 6], 5],
  ])('%s', (_, shape, sample, count) => {
    const dataset = datasetFor(of(shape), sample);
    expect(dataset.count).toBe(count);
    const size = countOf(sample);
    for (let i = 0; i < count; i++)
      expect([...dataset.get(i)]).toEqual(Array.from({ length: size }, (_, j) => i * size + j));
  });

  test('NHWC and HWC, whose channels come last', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: 5, max: 6 }),
        fc.integer({ min: 7, max: 8 }),
        (n, c, h, w) => {
          const dataset = datasetFor(of([n, h, w, c]), [c, h, w]);
          expect(dataset.sampleShape).toEqual([c, h, w]);
          const sample = dataset.get(n - 1);
          for (let k = 0; k < c; k++)
            for (let y = 0; y < h; y++)
              for (let x = 0; x < w; x++)
                expect(sample[(k * h + y) * w + x]).toBe((((n - 1) * h + y) * w + x) * c + k);
        },
      ),
    );
  });
});

describe('datasetFor refuses', () => {
  test('what could be two things, until --layout says which', () => {
    expect(() => datasetFor(of([2, 3, 3, 3]), [3, 3, 3])).toThrow(
      'could be nchw or nhwc; choose one with --layout',
    );
    expect([...datasetFor(of([1, 2, 2, 2]), [2, 2, 2], {}, 'nhwc').get(0)]).toEqual([0, 2, 4, 6, 1, 3, 5, 7]);
    expect(() => datasetFor(of([2, 3, 3, 3]), [3, 3, 3], {}, 'hwc')).toThrow(
      'a layout of 4 letters: nchw, nhwc',
    );
  });

  test('a flat model with several channels and no layout', () => {
    expect(() => datasetFor(of([2, 3, 4, 5]), [60])).toThrow('could be nchw or nhwc');
    expect(datasetFor(of([2, 3, 4, 5], { layout: 'nchw' }), [60]).sampleShape).toEqual([3, 4, 5]);
  });

  test('other sizes, with the options that would help', () => {
    expect(() => datasetFor(of([5, 28, 28]), [1, 32, 32])).toThrow(
      'x.npy: an array of shape 5x28x28: samples of 1x28x28; supported: samples of 1x32x32 for this model; try --pad 2 or --resize 32x32',
    );
    expect(() => datasetFor(of([5, 28, 28]), [1, 49, 10])).toThrow('try --resize 49x10');
    expect(() => datasetFor(of([5, 28, 28]), [1, 33, 33])).toThrow('try --resize 33x33');
    expect(() => datasetFor(of([5, 28, 28]), [1, 32, 32], { pad: 3 })).toThrow(
      '1x34x34 after --resize and --pad',
    );
    expect(() => datasetFor(of([5, 28, 28]), [3, 28, 28])).toThrow(
      'check that data and model belong together',
    );
    expect(() => datasetFor(of([7]), [3, 28, 28])).toThrow('samples of 3x28x28');
  });

  test('a layout against what the format says', () => {
    expect(() => datasetFor(of([1, 2, 2, 2], { layout: 'nhwc' }), [2, 2, 2], {}, 'nchw')).toThrow(
      'this format is always nhwc',
    );
  });

  test('no samples, and numbers that are not finite', () => {
    expect(() => datasetFor(of([0, 1, 2, 2]), [1, 2, 2])).toThrow('no samples');
    for (const x of [Number.NaN, Number.POSITIVE_INFINITY, 1e39]) {
      const array: Tensor = { dtype: 'float64', shape: [2, 2], data: Float64Array.of(1, 2, 3, x) };
      expect(() => datasetFor({ where: 'x.npy', array }, [2])).toThrow(`sample 1 holds ${x}`);
    }
  });
});

test('uint8 is raw pixels, everything else real numbers', () => {
  const array: Tensor = { dtype: 'uint8', shape: [1, 2], data: Uint8Array.of(7, 8) };
  expect(datasetFor({ where: 'x', array }, [2]).raw).toBe(true);
  expect(datasetFor(of([1, 2]), [2]).raw).toBe(false);
});

test('sizes are judged after resizing and padding', () => {
  expect(datasetFor(of([5, 28, 28]), [1, 32, 32], { pad: 2 }).sampleShape).toEqual([1, 28, 28]);
  expect(datasetFor(of([5, 10, 12]), [1, 32, 32], { resize: { height: 30, width: 30 }, pad: 1 }).count).toBe(
    5,
  );
});
