/**
 * Code that runs a kernel on intervals: i32 values that depend on the input are pairs of bounds, all others are
 * plain numbers. This file holds the state of the translation and the arithmetic of such values.
 */
import { must } from '../../ir/errors.ts';
import type { Kernel } from '../../ir/kernel.ts';
import { type ArrayName, elemRange, type Root, rootLength } from '../../ir/kernel-check.ts';
import type { KernelNode } from '../../ir/kernel-text.ts';
import type { Interval } from '../../ir/primitive.ts';
import type { BindingTimes } from './binding-time.ts';

export const minInt = -2147483648;
export const maxInt = 2147483647;
export const allInts: Interval = { lo: minInt, hi: maxInt };

/**
 * An i32 in generated code. `lo` and `hi` are names or literals, the same text when the value is one number;
 * `min` and `max` hold at every run through that code, known while translating.
 */
export interface Value {
  readonly lo: string;
  readonly hi: string;
  readonly min: number;
  readonly max: number;
}

/** A number that a rule or the report cares about, joined over all times that it was seen. */
export interface Quantity {
  readonly node: KernelNode;
  /** What the rule allows; everything for a quantity that is only reported. */
  readonly allowed: Interval;
  /** What the number is, for the report. */
  readonly what: string;
  /** The local whose value it is. */
  readonly local?: string;
  /** The parameter that it is stored to. */
  readonly storedTo?: string;
}

export interface Code {
  readonly kernel: Kernel;
  readonly times: BindingTimes;
  /** Bounds of what parameters hold when the kernel starts, where they are tighter than their types. */
  readonly inputRanges: ReadonlyMap<string, Interval>;
  /** Emit lines that note when each element is read and written. */
  readonly trace: boolean;
  /** Parameters whose elements' bounds are followed, because they are written and read. */
  readonly followed: ReadonlySet<string>;
  readonly lines: string[];
  readonly quantities: Quantity[];
  /** Bounds of immutable locals and of counters, known while translating. */
  readonly staticBounds: Map<string, Interval>;
  readonly tableBounds: Map<string, Interval>;
  names: number;
}

export const fresh = (c: Code): string => `v${c.names++}`;

export const literal = (x: number): Value => ({ lo: String(x), hi: String(x), min: x, max: x });
export const isOne = (v: Value): boolean => v.lo === v.hi;
export const between = (range: Interval): Value =>
  range.lo === range.hi
    ? literal(range.lo)
    : { lo: String(range.lo), hi: String(range.hi), min: range.lo, max: range.hi };

/** A new constant with this value; its bounds are cut to i32, which holds wherever no rule was broken. */
export function one(c: Code, js: string, min = minInt, max = maxInt): Value {
  const name = fresh(c);
  c.lines.push(`const ${name} = ${js};`);
  return { lo: name, hi: name, min: Math.max(min, minInt), max: Math.min(max, maxInt) };
}

export function pair(c: Code, lo: string, hi: string, min = minInt, max = maxInt): Value {
  const [a, b] = [fresh(c), fresh(c)];
  c.lines.push(`const ${a} = ${lo}, ${b} = ${hi};`);
  return { lo: a, hi: b, min: Math.max(min, minInt), max: Math.min(max, maxInt) };
}

type Rest = Omit<Quantity, 'node' | 'allowed'>;

/** Joins the value into a quantity of `node`, unless its bounds already show that the rule holds. */
export function mustLie(c: Code, v: Value, node: KernelNode, allowed: Interval, rest: Rest): void {
  const known = v.min >= allowed.lo && v.max <= allowed.hi;
  if (!known || rest.local !== undefined || rest.storedTo !== undefined)
    note(c, v, { node, allowed, ...rest });
}

function note(c: Code, v: Value, quantity: Quantity): void {
  const k = c.quantities.push(quantity) - 1;
  c.lines.push(`if (${v.lo} < L${k}) L${k} = ${v.lo}; if (${v.hi} > H${k}) H${k} = ${v.hi};`);
}

/** Joins into the report what no rule limits. */
export const noteOnly = (c: Code, v: Value, node: KernelNode, rest: Rest): void =>
  note(c, v, { node, allowed: { lo: -Infinity, hi: Infinity }, ...rest });

/** A rule that is broken or cannot be judged whenever this code is reached. */
export const cannotHold = (c: Code, node: KernelNode, what: string): void =>
  note(c, literal(1), { node, allowed: { lo: 0, hi: 0 }, what });

/**
 * The i32 that an exact result (bounds may lie outside of i32) has where it does not overflow; the overflow
 * rule is noted for `node`.
 */
export function wrapped(c: Code, exact: Value, node: KernelNode, rest: Rest): Value {
  mustLie(c, exact, node, allInts, rest);
  if (exact.min >= minInt && exact.max <= maxInt) return exact;
  if (isOne(exact)) return one(c, `${exact.lo} | 0`);
  return pair(c, `clampInt(${exact.lo})`, `clampInt(${exact.hi})`);
}

/** Like `one` and `pair`, but the bounds may leave i32. */
export function exactly(c: Code, single: boolean, lo: string, hi: string, bounds: Interval): Value {
  const v = single ? one(c, lo) : pair(c, lo, hi);
  return { ...v, min: bounds.lo, max: bounds.hi };
}

export const arrayOf = (c: Code, name: string): ArrayName =>
  must(c.times.arrays.get(name), `array '${name}' was checked`);

export const jsName = (name: string): string => `$${name}`;

/** The JavaScript variables of a local or pointer. */
export function variable(c: Code, name: string): Value {
  const bounds = c.staticBounds.get(name) ?? allInts;
  const js = jsName(name);
  const dependent = c.times.dependent.has(name);
  return {
    lo: dependent ? `${js}$lo` : js,
    hi: dependent ? `${js}$hi` : js,
    min: bounds.lo,
    max: bounds.hi,
  };
}

/** The lines that give a name its value; `declare` is `let ` or empty. */
export function setVariable(c: Code, name: string, v: Value, declare: string): void {
  const { lo, hi } = variable(c, name);
  c.lines.push(lo === hi ? `${declare}${lo} = ${v.lo};` : `${declare}${lo} = ${v.lo};`);
  if (lo !== hi) c.lines.push(`${declare}${hi} = ${v.hi};`);
}

/** Bounds of everything that an array can hold; undefined for f32. */
export function contentRange(c: Code, root: Root): Interval | undefined {
  if (root.kind === 'param') {
    const given = root.param.role === 'in' ? c.inputRanges.get(root.param.name) : undefined;
    return given ?? elemRange(root.param.elem);
  }
  if (root.table.elem === 'f32') return undefined;
  const known = c.tableBounds.get(root.table.name);
  if (known !== undefined) return known;
  let [lo, hi] = [maxInt, minInt];
  for (const x of root.table.data) {
    if (x < lo) lo = x;
    if (x > hi) hi = x;
  }
  const bounds = lo > hi ? { lo: 0, hi: 0 } : { lo, hi };
  c.tableBounds.set(root.table.name, bounds);
  return bounds;
}

/** The index rule of an access: 0 <= index < length. */
export const indexRange = (root: Root): Interval => ({ lo: 0, hi: rootLength(root) - 1 });
