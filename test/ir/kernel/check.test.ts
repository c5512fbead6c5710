import { describe, expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { checkKernel, elemRange, rootLength, rootName } from '../../../src/ir/kernel/check.ts';
import type { Kernel, Stmt } from '../../../src/ir/kernel/kernel.ts';
import * as ir from '../../support/ir.ts';

const params = [ir.param('in', 'in', 'u8', 4), ir.param('out', 'out', 'i32', 4)];
const kernel = (body: readonly Stmt[], more: Partial<Kernel> = {}): Kernel => ({
  ...ir.kernel('k', params, body),
  ...more,
});
const out = (value: Parameters<typeof ir.store>[3]) => ir.store('out', 'i32', 0, value);
const bare = (value: number) => ({ kind: 'int', value }) as const;

test('names of arrays and pointers resolve to what they point into', () => {
  const body = [ir.pointer('p', 'in', 'u8', 1), ir.pointer('q', 'p', 'u8', 1)];
  const arrays = checkKernel(kernel(body));
  expect(rootName(arrays.get('q')!.root)).toBe('in');
  expect(rootLength(arrays.get('q')!.root)).toBe(4);
  expect([...arrays].map(([name, { pointer }]) => [name, pointer])).toEqual([
    ['in', false],
    ['out', false],
    ['p', true],
    ['q', true],
  ]);
});

describe('refused:', () => {
  const cases: readonly (readonly [string, Kernel])[] = [
    ["'x' is declared twice", kernel([ir.let_('x', 1), ir.let_('x', 2)])],
    ["'in' is declared twice", kernel([ir.let_('in', 1)])],
    ["'2x' is not a C identifier", kernel([ir.let_('2x', 1)])],
    ["'y' is no i32 in scope", kernel([out(ir.local('y'))])],
    ["'y' is no i32 in scope", kernel([ir.if_(ir.int(1), [ir.let_('y', 1)]), out(ir.local('y'))])],
    ["'i' is no i32 in scope", kernel([ir.for_('i', 0, 4, []), out(ir.local('i'))])],
    ["'x' is no i32 in scope", kernel([ir.let_('x', ir.float(1)), out(ir.local('x'))])],
    ["'x' is no mutable local", kernel([ir.let_('x', 1, false), ir.assign('x', 2)])],
    ["'x' is no mutable local", kernel([ir.let_('x', 1, false), ir.accumulate('x', 2)])],
    ["'i' is no mutable local", kernel([ir.for_('i', 0, 4, [ir.assign('i', 2)])])],
    ["'p' is no mutable pointer", kernel([ir.pointer('p', 'in', 'u8', 0, false), ir.advance('p', 1)])],
    ["'in' is no mutable pointer", kernel([ir.advance('in', 1)])],
    ["'x' is no array in scope", kernel([ir.let_('x', 1), out(ir.load('x', 'i32', 0))])],
    ["'in' holds u8, not i8", kernel([out(ir.load('in', 'i8', 0))])],
    ["'in' holds u8, not i32", kernel([ir.copy('i32', 'out', 0, 'in', 0, 1)])],
    ['an operand is not i32', kernel([out(ir.float(1))])],
    ['an operand is not f32', kernel([out(ir.toInt(ir.int(1)))])],
    ['an operand is not f32', kernel([ir.let_('x', ir.add(ir.float(1), ir.int(1)))])],
    ['mod of f32', kernel([ir.let_('x', ir.mod(ir.float(1), ir.float(1)))])],
    ['2147483648 is not an i32', kernel([out(bare(2147483648))])],
    ['0.5 is not an i32', kernel([out(bare(0.5))])],
    ['0.1 is not a binary32', kernel([ir.let_('x', { kind: 'float', value: 0.1 })])],
    ['an unknown primitive', kernel([out(ir.call('nothing', 1))])],
    ['a wrong number of arguments', kernel([out(ir.call('clamp', 1, 2))])],
    ['a step that is not a positive integer', kernel([ir.for_('i', 0, 4, [], 0)])],
    ['a number in table t is not i8', kernel([], { tables: [ir.table('t', 'i8', [128])] })],
    ['a number in table t is not f32', kernel([], { tables: [ir.table('t', 'f32', [0.1])] })],
  ];
  test.each(cases)('%s', (message, k) => {
    expect(() => checkKernel(k)).toThrow(DefectError);
    expect(() => checkKernel(k)).toThrow(message);
  });
});

test('element types hold what C says', () => {
  expect(elemRange('u8')).toEqual({ lo: 0, hi: 255 });
  expect(elemRange('i16')).toEqual({ lo: -32768, hi: 32767 });
  expect(elemRange('i32')).toEqual({ lo: -2147483648, hi: 2147483647 });
  expect(elemRange('f32')).toBeUndefined();
});
