/** C where int has 16 bits: with the casts that are printed no value changes; without them the simulator says where. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { widened } from '../../src/emit/c/promotion.ts';
import type { Elem, Expr, Table } from '../../src/ir/kernel/kernel.ts';
import type { Program } from '../../src/program/program.ts';
import type { Casts } from '../../src/sim/js/int16.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { Trap } from '../../src/sim/trap.ts';
import { expressions, programOf } from '../support/expressions.ts';
import * as ir from '../support/ir.ts';
import { built } from '../support/pipeline.ts';
import { recipesOf } from '../support/property.ts';
import { samples } from '../support/sample-programs.ts';
import { fixedSeed, freshSeed } from '../support/seeds.ts';

const none: Casts = () => ({ a: false, b: false });

const tables: readonly Table[] = [
  { name: 'u8', elem: 'u8', data: Uint8Array.of(255) },
  { name: 'i8', elem: 'i8', data: Int8Array.of(-128) },
  { name: 'i16', elem: 'i16', data: Int16Array.of(-32768) },
  { name: 'u16', elem: 'u16', data: Uint16Array.of(65535) },
  { name: 'i32', elem: 'i32', data: Int32Array.of(65536) },
];
const of = (elem: Elem): Expr => ir.load(elem, elem, 0);

const run = (value: Expr, int16: Casts): number => {
  const kernel = ir.kernel(
    'k',
    [ir.param('in', 'in', 'u8', 1), ir.param('out', 'out', 'i32', 1)],
    [ir.store('out', 'i32', 0, value)],
    tables,
  );
  const { output } = createSimulator(ir.single(kernel), { mode: 'fast', int16 }).run(new Uint8Array(1));
  return new DataView(output.buffer).getInt32(0, true);
};

/** What 32 bits give, whether 16 bits without casts give it too. */
const cases: readonly (readonly [string, Expr, number, 'same' | 'trap'])[] = [
  ['u8 * u8', ir.mul(of('u8'), of('u8')), 65025, 'trap'],
  ['u8 * i8', ir.mul(of('u8'), of('i8')), -32640, 'same'],
  ['u8 + 32512', ir.add(of('u8'), 32512), 32767, 'same'],
  ['u8 + 32513', ir.add(of('u8'), 32513), 32768, 'trap'],
  ['u8 + 32768, a long', ir.add(of('u8'), 32768), 33023, 'same'],
  ['i16 - 1', ir.sub(of('i16'), 1), -32769, 'trap'],
  ['i16 / -1', ir.div(of('i16'), -1), 32768, 'trap'],
  ['u8 << 8', ir.shl(of('u8'), 8), 65280, 'trap'],
  ['i8 >> 16', ir.shr(of('i8'), 16), -1, 'trap'],
  ['u16 + u8', ir.add(of('u16'), of('u8')), 65790, 'trap'],
  ['u16 - u8', ir.sub(of('u16'), of('u8')), 65280, 'same'],
  ['u16 + i32', ir.add(of('u16'), of('i32')), 131071, 'same'],
  ['u16 / i8', ir.div(of('u16'), of('i8')), -511, 'trap'],
  ['u16 > i8', ir.compare('gt', of('u16'), of('i8')), 1, 'trap'],
  ['u16 > u8', ir.compare('gt', of('u16'), of('u8')), 1, 'same'],
  ['u8 ? i8 : u16', ir.select(of('u8'), of('i8'), of('u16')), -128, 'trap'],
  [
    '(u8 * u8) >> 1, whose inner operation is the fault',
    ir.shr(ir.mul(of('u8'), of('u8')), 1),
    32512,
    'trap',
  ],
];

describe('an expression without casts', () => {
  test.each(cases)('%s', (_, value, expected, found) => {
    if (found === 'same') expect(run(value, none)).toBe(expected);
    else expect(() => run(value, none)).toThrow(/16-bit int: .* where int has 16 bits, in /);
  });

  test.each(cases)('as it is printed: %s', (_, value, expected) => {
    expect(run(value, widened)).toBe(expected);
  });
});

/** Bytes of the outputs; the trap where there is one. */
function ran(program: Program, inputs: readonly Uint8Array[], int16?: Casts): readonly Uint8Array[] | Trap {
  const options = { mode: 'checked', ...(int16 === undefined ? {} : { int16 }) } as const;
  const simulator = createSimulator(program, options);
  try {
    return inputs.map((input) => simulator.run(input).output);
  } catch (error) {
    if (error instanceof Trap) return error;
    throw error;
  }
}

const isInt16 = (found: unknown): boolean => found instanceof Trap && found.details.rule === '16-bit int';

test('random expressions mean the same with the printed casts, and many do not without', () => {
  const numbers = new Uint8Array(new Int32Array([7, -300, 40_000]).buffer);
  const counts = { defined: 0, caught: 0 };
  for (const seed of [fixedSeed, freshSeed()])
    for (const { ints } of fc.sample(expressions, { seed, numRuns: 12 }))
      for (const e of ints) {
        const program = programOf('net', { ints: [e], floats: [ir.float(0)] });
        const expected = ran(program, [numbers]);
        if (expected instanceof Trap) continue;
        counts.defined += seed === fixedSeed ? 1 : 0;
        expect(ran(program, [numbers], widened)).toEqual(expected);
        if (seed === fixedSeed && isInt16(ran(program, [numbers], none))) counts.caught++;
      }
  expect(counts.defined).toBeGreaterThan(100);
  expect(counts.caught).toBeGreaterThan(5);
});

test('so do networks', () => {
  const { program, inputs } = samples.find((s) => s.program.name === 'sample_words')!;
  expect(ran(program, inputs, widened)).toEqual(ran(program, inputs));
  expect(isInt16(ran(program, inputs, none))).toBe(true);
  for (const seed of [fixedSeed, freshSeed()])
    for (const [i, recipe] of recipesOf(seed, 12).entries()) {
      const network = built(recipe, `net${i}`);
      const found = ran(network.program, network.inputs, widened);
      expect(found).toEqual(ran(network.program, network.inputs));
      expect(found).not.toBeInstanceOf(Trap);
    }
});
