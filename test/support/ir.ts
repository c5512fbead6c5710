/** Terse constructors of Kernel IR and programs for tests. */
import type { Elem, Expr, Kernel, Param, Scalar, Stmt, Table } from '../../src/ir/kernel/kernel.ts';
import { elemBytes } from '../../src/ir/kernel/kernel.ts';
import type { BinaryOp, CompareOp } from '../../src/ir/kernel/operations.ts';
import { scalarTypeOf as typeOf } from '../../src/ir/kernel/walk.ts';
import type { Program, Slot, Step } from '../../src/program/program.ts';

export const asExpr = (x: Expr | number): Expr => (typeof x === 'number' ? { kind: 'int', value: x } : x);
export const int = (value: number): Expr => ({ kind: 'int', value });
export const float = (value: number): Expr => ({ kind: 'float', value: Math.fround(value) });
export const local = (name: string): Expr => ({ kind: 'local', name, type: 'i32' });
export const flocal = (name: string): Expr => ({ kind: 'local', name, type: 'f32' });

export const binary = (op: BinaryOp, a: Expr | number, b: Expr | number): Expr => ({
  kind: 'binary',
  op,
  type: typeOf(asExpr(a)),
  a: asExpr(a),
  b: asExpr(b),
});
const binaryOf =
  (op: BinaryOp) =>
  (a: Expr | number, b: Expr | number): Expr =>
    binary(op, a, b);
export const add = binaryOf('add');
export const sub = binaryOf('sub');
export const mul = binaryOf('mul');
export const div = binaryOf('div');
export const mod = binaryOf('mod');
export const shl = binaryOf('shl');
export const shr = binaryOf('shr');
export const and = binaryOf('and');
export const or = binaryOf('or');
export const xor = binaryOf('xor');

export const compare = (op: CompareOp, a: Expr | number, b: Expr | number): Expr => ({
  kind: 'compare',
  op,
  type: typeOf(asExpr(a)),
  a: asExpr(a),
  b: asExpr(b),
});
export const select = (test: Expr, yes: Expr | number, no: Expr | number): Expr => ({
  kind: 'select',
  type: typeOf(asExpr(yes)),
  test,
  yes: asExpr(yes),
  no: asExpr(no),
});
export const load = (from: string, elem: Elem, index: Expr | number): Expr => ({
  kind: 'load',
  from,
  elem,
  index: asExpr(index),
});
export const toFloat = (value: Expr): Expr => ({ kind: 'toFloat', value });
export const toInt = (value: Expr): Expr => ({ kind: 'toInt', value });
const callOf =
  (type: Scalar) =>
  (primitive: string, ...args: (Expr | number)[]): Expr => ({
    kind: 'call',
    primitive,
    type,
    args: args.map(asExpr),
  });
export const call = callOf('i32');
export const callFloat = callOf('f32');

export const let_ = (name: string, value: Expr | number, mutable = true): Stmt => ({
  kind: 'let',
  name,
  type: typeOf(asExpr(value)),
  value: asExpr(value),
  mutable,
});
export const assign = (name: string, value: Expr | number): Stmt => ({
  kind: 'assign',
  name,
  type: typeOf(asExpr(value)),
  value: asExpr(value),
});
export const accumulate = (name: string, value: Expr | number): Stmt => ({
  kind: 'accumulate',
  name,
  type: typeOf(asExpr(value)),
  value: asExpr(value),
});
export const pointer = (
  name: string,
  base: string,
  elem: Elem,
  offset: Expr | number,
  mutable = true,
): Stmt => ({ kind: 'pointer', name, base, elem, offset: asExpr(offset), mutable });
export const advance = (name: string, by: Expr | number): Stmt => ({ kind: 'advance', name, by: asExpr(by) });
export const store = (to: string, elem: Elem, index: Expr | number, value: Expr | number): Stmt => ({
  kind: 'store',
  to,
  elem,
  index: asExpr(index),
  value: asExpr(value),
});
export const for_ = (
  name: string,
  from: Expr | number,
  to: Expr | number,
  body: readonly Stmt[],
  step = 1,
): Stmt => ({ kind: 'for', name, from: asExpr(from), to: asExpr(to), step, body });
export const if_ = (test: Expr, yes: readonly Stmt[], no: readonly Stmt[] = []): Stmt => ({
  kind: 'if',
  test,
  yes,
  no,
});
export const copy = (
  elem: Elem,
  to: string,
  toIndex: Expr | number,
  from: string,
  fromIndex: Expr | number,
  count: Expr | number,
): Stmt => ({
  kind: 'copy',
  elem,
  to,
  toIndex: asExpr(toIndex),
  from,
  fromIndex: asExpr(fromIndex),
  count: asExpr(count),
});
export const fill = (
  elem: 'u8' | 'i8',
  to: string,
  index: Expr | number,
  value: Expr | number,
  count: Expr | number,
): Stmt => ({ kind: 'fill', elem, to, index: asExpr(index), value: asExpr(value), count: asExpr(count) });

export const param = (name: string, role: Param['role'], elem: Elem, length: number): Param => ({
  name,
  role,
  elem,
  length,
});
export const table = (name: string, elem: Elem, data: Table['data']): Table => ({ name, elem, data });
export const kernel = (
  name: string,
  params: readonly Param[],
  body: readonly Stmt[],
  tables: readonly Table[] = [],
  macs = 0,
): Kernel => ({ name, doc: [name], params, tables, body, macs });

export type SlotSpec = Pick<Slot, 'name' | 'address' | 'elem' | 'length'> & Partial<Slot>;
export const slot = (spec: SlotSpec): Slot => ({
  shape: [spec.length],
  firstStep: -1,
  lastStep: 1000,
  ...spec,
});

/** A program of these steps; slot 0 is the input, the last step's last non-scratch argument the output. */
export function program(
  slots: readonly SlotSpec[],
  steps: readonly (readonly [Kernel, readonly number[]])[],
): Program {
  const made = slots.map(slot);
  const [last, args] = steps[steps.length - 1]!;
  const output = args[last.params.findIndex((p) => p.role === 'out')]!;
  return {
    name: 'net',
    arith: 'int8',
    arenaBytes: Math.max(...made.map((s) => s.address + s.length * elemBytes[s.elem])),
    slots: made,
    steps: steps.map(([k, a]): Step => ({ kernel: k, args: a, origin: [] })),
    inputs: [{ name: 'input', slot: 0 }],
    outputs: [{ name: 'output', slot: output }],
  };
}

/** One kernel with each parameter in a slot of its own, one after the other, aligned to 4 bytes. */
export function single(k: Kernel): Program {
  let next = 0;
  const slots = k.params.map((p): SlotSpec => {
    const address = next;
    next = Math.ceil((next + p.length * elemBytes[p.elem]) / 4) * 4;
    return { name: p.name, address, elem: p.elem, length: p.length };
  });
  return program(slots, [[k, slots.map((_, i) => i)]]);
}
