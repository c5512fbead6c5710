/**
 * Sums of rows of weights: a row's expansion is walked once, at the first place where it is summed. At the others its
 * addresses move with the first input, and its accumulators gain what the terms of that walk make of the inputs there
 * (`walked-rows.ts`). Where the expansion does not show that this is so, it is walked at every place.
 */
import { must } from '../../base/errors.ts';
import { rootName } from '../../ir/kernel/check.ts';
import { allInts, type Interval, isInt32 } from '../../ir/kernel/interval.ts';
import type { Expr, ExprOf, PlainStmt, RowSum, StmtOf } from '../../ir/kernel/kernel.ts';
import { intervalOf } from '../../ir/kernel/operations.ts';
import type { KernelNode } from '../../ir/kernel/text.ts';
import { declaredIn, expressionsOf, partsIn, partsOf, statementsIn, typeOf } from '../../ir/kernel/walk.ts';
import { sum } from './arithmetic.ts';
import { isFixed } from './binding-time.ts';
import {
  arrayOf,
  between,
  type Code,
  contentRange,
  type Input,
  noteOnly,
  rangeOf,
  sumQuantity,
  type Walk,
} from './bounds.ts';
import { access, bounds, position } from './expr.ts';
import { changedBy, emitRun, movingSince, nameOf, planned, readBy, sumOf } from './repeating.ts';
import type { RowPlan } from './walked-rows.ts';

/** Emits the sum, with its expansion by `expand`, so that each row is walked once. False: nothing is emitted. */
export function walkedOnce(c: Code, s: RowSum, expand: () => void): boolean {
  if (c.trace || c.everyPlace) return false;
  return planned(c, (name, from) => {
    const walk = walkOf(c, s, name);
    if (walk === undefined) return undefined;
    emitWalk(c, s, walk, expand);
    return walk.failed ? undefined : planOf(c, s, walk, from);
  });
}

function emitWalk(c: Code, s: RowSum, walk: Walk, expand: () => void): void {
  const { name, keys } = walk;
  const before = c.quantities.length;
  const row = bounds(c, s.row);
  const first = position(c, s.from, sum(c, bounds(c, s.first), bounds(c, s.skip)));
  // A rule would be about an expression of no statement.
  walk.failed = c.quantities.length > before;
  emitRun(c, name, { id: row.lo, keys, places: [first.lo] }, () => {
    c.walk = walk;
    expand();
    c.walk = undefined;
  });
  c.lines.push(`${name}.gain(state);`);
}

function planOf(c: Code, s: RowSum, walk: Walk, from: number): RowPlan | undefined {
  const moving = movingSince(c, from, (node) => (isMoving(walk, node) ? 0 : undefined), walk.addresses);
  if (moving === undefined) return undefined;
  const sums = [...walk.sums].map(([name, node]) => ({
    state: 2 * must(c.dependent.get(name), `'${name}' depends on the input`),
    quantity: sumQuantity(c, node, name),
  }));
  return {
    content: followedName(c, s) ?? rangeOfInputs(c, s),
    moving,
    forms: 1,
    sums,
    keys: walk.keys.length,
  };
}

function isMoving({ moving }: Walk, node: KernelNode): boolean {
  if (node.kind === 'load') return moving.has(node.from);
  return (node.kind === 'pointer' || node.kind === 'advance') && moving.has(node.name);
}

/** The parameter that a sum reads, where its elements' bounds are followed. */
function followedName(c: Code, { from }: RowSum): string | undefined {
  const name = rootName(arrayOf(c, from).root);
  return c.followed.has(name) ? name : undefined;
}

/** Bounds of all elements; those of f32 are not followed. */
const rangeOfInputs = (c: Code, { from }: RowSum): Interval =>
  contentRange(c, arrayOf(c, from).root) ?? allInts;

/** Undefined: at another place the walk may be another one. */
function walkOf(c: Code, s: RowSum, name: string): Walk | undefined {
  const walk = partsOfWalk(c, s, name);
  const inner = declaredIn(s.body);
  const isSame =
    [s.row, s.first, s.skip].every((e) => isFixed(c.times, e)) &&
    ![...walk.keys, s.from].some((name) => c.times.dependent.has(name)) &&
    statementsIn(s.body).every((inside) => isTerm(walk, inside) || isFixedStmt(c, s, walk, inside)) &&
    walk.addresses.every((address) => movesAlong(address, s, inner));
  return isSame ? walk : undefined;
}

const isTerm = (walk: Walk, s: PlainStmt): s is StmtOf<'accumulate'> =>
  s.kind === 'accumulate' && walk.sums.has(s.name);

/** Declares a local that holds an input. */
const isHeld = (walk: Walk, s: PlainStmt): boolean =>
  s.kind === 'let' && s.type === 'i32' && s.value.kind === 'load' && walk.moving.has(s.value.from);

/** Does the same whatever the inputs are, and leaves nothing behind but in what walks depend on. */
function isFixedStmt(c: Code, s: RowSum, walk: Walk, inside: PlainStmt): boolean {
  if (inside.kind === 'store' || inside.kind === 'copy' || inside.kind === 'fill') return false;
  if (isHeld(walk, inside)) return followedName(c, s) === undefined;
  return expressionsOf(inside).every((e) =>
    partsIn(e).every((part) => typeOf(part) === 'f32' || isFixed(c.times, part)),
  );
}

/** What the expansion takes from outside: inputs, by addresses, and all else, by names. */
function partsOfWalk(c: Code, s: RowSum, name: string): Walk {
  const moving = new Set([s.from]);
  const sums = new Map<string, StmtOf<'accumulate'>>();
  const addresses: Expr[] = [];
  const names = new Set<string>();
  const isSum = (name: string) => c.dependent.has(name) && s.sums.some((term) => term.local === name);
  for (const inside of statementsIn(s.body)) {
    if (inside.kind === 'pointer' && moving.has(inside.base)) moving.add(inside.name);
    if (inside.kind === 'accumulate' && inside.type === 'i32' && isSum(inside.name))
      sums.set(inside.name, sums.get(inside.name) ?? inside);
    else for (const changed of changedBy(inside)) names.add(changed);
    if (inside.kind === 'pointer') names.add(inside.base);
    const isStart = inside.kind === 'pointer' && inside.base === s.from;
    if (isStart) addresses.push(inside.offset);
    else for (const e of expressionsOf(inside)) collect(e, s.from, names, addresses);
  }
  const inner = declaredIn(s.body);
  const isVariable = (name: string) => c.times.arrays.get(name)?.pointer ?? true;
  const keys = [...names].filter((name) => name !== s.from && !inner.has(name) && isVariable(name));
  return { name, moving, sums, addresses, keys, held: new Map(), failed: false };
}

/** Sorts the parts of an expression into names and addresses of inputs. */
function collect(e: Expr, from: string, names: Set<string>, addresses: Expr[]): void {
  if (e.kind === 'load' && e.from === from) addresses.push(e.index);
  else {
    for (const name of nameOf(e)) names.add(name);
    for (const part of partsOf(e)) collect(part, from, names, addresses);
  }
}

/** Whether an address is the first input's and what names of the expansion make, in the same way at every place. */
function movesAlong(address: Expr, { first, skip }: RowSum, inner: ReadonlySet<string>): boolean {
  const parts = sumOf([
    { e: address, times: 1 },
    { e: first, times: -1 },
    { e: skip, times: -1 },
  ]);
  return [...parts.values()].every(({ e }) => readBy(e).every((name) => inner.has(name)));
}

/** Emits a statement of a walk that depends on the inputs; for another one the walk fails. */
export function stepOfWalk(c: Code, walk: Walk, s: StmtOf<'let' | 'assign' | 'accumulate'>): void {
  if (isTerm(walk, s)) walk.failed ||= !term(c, walk, s);
  else if (s.kind === 'let' && s.value.kind === 'load' && isHeld(walk, s)) {
    const input = inputOf(c, s.value);
    noteOnly(c, between(input.range), s, { what: `value of ${s.name}`, local: s.name });
    walk.held.set(s.name, input);
  } else walk.failed = true;
}

/** False: it adds no multiple of one input. */
function term(c: Code, walk: Walk, { name, value }: StmtOf<'accumulate'>): boolean {
  if (value.kind !== 'binary' || value.op !== 'mul') return false;
  const [weight, x] = isFixed(c.times, value.a) ? [value.a, value.b] : [value.b, value.a];
  const isInput = x.kind === 'load' && walk.moving.has(x.from);
  const input = isInput ? inputOf(c, x) : x.kind === 'local' ? walk.held.get(x.name) : undefined;
  if (input === undefined || !isFixed(c.times, weight)) return false;
  const factor = bounds(c, weight);
  const sum = [...walk.sums.keys()].indexOf(name);
  c.lines.push(`${walk.name}.term(${sum}, ${factor.lo}, ${input.place});`);
  // Outside of the array the run goes on with 0.
  const content = { lo: Math.min(0, input.range.lo), hi: Math.max(0, input.range.hi) };
  return isInt32(intervalOf('mul', rangeOf(factor), content));
}

/** Where it lies, in code, and the bounds of all inputs. */
function inputOf(c: Code, e: ExprOf<'load'>): Input {
  const { root, at: place } = access(c, e);
  return { place: place.lo, range: contentRange(c, root) ?? allInts };
}
