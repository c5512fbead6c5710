/** The loops that operators share, on numbers that can be checked by hand. */
import { describe, expect, test } from 'vitest';
import { int } from '../../../../src/ir/kernel/builders.ts';
import type { Kernel } from '../../../../src/ir/kernel/kernel.ts';
import { nearestAffineSum } from '../../../../src/ir/ops/kernels/affine-sum.ts';
import { linesOf } from '../../../../src/ir/ops/kernels/axis-lines.ts';
import { joinMax, joinSum, type Pooling, pooling } from '../../../../src/ir/ops/kernels/pooling.ts';
import { exponentials, softmaxFloat32, softmaxInt8 } from '../../../../src/ir/ops/kernels/softmax.ts';
import { isPadded, type Tile, type WindowShape } from '../../../../src/ir/ops/kernels/window.ts';
import { createSimulator } from '../../../../src/sim/simulate.ts';
import * as ir from '../../../support/ir.ts';

const run = (kernel: Kernel, input: Uint8Array): Uint8Array =>
  createSimulator(ir.single(kernel), { mode: 'checked' }).run(input).output;
/** The rows of a matrix. */
const rowsOf = (rows: number, length: number) => ({
  lines: linesOf({ shape: [rows, length] }, 1),
  count: rows * length,
});
const bytes = (...numbers: readonly number[]): Uint8Array => Uint8Array.from(numbers);

describe('pooling', () => {
  const axis = { kernel: 2, stride: 2, dilation: 1, before: 0, after: 0, in: 4, out: 2 };
  const plain: Pooling = {
    ...{ name: 'pool', doc: [], channels: 1, elem: 'u8', tables: [] },
    plane: [axis, axis],
    first: int(0),
    join: joinMax('u8'),
    finish: (value) => value,
  };
  const image = bytes(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);

  test('the largest of each window', () => expect([...run(pooling(plain), image)]).toEqual([6, 8, 14, 16]));

  test('padding: windows are cut off, and told how many inputs they have', () => {
    const padded = { ...axis, before: 1, after: 1, out: 3 };
    const counts = pooling({ ...plain, plane: [padded, padded], join: joinSum, finish: (_, count) => count });
    expect([...run(counts, image)]).toEqual([1, 2, 1, 2, 4, 2, 1, 2, 1]);
  });

  test('channels stay apart', () => {
    const two = { ...axis, in: 2, out: 1 };
    const largest = pooling({ ...plain, plane: [two, two], channels: 2 });
    expect([...run(largest, bytes(1, 8, 2, 7, 3, 6, 4, 5))]).toEqual([4, 8]);
  });
});

describe('windows', () => {
  const w: WindowShape = {
    ...{ height: 6, width: 6, channels: 1, kernel: [3, 3], strides: [1, 1], dilations: [1, 1] },
    ...{ padTop: 0, padLeft: 0, outHeight: 4, outWidth: 4 },
  };
  const t: Tile = { rows: 1, cols: 2, stepY: 1, stepX: 2, countY: 4, countX: 2 };

  test('tiles that end with the image are not padded, one pixel more is', () => {
    expect(isPadded(w, t)).toBe(false);
    expect(isPadded({ ...w, width: 5 }, t)).toBe(true);
    expect(isPadded({ ...w, height: 5 }, t)).toBe(true);
    expect(isPadded({ ...w, padLeft: 1 }, t)).toBe(true);
    expect(isPadded({ ...w, padTop: 1 }, t)).toBe(true);
  });

  test('a last tile that is moved left ends inside', () => {
    expect(isPadded({ ...w, width: 5 }, { ...t, lastX: 1 })).toBe(false);
    expect(isPadded({ ...w, width: 5 }, { ...t, lastX: 2 })).toBe(true);
  });
});

describe('softmax', () => {
  test('the table: 32767 e^(-d s)', () => {
    const table = exponentials(0.5, 32767);
    expect([table[0], table[1], table[2]]).toEqual([32767, 19874, 12054]);
  });

  test('equal inputs share, one that stands out has it all', () => {
    const kernel = softmaxInt8({ name: 'softmax', doc: [], ...rowsOf(2, 4) }, 0.5);
    expect([...run(kernel, bytes(9, 9, 9, 9, 255, 0, 0, 0))]).toEqual([64, 64, 64, 64, 255, 0, 0, 0]);
    // 256 / 6 is nearer to 43.
    const six = softmaxInt8({ name: 'softmax', doc: [], ...rowsOf(1, 6) }, 0.5);
    expect([...run(six, bytes(7, 7, 7, 7, 7, 7))]).toEqual([43, 43, 43, 43, 43, 43]);
  });

  test('float32: e^x over their sum, with the largest taken away first', () => {
    const kernel = softmaxFloat32({ name: 'softmax', doc: [], ...rowsOf(1, 3) });
    const input = new Uint8Array(Float32Array.of(1000, 1000 + Math.log(2), 1000 + Math.log(5)).buffer);
    const output = new Float32Array(run(kernel, input).slice().buffer);
    [1 / 8, 2 / 8, 5 / 8].forEach((share, i) => {
      expect(output[i]).toBeCloseTo(share, 4);
    });
  });
});

test('a sum of bytes on two scales: multipliers are to each other as the scales are', () => {
  const quants = [
    { scale: 0.5, zeroPoint: 10 },
    { scale: 0.125, zeroPoint: 3 },
  ];
  const sum = nearestAffineSum(quants, { scale: 0.25, zeroPoint: 20 }, { zeroPoint: 20, lo: 0, hi: 255 });
  const [a = 0, b = 0] = sum.multipliers;
  const value = (x: number, y: number): number => Math.floor((a * x + b * y + sum.bias) / 2 ** sum.shift);
  expect(a / b).toBe(4);
  // (0.5 * 4 + 0.125 * 8) / 0.25 + 20
  expect(value(14, 11)).toBe(32);
  expect(value(10, 3)).toBe(20);
  expect(value(10, 4)).toBe(21);
});
