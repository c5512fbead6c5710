/** The body of a kernel's WebAssembly function while it is written: where arrays lie, and its locals. */

import { must } from '../../base/errors.ts';
import { type Arrays, type Root, rootElem } from '../../ir/kernel/check.ts';
import { type Elem, type Expr, elemBytes, type Type } from '../../ir/kernel/kernel.ts';
import { type Code, int, type Local, localAt, type ValueType } from '../../wasm/code.ts';
import { plus, times } from '../../wasm/instructions.ts';

/** Where a kernel's arrays are, in bytes: parameters in their order, tables in theirs. */
export interface Addresses {
  readonly params: readonly number[];
  readonly tables: readonly number[];
}

export interface Body {
  readonly arrays: Arrays;
  readonly addresses: Addresses;
  /** Pointers are byte addresses. */
  readonly locals: Map<string, Local>;
  /** Whether the machine has relaxed vector instructions. */
  readonly relaxed: boolean;
  /** Of all locals so far, in order. */
  readonly types: ValueType[];
}

export function fresh(b: Body, type: ValueType): Local {
  b.types.push(type);
  return localAt(b.types.length - 1);
}

export const valueType = (type: Type): ValueType => (type === 'i32' || type === 'f32' ? type : 'v128');

export function declare(b: Body, name: string, type: Type): Local {
  const made = fresh(b, valueType(type));
  b.locals.set(name, made);
  return made;
}

export const localOf = (b: Body, name: string): Local => must(b.locals.get(name), `local '${name}' is known`);

export const baseOf = ({ addresses }: Body, root: Root): number =>
  must((root.kind === 'param' ? addresses.params : addresses.tables)[root.index], 'the array has a place');

/** Code that leaves an address, and bytes to be added to it by the instruction that uses it. */
export interface Address {
  readonly address: Code;
  readonly offset: number;
}

interface Split {
  readonly moving: Expr | undefined;
  readonly fixed: number;
}

/** An index as what varies plus a constant. */
export function split(index: Expr): Split {
  if (index.kind === 'int') return { moving: undefined, fixed: index.value };
  if (index.kind === 'binary' && index.op === 'add' && index.b.kind === 'int')
    return { moving: index.a, fixed: index.b.value };
  return { moving: index, fixed: 0 };
}

const scaled = (code: Code, bytes: number): Code => (bytes === 1 ? code : times(code, int(bytes)));

/**
 * Of element `index` of a parameter, table or pointer; `value` translates expressions. Offsets of instructions
 * are added without wrapping, so they only take what is added to an address that is never negative.
 */
export function placeOf(b: Body, name: string, index: Expr, value: (e: Expr) => Code): Address {
  const { root, pointer } = must(b.arrays.get(name), `array '${name}' was checked`);
  const bytes = elemBytes[rootElem(root)];
  const { moving, fixed } = split(index);
  if (pointer && moving === undefined && fixed >= 0)
    return { address: localOf(b, name).get, offset: fixed * bytes };
  const base = pointer ? localOf(b, name).get : int(baseOf(b, root) + fixed * bytes);
  const start = pointer && fixed !== 0 ? plus(base, int(fixed * bytes)) : base;
  return { address: moving === undefined ? start : plus(scaled(value(moving), bytes), start), offset: 0 };
}

/** One address, nothing to be added. */
export function addressOf(b: Body, name: string, index: Expr, value: (e: Expr) => Code): Code {
  const { address, offset } = placeOf(b, name, index, value);
  return offset === 0 ? address : plus(address, int(offset));
}

export const bytesOf = (elem: Elem, count: Code): Code => scaled(count, elemBytes[elem]);
