/** Statements of Kernel IR as lines of JavaScript with C's rules. */
import { DefectError, must } from '../../base/errors.ts';
import { type Elem, elemBytes, type PlainStmt, type Stmt, type StmtOf } from '../../ir/kernel/kernel.ts';
import { stmtText } from '../../ir/kernel/text.ts';
import { inlined } from '../../ir/kernel/walk.ts';
import { ownerOf } from '../arena.ts';
import { own, test, value } from './expr.ts';
import {
  type Context,
  elementIndex,
  fail,
  isLive,
  type JsArray,
  jsArray,
  jsName,
  temporary,
} from './site.ts';
import { storeVector } from './vector-values.ts';

export function block(c: Context, body: readonly Stmt[]): void {
  for (const s of inlined(body)) statement(c, s);
}

function statement(c: Context, s: PlainStmt): void {
  switch (s.kind) {
    case 'let':
      c.lines.push(`let ${jsName(s.name)} = ${value(c, s.value)};`);
      return;
    case 'assign':
      c.lines.push(`${jsName(s.name)} = ${value(c, s.value)};`);
      return;
    case 'accumulate':
      accumulate(c, s);
      return;
    case 'pointer':
      pointer(c, s);
      return;
    case 'advance':
      advance(c, s);
      return;
    case 'store':
      store(c, s);
      return;
    case 'storeVector':
      storeVector(c, s, writable(c, s, s.to), [value(c, s.value), value(c, s.index), value(c, s.count)]);
      return;
    case 'for':
      loop(c, s);
      return;
    case 'if':
      c.lines.push(`if ${test(c, s.test)} {`);
      block(c, s.yes);
      c.lines.push('} else {');
      block(c, s.no);
      c.lines.push('}');
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

function accumulate(c: Context, s: StmtOf<'accumulate'>): void {
  const name = jsName(s.name);
  const added = value(c, s.value);
  if (s.type === 'f32') c.lines.push(`${name} = fround(${name} + ${added});`);
  else if (!isLive(c, s)) c.lines.push(`${name} = ${name} + ${added} | 0;`);
  else {
    const [x, sum] = [temporary(c), temporary(c)];
    const trap = fail(c, 'signed overflow', s, `${name}, ${x}`);
    c.lines.push(`${x} = ${added}; ${sum} = ${name} + ${x};`);
    c.lines.push(`if (${sum} !== (${sum} | 0)) ${trap};`, `${name} = ${sum} | 0;`);
  }
}

function pointer(c: Context, s: StmtOf<'pointer'>): void {
  const base = jsArray(c, s.base);
  const target = elementIndex(base, value(c, s.offset));
  c.lines.push(`let ${jsName(s.name)} = ${target}${isLive(c, s) ? '' : ' | 0'};`);
  if (isLive(c, s)) checkPointer(c, s, base, jsName(s.name), s.base);
}

function advance(c: Context, s: StmtOf<'advance'>): void {
  const name = jsName(s.name);
  const moved = `${name} + ${value(c, s.by)}`;
  c.lines.push(isLive(c, s) ? `${name} = ${moved};` : `${name} = ${moved} | 0;`);
  if (isLive(c, s)) checkPointer(c, s, jsArray(c, s.name), name, s.name);
}

/** C99 6.5.6: a pointer may stand on every element and one past the last. */
function checkPointer(c: Context, s: PlainStmt, array: JsArray, name: string, of: string): void {
  const trap = fail(
    c,
    'pointer out of bounds',
    s,
    `${name} - ${array.start}, ${array.end - array.start}`,
    of,
  );
  c.lines.push(`if (${name} < ${array.start} || ${name} > ${array.end}) ${trap};`);
}

function store(c: Context, s: StmtOf<'store'>): void {
  const array = writable(c, s, s.to);
  const [at, v] = [temporary(c), temporary(c)];
  c.lines.push(`${v} = ${value(c, s.value)};`);
  c.lines.push(`${at} = ${elementIndex(array, value(c, s.index))};`);
  if (isLive(c, s)) {
    const relative = `${at} - ${array.start}, ${array.end - array.start}`;
    const outside = fail(c, 'out of bounds', s, relative, s.to);
    c.lines.push(`if (${at} < ${array.start} || ${at} >= ${array.end}) ${outside};`);
    narrowing(c, s, s.elem, v);
  }
  c.lines.push(`${array.view}[${at}] = ${v};`);
  if (c.checked && array.slot !== undefined) c.lines.push(own(s.elem, array.slot, at));
}

const narrowed: Readonly<Record<Elem, ((v: string) => string) | undefined>> = {
  u8: (v) => `${v} & 255`,
  i8: (v) => `${v} << 24 >> 24`,
  u16: (v) => `${v} & 65535`,
  i16: (v) => `${v} << 16 >> 16`,
  i32: undefined,
  f32: undefined,
};

function narrowing(c: Context, s: PlainStmt, elem: Elem, v: string): void {
  const kept = narrowed[elem]?.(v);
  if (kept === undefined) return;
  c.lines.push(`if ((${kept}) !== ${v}) ${fail(c, 'narrowing loses bits', s, v)};`);
}

/** In the checked mode a write to read-only memory traps before anything else of the statement happens. */
function writable(c: Context, s: PlainStmt, name: string): JsArray {
  const array = jsArray(c, name);
  if (!array.readOnly) return array;
  if (!c.checked)
    throw new DefectError(`kernel ${c.kernel.name}: writes to read-only '${name}' in ${stmtText(s)}`);
  c.lines.push(`${fail(c, 'write to read-only memory', s, '', name)};`);
  return array;
}

function loop(c: Context, s: StmtOf<'for'>): void {
  const v = jsName(s.name);
  const start = `let ${v} = ${value(c, s.from)}`;
  c.loops.push(s.name);
  const next = isLive(c, s) ? checkedStep(c, s, v) : `${v} = ${v} + ${s.step} | 0`;
  c.lines.push(`for (${start}; ${v} < ${value(c, s.to)}; ${next}) {`);
  block(c, s.body);
  c.lines.push('}');
  c.loops.pop();
}

function checkedStep(c: Context, s: StmtOf<'for'>, v: string): string {
  const trap = fail(c, 'signed overflow', s, `${v}, ${s.step}`);
  return `${v} = ${v} > ${2147483647 - s.step} ? ${trap} : ${v} + ${s.step} | 0`;
}

function copy(c: Context, s: StmtOf<'copy'>): void {
  const to = writable(c, s, s.to);
  const from = jsArray(c, s.from);
  const [t, f, n] = [temporary(c), temporary(c), temporary(c)];
  c.lines.push(`${t} = ${elementIndex(to, value(c, s.toIndex))};`);
  c.lines.push(`${f} = ${elementIndex(from, value(c, s.fromIndex))};`, `${n} = ${value(c, s.count)};`);
  checkStretch(c, s, from, f, n, s.from);
  checkStretch(c, s, to, t, n, s.to);
  if (c.checked && from.slot !== undefined) {
    checkOwners(c, s, from, f, n);
    const trap = fail(c, 'overlapping copy', s, `${t}, ${f}, ${n}`, s.from);
    if (to.slot !== undefined) c.lines.push(`if (${t} < ${f} + ${n} && ${f} < ${t} + ${n}) ${trap};`);
  }
  c.lines.push(`${to.view}.set(${from.view}.subarray(${f}, ${f} + ${n}), ${t});`);
  ownStretch(c, to, t, n);
}

function fill(c: Context, s: StmtOf<'fill'>): void {
  const to = writable(c, s, s.to);
  const [t, n, v] = [temporary(c), temporary(c), temporary(c)];
  c.lines.push(`${t} = ${elementIndex(to, value(c, s.index))};`, `${n} = ${value(c, s.count)};`);
  c.lines.push(`${v} = ${value(c, s.value)};`);
  checkStretch(c, s, to, t, n, s.to);
  if (isLive(c, s)) narrowing(c, s, s.elem, v);
  c.lines.push(`${to.view}.fill(${v}, ${t}, ${t} + ${n});`);
  ownStretch(c, to, t, n);
}

/** `count` elements from `at` on lie inside of the array. */
function checkStretch(
  c: Context,
  s: PlainStmt,
  array: JsArray,
  at: string,
  count: string,
  name: string,
): void {
  if (!isLive(c, s)) return;
  const values = `${at} - ${array.start}, ${array.end - array.start}, ${count}`;
  const outside = `${count} < 0 || ${at} < ${array.start} || ${at} + ${count} > ${array.end}`;
  c.lines.push(`if (${outside}) ${fail(c, 'out of bounds', s, values, name)};`);
}

function checkOwners(c: Context, s: StmtOf<'copy'>, from: JsArray, at: string, count: string): void {
  const slot = ownerOf(must(from.slot, 'only arrays of the arena have owners'));
  const i = temporary(c);
  const bytes = elemBytes[from.elem];
  c.lines.push(`for (${i} = ${at} * ${bytes}; ${i} < (${at} + ${count}) * ${bytes}; ${i}++)`);
  const trap = fail(c, 'overwritten byte', s, `${i} / ${bytes} | 0`, s.from);
  c.lines.push(`if (owners[${i}] !== ${slot}) ${trap};`);
}

function ownStretch(c: Context, to: JsArray, at: string, count: string): void {
  if (!c.checked || to.slot === undefined) return;
  const bytes = elemBytes[to.elem];
  c.lines.push(`owners.fill(${ownerOf(to.slot)}, ${at} * ${bytes}, (${at} + ${count}) * ${bytes});`);
}
