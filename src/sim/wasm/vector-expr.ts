/** Expressions of four neighbouring passes of a loop at once: i32 only, one lane for each pass. */

import { largestOf, smallestOf } from '../../base/extremes.ts';
import { allInts, type Interval } from '../../ir/kernel/interval.ts';
import type { Elem, Expr, ExprOf } from '../../ir/kernel/kernel.ts';
import { binaryOperations, compareOperations } from '../../ir/kernel/operations.ts';
import type { Primitive } from '../../ir/kernel/primitive.ts';
import { primitiveOf } from '../../ir/kernel/prims/index.ts';
import { partsIn } from '../../ir/kernel/walk.ts';
import type { Code } from '../../wasm/code.ts';
import { choose, extend, i32x4, load } from '../../wasm/instructions.ts';
import { type Body, fresh, type Passes, placeOf } from './body.ts';
import { value } from './expr.ts';

export const sumTerms = (e: Expr): readonly Expr[] =>
  e.kind === 'binary' && e.op === 'add' ? [...sumTerms(e.a), ...sumTerms(e.b)] : [e];

const mentions = (e: Expr, has: (name: string) => boolean): boolean =>
  [...partsIn(e)].some(
    (part) => (part.kind === 'local' && has(part.name)) || (part.kind === 'load' && has(part.from)),
  );

/** Whether an index is the counter plus what is the same in every pass. */
export function isNeighbour(index: Expr, counter: string, varies: (name: string) => boolean): boolean {
  const terms = sumTerms(index);
  const own = terms.filter((t) => t.kind === 'local' && t.name === counter);
  const others = terms.filter((t) => !(t.kind === 'local' && t.name === counter));
  return own.length === 1 && !others.some((t) => mentions(t, varies));
}

const varies =
  ({ counter, vectors }: Passes) =>
  (name: string): boolean =>
    name === counter || vectors.has(name);

export const isVarying = (p: Passes, e: Expr): boolean => mentions(e, varies(p));

export const isUnitStride = (p: Passes, index: Expr): boolean => isNeighbour(index, p.counter, varies(p));

/** Code that leaves the four values; undefined where there is no way to have them at once. */
export function lanes(p: Passes, e: Expr): Code | undefined {
  if (!isVarying(p, e)) return 'type' in e && e.type === 'f32' ? undefined : i32x4.splat(value(p.body, e));
  switch (e.kind) {
    case 'local':
      return p.vectors.get(e.name)?.get;
    case 'binary':
      return binary(p, e);
    case 'select':
      return selected(p, e);
    case 'load':
      return loaded(p, e);
    case 'call':
      return called(p, e);
    case 'int':
    case 'float':
    case 'compare':
    case 'loadVector':
    case 'toFloat':
    case 'toInt':
      return undefined;
    default:
      return e satisfies never;
  }
}

function binary(p: Passes, e: ExprOf<'binary'>): Code | undefined {
  const way = binaryOperations[e.op].lanes;
  if (e.type === 'f32' || way === undefined || (way.by === 'literal' && e.b.kind !== 'int')) return undefined;
  const a = lanes(p, e.a);
  const b = way.by === 'literal' ? value(p.body, e.b) : lanes(p, e.b);
  return a && b && way.code(a, b);
}

/** Both are computed, so neither may be what only one pass could. */
function selected(p: Passes, e: ExprOf<'select'>): Code | undefined {
  const { test } = e;
  if (test.kind !== 'compare' || test.type !== 'i32' || e.type !== 'i32') return undefined;
  const [a, b, yes, no] = [test.a, test.b, e.yes, e.no].map((part) => lanes(p, part));
  if (a === undefined || b === undefined || yes === undefined || no === undefined) return undefined;
  const plain = [e.yes, e.no].every((part) => part.kind === 'local' || part.kind === 'int');
  if (!plain) return undefined;
  const { picks, wasm } = compareOperations[test.op];
  const isPick = JSON.stringify([e.yes, e.no]) === JSON.stringify([test.a, test.b]);
  return isPick && picks !== undefined ? i32x4[picks](a, b) : choose(yes, no, wasm.i32x4(a, b));
}

const readers: Readonly<Partial<Record<Elem, (offset: number, address: Code) => Code>>> = {
  i32: load.v128,
  u8: (offset, address) => extend.u8(load.first32(offset, address)),
  i8: (offset, address) => extend.i8(load.first32(offset, address)),
};

/** What a table holds is loaded once for all statements: what is computed of it alone is then computed once, by V8. */
function loaded(p: Passes, e: ExprOf<'load'>): Code | undefined {
  const read = readers[e.elem];
  if (read === undefined || !isUnitStride(p, e.index) || p.vectors.has(e.from)) return undefined;
  const known = p.constants.get(JSON.stringify(e));
  if (known !== undefined) return known.get;
  const { address, offset } = placeOf(p.body, e.from, e.index, (index) => value(p.body, index));
  const code = read(offset, address);
  if (p.body.arrays.get(e.from)?.root.kind !== 'table') return code;
  const held = fresh(p.body, 'v128');
  p.constants.set(JSON.stringify(e), held);
  return [...held.set(code), ...held.get];
}

const called = (p: Passes, e: ExprOf<'call'>): Code | undefined =>
  applied(p, e, primitiveOf(e.primitive).lanes);

function applied(p: Passes, e: ExprOf<'call'>, way: Primitive['lanes']): Code | undefined {
  const args = e.args.map((arg) => lanes(p, arg));
  if (way === undefined || args.includes(undefined)) return undefined;
  const held = args.map(() => fresh(p.body, 'v128'));
  const sets = held.flatMap((local, i) => local.set(args[i] ?? []));
  return [...sets, ...way((type) => fresh(p.body, type), ...held.map(({ get }) => get))];
}

/** What is known of a number without running anything. */
function intervalOf({ kernel, arrays }: Body, e: Expr): Interval {
  if (e.kind === 'int') return { lo: e.value, hi: e.value };
  const root = e.kind === 'load' ? arrays.get(e.from)?.root : undefined;
  const table = root?.kind === 'table' ? kernel.tables[root.index] : undefined;
  return table === undefined ? allInts : { lo: smallestOf(table.data), hi: largestOf(table.data) };
}

/**
 * A value that is cut off at the limits of a byte afterwards: `near` of a primitive, to which a small number may be added.
 */
export function lanesNear(p: Passes, e: Expr): Code | undefined {
  if (e.kind === 'binary' && e.op === 'add' && e.b.kind === 'int' && Math.abs(e.b.value) <= 255) {
    const code = lanesNear(p, e.a);
    return code && i32x4.add(code, i32x4.splat(value(p.body, e.b)));
  }
  const near = e.kind === 'call' ? primitiveOf(e.primitive).near : undefined;
  if (e.kind !== 'call' || !near?.allows(...e.args.map((arg) => intervalOf(p.body, arg)))) return lanes(p, e);
  return applied(p, e, near.lanes);
}
