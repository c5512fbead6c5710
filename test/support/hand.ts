/** Short spellings of Kernel IR for programs written by hand. */
import type { BinaryOp, CompareOp, Elem, Expr, Kernel, Param, Scalar, Stmt } from '../../src/ir/kernel.ts';
import type { Slot } from '../../src/ir/program.ts';

export const int = (value: number): Expr => ({ kind: 'int', value });
export const float = (value: number): Expr => ({ kind: 'float', value: Math.fround(value) });
export const v = (name: string, type: Scalar = 'i32'): Expr => ({ kind: 'local', name, type });
export const bin = (op: BinaryOp, a: Expr, b: Expr, type: Scalar = 'i32'): Expr => ({
  kind: 'binary',
  op,
  type,
  a,
  b,
});
export const add = (a: Expr, b: Expr): Expr => bin('add', a, b);
export const mul = (a: Expr, b: Expr): Expr => bin('mul', a, b);
export const cmp = (op: CompareOp, a: Expr, b: Expr, type: Scalar = 'i32'): Expr => ({
  kind: 'compare',
  op,
  type,
  a,
  b,
});
export const select = (test: Expr, yes: Expr, no: Expr, type: Scalar = 'i32'): Expr => ({
  kind: 'select',
  type,
  test,
  yes,
  no,
});
export const load = (from: string, elem: Elem, index: Expr): Expr => ({ kind: 'load', from, elem, index });
export const prim = (primitive: string, ...args: Expr[]): Expr => ({
  kind: 'call',
  primitive,
  type: 'i32',
  args,
});

export const let_ = (name: string, value: Expr, type: Scalar = 'i32', mutable = true): Stmt => ({
  kind: 'let',
  name,
  type,
  value,
  mutable,
});
export const assign = (name: string, value: Expr, type: Scalar = 'i32'): Stmt => ({
  kind: 'assign',
  name,
  type,
  value,
});
export const acc = (name: string, value: Expr, type: Scalar = 'i32'): Stmt => ({
  kind: 'accumulate',
  name,
  type,
  value,
});
export const pointer = (name: string, base: string, elem: Elem, offset: Expr): Stmt => ({
  kind: 'pointer',
  name,
  base,
  elem,
  offset,
  mutable: true,
});
export const advance = (name: string, by: Expr): Stmt => ({ kind: 'advance', name, by });
export const store = (to: string, elem: Elem, index: Expr, value: Expr): Stmt => ({
  kind: 'store',
  to,
  elem,
  index,
  value,
});
export const loop = (name: string, to: number, body: Stmt[], from = 0, step = 1): Stmt => ({
  kind: 'for',
  name,
  from: int(from),
  to: int(to),
  step,
  body,
});
export const when = (test: Expr, yes: Stmt[], no: Stmt[] = []): Stmt => ({ kind: 'if', test, yes, no });

export const param = (name: string, role: Param['role'], elem: Elem, length: number): Param => ({
  name,
  role,
  elem,
  length,
});

export const kernel = (
  k: Pick<Kernel, 'name' | 'params' | 'body'> & Partial<Pick<Kernel, 'doc' | 'tables' | 'macs'>>,
): Kernel => ({ doc: [k.name], tables: [], macs: 0, ...k });

export const slot = (s: Pick<Slot, 'name' | 'address' | 'elem' | 'length'> & Partial<Slot>): Slot => ({
  shape: [s.length],
  firstStep: -1,
  lastStep: 99,
  ...s,
});
