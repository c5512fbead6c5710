/** Statements for 16 neighbouring values of a counter at once, where all numbers are bytes: moves, tables, largest and smallest. */
import { gather, int, loadVector, local, storeVector } from '../ir/kernel/builders.ts';
import type { Expr, ExprOf, PlainStmt, Stmt } from '../ir/kernel/kernel.ts';
import { inlined } from '../ir/kernel/walk.ts';
import { applied, isOfLanes, type Lanes, picked } from './lanes.ts';
import { isNeighbour, mentions } from './neighbours.ts';

export const byteCount = 16;

type Bytes = Pick<Lanes, 'counter' | 'count' | 'vectors' | 'tables' | 'has' | 'gathers'>;

const varies = (l: Bytes, e: Expr): boolean => mentions(e, isOfLanes(l));

/** The byte in every lane; undefined where it may be none, or has no way. */
function inEveryLane(l: Bytes, e: Expr): Expr | undefined {
  if (!varies(l, e)) return isByte(e) ? applied(l, 'splat_u8x16', e) : undefined;
  if (e.kind === 'local') return l.vectors.has(e.name) ? local(e.name, 'u8x16') : undefined;
  if (e.kind === 'load' && e.elem === 'u8') return loaded(l, e);
  const pick = e.kind === 'select' ? picked(e) : undefined;
  if (e.kind !== 'select' || pick === undefined) return undefined;
  return applied(l, `${pick}_u8x16`, inEveryLane(l, e.yes), inEveryLane(l, e.no));
}

const isByte = (e: Expr): boolean =>
  e.kind === 'int' ? e.value >= 0 && e.value <= 255 : e.kind === 'load' && e.elem === 'u8';

function loaded(l: Bytes, e: ExprOf<'load'>): Expr | undefined {
  if (isNeighbour(e.index, l.counter, isOfLanes(l)))
    return loadVector('u8x16', e.from, 'u8', e.index, l.count);
  const index = l.gathers && l.tables.has(e.from) ? inEveryLane(l, e.index) : undefined;
  return index && gather('u8x16', e.from, 'u8', int(0), index, l.count);
}

function statement(l: Bytes, s: PlainStmt): Stmt | undefined {
  if (s.kind === 'comment') return s;
  if (s.kind === 'for') {
    const body = varies(l, s.from) || varies(l, s.to) ? undefined : inBytes(l, inlined(s.body));
    return body && { ...s, body };
  }
  if (s.kind === 'store') {
    const isNext = s.elem === 'u8' && isNeighbour(s.index, l.counter, isOfLanes(l));
    const value = isNext ? inEveryLane(l, s.value) : undefined;
    return value && storeVector('u8x16', s.to, 'u8', s.index, value, l.count);
  }
  if (s.kind !== 'let' && s.kind !== 'assign') return undefined;
  const value = s.kind === 'let' || l.vectors.has(s.name) ? inEveryLane(l, s.value) : undefined;
  if (value === undefined) return undefined;
  l.vectors.add(s.name);
  return { ...s, type: 'u8x16', value };
}

/** All statements in every lane; undefined where one has no way. */
export function inBytes(l: Bytes, body: readonly PlainStmt[]): readonly Stmt[] | undefined {
  const made: Stmt[] = [];
  for (const s of body) {
    const one = statement(l, s);
    if (one === undefined) return undefined;
    made.push(one);
  }
  return made;
}
