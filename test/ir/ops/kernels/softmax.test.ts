/** Softmax in integers: proved whole, its sums at their largest, and how near it is beside CMSIS-NN's. */
import { describe, expect, test } from 'vitest';
import { linesOf } from '../../../../src/ir/ops/kernels/axis-lines.ts';
import {
  longestInt8Softmax,
  softmaxInt8,
  unitOfExponentials,
} from '../../../../src/ir/ops/kernels/softmax.ts';
import { withVectors } from '../../../../src/lower/simd.ts';
import { prove } from '../../../../src/prove/prove.ts';
import { createSimulator } from '../../../../src/sim/simulate.ts';
import { createEngine } from '../../../../src/sim/wasm/engine.ts';
import { softmaxRow } from '../../../oracles/cmsis-nn.ts';
import { Draw } from '../../../support/draw.ts';
import * as ir from '../../../support/ir.ts';

/** The rows of a matrix. */
const rowsOf = (rows: number, length: number) => ({
  lines: linesOf({ shape: [rows, length] }, 1),
  count: rows * length,
});
const kernelFor = (rows: number, length: number, scale: number) =>
  softmaxInt8({ name: 'softmax', doc: [], ...rowsOf(rows, length) }, scale);

const exact = (row: readonly number[], scale: number): number[] => {
  const largest = row.reduce((most, x) => Math.max(most, x), 0);
  const powers = row.map((x) => Math.exp((x - largest) * scale));
  const sum = powers.reduce((total, p) => total + p, 0);
  return powers.map((p) => p / sum);
};

describe.each([
  [1, 1, 0.1],
  [2, 10, 0.1],
  [1, 10, 1e-4],
  [1, 10, 40],
  [3, 512, 0.05],
  [1, 4096, 0.01],
])('%i rows of %i numbers in steps of %f', (rows, length, scale) => {
  const kernel = kernelFor(rows, length, scale);
  test('every site is proved, for all inputs', () => {
    const { complete, unproven } = prove(kernel);
    expect(complete).toBe(true);
    expect(unproven.map(({ why }) => why)).toEqual([]);
  });

  test('the largest sum: every number the same', () => {
    const input = new Uint8Array(rows * length).fill(200);
    const wanted = new Array(rows * length).fill(Math.min(255, Math.floor(256 / length + 0.5)));
    for (const simulator of [
      createSimulator(ir.single(kernel), { mode: 'checked' }),
      createEngine(withVectors(ir.single(kernel))),
    ])
      expect([...simulator.run(input).output]).toEqual(wanted);
  });
});

test('the longest run holds its sum in int32', () => {
  const length = longestInt8Softmax;
  expect(length * unitOfExponentials(length)).toBeLessThan(2 ** 31);
  expect(256 * unitOfExponentials(1) + (2 ** 31 - 1) / 2).toBeLessThan(2 ** 31);
  const simulator = createSimulator(ir.single(kernelFor(1, length, 0.1)), { mode: 'checked' });
  expect(simulator.run(new Uint8Array(length)).output.every((p) => p === 0)).toBe(true);
  const certain = new Uint8Array(length);
  certain[7] = 255;
  // e^(-25.5) * 65,534 is nothing beside 1.
  expect(simulator.run(certain).output[7]).toBe(255);
});

/** Elements of random rows, and how many of them are farther from the real softmax than CMSIS-NN's. */
function compared(length: number, scale: number, rows: number, draw: Draw) {
  const simulator = createSimulator(ir.single(kernelFor(1, length, scale)), { mode: 'fast' });
  const found = { elements: 0, farther: 0 };
  for (let i = 0; i < rows; i++) {
    const spread = draw.int(1, 255);
    const row = Array.from({ length }, () => draw.int(0, spread));
    const [ours, others] = [simulator.run(Uint8Array.from(row)).output, softmaxRow(row, scale)];
    const real = exact(row, scale).map((p) => Math.min(255, 256 * p));
    others.forEach((theirs, k) => {
      found.elements++;
      if (Math.abs(ours[k]! - real[k]!) > Math.abs(theirs - real[k]!)) found.farther++;
    });
  }
  return found;
}

test("nowhere farther from the real softmax than CMSIS-NN's", () => {
  const draw = new Draw(20);
  const total = { elements: 0, farther: 0 };
  for (const length of [2, 3, 10, 12, 100, 1000])
    for (const scale of [0.01, 0.0371, 0.1, 0.25, 0.8]) {
      const found = compared(length, scale, Math.ceil(8_000 / length), draw);
      total.elements += found.elements;
      total.farther += found.farther;
    }
  // Exponentials of 15 bits are the farther ones 84 times.
  expect(total).toEqual({ elements: 240_025, farther: 0 });
});
