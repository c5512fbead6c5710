import { expect, test } from 'vitest';
import type { Outcome, Program } from '../../src/program/program.ts';
import { compareOutcomes, differenceText } from '../../src/sim/difference.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import * as ir from '../support/ir.ts';

/** Two channels of 2 x 3 pixels, which lie as rows, columns, channels: u8, then i32. */
const order = [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11];
const copyTo = (name: string, elem: 'u8' | 'i32', from: 'u8' | 'i32') =>
  ir.kernel(
    name,
    [ir.param('in', 'in', from, 12), ir.param('out', 'out', elem, 12)],
    [ir.for_('i', 0, 12, [ir.store('out', elem, ir.local('i'), ir.load('in', from, ir.local('i')))])],
  );
const program: Program = ir.program(
  [
    { name: 'x', address: 0, elem: 'u8', length: 12, shape: [2, 2, 3], order },
    { name: 'wide', address: 12, elem: 'i32', length: 12, shape: [2, 2, 3], order },
    { name: 'y', address: 60, elem: 'u8', length: 12, shape: [12] },
  ],
  [
    [copyTo('widen', 'i32', 'u8'), [0, 1]],
    [copyTo('narrow', 'u8', 'i32'), [1, 2]],
  ],
);
const input = Uint8Array.from({ length: 12 }, (_, i) => 10 * i);
const run = (keepArenas: boolean): Outcome =>
  createSimulator(program, { mode: 'checked' }).run(input, { keepArenas });

/** A copy with one arena's byte changed. */
const changed = (outcome: Outcome, step: number, byte: number, value: number): Outcome => ({
  ...outcome,
  arenas: outcome.arenas.map((arena, i) => (i === step ? arena.with(byte, value) : arena)),
});

test('equal outcomes have no difference', () => {
  expect(compareOutcomes(program, run(true), run(true))).toBeUndefined();
  expect(compareOutcomes(program, run(false), run(true))).toBeUndefined();
});

test('the first differing step, slot and logical element, with both values', () => {
  // Byte 12 + 4 * 7 + 1: position 7 holds logical element 9, channel 1, row 1, column 0.
  const other = changed(changed(run(true), 0, 41, 1), 1, 60, 9);
  const found = compareOutcomes(program, run(true), other);
  expect(found).toEqual({
    step: 0,
    kernel: 'widen',
    slot: 'wide',
    element: 9,
    at: [1, 1, 0],
    byte: 41,
    values: [70, 70 + 256],
  });
  expect(differenceText(found!)).toBe('step 0, widen: wide[1, 1, 0] is 70 and 326 (arena byte 41)');
});

test('a byte of no living tensor is still a difference', () => {
  const found = compareOutcomes(program, run(true), changed(run(true), 0, 62, 1));
  expect(found).toMatchObject({ step: 0, slot: 'y' });
  const dead = { ...program, slots: program.slots.map((s) => ({ ...s, firstStep: 5 })) };
  expect(compareOutcomes(dead, run(true), changed(run(true), 0, 62, 1))).toEqual({
    step: 0,
    kernel: 'widen',
    byte: 62,
    values: [0xa5, 1],
  });
});

test('without arenas, the outputs', () => {
  const a = run(false);
  const found = compareOutcomes(program, a, { ...a, output: a.output.with(3, 1) });
  expect(found).toEqual({
    step: 1,
    kernel: 'narrow',
    slot: 'y',
    element: 3,
    at: [3],
    byte: 63,
    values: [30, 1],
  });
});

test('an output of another length differs where the shorter one ends', () => {
  const a = run(false);
  expect(compareOutcomes(program, a, { ...a, output: a.output.slice(0, 4) })).toMatchObject({ byte: 64 });
});
