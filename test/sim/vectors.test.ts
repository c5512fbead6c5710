/** Vectors under C's rules and those of memory plans: what scalar accesses may not do, lanes may not either. */
import { expect, test } from 'vitest';
import { gather, loadVector, local, storeVector } from '../../src/ir/kernel/builders.ts';
import { checkKernel } from '../../src/ir/kernel/check.ts';
import type { Expr, Kernel, Stmt, Type } from '../../src/ir/kernel/kernel.ts';
import { prove } from '../../src/prove/prove.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { call, int, kernel, param, single, table } from '../support/ir.ts';

const vector = (primitive: string, type: Type, ...args: readonly Expr[]): Expr => ({
  kind: 'call',
  primitive,
  type,
  args,
});
const held = (value: Expr, type: Type = 'u8x16'): Stmt => ({
  kind: 'let',
  name: 'v',
  type,
  value,
  mutable: false,
});

const params = [
  param('in', 'in', 'u8', 20),
  param('out', 'out', 'u8', 20),
  param('space', 'scratch', 'u8', 16),
];
const offsets = table('offsets', 'u8', [0, 3, 1, 2, 19, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const of = (...body: readonly Stmt[]): Kernel => kernel('k', params, body, [offsets]);

function run(k: Kernel, facts = false): readonly number[] {
  const proved = facts ? { facts: new Map([[k, prove(k)]]) } : {};
  const simulator = createSimulator(single(k), { mode: 'checked', ...proved });
  const input = Uint8Array.from({ length: 20 }, (_, i) => 10 * i);
  return [...simulator.runStep(0, [input, undefined, undefined])[1]!];
}
const first = (bytes: readonly number[], count: number): readonly number[] => bytes.slice(0, count);
const where = loadVector('u8x16', 'offsets', 'u8', 0);

test('the first elements are loaded, and no other is touched', () => {
  const k = of(
    held(loadVector('u8x16', 'in', 'u8', 15, 5)),
    storeVector('u8x16', 'out', 'u8', 0, local('v', 'u8x16')),
  );
  for (const proved of [false, true])
    expect(first(run(k, proved), 7)).toEqual([150, 160, 170, 180, 190, 0, 0]);
});

test('lanes of a gather lie at their offsets', () => {
  const k = of(
    held(gather('u8x16', 'in', 'u8', 0, where, 5)),
    storeVector('u8x16', 'out', 'u8', 2, local('v', 'u8x16'), 6),
  );
  expect(first(run(k), 8).slice(2)).toEqual([0, 30, 10, 20, 190, 0]);
  expect(prove(k).unproven).toEqual([]);
});

const four = vector('four_i32x4', 'i32x4', int(1), int(255), int(0), int(256));
const wrong: Readonly<Record<string, readonly [Kernel, RegExp]>> = {
  'a load beyond the end': [of(held(loadVector('u8x16', 'in', 'u8', 5))), /out of bounds/],
  'more lanes than there are': [of(held(loadVector('u8x16', 'in', 'u8', 0, 17))), /out of bounds/],
  'a gather beyond the end': [of(held(gather('u8x16', 'in', 'u8', 1, where, 5))), /out of bounds/],
  'bytes that nothing has written': [of(held(loadVector('u8x16', 'space', 'u8', 0))), /unwritten byte/],
  'a store beyond the end': [
    of(held(loadVector('u8x16', 'in', 'u8', 0)), storeVector('u8x16', 'out', 'u8', 5, local('v', 'u8x16'))),
    /out of bounds/,
  ],
  'a lane that does not fit': [
    of(held(four, 'i32x4'), storeVector('i32x4', 'out', 'u8', 0, local('v', 'i32x4'))),
    /narrowing/,
  ],
  'an overflow in one lane': [
    of(held(vector('mul_i32x4', 'i32x4', four, vector('splat_i32x4', 'i32x4', int(2 ** 24))), 'i32x4')),
    /precondition/,
  ],
};

for (const [what, [k, trap]] of Object.entries(wrong))
  test(`${what} is a trap, and not proved`, () => {
    expect(() => run(k)).toThrow(trap);
    if (!trap.test('unwritten byte')) expect(prove(k).unproven).not.toEqual([]);
  });

test('a lane that is not stored may be anything', () =>
  expect(
    first(run(of(held(four, 'i32x4'), storeVector('i32x4', 'out', 'u8', 0, local('v', 'i32x4'), 3))), 3),
  ).toEqual([1, 255, 0]));

test('elements fit their lanes, and operands have their types', () => {
  const stored = (type: 'u8x16' | 'i32x4', value: Expr) => of(storeVector(type, 'out', 'u8', 0, value));
  expect(() => checkKernel(of(held(loadVector('u8x16', 'offsets', 'i8', 0))))).toThrow('holds u8, not i8');
  expect(() => checkKernel(stored('i32x4', loadVector('u8x16', 'in', 'u8', 0)))).toThrow('is not i32x4');
  expect(() => checkKernel(stored('u8x16', call('dot_u8x16', int(0), int(1), int(2))))).toThrow('not u8x16');
});
