/** Statements as interval code. */

import { elemRange, type Root, rootLength, rootName } from '../../ir/kernel/check.ts';
import { allInts, isInt32, maxInt } from '../../ir/kernel/interval.ts';
import { lanesOf, type PlainStmt, type Stmt, type StmtOf } from '../../ir/kernel/kernel.ts';
import { intervalOf } from '../../ir/kernel/operations.ts';
import { statementsIn } from '../../ir/kernel/walk.ts';
import { arithmetic, sum } from './arithmetic.ts';
import {
  accumulateProduct,
  arrayOf,
  between,
  type Code,
  cannotHold,
  contentRange,
  fresh,
  inBlock,
  isOne,
  jsName,
  literal,
  mustLie,
  noteOnly,
  one,
  rangeOf,
  setVariable,
  type Value,
  variable,
  wrapped,
} from './bounds.ts';
import { isEven } from './even-loops.ts';
import { bounds, effects, indexRule, position, stretchRules, traceRead, truth } from './expr.ts';
import { repeatedLoop } from './repeated-loops.ts';
import { stepOfWalk, walkedOnce } from './row-sums.ts';

export function block(c: Code, body: readonly Stmt[]): void {
  inBlock(c, () => statements(c, body));
}

function statements(c: Code, body: readonly Stmt[]): void {
  for (const s of body)
    if (s.kind === 'startRows') statements(c, s.body);
    else if (s.kind !== 'rowSum') statement(c, s);
    else if (!walkedOnce(c, s, () => statements(c, s.body))) statements(c, s.body);
}

function statement(c: Code, s: PlainStmt): void {
  switch (s.kind) {
    case 'let':
    case 'assign':
    case 'accumulate':
      setLocal(c, s);
      return;
    case 'pointer':
    case 'advance':
      movePointer(c, s);
      return;
    case 'store':
      store(c, s);
      return;
    case 'storeVector':
      storeVector(c, s);
      return;
    case 'for':
      loop(c, s);
      return;
    case 'if':
      conditional(c, s);
      return;
    case 'copy':
      copy(c, s);
      return;
    case 'fill':
      fill(c, s);
      return;
    case 'comment':
      return;
    default:
      s satisfies never;
  }
}

function setLocal(c: Code, s: StmtOf<'let' | 'assign' | 'accumulate'>): void {
  if (s.type === 'f32') {
    effects(c, s.value);
    return;
  }
  if (c.walk !== undefined && c.dependent.has(s.name)) {
    stepOfWalk(c, c.walk, s);
    return;
  }
  const rest = { what: `value of ${s.name}`, local: s.name };
  if (s.kind === 'accumulate' && isScaled(c, s)) return;
  const v = bounds(c, s.value);
  if (c.trace && c.dependent.has(s.name)) return;
  if (s.kind === 'accumulate') {
    accumulateGeneral(c, s, v);
    return;
  }
  noteOnly(c, v, s, rest);
  if (s.kind === 'let' && !s.mutable) c.staticBounds.set(s.name, rangeOf(v));
  setVariable(c, s.name, v, s.kind === 'let');
}

function accumulateGeneral(c: Code, s: StmtOf<'accumulate'>, v: Value): void {
  const rest = { what: `value of ${s.name}`, local: s.name };
  setVariable(c, s.name, wrapped(c, sum(c, variable(c, s.name), v), s, rest), false);
}

/** Emits the statement, as one call if it adds a multiple by a plain number. False: it is no product. */
function isScaled(c: Code, s: StmtOf<'accumulate'>): boolean {
  const { value } = s;
  if (c.trace || !c.dependent.has(s.name) || value.kind !== 'binary' || value.op !== 'mul') return false;
  const [a, b] = [bounds(c, value.a), bounds(c, value.b)];
  const [factor, x] = isOne(a) ? [a, b] : [b, a];
  const product = intervalOf('mul', rangeOf(a), rangeOf(b));
  if (isOne(factor)) accumulateProduct(c, s, [factor, x], isInt32(product) ? undefined : value);
  else accumulateGeneral(c, s, arithmetic(c, value, a, b));
  return true;
}

/** C99 6.5.6: from the first element to one past the last. */
function movePointer(c: Code, s: StmtOf<'pointer' | 'advance'>): void {
  const base = s.kind === 'pointer' ? s.base : s.name;
  const v = position(c, base, bounds(c, s.kind === 'pointer' ? s.offset : s.by));
  const length = rootLength(arrayOf(c, s.name).root);
  mustLie(c, v, s, { lo: 0, hi: length }, { what: `where ${s.name} points`, address: true });
  if (s.kind === 'pointer' && !s.mutable) c.staticBounds.set(s.name, rangeOf(v));
  c.anchors.delete(s.name);
  setVariable(c, s.name, v, s.kind === 'pointer');
}

function store(c: Code, s: StmtOf<'store'>): void {
  const { root } = arrayOf(c, s.to);
  writeRule(c, s, root);
  const v = s.elem === 'f32' ? undefined : bounds(c, s.value);
  if (v === undefined) effects(c, s.value);
  const at = position(c, s.to, bounds(c, s.index));
  indexRule(c, s, s.to, s.index, at);
  const stored = v === undefined ? undefined : storedValue(c, s, v, root);
  written(c, root, at, literal(1), stored);
}

function storeVector(c: Code, s: StmtOf<'storeVector'>): void {
  const { root } = arrayOf(c, s.to);
  writeRule(c, s, root);
  const v = bounds(c, s.value);
  const at = position(c, s.to, bounds(c, s.index));
  const count = bounds(c, s.count);
  mustLie(c, count, s, { lo: 0, hi: lanesOf[s.type] }, { what: 'number of lanes' });
  stretchRules(c, s, root, at, count);
  written(c, root, at, count, storedValue(c, s, v, root));
}

const targetOf = (root: Root): { readonly storedTo?: string } =>
  root.kind === 'param' ? { storedTo: root.param.name } : {};

function writeRule(c: Code, s: PlainStmt, root: Root): void {
  if (root.kind === 'table' || root.param.role === 'in') cannotHold(c, s, `${rootName(root)} is read-only`);
}

/** Notes the narrowing rule; what is in memory afterwards fits it. */
function storedValue(c: Code, s: StmtOf<'store' | 'storeVector' | 'fill'>, v: Value, root: Root): Value {
  const allowed = elemRange(s.elem) ?? allInts;
  mustLie(c, v, s, allowed, { what: 'stored value', ...targetOf(root) });
  return v;
}

/** `count` elements from `at` on now hold `value` (undefined: f32). */
function written(c: Code, root: Root, at: Value, count: Value, value: Value | undefined): void {
  if (root.kind !== 'param') return;
  const { name, role } = root.param;
  if (c.trace && role === 'out') traceWrite(c, name, at, count);
  if (!c.followed.has(name) || value === undefined) return;
  const certain = isOne(at) && isOne(count) ? 'maybe === 0' : 'false';
  const last = `${at.hi} + ${count.hi} - 1`;
  const range = `cutTo({ lo: ${value.lo}, hi: ${value.hi} }, memory_${name}.all)`;
  c.lines.push(`writeFollowed(memory_${name}, ${at.lo}, ${last}, ${range}, ${certain});`);
}

/** Only the first write of an element matters: it is followed by the most reads. */
function traceWrite(c: Code, name: string, at: Value, count: Value): void {
  c.lines.push('now++;');
  if (!isOne(at) || !isOne(count)) c.lines.push('traced.known = false;');
  else c.lines.push(`firstWrite(writes_${name}, ${at.lo}, ${count.lo}, now);`);
}

function copy(c: Code, s: StmtOf<'copy'>): void {
  const [to, from] = [arrayOf(c, s.to).root, arrayOf(c, s.from).root];
  writeRule(c, s, to);
  const t = position(c, s.to, bounds(c, s.toIndex));
  const f = position(c, s.from, bounds(c, s.fromIndex));
  const n = bounds(c, s.count);
  mustLie(c, n, s, { lo: 0, hi: maxInt }, { what: 'number of elements' });
  stretchRules(c, s, to, t, n);
  stretchRules(c, s, from, f, n);
  const range = contentRange(c, from);
  if (range !== undefined) noteOnly(c, between(range), s, { what: 'copied value', ...targetOf(to) });
  // memcpy gives no order of its reads and writes: every byte is written before any is read, for the trace.
  written(c, to, t, n, range === undefined ? undefined : between(range));
  traceRead(c, from, f, n);
  copyFollowed(c, to, from, t, f, n);
}

/** Where both sides are known exactly, elements keep their own bounds. */
function copyFollowed(c: Code, to: Root, from: Root, t: Value, f: Value, n: Value): void {
  const followed = (root: Root) => root.kind === 'param' && c.followed.has(root.param.name);
  if (!followed(to) || !followed(from) || ![t, f, n].every(isOne)) return;
  const names = `memory_${rootName(to)}, memory_${rootName(from)}`;
  c.lines.push(`if (maybe === 0) copyFollowed(${names}, ${t.lo}, ${f.lo}, ${n.lo});`);
}

function fill(c: Code, s: StmtOf<'fill'>): void {
  const { root } = arrayOf(c, s.to);
  writeRule(c, s, root);
  const at = position(c, s.to, bounds(c, s.index));
  const v = bounds(c, s.value);
  const n = bounds(c, s.count);
  mustLie(c, n, s, { lo: 0, hi: maxInt }, { what: 'number of elements' });
  stretchRules(c, s, root, at, n);
  written(c, root, at, n, storedValue(c, s, v, root));
}

/** Locals and pointers from outside of `body` that it changes and that depend on the input. */
function changed(c: Code, body: readonly Stmt[]): readonly string[] {
  const inner = new Set<string>();
  const names = new Set<string>();
  for (const s of statementsIn(body)) {
    if (s.kind === 'let' || s.kind === 'pointer' || s.kind === 'for') inner.add(s.name);
    if (s.kind === 'advance') names.add(s.name);
    if ((s.kind === 'assign' || s.kind === 'accumulate') && s.type !== 'f32') names.add(s.name);
  }
  return [...names].filter((name) => !inner.has(name) && c.times.dependent.has(name));
}

function conditional(c: Code, s: StmtOf<'if'>): void {
  const t = truth(c, s.test);
  if (t.decided) {
    c.lines.push(`if (${t.js} === 1) {`);
    block(c, s.yes);
    c.lines.push('} else {');
    block(c, s.no);
    c.lines.push('}');
    return;
  }
  undecided(c, s, t.js, changed(c, [...s.yes, ...s.no]));
}

/**
 * Where the test is 2, both blocks run from the same state, and what they leave is joined:
 * yes leaves its state in `taken`, no starts from `before`.
 */
function undecided(c: Code, s: StmtOf<'if'>, test: string, names: readonly string[]): void {
  const saved = names.flatMap((name) => {
    const v = variable(c, name);
    return [v.lo, v.hi].map((js) => ({ js, before: fresh(c), taken: fresh(c), low: js === v.lo }));
  });
  for (const v of saved) c.lines.push(`const ${v.before} = ${v.js}; let ${v.taken} = 0;`);
  c.lines.push(`if (${test} === 2) maybe++;`, `if (${test} !== 0) {`);
  block(c, s.yes);
  c.lines.push('}', `if (${test} === 2) {`);
  for (const v of saved) c.lines.push(`${v.taken} = ${v.js}; ${v.js} = ${v.before};`);
  c.lines.push('}', `if (${test} !== 1) {`);
  block(c, s.no);
  c.lines.push('}', `if (${test} === 2) {`);
  for (const v of saved) c.lines.push(`if (${v.taken} ${v.low ? '<' : '>'} ${v.js}) ${v.js} = ${v.taken};`);
  c.lines.push('maybe--; }');
}

function loop(c: Code, s: StmtOf<'for'>): void {
  if (c.times.dependent.has(s.name)) dependentLoop(c, s);
  else if (isEven(c, s)) fixedLoop(c, s, true);
  else if (!repeatedLoop(c, s, () => fixedLoop(c, s, false))) fixedLoop(c, s, false);
}

/** @param ends only the first pass and the last run */
function fixedLoop(c: Code, s: StmtOf<'for'>, ends: boolean): void {
  const v = jsName(s.name);
  const from = bounds(c, s.from);
  const first = ends ? one(c, from.lo).lo : from.lo;
  c.lines.push(`for (let ${v} = ${first}; ; ) {`);
  const to = bounds(c, s.to);
  c.lines.push(`if (${v} >= ${to.lo}) break;`, `if ((steps += ${s.body.length}) > budget) throw tooMany;`);
  c.staticBounds.set(s.name, { lo: from.min, hi: Math.max(from.min, to.max - 1) });
  block(c, s.body);
  stepRule(c, s, one(c, `${v} + ${s.step}`), to);
  if (ends) c.even++;
  if (ends) c.lines.push(`if (${v} === ${first}) ${v} = lastBefore(${v}, ${to.lo}, ${s.step}); else`);
  c.lines.push(`${v} = ${v} + ${s.step} | 0;`, '}');
}

/** v < to <= max, so v + step <= max - 1 + step. */
function stepRule(c: Code, s: StmtOf<'for'>, next: Value, to: Value): void {
  if (to.max - 1 + s.step <= maxInt) return;
  mustLie(c, { ...next, max: Infinity }, s, { lo: -Infinity, hi: maxInt }, { what: `next ${s.name}` });
}

/**
 * A loop whose bounds depend on the input: its body runs once, with everything that it changes unknown. That
 * state holds every state that the loop can be in, before and after any round.
 */
function dependentLoop(c: Code, s: StmtOf<'for'>): void {
  const from = bounds(c, s.from);
  const names = changed(c, s.body);
  if (c.trace) c.lines.push('traced.known = false;');
  const forget = () => {
    for (const name of names) setVariable(c, name, between(allInts), false);
  };
  c.lines.push('maybe++; {');
  forget();
  forgetMemory(c, s.body);
  const to = bounds(c, s.to);
  const last = Math.max(from.min, to.max - 1);
  c.staticBounds.set(s.name, { lo: from.min, hi: last });
  const counter = { lo: from.lo, hi: one(c, `Math.max(${from.lo}, ${to.hi} - 1)`).lo };
  setVariable(c, s.name, { ...counter, min: from.min, max: last }, true);
  c.lines.push(`if (${from.lo} < ${to.hi}) {`);
  block(c, s.body);
  stepRule(c, s, one(c, `${to.hi} - 1 + ${s.step}`), to);
  c.lines.push('}');
  forget();
  c.lines.push('} maybe--;');
}

function forgetMemory(c: Code, body: readonly Stmt[]): void {
  for (const s of statementsIn(body)) {
    if (s.kind !== 'store' && s.kind !== 'copy' && s.kind !== 'fill') continue;
    const { root } = arrayOf(c, s.to);
    const all = elemRange(s.elem);
    if (all !== undefined) written(c, root, literal(0), literal(rootLength(root)), between(all));
  }
}
