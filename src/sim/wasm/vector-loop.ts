/**
 * Loops whose passes do not depend on each other, four passes at a time: each local gets a lane for each pass.
 * What is left over runs pass by pass.
 */
import type { Expr, Stmt, StmtOf } from '../../ir/kernel/kernel.ts';
import { clamp } from '../../ir/kernel/prims/clamp.ts';
import type { Loop } from '../../ir/kernel/walk.ts';
import { type Code, int, repeat, when } from '../../wasm/code.ts';
import { i32, i32x4, narrow, plus, store } from '../../wasm/instructions.ts';
import { type Body, declare, fresh, type Passes, placeOf } from './body.ts';
import { value } from './expr.ts';
import { isIndependent } from './independent.ts';
import { isUnitStride, isVarying, lanes, lanesNear } from './vector-expr.ts';

const width = 4;

/** Code for the statement in every lane; undefined where there is none. */
function statement(p: Passes, s: Stmt): Code | undefined {
  switch (s.kind) {
    case 'let':
      return s.type === 'i32' ? declared(p, s) : undefined;
    case 'assign':
    case 'accumulate':
      return changed(p, s);
    case 'store':
      return stored(p, s);
    case 'comment':
      return [];
    case 'for':
      return nested(p, s);
    case 'pointer':
    case 'advance':
    case 'storeVector':
    case 'if':
    case 'copy':
    case 'fill':
    case 'startRows':
    case 'rowSum':
      return undefined;
    default:
      return s satisfies never;
  }
}

/** A loop that all lanes go through alike. */
function nested(p: Passes, s: Loop): Code | undefined {
  if ([s.from, s.to].some((e) => isVarying(p, e))) return undefined;
  const [from, to] = [value(p.body, s.from), value(p.body, s.to)];
  const counter = declare(p.body, s.name, 'i32');
  // What is loaded in here is not there behind it.
  const body = fourAtATime({ ...p, constants: new Map() }, s);
  if (body === undefined) return undefined;
  const more = i32.lt(counter.get, to);
  const next = counter.set(plus(counter.get, int(s.step)));
  return [...counter.set(from), ...when(more, repeat([...body, ...next], more))];
}

function declared(p: Passes, s: StmtOf<'let'>): Code | undefined {
  const code = lanes(p, s.value);
  if (code === undefined) return undefined;
  const local = fresh(p.body, 'v128');
  p.vectors.set(s.name, local);
  return local.set(code);
}

function changed(p: Passes, s: StmtOf<'assign' | 'accumulate'>): Code | undefined {
  const local = p.vectors.get(s.name);
  const code = lanes(p, s.value);
  if (local === undefined || code === undefined) return undefined;
  return local.set(s.kind === 'assign' ? code : i32x4.add(local.get, code));
}

const limits = { u8: [0, 255], i8: [-128, 127] } as const;

/** Bytes are cut off at their limits when they are narrowed. */
function unlimited({ elem, value: e }: StmtOf<'store'>): Expr {
  if (e.kind !== 'call' || e.primitive !== clamp.name || (elem !== 'u8' && elem !== 'i8')) return e;
  const [x, ...own] = e.args;
  const isWhole = JSON.stringify(own) === JSON.stringify(limits[elem].map(int32));
  return isWhole && x !== undefined ? x : e;
}

function stored(p: Passes, s: StmtOf<'store'>): Code | undefined {
  const cut = unlimited(s);
  const code = cut === s.value ? lanes(p, cut) : lanesNear(p, cut);
  if (code === undefined || !isUnitStride(p, s.index)) return undefined;
  const { address, offset } = placeOf(p.body, s.to, s.index, (e) => value(p.body, e));
  if (s.elem === 'i32') return store.v128(offset, address, code);
  if (s.elem !== 'u8' && s.elem !== 'i8') return undefined;
  const held = fresh(p.body, 'v128');
  return [...held.set(code), ...store.i32(offset, address, i32x4.first(narrow[s.elem](held.get)))];
}

function fourAtATime(p: Passes, s: Loop): Code | undefined {
  const all: Code[] = [];
  for (const inner of s.body) {
    const code = statement(p, inner);
    if (code === undefined) return undefined;
    all.push(code);
  }
  return all;
}

/** The loop four passes at a time, and the passes left over as a loop; undefined where that cannot be. */
export function vectorLoop(
  b: Body,
  s: Loop,
): { readonly code: Code; readonly rest: Loop | undefined } | undefined {
  const { from, to } = s;
  if (!b.vectors || s.step !== 1 || from.kind !== 'int' || to.kind !== 'int') return undefined;
  const whole = Math.floor((to.value - from.value) / width) * width;
  const end = from.value + whole;
  if (whole < width || !isIndependent(b, s, from.value, end, width)) return undefined;
  const counter = declare(b, s.name, 'i32');
  const code = fourAtATime({ body: b, counter: s.name, vectors: new Map(), constants: new Map() }, s);
  if (code === undefined) return undefined;
  b.widened.push(s.name);
  return {
    code: [
      ...counter.set(int(from.value)),
      ...repeat([...code, ...counter.set(plus(counter.get, int(width)))], i32.lt(counter.get, int(end))),
    ],
    rest: end === to.value ? undefined : { ...s, from: int32(end) },
  };
}

const int32 = (n: number) => ({ kind: 'int', value: n }) as const;
