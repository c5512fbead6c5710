/** Real numbers and bytes of slots: the nearest stored, in the slot's order, raw or not. */
import { expect, test } from 'vitest';
import type { Program, Slot } from '../../src/program/program.ts';
import { arrangeInput, decodeOutput, encodeInput, inputBytes } from '../../src/program/values.ts';
import * as ir from '../support/ir.ts';

const single = ir.single(
  ir.kernel('k', [ir.param('in', 'in', 'u8', 4), ir.param('out', 'out', 'u8', 4)], []),
);
/** Two channels of two pixels; in memory pixel by pixel. */
const order = [0, 2, 1, 3];
const withSlot = (index: number, changes: Partial<Slot>, more: Partial<Program> = {}): Program => ({
  ...single,
  ...more,
  slots: single.slots.map((slot, i) => (i === index ? { ...slot, shape: [1, 2, 1, 2], ...changes } : slot)),
});
const withInput = (changes: Partial<Slot>, more: Partial<Program> = {}): Program =>
  withSlot(single.inputs[0]!.slot, changes, more);
const quant = { scale: 0.5, zeroPoint: 10 };

test('an order with a place that the tensor has not is a defect, every time', () => {
  for (const place of [4, -1, 0.5]) {
    const program = withInput({ quant, order: [0, 2, 1, place] });
    for (let i = 0; i < 2; i++)
      expect(() => encodeInput(program, new Float32Array(4))).toThrow(`place ${place} in the order of 4`);
  }
});

test('the nearest byte, halves up, within 0 and 255, in the order of memory', () => {
  const program = withInput({ quant, order });
  expect([...encodeInput(program, Float32Array.of(0, 0.24, 0.25, -0.26))]).toEqual([10, 11, 10, 9]);
  expect([...encodeInput(program, Float32Array.of(-5, 122.5, -5.5, 123))]).toEqual([0, 0, 255, 255]);
});

test('decoding gives the real numbers back, row by row', () => {
  const program = withSlot(single.outputs[0]!.slot, { quant, order });
  expect([...decodeOutput(program, Uint8Array.of(10, 12, 11, 0))]).toEqual([0, 0.5, 1, -5]);
});

test('raw pixels: each channel by its own mean and deviation', () => {
  const program = withInput(
    { quant: { scale: 1, zeroPoint: 0 } },
    { rawInput: { mean: [100, 20], std: [50, 10] } },
  );
  expect([...encodeInput(program, Float32Array.of(0, 1, -1, 0.56))]).toEqual([100, 150, 10, 26]);
});

test("a sample's own pixels go in as they are, in order", () => {
  const program = withInput({ order }, { rawInput: { mean: [0], std: [1] } });
  const raw = Uint8Array.of(1, 2, 3, 4);
  expect([...arrangeInput(program, raw)]).toEqual([1, 3, 2, 4]);
  expect([...inputBytes(program, { real: new Float32Array(4), raw })]).toEqual([1, 3, 2, 4]);
  expect([...inputBytes(program, { real: Float32Array.of(9, 8, 7, 6) })]).toEqual([9, 7, 8, 6]);
});

test('float32 slots hold the numbers themselves', () => {
  const program = withInput({ elem: 'f32', order });
  const bytes = encodeInput(program, Float32Array.of(1.5, -2, 3, 4));
  expect([...new Float32Array(bytes.buffer)]).toEqual([1.5, 3, -2, 4]);
  const output = withSlot(single.outputs[0]!.slot, { elem: 'f32', order });
  expect([...decodeOutput(output, bytes)]).toEqual([1.5, -2, 3, 4]);
});
