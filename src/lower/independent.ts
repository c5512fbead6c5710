/**
 * Whether passes of a loop may be taken some at a time: every statement in all of them, then the next statement. That
 * puts an access x of pass k in front of an access y of pass j wherever x stands before y in the body and j < k.
 * If one of them is a store, they must not meet in memory; shown by where the bytes are, not by what arrays are
 * called. Two cases are free. Nothing writes a table. And x may read where y writes through another slot: if they met,
 * the kernel would read a byte that another slot has overwritten, which no program does (a slot that is written is one
 * argument only).
 */

import { must } from '../base/errors.ts';
import { type Arrays, type Root, rootElem, rootLength, rootName } from '../ir/kernel/check.ts';
import { type Expr, type ExprOf, elemBytes, type PlainStmt, type StmtOf } from '../ir/kernel/kernel.ts';
import { expressionsOf, inlined, isLoad, type Loop, partsIn, statementsIn } from '../ir/kernel/walk.ts';

/** A kernel's arrays, and the bytes that its parameters begin at; absent where that is not known, as in C. */
export interface Memory {
  readonly arrays: Arrays;
  readonly starts?: readonly number[];
}

/** Passes from `from` up to `to`, `width` at a time. */
export interface Passes {
  readonly from: number;
  readonly to: number;
  readonly width: number;
}

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
    (part) => isLoad(part) || (part.kind === 'local' && (part.name === counter || varying.has(part.name))),
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

/** The first byte of an array, where that is a number. */
const startOf = ({ starts }: Memory, root: Root): number | undefined =>
  root.kind === 'param' ? starts?.[root.index] : undefined;

type Node = ExprOf<'load' | 'loadVector'> | StmtOf<'store'>;

function accessOf(m: Memory, scope: Scope, node: Node): Access {
  const { index, elem } = node;
  const name = node.kind === 'store' ? node.to : node.from;
  const { root, pointer } = must(m.arrays.get(name), `array '${name}' was checked`);
  const bytes = elemBytes[elem];
  const known = pointer ? undefined : startOf(m, root);
  const start: Linear =
    known === undefined
      ? { ...zero, terms: new Map([[`start of ${pointer ? name : rootName(root)}`, 1]]) }
      : { ...zero, constant: known };
  const isFixed = node.kind !== 'loadVector' && !scope.varying.has(name);
  const elements = isFixed ? linearOf(index, scope) : undefined;
  const address = elements && added(start, elements, bytes);
  return { store: node.kind === 'store', root, bytes, address };
}

/** In the order of execution, those of loops inside once: their names have many values. */
function accessesOf(m: Memory, loop: Loop): readonly Access[] {
  const varying = new Set([...statementsIn(loop.body)].flatMap((s) => ('name' in s ? [s.name] : [])));
  const scope: Scope = { counter: loop.name, varying };
  const of = (s: PlainStmt): readonly Access[] => {
    const loads = expressionsOf(s).flatMap((e) => [...partsIn(e)].filter(isLoad));
    const found = loads.map((load) => accessOf(m, scope, load));
    if (s.kind === 'for') found.push(...inlined(s.body).flatMap(of));
    if (s.kind === 'store') found.push(accessOf(m, scope, s));
    return found;
  };
  return inlined(loop.body).flatMap(of);
}

/** Whether the arrays are known to have no byte in common. */
function disjoint(m: Memory, x: Root, y: Root): boolean {
  if (x.kind === 'table' || y.kind === 'table') return rootName(x) !== rootName(y);
  const [from, other] = [startOf(m, x), startOf(m, y)];
  if (from === undefined || other === undefined) return false;
  const end = (start: number, root: Root): number => start + rootLength(root) * elemBytes[rootElem(root)];
  return end(from, x) <= other || end(other, y) <= from;
}

/** Whether x of a pass meets y of an earlier one that is taken with it. */
function meet(x: Access, y: Access, { from, to, width }: Passes): boolean {
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

/** Whether x, which stands in front of y, may be taken in front of it in other passes too. */
const areApart = (m: Memory, x: Access, y: Access, passes: Passes): boolean =>
  (!x.store && rootName(x.root) !== rootName(y.root)) || disjoint(m, x.root, y.root) || !meet(x, y, passes);

/** A loop inside that stores goes over its accesses in turns, which are not compared with each other. */
const storesInside = (loop: Loop): boolean =>
  [...statementsIn(loop.body)].some(
    (s) => s.kind === 'for' && [...statementsIn(s.body)].some((inner) => inner.kind === 'store'),
  );

/** @param loop without copies and fills, and stores of vectors */
export function isIndependent(m: Memory, loop: Loop, passes: Passes): boolean {
  if (storesInside(loop)) return false;
  const all = accessesOf(m, loop);
  const areAll = (before: readonly Access[], y: Access): boolean =>
    before.every((x) => !(x.store || y.store) || areApart(m, x, y, passes));
  return all.every((y, i) => areAll(all.slice(0, i), y));
}
