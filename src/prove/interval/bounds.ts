/**
 * Code that runs a kernel on intervals: i32 values that depend on the input are pairs of bounds, all others
 * are plain numbers. This file holds the state of the translation and the arithmetic of such values.
 */
import { must } from '../../base/errors.ts';
import { type ArrayName, elemRange, type Root, rootLength } from '../../ir/kernel/check.ts';
import { allInts, type Interval, isInt32, maxInt, minInt } from '../../ir/kernel/interval.ts';
import type { Expr, ExprOf, Kernel, StmtOf } from '../../ir/kernel/kernel.ts';
import { binaryOperations } from '../../ir/kernel/operations.ts';
import type { KernelNode } from '../../ir/kernel/text.ts';
import type { BindingTimes } from './binding-time.ts';
import type { RepeatPlan } from './repeats.ts';
import { tableRange } from './runtime.ts';
import type { RowPlan } from './walked-rows.ts';

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
  /** It says where an element lies. */
  readonly address?: true;
  /** It is always another quantity (by index) plus a constant, and has no code of its own. */
  readonly follows?: { readonly quantity: number; readonly by: number };
}

export interface Code {
  readonly kernel: Kernel;
  readonly times: BindingTimes;
  /** Places in the run's state of the names that depend on the input. */
  readonly dependent: ReadonlyMap<string, number>;
  /** Bounds of what parameters hold when the kernel starts, where they are tighter than their types. */
  readonly inputRanges: ReadonlyMap<string, Interval>;
  /** Emit lines that note when each element is read and written, instead of joining quantities. */
  readonly trace: boolean;
  /** Parameters whose elements' bounds are followed, because they are written and read. */
  readonly followed: ReadonlySet<string>;
  readonly lines: string[];
  readonly quantities: Quantity[];
  /** Bounds of immutable locals and of counters, known while translating. */
  readonly staticBounds: Map<string, Interval>;
  readonly tableBounds: Map<string, Interval>;
  /**
   * By pointer: an access at a constant distance from it that was noted in this block, since it last moved.
   * Unrolled loops access many more elements at such distances, whose bounds follow.
   */
  anchors: Map<string, Anchor>;
  /** No bounds of locals and of what is stored are asked for. */
  readonly rulesOnly: boolean;
  /** Rows of weights are walked at every place. */
  readonly everyPlace: boolean;
  /** What runs once where it would do the same again; and the walk along a row that is emitted now. */
  readonly plans: (RowPlan | RepeatPlan | undefined)[];
  walk: Walk | undefined;
  /** Loops around what is emitted now that run once where they would do the same again. */
  repeated: number;
  /** Loops of which only the first and the last pass run. */
  even: number;
  names: number;
}

/** The expansion of a sum of rows, as one walk along a row. */
export interface Walk {
  /** In the code, of what is kept of it. */
  readonly name: string;
  /** Names for the inputs: the sum's own, and pointers of the expansion into them. */
  readonly moving: ReadonlySet<string>;
  /** Where inputs lie, from the start of the sum's own name for them. */
  readonly addresses: readonly Expr[];
  /** By accumulator that depends on the input, the first statement that adds to it. */
  readonly sums: ReadonlyMap<string, StmtOf<'accumulate'>>;
  /** Other variables from outside that are read or changed. */
  readonly keys: readonly string[];
  /** Locals that hold inputs. */
  readonly held: Map<string, Input>;
  /** Its code does not say all that the expansion does. */
  failed: boolean;
}

/** An element that a walk reads: where it lies, in code, and the bounds of all such elements. */
export interface Input {
  readonly place: string;
  readonly range: Interval;
}

interface Anchor {
  readonly quantity: number;
  readonly distance: number;
}

export const fresh = (c: Code): string => `v${c.names++}`;

export const literal = (x: number): Value => ({ lo: String(x), hi: String(x), min: x, max: x });
export const rangeOf = (v: Value): Interval => ({ lo: v.min, hi: v.max });
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

type Rest = Omit<Quantity, 'node' | 'allowed' | 'follows'>;

/** Joins the value into a quantity of `node`, unless its bounds already show that the rule holds. */
export function mustLie(c: Code, v: Value, node: KernelNode, allowed: Interval, rest: Rest): void {
  const known = v.min >= allowed.lo && v.max <= allowed.hi;
  const isAsked = !c.rulesOnly && (rest.local !== undefined || rest.storedTo !== undefined);
  if (!known || isAsked) note(c, v, { node, allowed, ...rest });
}

function note(c: Code, v: Value, quantity: Quantity): void {
  if (c.trace) return;
  const k = c.quantities.push(quantity) - 1;
  c.lines.push(`note(ranges, ${2 * k}, ${v.lo}, ${v.hi});`);
}

/** The rule about an access `distance` elements from where a pointer stands. */
export function mustLieNear(
  c: Code,
  v: Value,
  node: KernelNode,
  allowed: Interval,
  rest: Rest,
  [pointer, distance]: readonly [string, number],
): void {
  const anchor = c.anchors.get(pointer);
  const next = c.quantities.length;
  if (anchor === undefined) mustLie(c, v, node, allowed, rest);
  else {
    const follows = { quantity: anchor.quantity, by: distance - anchor.distance };
    c.quantities.push({ node, allowed, ...rest, follows });
  }
  if (anchor === undefined && c.quantities.length > next)
    c.anchors.set(pointer, { quantity: next, distance });
}

/** Code that may run more or less often than what is around it shares no anchors with it. */
export function inBlock(c: Code, emit: () => void): void {
  c.anchors = new Map();
  emit();
  c.anchors = new Map();
}

/** Joins into the report what no rule limits. */
export function noteOnly(c: Code, v: Value, node: KernelNode, rest: Rest): void {
  if (!c.rulesOnly) note(c, v, { node, allowed: { lo: -Infinity, hi: Infinity }, ...rest });
}

/** A rule that is broken or cannot be judged whenever this code is reached. */
export const cannotHold = (c: Code, node: KernelNode, what: string): void =>
  note(c, literal(1), { node, allowed: { lo: 0, hi: 0 }, what });

/**
 * The i32 that an exact result (bounds may lie outside of i32) has where it does not overflow; the overflow
 * rule is noted for `node`.
 */
export function wrapped(c: Code, exact: Value, node: KernelNode, rest: Rest): Value {
  mustLie(c, exact, node, allInts, rest);
  if (isInt32(rangeOf(exact))) return exact;
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

/** A local's or pointer's JavaScript variables; bounds of those that depend on the input lie in `state`. */
export function variable(c: Code, name: string): Value {
  const bounds = c.staticBounds.get(name) ?? allInts;
  const at = c.dependent.get(name);
  const [lo, hi] =
    at === undefined ? [jsName(name), jsName(name)] : [`state[${2 * at}]`, `state[${2 * at + 1}]`];
  return { lo, hi, min: bounds.lo, max: bounds.hi };
}

/** The lines that give a name its value, and declare it if it is a plain number's. */
export function setVariable(c: Code, name: string, v: Value, declares: boolean): void {
  const { lo, hi } = variable(c, name);
  if (c.dependent.has(name)) c.lines.push(`${lo} = ${v.lo}; ${hi} = ${v.hi};`);
  else c.lines.push(`${declares ? 'let ' : ''}${lo} = ${v.lo};`);
}

/** A quantity for the sums that an accumulator holds; the code that notes it is the caller's. */
export const sumQuantity = (c: Code, node: KernelNode, name: string): number =>
  c.quantities.push({ node, allowed: allInts, what: `value of ${name}`, local: name }) - 1;

/**
 * `name += factor * x`. One call instead of code in place: unrolled loops hold dozens of these, and engines take
 * seconds to optimize functions of that size (measured: 11 s).
 * @param product the multiplication, where it may overflow
 */
export function accumulateProduct(
  c: Code,
  node: StmtOf<'accumulate'>,
  [factor, x]: readonly [Value, Value],
  product: ExprOf<'binary'> | undefined,
): void {
  const { name } = node;
  const index = must(c.dependent.get(name), `'${name}' depends on the input`);
  const term = `state, ${2 * index}, ${factor.lo}, ${x.lo}, ${x.hi}, ranges`;
  const wide = product && overflowQuantity(c, product);
  const k = sumQuantity(c, node, name);
  c.lines.push(
    wide === undefined ? `addScaled(${term}, ${2 * k});` : `addProduct(${term}, ${2 * wide}, ${2 * k});`,
  );
}

function overflowQuantity(c: Code, node: ExprOf<'binary'>): number {
  const rule = binaryOperations[node.op].rules.find(({ kind }) => kind === 'overflow');
  const { what } = must(rule, `'${node.op}' may overflow`);
  return c.quantities.push({ node, allowed: allInts, what }) - 1;
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
  const bounds = tableRange(root.table.data, 0, root.table.data.length - 1);
  c.tableBounds.set(root.table.name, bounds);
  return bounds;
}

/** The index rule of an access: 0 <= index < length. */
export const indexRange = (root: Root): Interval => ({ lo: 0, hi: rootLength(root) - 1 });
