/** What stored numbers stand for: there and back, per tensor and per channel. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Elem } from '../../src/ir/kernel/kernel.ts';
import {
  type Grid,
  gridAt,
  type Port,
  pixelsOf,
  portOf,
  printedGrid,
  realNumbers,
  realOf,
  sameMeaning,
  storedNumbers,
} from '../../src/program/port.ts';
import type { Normalization, Program, Slot } from '../../src/program/program.ts';

const slot = (changes: Partial<Slot>): Slot => ({
  name: 'x',
  address: 0,
  elem: 'u8',
  length: 12,
  shape: [1, 3, 2, 2],
  firstStep: -1,
  lastStep: 0,
  ...changes,
});

function programOf(input: Partial<Slot>, rawInput?: Normalization): Program {
  const slots = [slot(input), slot({ name: 'y', quant: { scale: 0.5, zeroPoint: 7 } })];
  const raw = rawInput === undefined ? {} : { rawInput };
  return {
    name: 'net',
    arith: 'int8',
    arenaBytes: 24,
    slots,
    steps: [],
    inputs: [{ name: 'x', slot: 0 }],
    outputs: [{ name: 'y', slot: 1 }],
    ...raw,
  };
}

/** What is stored for `x` at an element. */
const storedAt = (port: Port, element: number, x: number): number =>
  storedNumbers(
    port,
    Float32Array.from({ length: 12 }, (_, i) => (i === element ? x : 0)),
  )[element]!;

const scales = fc.double({ min: 1e-9, max: 1e9, noNaN: true });
const zeroPoints = fc.oneof(fc.integer({ min: -(2 ** 22), max: 2 ** 22 }), fc.integer({ min: 0, max: 255 }));
const grids = fc.record({ scale: scales, zeroPoint: zeroPoints });
const pixels = fc.record({ mean: fc.double({ min: -300, max: 300, noNaN: true }), std: scales });

test('numbers without a scale are stored as they are: integers of the type, and nothing else', () => {
  const { quant: _, ...bare } = slot({});
  const stored = (elem: Elem, ...numbers: number[]) => [
    ...storedNumbers({ name: 'x', where: "tensor 'x'", slot: { ...bare, elem }, grids: [] }, numbers),
  ];
  expect(stored('i32', -(2 ** 31), 2 ** 31 - 1)).toEqual([-(2 ** 31), 2 ** 31 - 1]);
  expect(stored('u8', 0, 255)).toEqual([0, 255]);
  expect(() => stored('u8', 0, 256)).toThrow("tensor 'x': 256 at 1; supported: integers of 0 to 255");
  expect(() => stored('i32', 0.5)).toThrow('0.5 at 0');
});

describe('there and back', () => {
  test('every stored number, for every scale and zero point that float32 tells apart: to 2^22', () => {
    fc.assert(
      fc.property(grids, fc.nat(255), fc.nat(11), (quant, q, element) => {
        const port = portOf(programOf({ quant }), 0);
        expect(storedAt(port, element, realOf(port, element, q))).toBe(q);
      }),
    );
  });

  test('raw pixels: each channel has its own normalization', () => {
    fc.assert(
      fc.property(
        fc.array(pixels, { minLength: 3, maxLength: 3 }),
        fc.nat(255),
        fc.nat(11),
        (all, q, element) => {
          const raw = { mean: all.map(({ mean }) => mean), std: all.map(({ std }) => std) };
          const port = portOf(programOf({ quant: { scale: 1, zeroPoint: 0 } }, raw), 0);
          const { mean, std } = all[element >> 2]!;
          const real = realOf(port, element, q);
          expect(Math.abs(real * std - (q - mean))).toBeLessThanOrEqual(1e-12 * (300 + q));
          expect(storedAt(port, element, real)).toBe(q);
        },
      ),
    );
  });

  test('what no byte stands for is the nearest that one does; float32 is itself', () => {
    const port = portOf(programOf({ quant: { scale: 0.1, zeroPoint: -2731 } }), 0);
    expect([0, 273.1, 298.6, 1e9, -1e9, 280.04, 280.06].map((x) => storedAt(port, 0, x))).toEqual([
      0, 0, 255, 255, 0, 69, 70,
    ]);
    const float = portOf(programOf({ elem: 'f32' }), 0);
    expect([realOf(float, 3, 0.25), gridAt(float, 3)]).toEqual([0.25, undefined]);
  });

  test('arrays mean what their elements mean', () => {
    const raw = { mean: [0, 10.5, 100], std: [1, 60.25, 255] };
    const stored = Uint8Array.from({ length: 12 }, (_, i) => i * 23);
    for (const port of [portOf(programOf({}, raw), 0), portOf(programOf({}), 1), portOf(programOf({}), 0)])
      expect(realNumbers(port, stored)).toEqual(Float32Array.from(stored, (q, i) => realOf(port, i, q)));
  });

  test('a sensor stores what the input slot would', () => {
    const raw = { mean: [0, 10.5, 100], std: [1, 60.25, 255] };
    const port = portOf(programOf({}, raw), 0);
    const real = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i) * 3);
    expect([...pixelsOf(raw, real)]).toEqual(Array.from(real, (x, i) => storedAt(port, i, x)));
  });
});

describe('printed', () => {
  const printed = (raw: Normalization) => printedGrid(portOf(programOf({}, raw), 0));

  test('one scale where the channels agree, else one each', () => {
    expect(printed({ mean: [5], std: [4] })).toEqual({ scale: 0.25, zeroPoint: 5 });
    expect(printed({ mean: [5, 5, 5], std: [4, 4, 4] })).toEqual({ scale: 0.25, zeroPoint: 5 });
    expect(printed({ mean: [5, 6, 5], std: [4, 4, 2] })).toEqual({
      scale: [0.25, 0.25, 0.5],
      zeroPoint: [5, 6, 5],
    });
  });

  test('a list of one is for all channels, of means and of deviations alike', () => {
    expect(printed({ mean: [5], std: [1, 2, 4] })).toEqual({ scale: [1, 0.5, 0.25], zeroPoint: [5, 5, 5] });
    expect(printed({ mean: [5, 6, 7], std: [2] })).toEqual({ scale: [0.5, 0.5, 0.5], zeroPoint: [5, 6, 7] });
  });

  test('only the input is raw; float32 has none', () => {
    expect(printedGrid(portOf(programOf({}, { mean: [5], std: [4] }), 1))).toEqual({
      scale: 0.5,
      zeroPoint: 7,
    });
    expect(printedGrid(portOf(programOf({ elem: 'f32' }), 0))).toBeUndefined();
  });
});

test('the same meaning: element type and all grids', () => {
  const quant: Grid = { scale: 0.5, zeroPoint: 3 };
  const of = (input: Partial<Slot>, raw?: Normalization) => portOf(programOf(input, raw), 0);
  expect(sameMeaning(of({ quant }), of({ quant: { ...quant } }))).toBe(true);
  expect(sameMeaning(of({ quant }), of({ quant, name: 'other' }, { mean: [3], std: [2] }))).toBe(true);
  expect(sameMeaning(of({ quant }), of({ quant: { ...quant, scale: 0.25 } }))).toBe(false);
  expect(sameMeaning(of({ quant }), of({ quant: { ...quant, zeroPoint: 4 } }))).toBe(false);
  expect(sameMeaning(of({ quant }), of({ quant }, { mean: [3, 3, 4], std: [2, 2, 2] }))).toBe(false);
  expect(sameMeaning(of({}), of({ elem: 'f32' }))).toBe(false);
});
