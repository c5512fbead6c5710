/** Every primitive's WebAssembly has the value of its JavaScript, wherever C defines one. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Expr } from '../../../../src/ir/kernel/kernel.ts';
import type { Primitive } from '../../../../src/ir/kernel/primitive.ts';
import { primitives } from '../../../../src/ir/kernel/prims/index.ts';
import { primitivesUsed } from '../../../../src/ir/kernel/walk.ts';
import { withVectors } from '../../../../src/lower/simd.ts';
import type { Program } from '../../../../src/program/program.ts';
import { createSimulator } from '../../../../src/sim/simulate.ts';
import { createEngine } from '../../../../src/sim/wasm/engine.ts';
import * as ir from '../../../support/ir.ts';
import { withRelaxed } from '../../../support/relaxed.ts';

const integers = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: 0, max: 31 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 2 ** 30, 65535, 65536),
);
/** Scales are below 1, and exponents of softmax never above 0. */
const scales = fc.float({ noNaN: true, min: Math.fround(1e-9), max: 1 });
const exponents = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true, max: 0 }),
  fc.float({ noNaN: true, min: -100, max: 0 }),
  fc.constantFrom(0, -0, -87, -1),
);

const positive = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(2 ** -126) });

const cases = 2000;
const seed = 20_261_121;

/** Arguments for which C says what happens. */
function argumentsOf(p: Primitive): readonly (readonly number[])[] {
  const reals = p.name === 'exp_f32' ? exponents : positive;
  const each = p.params.map(({ name, type }) =>
    type === 'i32' ? integers : name === 'scale' ? scales : reals,
  );
  const isDefined = (args: readonly number[]) =>
    p.violation(...args.map((x) => ({ lo: x, hi: x }))) === undefined;
  return fc.sample(fc.tuple(...each).filter(isDefined), { numRuns: cases, seed });
}

/** Argument i of each case in table i; the results one after the other. */
function programFor(p: Primitive): Program {
  const rows = argumentsOf(p);
  const tables = p.params.map(({ name, type }, i) => {
    const numbers = rows.map((args) => args[i]!);
    return ir.table(`${name}s`, type, type === 'f32' ? Float32Array.from(numbers) : numbers);
  });
  const args = p.params.map(({ name, type }) => ir.load(`${name}s`, type, ir.local('i')));
  const value: Expr = { kind: 'call', primitive: p.name, type: p.result, args };
  const params = [ir.param('in', 'in', 'u8', 1), ir.param('out', 'out', p.result, cases)];
  const body = [ir.for_('i', 0, cases, [ir.store('out', p.result, ir.local('i'), value)])];
  return ir.single(ir.kernel('k', params, body, tables));
}

test.each([...primitives.values()].map((p) => [p.name, p] as const))('%s', (_, p) => {
  const program = programFor(p);
  const input = new Uint8Array(1);
  const { output } = createSimulator(program, { mode: 'checked' }).run(input);
  for (const engine of [createEngine(program), createEngine(withVectors(program))])
    expect(engine.run(input).output).toEqual(output);
  expect(new Set(output).size).toBeGreaterThan(8);
});

const multipliers = fc.oneof(
  fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }),
  fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  fc.integer({ min: 0, max: 30 }).map((n) => 2 ** n),
);

/** By how much of 2^-31 a result lies beyond halfway between two integers: a multiplier for a sum of 2^shift odd units. */
function nearHalf(odd: number, beyond: number): number {
  let inverse = 1n;
  for (let i = 0; i < 5; i++) inverse = BigInt.asUintN(31, inverse * (2n - BigInt(odd) * inverse));
  return Number(BigInt.asUintN(31, (2n ** 30n + BigInt(beyond)) * inverse));
}

/** Sums whose results are near the limits of a byte and halfway between integers, and sums of all sizes. */
const scaled = (least: number) =>
  fc
    .record({
      multiplier: multipliers,
      shift: fc.integer({ min: 2, max: 12 }),
      halves: fc.integer({ min: -1100, max: 1100 }),
      beyond: fc.integer({ min: -2, max: 2 }),
      any: fc.option(integers, { freq: 2 }),
      odd: fc.option(fc.integer({ min: -500, max: 500 }), { freq: 3 }),
    })
    .map(({ multiplier, shift, halves, beyond, any, odd }) => {
      if (odd !== null)
        return { acc: (2 * odd + 1) * 2 ** shift, multiplier: nearHalf(2 * odd + 1, beyond), shift };
      const near = Math.round((halves / 2) * (2 ** (31 + shift) / multiplier)) + beyond;
      const acc = any ?? Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, near));
      return { acc, multiplier, shift };
    })
    .filter(({ multiplier, shift }) => multiplier > 0 && multiplier >= 2 ** (31 + shift - least));

test.each([
  ['u8', 0, 12],
  ['u8', -255, 12],
  ['u8', 255, 12],
  ['u8', 3, 13],
  ['i8', 0, 12],
  ['i8', 127, 12],
  ['i8', -128, 12],
] as const)(
  'requantized to %s with zero point %i, scales to 2^-%i: floats give what integers do',
  (elem, zero, least) => {
    const rows = fc.sample(scaled(least), { numRuns: 2500, seed });
    const names = ['acc', 'multiplier', 'shift'] as const;
    const tables = names.map((name) =>
      ir.table(
        `${name}s`,
        'i32',
        rows.map((row) => row[name]),
      ),
    );
    const args = names.map((name) => ir.load(`${name}s`, 'i32', ir.local('i')));
    const result = ir.add(ir.call('requantize_high', ...args), zero);
    const [lo, hi] = elem === 'u8' ? [0, 255] : [-128, 127];
    const byte = ir.call('clamp', result, ir.int(lo), ir.int(hi));
    const params = [ir.param('in', 'in', 'u8', 1), ir.param('out', 'out', elem, rows.length)];
    const body = [ir.for_('i', 0, rows.length, [ir.store('out', elem, ir.local('i'), byte)])];
    const program = ir.single(ir.kernel('k', params, body, tables));
    const { output } = createSimulator(program, { mode: 'fast' }).run(new Uint8Array(1));
    const lowered = withVectors(program);
    const used = lowered.steps.map(({ kernel }) => primitivesUsed(kernel.body).has('requantize_byte_i32x4'));
    expect(used).toEqual([least <= 12]);
    expect(createEngine(lowered).run(new Uint8Array(1)).output).toEqual(output);
    withRelaxed(() => {
      const engine = createEngine(lowered, { relaxed: true });
      expect(engine.run(new Uint8Array(1)).output).toEqual(output);
    });
    expect(new Set(output).size).toBeGreaterThan(100);
  },
);

test.each([
  ['multiplier', ir.int(2 ** 30 + 12_345), ir.load('shifts', 'i32', ir.local('i'))],
  ['shift', ir.load('multipliers', 'i32', ir.local('i')), ir.int(5)],
  ['negative multiplier', ir.int(-1), ir.load('shifts', 'i32', ir.local('i'))],
] as const)('requantized with a constant %s: as by integers', (which, multiplier, shift) => {
  const numbers = (of: (i: number) => number) => Array.from({ length: 64 }, (_, i) => of(i));
  const tables = [
    ir.table(
      'multipliers',
      'i32',
      numbers((i) => 2 ** 30 + i * 7_654_321),
    ),
    ir.table(
      'shifts',
      'i32',
      numbers((i) => 2 + (i % 8)),
    ),
    ir.table(
      'accs',
      'i32',
      numbers((i) => (i - 20) * 97),
    ),
  ];
  const sum = ir.call('requantize_high', ir.load('accs', 'i32', ir.local('i')), multiplier, shift);
  const byte = ir.call('clamp', sum, ir.int(0), ir.int(255));
  const params = [ir.param('in', 'in', 'u8', 1), ir.param('out', 'out', 'u8', 64)];
  const body = [ir.for_('i', 0, 64, [ir.store('out', 'u8', ir.local('i'), byte)])];
  const program = ir.single(ir.kernel('k', params, body, tables));
  const lowered = withVectors(program);
  const used = lowered.steps.map(({ kernel }) => primitivesUsed(kernel.body).has('requantize_byte_i32x4'));
  expect(used).toEqual([which !== 'negative multiplier']);
  const { output } = createSimulator(program, { mode: 'fast' }).run(new Uint8Array(1));
  if (which !== 'negative multiplier')
    expect(createEngine(lowered).run(new Uint8Array(1)).output).toEqual(output);
});
