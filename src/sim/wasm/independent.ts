/**
 * Whether passes of a loop may be taken four at a time: every statement in all four, then the next statement. That
 * puts an access x of pass k in front of an access y of pass j wherever x stands before y in the body and j < k.
 * If one of them is a store, they must not meet in memory; shown by where the bytes are, not by what arrays are
 * called. One case is free: x reads and y writes through another slot. If they met, the kernel would read a byte
 * that another slot has overwritten, which no program does (a slot that is written is one argument only).
 */

import { must } from '../../base/errors.ts';
import { type Root, rootElem, rootLength } from '../../ir/kernel/check.ts';
import { type Elem, type Expr, elemBytes, type PlainStmt } from '../../ir/kernel/kernel.ts';
import type { Loop } from '../../ir/kernel/walk.ts';
import { expressionsOf, inlined, partsIn, statementsIn } from '../../ir/kernel/walk.ts';
import { type Body, baseOf } from './body.ts';

/** constant + counter * (the loop's counter) + terms, each a text times a factor. */
interface Linear {
  readonly constant: number;
  readonly counter: number;
  readonly terms: ReadonlyMap<string, number>;
}

interface Access {
  readonly store: boolean;
  readonly root: Root;
  readonly bytes: number;
  /** Its address; undefined where that is not linear. */
  readonly address: Linear | undefined;
}

const added = (a: Linear, b: Linear, factor: number): Linear => {
  const terms = new Map(a.terms);
  for (const [text, by] of b.terms) {
    const sum = (terms.get(text) ?? 0) + factor * by;
    if (sum === 0) terms.delete(text);
    else terms.set(text, sum);
  }
  return {
    constant: a.constant + factor * b.constant,
    counter: a.counter + factor * b.counter,
    terms,
  };
};

const zero: Linear = { constant: 0, counter: 0, terms: new Map() };

/** What an expression depends on, in one loop. */
interface Scope {
  readonly counter: string;
  /** Names that have another value in each pass, besides the counter. */
  readonly varying: ReadonlySet<string>;
}

/** What has the same value whenever it is computed in the loop, by its text; undefined for all else. */
function opaque(e: Expr, { counter, varying }: Scope): Linear | undefined {
  const varies = [...partsIn(e)].some(
    (part) =>
      part.kind === 'load' || (part.kind === 'local' && (part.name === counter || varying.has(part.name))),
  );
  return varies ? undefined : { ...zero, terms: new Map([[JSON.stringify(e), 1]]) };
}

function linearOf(e: Expr, scope: Scope): Linear | undefined {
  if (e.kind === 'int') return { ...zero, constant: e.value };
  if (e.kind === 'local' && e.name === scope.counter) return { ...zero, counter: 1 };
  if (e.kind !== 'binary' || e.type === 'f32') return opaque(e, scope);
  if (e.op === 'add' || e.op === 'sub') {
    const [a, b] = [linearOf(e.a, scope), linearOf(e.b, scope)];
    return a && b && added(a, b, e.op === 'add' ? 1 : -1);
  }
  if (e.op !== 'mul') return opaque(e, scope);
  const [factor, other] = e.a.kind === 'int' ? [e.a, e.b] : [e.b, e.a];
  const found = linearOf(other, scope);
  return factor.kind === 'int' && found ? added(zero, found, factor.value) : opaque(e, scope);
}

function accessOf(b: Body, scope: Scope, name: string, index: Expr, elem: Elem, store: boolean): Access {
  const { root, pointer } = must(b.arrays.get(name), `array '${name}' was checked`);
  const bytes = elemBytes[elem];
  const start: Linear = pointer
    ? { ...zero, terms: new Map([[`pointer ${name}`, 1]]) }
    : { ...zero, constant: baseOf(b, root) };
  const elements = linearOf(index, scope);
  return { store, root, bytes, address: elements && added(start, elements, bytes) };
}

/** In the order of execution, those of loops inside once: their names have many values. */
function accessesOf(b: Body, loop: Loop): readonly Access[] {
  const varying = new Set([...statementsIn(loop.body)].flatMap((s) => ('name' in s ? [s.name] : [])));
  const scope: Scope = { counter: loop.name, varying };
  const of = (s: PlainStmt): readonly Access[] => {
    const found: Access[] = [];
    for (const e of expressionsOf(s))
      for (const part of partsIn(e))
        if (part.kind === 'load') found.push(accessOf(b, scope, part.from, part.index, part.elem, false));
    if (s.kind === 'for') found.push(...inlined(s.body).flatMap(of));
    if (s.kind === 'store') found.push(accessOf(b, scope, s.to, s.index, s.elem, true));
    return found;
  };
  return inlined(loop.body).flatMap(of);
}

/** Whether the arrays have no byte in common. */
function disjoint(b: Body, x: Root, y: Root): boolean {
  const [from, other] = [baseOf(b, x), baseOf(b, y)];
  const end = (start: number, root: Root): number => start + rootLength(root) * elemBytes[rootElem(root)];
  return end(from, x) <= other || end(other, y) <= from;
}

/** Whether x of a pass meets y of an earlier one of the same four, for passes from `from` up to `to`. */
function meet(x: Access, y: Access, from: number, to: number, width: number): boolean {
  const distance = x.address && y.address && added(x.address, y.address, -1);
  if (x.address === undefined || y.address === undefined || distance === undefined) return true;
  if (distance.terms.size > 0) return true;
  for (let first = from; first < to; first += width)
    for (let k = first + 1; k < first + width; k++)
      for (let j = first; j < k; j++) {
        const bytes = distance.constant + x.address.counter * k - y.address.counter * j;
        if (-x.bytes < bytes && bytes < y.bytes) return true;
      }
  return false;
}

const mustNotMeet = (x: Access, y: Access): boolean =>
  x.store || (y.store && x.root.kind === y.root.kind && x.root.index === y.root.index);

/** A loop inside that stores goes over its accesses in turns, which are not compared with each other. */
const storesInside = (loop: Loop): boolean =>
  [...statementsIn(loop.body)].some(
    (s) => s.kind === 'for' && [...statementsIn(s.body)].some((inner) => inner.kind === 'store'),
  );

/** @param to where the last whole `width` passes end */
export function isIndependent(b: Body, loop: Loop, from: number, to: number, width: number): boolean {
  if (storesInside(loop)) return false;
  const all = accessesOf(b, loop);
  return all.every((x, i) =>
    all
      .slice(i + 1)
      .every((y) => !mustNotMeet(x, y) || disjoint(b, x.root, y.root) || !meet(x, y, from, to, width)),
  );
}
