/** Expressions as code that computes their bounds and joins them into the quantities of their rules. */

import { type Root, rootLength, rootName } from '../../ir/kernel/check.ts';
import { allInts, type Interval, maxInt, minInt } from '../../ir/kernel/interval.ts';
import { type Expr, type ExprOf, lanesOf } from '../../ir/kernel/kernel.ts';
import { type CompareOp, compareOperations } from '../../ir/kernel/operations.ts';
import { exprText, type KernelNode } from '../../ir/kernel/text.ts';
import { partsOf, typeOf } from '../../ir/kernel/walk.ts';
import { arithmetic, sum } from './arithmetic.ts';
import { isFixed } from './binding-time.ts';
import {
  arrayOf,
  between,
  type Code,
  cannotHold,
  contentRange,
  fresh,
  inBlock,
  indexRange,
  isOne,
  literal,
  mustLie,
  mustLieNear,
  one,
  pair,
  type Value,
  variable,
} from './bounds.ts';
import { callBounds } from './runtime.ts';

/** Emits the code of an i32 expression; the result names its bounds. */
export function bounds(c: Code, e: Expr): Value {
  if (c.trace && !isFixed(c.times, e)) {
    reads(c, e);
    return between(allInts);
  }
  switch (e.kind) {
    case 'int':
      return literal(e.value);
    case 'local':
      return variable(c, e.name);
    case 'binary':
      return arithmetic(c, e, bounds(c, e.a), bounds(c, e.b));
    case 'compare':
      return truthBounds(c, truth(c, e));
    case 'select':
      return select(c, e);
    case 'load':
      return load(c, e);
    case 'loadVector':
      return loadVector(c, e);
    case 'toInt':
      effects(c, e.value);
      cannotHold(c, e, 'a float value, which is not followed');
      return between(allInts);
    case 'call':
      return call(c, e);
    case 'float':
    case 'toFloat':
      return between(allInts);
    default:
      return e satisfies never;
  }
}

/** Emits what an f32 expression does besides its value: the checks and accesses of its parts. */
export function effects(c: Code, e: Expr): void {
  if (c.trace) {
    reads(c, e);
    return;
  }
  if (typeOf(e) !== 'f32') {
    bounds(c, e);
    return;
  }
  switch (e.kind) {
    case 'binary':
      effects(c, e.a);
      effects(c, e.b);
      return;
    case 'select':
      branch(c, truth(c, e.test), [() => effects(c, e.yes), () => effects(c, e.no)]);
      return;
    case 'load':
      access(c, e);
      return;
    case 'toFloat':
      bounds(c, e.value);
      return;
    case 'call':
      callArguments(c, e);
      return;
    case 'int':
    case 'float':
    case 'local':
    case 'compare':
    case 'loadVector':
    case 'toInt':
      return;
    default:
      e satisfies never;
  }
}

/** Emits the reads of an expression for a trace; what is fixed reads tables only. */
function reads(c: Code, e: Expr): void {
  if (isFixed(c.times, e)) return;
  if (e.kind === 'load') access(c, e);
  else if (e.kind === 'loadVector') stretch(c, e);
  else if (e.kind === 'select' && isFixed(c.times, e.test))
    branch(c, truth(c, e.test), [() => reads(c, e.yes), () => reads(c, e.no)]);
  else for (const part of partsOf(e)) reads(c, part);
}

/** A condition: JavaScript for 0, 1, or 2 where the intervals do not decide it. */
export interface Truth {
  readonly js: string;
  readonly decided: boolean;
}

export function truth(c: Code, e: Expr): Truth {
  if (c.trace && !isFixed(c.times, e)) {
    reads(c, e);
    return { js: '2', decided: false };
  }
  if (e.kind !== 'compare') return comparison(c, 'ne', bounds(c, e), literal(0));
  if (e.type === 'i32') return comparison(c, e.op, bounds(c, e.a), bounds(c, e.b));
  effects(c, e.a);
  effects(c, e.b);
  return { js: '2', decided: false };
}

function comparison(c: Code, op: CompareOp, a: Value, b: Value): Truth {
  const { js, always, opposite } = compareOperations[op];
  const decided = isOne(a) && isOne(b);
  const never = compareOperations[opposite].always(a, b);
  const test = decided ? `${a.lo} ${js} ${b.lo} ? 1 : 0` : `${always(a, b)} ? 1 : ${never} ? 0 : 2`;
  return { js: one(c, test).lo, decided };
}

function truthBounds(c: Code, t: Truth): Value {
  if (t.decided) return { lo: t.js, hi: t.js, min: 0, max: 1 };
  return pair(c, `${t.js} === 1 ? 1 : 0`, `${t.js} === 0 ? 0 : 1`, 0, 1);
}

/** Emits both arms, each where the condition may take it. An undecided arm may not run in every run. */
function branch(c: Code, t: Truth, [yes, no]: readonly [() => void, () => void]): void {
  const maybe = t.decided ? '' : ` maybe += ${t.js} >> 1;`;
  const done = t.decided ? '' : `maybe -= ${t.js} >> 1;`;
  c.lines.push(`if (${t.js} !== 0) {${maybe}`);
  inBlock(c, yes);
  c.lines.push(`${done}}`, `if (${t.js} !== 1) {${maybe}`);
  inBlock(c, no);
  c.lines.push(`${done}}`);
}

function select(c: Code, e: ExprOf<'select'>): Value {
  const extreme = extremeOf(e);
  if (extreme !== undefined) return largerOrSmaller(c, extreme, bounds(c, e.yes), bounds(c, e.no));
  const t = truth(c, e.test);
  const [lo, hi] = [fresh(c), fresh(c)];
  c.lines.push(`let ${lo} = ${maxInt}, ${hi} = ${minInt};`);
  const arms: Value[] = [];
  const arm = (part: Expr) => () => {
    const v = bounds(c, part);
    arms.push(v);
    c.lines.push(`if (${v.lo} < ${lo}) ${lo} = ${v.lo}; if (${v.hi} > ${hi}) ${hi} = ${v.hi};`);
  };
  branch(c, t, [arm(e.yes), arm(e.no)]);
  const [min, max] = [Math.min(...arms.map((v) => v.min)), Math.max(...arms.map((v) => v.max))];
  if (t.decided && arms.every(isOne)) return { lo, hi: lo, min, max };
  return { lo, hi, min, max };
}

/** Expressions such as `a > b ? a : b`: the larger or smaller of two values, whose bounds are exact. */
function extremeOf(e: ExprOf<'select'>): 'max' | 'min' | undefined {
  const { test } = e;
  const picks = test.kind === 'compare' && test.type === 'i32' && compareOperations[test.op].picks;
  if (!picks) return undefined;
  const [a, b, yes, no] = [test.a, test.b, e.yes, e.no].map(exprText);
  const straight = a === yes && b === no;
  if (!straight && !(a === no && b === yes)) return undefined;
  return straight ? picks : picks === 'max' ? 'min' : 'max';
}

function largerOrSmaller(c: Code, which: 'max' | 'min', a: Value, b: Value): Value {
  const f = which === 'max' ? Math.max : Math.min;
  const pick = (x: string, y: string) => `${x} ${which === 'max' ? '>' : '<'} ${y} ? ${x} : ${y}`;
  const [min, max] = [f(a.min, b.min), f(a.max, b.max)];
  if (isOne(a) && isOne(b)) return one(c, pick(a.lo, b.lo), min, max);
  return pair(c, pick(a.lo, b.lo), pick(a.hi, b.hi), min, max);
}

/** The element that an access reaches, from the start of the array; notes the rule and the read. */
export function access(c: Code, e: ExprOf<'load'>): { readonly root: Root; readonly at: Value } {
  const at = position(c, e.from, bounds(c, e.index));
  const { root } = arrayOf(c, e.from);
  indexRule(c, e, e.from, e.index, at);
  traceRead(c, root, at, literal(1));
  return { root, at };
}

/** 0 <= index < length */
export function indexRule(c: Code, node: KernelNode, name: string, index: Expr, at: Value): void {
  const { root, pointer } = arrayOf(c, name);
  const rest = { what: `index into ${rootName(root)}`, address: true } as const;
  if (pointer && index.kind === 'int') mustLieNear(c, at, node, indexRange(root), rest, [name, index.value]);
  else mustLie(c, at, node, indexRange(root), rest);
}

/** Index 0 of a pointer's name is where the pointer stands. */
export function position(c: Code, name: string, index: Value): Value {
  return arrayOf(c, name).pointer ? sum(c, variable(c, name), index) : index;
}

/** Notes that `count` elements from `at` on are read now. */
export function traceRead(c: Code, root: Root, at: Value, count: Value): void {
  if (!c.trace || root.kind !== 'param' || root.param.role !== 'in') return;
  if (!isOne(at) || !isOne(count)) c.lines.push('traced.known = false;');
  else if (count.lo === '1') c.lines.push(`reads_${root.param.name}[${at.lo}] = now;`);
  else c.lines.push(`reads_${root.param.name}.fill(now, ${at.lo}, ${at.lo} + ${count.lo});`);
}

/** Places in which a stretch of elements may lie: its start and its end. */
export function stretchRules(c: Code, node: KernelNode, root: Root, at: Value, count: Value): void {
  const allowed = { lo: 0, hi: rootLength(root) };
  mustLie(c, at, node, allowed, { what: `index into ${rootName(root)}`, address: true });
  const end = `end of a stretch of ${rootName(root)}`;
  mustLie(c, sum(c, at, count), node, allowed, { what: end, address: true });
}

function load(c: Code, e: ExprOf<'load'>): Value {
  const { root, at } = access(c, e);
  const range = contentRange(c, root) ?? allInts;
  if (root.kind === 'param') {
    if (!c.followed.has(root.param.name)) return between(range);
    return followedLoad(c, root.param.name, at, range);
  }
  return tableLoad(c, `table_${root.table.name}`, rootLength(root), at, range);
}

/** The elements that a vector is loaded from; notes the rules and the reads. */
function stretch(c: Code, e: ExprOf<'loadVector'>) {
  const first = position(c, e.from, bounds(c, e.index));
  const at = e.offsets === undefined ? first : sum(c, first, bounds(c, e.offsets));
  const count = e.offsets === undefined ? bounds(c, e.count) : literal(1);
  const { root } = arrayOf(c, e.from);
  mustLie(c, count, e, { lo: 0, hi: lanesOf[e.type] }, { what: 'number of lanes' });
  stretchRules(c, e, root, at, count);
  traceRead(c, root, at, count);
  return { root, at, count };
}

/**
 * What the elements that are read may be; undefined where any of the array may be. Those of large tables, weights, are
 * not looked at one by one: lanes are bounded together anyway, and the same bounds everywhere make for few different
 * calls.
 */
function stretchRange(c: Code, { root, at, count }: ReturnType<typeof stretch>): string | undefined {
  const places = `${at.lo}, ${at.hi} + ${count.hi} - 1`;
  if (root.kind === 'table')
    return rootLength(root) > 256 ? undefined : `tableRange(table_${root.table.name}, ${places})`;
  return c.followed.has(root.param.name) ? `readFollowed(memory_${root.param.name}, ${places})` : undefined;
}

/** One interval for all lanes; those that are not loaded are 0. */
function loadVector(c: Code, e: ExprOf<'loadVector'>): Value {
  const found = stretch(c, e);
  const all = contentRange(c, found.root) ?? allInts;
  const isWhole = found.count.min === lanesOf[e.type];
  const known = isWhole ? all : { lo: Math.min(0, all.lo), hi: Math.max(0, all.hi) };
  const read = stretchRange(c, found);
  if (read === undefined) return between(known);
  const r = fresh(c);
  c.lines.push(`const ${r} = ${read};`);
  const zero = isWhole ? '' : ', 0';
  return pair(c, `min(${r}.lo${zero})`, `max(${r}.hi${zero})`, known.lo, known.hi);
}

/** The bounds of one element are read in place: the inner loop of every kernel with a patch buffer. */
function followedLoad(c: Code, name: string, at: Value, range: Interval): Value {
  if (!isOne(at)) return fromRange(c, `readFollowed(memory_${name}, ${at.lo}, ${at.hi})`, range);
  const known = { min: Math.min(0, range.lo), max: Math.max(0, range.hi) };
  return pair(c, `low_${name}[${at.lo}] | 0`, `high_${name}[${at.lo}] | 0`, known.min, known.max);
}

/** Outside of the table the code goes on with 0; the broken rule is noted already. */
function tableLoad(c: Code, table: string, length: number, at: Value, range: Interval): Value {
  const inside = at.min >= 0 && at.max < length;
  const known = inside ? range : { lo: Math.min(0, range.lo), hi: Math.max(0, range.hi) };
  if (isOne(at)) return one(c, `${table}[${at.lo}]${inside ? '' : ' | 0'}`, known.lo, known.hi);
  if (at.min === 0 && at.max === length - 1) return between(range);
  return fromRange(c, `tableRange(${table}, ${at.lo}, ${at.hi})`, known);
}

function fromRange(c: Code, js: string, known: Interval): Value {
  const r = fresh(c);
  c.lines.push(`const ${r} = ${js};`);
  return pair(c, `${r}.lo`, `${r}.hi`, known.lo, known.hi);
}

function callArguments(c: Code, e: ExprOf<'call'>): readonly Value[] {
  return e.args.map((arg) => {
    if (typeOf(arg) !== 'f32') return bounds(c, arg);
    effects(c, arg);
    return { lo: '-Infinity', hi: 'Infinity', min: minInt, max: maxInt };
  });
}

function call(c: Code, e: ExprOf<'call'>): Value {
  const args = callArguments(c, e);
  const fixed = e.type === 'i32' && args.every(isOne) && e.args.every((arg) => typeOf(arg) === 'i32');
  if (!fixed && args.every(isKnown)) return knownCall(c, e, args);
  const widest = fixed ? boundsOfCall(e.primitive, args) : undefined;
  const plain = `prim_${e.primitive}(${args.map((a) => a.lo).join(', ')}) | 0`;
  if (widest !== undefined && widest.violation === undefined) return one(c, plain, widest.lo, widest.hi);
  const r = fresh(c);
  c.lines.push(`const ${r} = call_${e.primitive}(${args.map((a) => `${a.lo}, ${a.hi}`).join(', ')});`);
  c.lines.push(`if (${r}.violation !== undefined) {`);
  cannotHold(c, e, broken);
  c.lines.push('}');
  if (widest !== undefined) return one(c, plain, widest.lo, widest.hi);
  return { lo: `${r}.lo`, hi: `${r}.hi`, min: minInt, max: maxInt };
}

const broken = 'precondition of the arguments';

/** Of all runs through the code. */
const boundsOfCall = (primitive: string, args: readonly Value[]) =>
  callBounds(primitive)(...args.flatMap(({ min, max }) => [min, max]));

/** Whether the bounds are the same at every run through the code. */
const isKnown = ({ lo, hi, min, max }: Value): boolean => lo === String(min) && hi === String(max);

function knownCall(c: Code, e: ExprOf<'call'>, args: readonly Value[]): Value {
  const { lo, hi, violation } = boundsOfCall(e.primitive, args);
  if (violation !== undefined) cannotHold(c, e, broken);
  return between({ lo, hi });
}
