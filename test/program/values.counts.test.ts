/** Inputs and outputs of a program: as many numbers as it has elements, all of them finite, and none made up. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import type { Normalization, Program, Slot } from '../../src/program/program.ts';
import {
  arrangeInput,
  decodeOutput,
  decodePort,
  decodeSlot,
  encodeInput,
  encodeSlot,
  inputBytes,
} from '../../src/program/values.ts';

const shape = [1, 2, 2, 2];
const order = [0, 4, 1, 5, 2, 6, 3, 7];
const slot = (name: string, elem: Slot['elem'], quant?: Slot['quant']): Slot => ({
  name,
  address: 0,
  elem,
  length: 8,
  shape,
  order,
  ...(quant === undefined ? {} : { quant }),
  firstStep: -1,
  lastStep: 0,
});
const programOf = (elem: 'u8' | 'f32', rawInput?: Normalization): Program => {
  const quant = elem === 'u8' ? { scale: 0.5, zeroPoint: 10 } : undefined;
  return {
    name: 'net',
    arith: elem === 'u8' ? 'int8' : 'float32',
    arenaBytes: 64,
    slots: [slot('x', elem, quant), slot('y', elem, quant)],
    steps: [],
    inputs: [{ name: 'x', slot: 0 }],
    outputs: [{ name: 'y', slot: 1 }],
    ...(rawInput === undefined ? {} : { rawInput }),
  };
};
const int8 = programOf('u8');
const raw = programOf('u8', { mean: [10, 20], std: [2, 4] });
const float = programOf('f32');

const complaint = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return 'nothing';
};

describe.each([0, 7, 9, 16])('%i numbers for 8 elements', (count) => {
  const numbers = new Float32Array(count).fill(1);
  const bytes = new Uint8Array(count);
  const counts = (role: string, unit: string) =>
    `${role} of net: ${count} ${unit}; supported: 8: 1x2x2x2; give one whole input`;

  test.each([
    ['int8', int8],
    ['raw', raw],
    ['float32', float],
  ])('%s', (_, program) => {
    expect(complaint(() => encodeInput(program, numbers))).toBe(counts("input 'x'", 'numbers'));
    expect(complaint(() => encodeSlot(program, 1, numbers))).toBe(counts("output 'y'", 'numbers'));
    expect(complaint(() => inputBytes(program, { real: numbers }))).toBe(counts("input 'x'", 'numbers'));
    expect(complaint(() => decodeOutput(program, bytes))).toMatch(
      new RegExp(`^output 'y' of net: ${count} bytes; supported: (8|32) bytes`),
    );
  });

  test('pixels', () => {
    for (const program of [int8, raw])
      expect(complaint(() => arrangeInput(program, bytes))).toBe(counts("input 'x'", 'bytes'));
    expect(complaint(() => inputBytes(raw, { real: new Float32Array(8), raw: bytes }))).toBe(
      counts("input 'x'", 'bytes'),
    );
  });
});

test.each([Number.NaN, Infinity, -Infinity])('%d is no number that an input may have', (x) => {
  const numbers = Float32Array.of(0, 0, x, 0, 0, 0, 0, x);
  for (const program of [int8, raw, float])
    expect(complaint(() => encodeInput(program, numbers))).toContain(
      `'x' of net: ${x} at 2; supported: finite`,
    );
  expect(complaint(() => encodeSlot(int8, 1, numbers))).toContain(`'y' of net: ${x} at 2`);
  // A float32 slot can hold it, and a device that computed it is to be compared.
  expect([...decodePort(float, 1, encodeSlot(float, 1, numbers))]).toEqual([...numbers]);
});

test('bytes are no input of a float32 program', () => {
  expect(complaint(() => arrangeInput(float, new Uint8Array(8)))).toContain('its input is float32');
});

test('order and normalization, there and back', () => {
  const real = Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
  expect([...encodeInput(raw, real)]).toEqual([10, 36, 12, 40, 14, 44, 16, 48]);
  expect([...arrangeInput(raw, Uint8Array.of(10, 12, 14, 16, 36, 40, 44, 48))]).toEqual([
    10, 36, 12, 40, 14, 44, 16, 48,
  ]);
  for (const program of [int8, raw, float])
    expect([...decodePort(program, 0, encodeInput(program, real))]).toEqual([...real]);
  // The slot by itself knows no normalization.
  expect([...decodeSlot(raw.slots[0]!, encodeInput(raw, real))]).toEqual([0, 1, 2, 3, 13, 15, 17, 19]);
});
