import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { gunzip } from '../../src/data/gzip.ts';
import { readIdx } from '../../src/data/idx.ts';
import { readNpy } from '../../src/data/npy.ts';
import { parseLayout, parseResize, prepare } from '../../src/data/prepare.ts';
import type { Samples } from '../../src/data/samples.ts';
import { describeWith, readBytes, shared } from '../support/shared.ts';

const pixels: Samples = {
  where: 'p',
  array: { dtype: 'uint8', shape: [1, 1, 2], data: Uint8Array.of(0, 255) },
};

describe('prepare', () => {
  test('pixels: scaled to 0..1, kept raw beside', () => {
    const prepared = prepare(pixels, [1, 1, 2]);
    expect([...prepared.real(0)]).toEqual([0, 1]);
    expect([...(prepared.pixels?.raw(0) ?? [])]).toEqual([0, 255]);
    expect(prepared.pixels?.normalization).toEqual({ mean: [0], std: [255] });
  });

  test('padding is of black pixels, before normalization', () => {
    const prepared = prepare(pixels, [1, 3, 4], { pad: 1, normalize: { mean: [0.5], std: [0.5] } });
    expect([...prepared.real(0)]).toEqual([-1, -1, -1, -1, -1, -1, 1, -1, -1, -1, -1, -1]);
    expect(prepared.pixels?.normalization).toEqual({ mean: [127.5], std: [127.5] });
  });

  test('resizing comes before padding, and real numbers come from the rounded pixels', () => {
    const prepared = prepare(pixels, [1, 3, 3], { resize: { height: 1, width: 1 }, pad: 1 });
    expect([...(prepared.pixels?.raw(0) ?? [])]).toEqual([0, 0, 0, 0, 128, 0, 0, 0, 0]);
    expect(prepared.real(0)[4]).toBe(Math.fround(128 / 255));
  });

  test('real numbers are taken as they are, and normalized only when asked', () => {
    const samples: Samples = {
      where: 'r',
      array: { dtype: 'float32', shape: [2, 1, 1], data: Float32Array.of(3, 5) },
    };
    expect([...prepare(samples, [2, 1, 1]).real(0)]).toEqual([3, 5]);
    const normalize = { mean: [1, 2], std: [2, 4] };
    expect([...prepare(samples, [2, 1, 1], { normalize }).real(0)]).toEqual([1, 0.75]);
    expect(prepare(samples, [2, 1, 1]).pixels).toBeUndefined();
  });

  test('raw pixels and normalization say the same as the real numbers', () => {
    const all: Samples = {
      where: 'p',
      array: {
        dtype: 'uint8',
        shape: [1, 3, 1, 256],
        data: Uint8Array.from({ length: 768 }, (_, i) => i % 256),
      },
    };
    const normalize = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    const { real, pixels: raw } = prepare(all, [3, 1, 256], { normalize });
    const { mean, std } = raw?.normalization ?? { mean: [], std: [] };
    real(0).forEach((x, i) => {
      const c = Math.floor(i / 256);
      expect(x).toBeCloseTo(((i % 256) - (mean[c] ?? 0)) / (std[c] ?? 0), 5);
    });
  });

  const mnist = `${shared}/data/mnist/t10k-images-idx3-ubyte.gz`;
  const lenet = `${shared}/models/lenet5/lenet5.first100.input.npy`;
  describeWith([mnist, lenet], 'MNIST with --pad 2', () => {
    test('is what LeNet-5 was fed, bit for bit', () => {
      const array = readIdx(gunzip(readBytes(mnist), mnist), mnist);
      const prepared = prepare({ where: mnist, array }, [1, 32, 32], { pad: 2 });
      const recorded = readNpy(readBytes(lenet), lenet).data;
      for (let i = 0; i < 100; i++)
        expect(prepared.real(i)).toEqual(recorded.slice(i * 1024, (i + 1) * 1024));
    });
  });
});

test('parseResize', () => {
  expect(parseResize('49x10')).toEqual({ height: 49, width: 10 });
  for (const text of ['', '0x1', '32', '32x', '3.5x2', '-1x2', '99999x1'])
    expect(() => parseResize(text)).toThrow(InputError);
});

test('parseLayout', () => {
  expect(parseLayout('NHWC')).toBe('nhwc');
  expect(() => parseLayout('nwhc')).toThrow('no such layout');
});
