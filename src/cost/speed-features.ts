/** What one run through a statement executes, in kinds of operations whose costs differ between chips. */
import { at } from '../base/errors.ts';
import type { Expr, PlainStmt, Stmt } from '../ir/kernel/kernel.ts';
import { expressionsOf, inlined, isLoad, partsOf } from '../ir/kernel/walk.ts';
import { kindOf, placesIn } from './kinds.ts';

export const features = [
  /** Once per kernel, per entered loop, per pass of a loop, per `if` that is decided. */
  'kernel',
  'loop',
  'pass',
  'branch',
  'loadNear',
  'loadFar',
  'loadWide',
  'store',
  /** Accumulation of a product; products elsewhere. */
  'mac',
  'mul',
  'add',
  'bits',
  'select',
  'divide',
  'start',
  'pointer',
  'advance',
  'signExtend',
  'clamp',
  'requantize64',
  'requantize32',
  'otherCall',
  /** Calls of memcpy and memset, and their bytes. */
  'block',
  'blockByte',
  /** Values beyond 7 and beyond 11 that an innermost loop keeps, per pass: they are spilled. */
  'over7',
  'over11',
] as const;

export type Feature = (typeof features)[number];
/** Of each feature; no typed array, which takes ten times as long to make, and one is made for every statement. */
export type Counts = number[];

const placeOf = placesIn(features);

export const noCounts = (): Counts => features.map(() => 0);

export function count(counts: Counts, feature: Feature, times = 1): void {
  const place = placeOf(feature);
  counts[place] = at(counts, place) + times;
}

/** counts += times * more; read unchecked, as it runs for every statement of every pass: all counts have the same length */
export function addTimes(counts: Counts, more: Counts, times: number): void {
  for (let i = 0; i < counts.length; i++) counts[i] = (counts[i] as number) + times * (more[i] as number);
}

/** A comparison is half of the choice that it is made for, mostly. */
function countExpr(counts: Counts, e: Expr): void {
  for (const part of partsOf(e)) countExpr(counts, part);
  const kind = kindOf(e);
  if (kind !== undefined) count(counts, kind, kind === 'select' ? 0.5 : 1);
}

function countAccumulate(counts: Counts, value: Expr): void {
  if (value.kind !== 'binary' || value.op !== 'mul') {
    countExpr(counts, value);
    count(counts, 'add');
    return;
  }
  countExpr(counts, value.a);
  countExpr(counts, value.b);
  count(counts, 'mac');
}

/** The statement itself, without what its blocks do or how often they run. */
export function countStmt(counts: Counts, s: PlainStmt): void {
  if (s.kind === 'accumulate') {
    countAccumulate(counts, s.value);
    return;
  }
  for (const e of expressionsOf(s)) countExpr(counts, e);
  if (s.kind === 'store' || s.kind === 'storeVector') count(counts, 'store');
  if (s.kind === 'pointer') count(counts, 'pointer');
  if (s.kind === 'advance') count(counts, 'advance');
  if (s.kind === 'let' && s.mutable) count(counts, 'start');
  if (s.kind === 'copy' || s.kind === 'fill') count(counts, 'block');
  if (s.kind === 'if') count(counts, 'branch');
  if (s.kind === 'for') count(counts, 'loop');
}

/** Names that an innermost loop's body reads or changes and that live longer than a pass, and its counter. */
export function valuesHeld(body: readonly Stmt[]): number {
  const held = new Set<string>();
  const inner = new Set<string>();
  for (const s of inlined(body)) {
    if (s.kind === 'let' || s.kind === 'pointer') inner.add(s.name);
    if (s.kind === 'accumulate' || s.kind === 'assign' || s.kind === 'advance') held.add(s.name);
    for (const e of expressionsOf(s)) addNames(e, held);
  }
  return [...held].filter((name) => !inner.has(name)).length + 3;
}

/** Locals and arrays that the expression reads. */
export function addNames(e: Expr, names: Set<string>): void {
  if (e.kind === 'local') names.add(e.name);
  if (isLoad(e)) names.add(e.from);
  for (const part of partsOf(e)) addNames(part, names);
}
