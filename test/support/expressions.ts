/** Random expressions of Kernel IR, over the i32 locals x, y, z and the f32 locals u, v, w. */
import fc from 'fast-check';
import type { Expr, Kernel, Stmt } from '../../src/ir/kernel/kernel.ts';
import {
  type BinaryOp,
  binaryOperations,
  type CompareOp,
  compareOperations,
} from '../../src/ir/kernel/operations.ts';
import type { Program } from '../../src/program/program.ts';
import {
  add,
  binary,
  compare,
  float,
  flocal,
  int,
  kernel,
  let_,
  load,
  local,
  mul,
  param,
  select,
  slot,
  store,
} from './ir.ts';

const ops = Object.keys(binaryOperations) as BinaryOp[];
const floatOps = ops.filter((op) => binaryOperations[op].f32 !== undefined);
const comparisons = Object.keys(compareOperations) as CompareOp[];

const intLeaf = fc.oneof(
  fc.integer({ min: -4, max: 9 }).map(int),
  fc.constantFrom('x', 'y', 'z').map((name) => local(name)),
  fc.integer({ min: 0, max: 7 }).map((i) => load('bytes', 'i8', int(i))),
  fc.integer({ min: 0, max: 7 }).map((i) => load('halves', 'u16', int(i))),
  fc.integer({ min: 0, max: 3 }).map((i) => load('octets', 'u8', int(i))),
  fc.integer({ min: 0, max: 3 }).map((i) => load('words', 'i16', int(i))),
  fc.constantFrom(200, 32767, 40000, -32768).map(int),
);
const floatLeaf = fc.oneof(
  fc.constantFrom(-1.5, 0.1, 3, -0, 2 ** -20).map(float),
  fc.constantFrom('u', 'v', 'w').map((name) => flocal(name)),
);

/** Deep enough for every pair of operators to meet on either side. */
const { i: intExpr, f: floatExpr } = fc.letrec((tie) => {
  const f = tie('f') as fc.Arbitrary<Expr>;
  const i = tie('i') as fc.Arbitrary<Expr>;
  return {
    i: fc.oneof(
      { maxDepth: 5, depthSize: 'medium' },
      intLeaf,
      fc.tuple(fc.constantFrom(...ops), i, i).map(([op, a, b]) => binary(op, a, b)),
      fc.tuple(fc.constantFrom(...ops), i, i).map(([op, a, b]) => binary(op, a, b)),
      fc.tuple(fc.constantFrom(...comparisons), i, i).map(([op, a, b]) => compare(op, a, b)),
      fc.tuple(i, i, i).map(([t, a, b]) => select(t, a, b)),
      fc.tuple(fc.constantFrom(...comparisons), f, f).map(([op, a, b]) => compare(op, a, b)),
      f.map((value): Expr => ({ kind: 'toInt', value })),
    ),
    f: fc.oneof(
      { maxDepth: 5, depthSize: 'medium' },
      floatLeaf,
      fc.tuple(fc.constantFrom(...floatOps), f, f).map(([op, a, b]) => binary(op, a, b)),
      fc.tuple(i, f, f).map(([t, a, b]) => select(t, a, b)),
      i.map((value): Expr => ({ kind: 'toFloat', value })),
    ),
  };
});

export interface Expressions {
  readonly ints: readonly Expr[];
  readonly floats: readonly Expr[];
}

export const expressions: fc.Arbitrary<Expressions> = fc.record({
  ints: fc.array(intExpr, { minLength: 20, maxLength: 40 }),
  floats: fc.array(floatExpr, { minLength: 10, maxLength: 20 }),
});

const locals: readonly Stmt[] = [
  ...['x', 'y', 'z'].map((name, i) => let_(name, load('in', 'i32', int(i)))),
  ...['u', 'v', 'w'].map((name, i) =>
    let_(name, mul({ kind: 'toFloat', value: load('in', 'i32', int(i)) }, float(0.37))),
  ),
];

/** A kernel that stores each expression. */
function kernelOf(name: string, { ints, floats }: Expressions): Kernel {
  return kernel(
    name,
    [
      param('in', 'in', 'i32', 3),
      param('out', 'out', 'i32', ints.length),
      param('reals', 'out', 'f32', floats.length),
    ],
    [
      ...locals,
      // Every local and table is used, whatever the expressions use.
      let_(
        'all',
        add(
          add(local('x'), local('y')),
          add(
            local('z'),
            add(
              add(load('bytes', 'i8', int(0)), load('halves', 'u16', int(0))),
              add(load('octets', 'u8', int(0)), load('words', 'i16', int(0))),
            ),
          ),
        ),
      ),
      let_('reals_all', add(flocal('u'), add(flocal('v'), flocal('w')))),
      store('out', 'i32', int(0), local('all')),
      store('reals', 'f32', int(0), flocal('reals_all')),
      ...ints.map((e, i) => store('out', 'i32', int(i), e)),
      ...floats.map((e, i) => store('reals', 'f32', int(i), e)),
    ],
    [
      { name: 'bytes', elem: 'i8', data: [0, 1, -1, 5, -128, 127, -7, 31] },
      { name: 'octets', elem: 'u8', data: [0, 3, 128, 255] },
      { name: 'words', elem: 'i16', data: [0, -32768, 32767, 300] },
      { name: 'halves', elem: 'u16', data: [0, 1, 2, 3, 31, 255, 256, 65535] },
    ],
  );
}

export function programOf(name: string, e: Expressions): Program {
  const reals = 12 + 4 * e.ints.length;
  return {
    name,
    arith: 'int8',
    arenaBytes: reals + 4 * e.floats.length,
    slots: [
      slot({ name: 'in', address: 0, elem: 'i32', length: 3 }),
      slot({ name: 'out', address: 12, elem: 'i32', length: e.ints.length }),
      slot({ name: 'reals', address: reals, elem: 'f32', length: e.floats.length }),
    ],
    steps: [{ kernel: kernelOf('expressions', e), args: [0, 1, 2], origin: [] }],
    inputs: [{ name: 'input', slot: 0 }],
    outputs: [{ name: 'output', slot: 1 }],
  };
}
