/** The smallest meaning of Kernel IR: recursion over the tree, on one arena. No checks but for silent damage. */
import { type Elem, type Expr, elemBytes, type Kernel, type Stmt } from '../../src/ir/kernel/kernel.ts';
import { primitiveOf } from '../../src/ir/kernel/prims/index.ts';
import { arenaFill, type Outcome, type Program } from '../../src/program/program.ts';

interface Pointer {
  readonly view: DataView;
  readonly at: number;
}

/** Told of every i32 that a kernel sets a local to, or stores to a parameter (`to` its name). */
export interface Observer {
  local(name: string, value: number): void;
  store(to: string, value: number): void;
}

class Scope {
  readonly observer: Observer | undefined;
  constructor(observer?: Observer) {
    this.observer = observer;
  }
  readonly numbers = new Map<string, number>();
  readonly pointers = new Map<string, Pointer>();
}

const readers: Record<Elem, (v: DataView, at: number) => number> = {
  u8: (v, at) => v.getUint8(at),
  i8: (v, at) => v.getInt8(at),
  u16: (v, at) => v.getUint16(at, true),
  i16: (v, at) => v.getInt16(at, true),
  i32: (v, at) => v.getInt32(at, true),
  f32: (v, at) => v.getFloat32(at, true),
};

const writers: Record<Elem, (v: DataView, at: number, x: number) => void> = {
  u8: (v, at, x) => v.setUint8(at, x),
  i8: (v, at, x) => v.setInt8(at, x),
  u16: (v, at, x) => v.setUint16(at, x, true),
  i16: (v, at, x) => v.setInt16(at, x, true),
  i32: (v, at, x) => v.setInt32(at, x, true),
  f32: (v, at, x) => v.setFloat32(at, x, true),
};

/** What C leaves undefined: the caller leaves such cases out. */
export class Undefined extends Error {}

function i32(x: number): number {
  if (!(x >= -(2 ** 31) && x < 2 ** 31)) throw new Undefined(`${x} is not an int32`);
  return x + 0;
}

function shift(by: number): number {
  if (by < 0 || by > 31) throw new Undefined(`shift by ${by}`);
  return by;
}

function notNegative(x: number): number {
  if (x < 0) throw new Undefined('left shift of a negative number');
  return x;
}

function divisor(x: number): number {
  if (x === 0) throw new Undefined('division by 0');
  return x;
}

/** Undefined where the quotient is, for INT32_MIN % -1. */
function remainder(a: number, b: number): number {
  i32(Math.trunc(a / b) + 0);
  return (a % b) + 0;
}

function integer(op: string, a: number, b: number): number {
  if (op === 'add') return i32(a + b);
  if (op === 'sub') return i32(a - b);
  if (op === 'mul') return i32(Number(BigInt(a) * BigInt(b)));
  if (op === 'div') return i32(Math.trunc(a / divisor(b)) + 0);
  if (op === 'mod') return remainder(a, divisor(b));
  if (op === 'shl') return i32(notNegative(a) * 2 ** shift(b));
  if (op === 'shr') return Math.floor(a / 2 ** shift(b));
  return op === 'and' ? a & b : op === 'or' ? a | b : a ^ b;
}

function real(op: string, a: number, b: number): number {
  return Math.fround(op === 'add' ? a + b : op === 'sub' ? a - b : op === 'mul' ? a * b : a / b);
}

function compare(op: string, a: number, b: number): number {
  const holds = { lt: a < b, le: a <= b, gt: a > b, ge: a >= b, eq: a === b, ne: a !== b }[op];
  return holds ? 1 : 0;
}

function numberOf(e: Expr, s: Scope): number {
  if (e.kind === 'int' || e.kind === 'float') return e.value;
  if (e.kind === 'local') return s.numbers.get(e.name)!;
  if (e.kind === 'binary')
    return (e.type === 'i32' ? integer : real)(e.op, numberOf(e.a, s), numberOf(e.b, s));
  if (e.kind === 'compare') return compare(e.op, numberOf(e.a, s), numberOf(e.b, s));
  if (e.kind === 'select') return numberOf(numberOf(e.test, s) !== 0 ? e.yes : e.no, s);
  if (e.kind === 'load') return readers[e.elem](...place(e.from, e.elem, e.index, s));
  if (e.kind === 'toFloat') return Math.fround(numberOf(e.value, s));
  if (e.kind === 'toInt') return i32(Math.trunc(numberOf(e.value, s)) + 0);
  if (e.kind === 'loadVector') throw new Error('vectors are not for this oracle');
  return primitiveOf(e.primitive).js(...e.args.map((a) => numberOf(a, s)));
}

function place(name: string, elem: Elem, index: Expr, s: Scope): [DataView, number] {
  const { view, at } = s.pointers.get(name)!;
  return [view, at + numberOf(index, s) * elemBytes[elem]];
}

function moveBytes(s: Scope, st: Stmt & { kind: 'copy' }): void {
  const [to, at] = place(st.to, st.elem, st.toIndex, s);
  const [from, start] = place(st.from, st.elem, st.fromIndex, s);
  const count = numberOf(st.count, s) * elemBytes[st.elem];
  for (let i = 0; i < count; i++) to.setUint8(at + i, from.getUint8(start + i));
}

function fillBytes(s: Scope, st: Stmt & { kind: 'fill' }): void {
  const [to, at] = place(st.to, st.elem, st.index, s);
  const value = numberOf(st.value, s);
  for (let i = 0; i < numberOf(st.count, s); i++) to.setUint8(at + i, value);
}

function loop(st: Stmt & { kind: 'for' }, s: Scope): void {
  for (let i = numberOf(st.from, s); i < numberOf(st.to, s); i += st.step) {
    s.numbers.set(st.name, i);
    run(st.body, s);
  }
}

const plus = (st: Stmt & { kind: 'accumulate' }, s: Scope): number =>
  (st.type === 'i32' ? integer : real)('add', s.numbers.get(st.name)!, numberOf(st.value, s));

function setLocal(st: Stmt & { kind: 'let' | 'assign' | 'accumulate' }, s: Scope): void {
  const value = st.kind === 'accumulate' ? plus(st, s) : numberOf(st.value, s);
  s.numbers.set(st.name, value);
  if (st.type === 'i32') s.observer?.local(st.name, value);
}

function store(st: Stmt & { kind: 'store' }, s: Scope): void {
  const value = numberOf(st.value, s);
  writers[st.elem](...place(st.to, st.elem, st.index, s), value);
  if (st.elem !== 'f32') s.observer?.store(st.to, value);
}

function execute(st: Stmt, s: Scope): void {
  if (st.kind === 'let' || st.kind === 'assign' || st.kind === 'accumulate') setLocal(st, s);
  if (st.kind === 'pointer' || st.kind === 'advance') {
    const [base, offset] = st.kind === 'pointer' ? [st.base, st.offset] : [st.name, st.by];
    const elem = st.kind === 'pointer' ? st.elem : elemOf(st.name);
    const [view, at] = place(base, elem, offset, s);
    if (st.kind === 'pointer') elems.set(st.name, elem);
    s.pointers.set(st.name, { view, at });
  }
  if (st.kind === 'store') store(st, s);
  if (st.kind === 'for') loop(st, s);
  if (st.kind === 'if') run(numberOf(st.test, s) !== 0 ? st.yes : st.no, s);
  if (st.kind === 'copy') moveBytes(s, st);
  if (st.kind === 'fill') fillBytes(s, st);
  if (st.kind === 'startRows' || st.kind === 'rowSum') run(st.body, s);
}

/** Element types of pointers, which an advance does not repeat. */
const elems = new Map<string, Elem>();
const elemOf = (name: string): Elem => elems.get(name)!;

function run(body: readonly Stmt[], s: Scope): void {
  for (const st of body) execute(st, s);
}

function tableView(elem: Elem, data: ArrayLike<number>): DataView {
  const view = new DataView(new ArrayBuffer(data.length * elemBytes[elem]));
  for (let i = 0; i < data.length; i++) writers[elem](view, i * elemBytes[elem], data[i]!);
  return view;
}

function call(kernel: Kernel, addresses: readonly number[], arena: DataView, observer?: Observer): void {
  const s = new Scope(observer);
  kernel.params.forEach((p, i) => {
    s.pointers.set(p.name, { view: arena, at: addresses[i]! });
  });
  for (const t of kernel.tables) s.pointers.set(t.name, { view: tableView(t.elem, t.data), at: 0 });
  run(kernel.body, s);
}

/** Runs a program on one input; every step's arena is kept. */
export function evaluate(
  program: Program,
  input: Uint8Array,
  observe: (kernel: Kernel) => Observer | undefined = () => undefined,
): Outcome {
  const arena = new Uint8Array(program.arenaBytes).fill(arenaFill);
  const view = new DataView(arena.buffer);
  arena.set(input, program.slots[program.inputs[0]!.slot]!.address);
  const arenas = program.steps.map((step) => {
    call(
      step.kernel,
      step.args.map((a) => program.slots[a]!.address),
      view,
      observe(step.kernel),
    );
    return arena.slice();
  });
  const out = program.slots[program.outputs[0]!.slot]!;
  return { output: arena.slice(out.address, out.address + out.length * elemBytes[out.elem]), arenas };
}
