import { describe, expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { printKernel, printPrimitive } from '../../../src/emit/c/kernel.ts';
import type { Stmt } from '../../../src/ir/kernel/kernel.ts';
import { primitiveOf } from '../../../src/ir/kernel/prims/index.ts';
import {
  accumulate,
  add,
  call,
  for_,
  if_,
  int,
  kernel,
  let_,
  load,
  local,
  mul,
  param,
  pointer,
  store,
} from '../../support/ir.ts';

const params = [param('in', 'in', 'u8', 8), param('out', 'out', 'i8', 8)];
const body = (...statements: Stmt[]): string =>
  printKernel(kernel('k', params, statements))
    .replace(/^[^{]*\{\n/, '')
    .replace(/\}\n$/, '')
    .replace(/^ {4}\(void\).*\n/gm, '');

test('a kernel as a whole', () => {
  const k = {
    ...kernel('k', params, [
      let_('sum', int(0)),
      for_('i', 0, 8, [accumulate('sum', load('in', 'u8', local('i')))]),
      store('out', 'i8', int(0), local('sum')),
    ]),
    doc: ['k: adds up.', 'Two lines.'],
  };
  const ranges = new Map([['sum', { lo: 0, hi: 2040 }]]);
  expect(printKernel(k, { ranges, name: 'k_2' })).toBe(`/* k: adds up.
 * Two lines.
 */
static void k_2(const uint8_t *in, int8_t *out)
{
    int32_t sum = 0; /* 0 <= sum <= 2040 */
    for (int32_t i = 0; i < 8; i++) {
        sum += in[i];
    }
    out[0] = (int8_t)sum;
}
`);
});

describe('stores', () => {
  test.each<[Stmt, string]>([
    [store('out', 'i8', int(0), int(-128)), 'out[0] = -128;'],
    [store('out', 'i8', int(0), int(200)), 'out[0] = (int8_t)200;'],
    [store('out', 'i8', int(0), int(-129)), 'out[0] = (int8_t)(-129);'],
    [store('out', 'i8', int(0), load('in', 'i8', int(1))), 'out[0] = in[1];'],
    [store('out', 'i8', int(0), load('in', 'u8', int(1))), 'out[0] = (int8_t)in[1];'],
    [store('out', 'i8', int(0), add(local('x'), int(1))), 'out[0] = (int8_t)(x + 1);'],
    [store('out', 'i32', int(0), add(local('x'), int(1))), 'out[0] = x + 1;'],
  ])('%#', (statement, expected) => {
    expect(body(statement).trim()).toBe(expected);
  });
});

test('pointers into what is only read are const, and so on from them', () => {
  const text = body(
    pointer('p', 'in', 'u8', int(4)),
    pointer('q', 'p', 'u8', add(local('x'), int(1))),
    pointer('w', 'out', 'i8', int(0)),
  );
  expect(text).toContain('const uint8_t *p = in + 4;');
  expect(text).toContain('const uint8_t *q = &p[x + 1];');
  expect(text).toContain('    int8_t *w = out;');
});

test('chains of choices', () => {
  const set = (n: number): Stmt => store('out', 'i8', int(0), int(n));
  const text = body(
    if_(local('a'), [set(1)], [if_(local('b'), [set(2)], [set(3)])]),
    if_(local('c'), [set(4)]),
  );
  expect(text).toBe(`    if (a) {
        out[0] = 1;
    } else if (b) {
        out[0] = 2;
    } else {
        out[0] = 3;
    }
    if (c) {
        out[0] = 4;
    }
`);
});

test('copies and fills of any width', () => {
  const copy = (elem: 'u8' | 'i32', count: Stmt & { kind: 'copy' }): Stmt => ({ ...count, elem });
  const base: Stmt & { kind: 'copy' } = {
    kind: 'copy',
    elem: 'u8',
    to: 'out',
    toIndex: int(0),
    from: 'in',
    fromIndex: add(local('x'), int(2)),
    count: int(8),
  };
  expect(body(copy('u8', base))).toBe('    memcpy(out, &in[x + 2], 8u);\n');
  expect(body(copy('i32', base))).toContain('8u * sizeof(int32_t));');
  expect(body(copy('i32', { ...base, count: mul(local('x'), int(2)) }))).toContain(
    '(size_t)(x * 2) * sizeof(int32_t));',
  );
  const fill: Stmt = {
    kind: 'fill',
    elem: 'i8',
    to: 'out',
    index: int(1),
    value: int(-1),
    count: local('n'),
  };
  expect(body(fill)).toBe('    memset(out + 1, -1, (size_t)n);\n');
});

test('parameters that nothing uses are marked', () => {
  expect(printKernel(kernel('k', params, []))).toContain('    (void)in;\n    (void)out;\n');
});

test('primitives', () => {
  expect(printPrimitive(primitiveOf('clamp'))).toBe(`/* x, but not below lo and not above hi */
static inline int32_t clamp(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}
`);
});

describe('what no C function can be', () => {
  const k = (...statements: Stmt[]) => kernel('k', params, statements);
  test.each([
    ['a keyword', k(let_('double', int(1)))],
    ['a local that hides a primitive', k(let_('clamp', call('clamp', int(1), int(2), int(3))))],
    ['a table that a parameter hides', { ...k(), tables: [{ name: 'in', elem: 'u8' as const, data: [1] }] }],
    ['a step of 0', k(for_('i', 0, 8, [], 0))],
    ['half an integer', k(let_('x', int(0.5)))],
  ])('%s', (_, bad) => {
    expect(() => printKernel(bad)).toThrow(DefectError);
  });
});
