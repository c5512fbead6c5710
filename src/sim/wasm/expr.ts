/** Expressions of Kernel IR as WebAssembly. What C leaves undefined does not happen: it was proven or is checked. */
import type { Expr } from '../../ir/kernel/kernel.ts';
import type { BinaryOp, CompareOp } from '../../ir/kernel/operations.ts';
import { primitiveOf } from '../../ir/kernel/prims/index.ts';
import { partsOf } from '../../ir/kernel/walk.ts';
import { type Code, either, int } from '../../wasm/code.ts';
import { f32, float, i32, load, select } from '../../wasm/instructions.ts';
import { type Body, fresh, localOf, placeOf } from './body.ts';

type Of<K extends Expr['kind']> = Expr & { readonly kind: K };
type TwoOperands = (a: Code, b: Code) => Code;

const intOps: Readonly<Record<BinaryOp, TwoOperands>> = {
  add: i32.add,
  sub: i32.sub,
  mul: i32.mul,
  div: i32.div,
  mod: i32.rem,
  shl: i32.shl,
  shr: i32.shr,
  and: i32.and,
  or: i32.or,
  xor: i32.xor,
};

const floatOps: Readonly<Partial<Record<BinaryOp, TwoOperands>>> = {
  add: f32.add,
  sub: f32.sub,
  mul: f32.mul,
  div: f32.div,
};

const opOf = (e: Of<'binary'>): TwoOperands =>
  e.type === 'f32' ? (floatOps[e.op] ?? intOps[e.op]) : intOps[e.op];

const compareOps: Readonly<Record<CompareOp, 'lt' | 'le' | 'gt' | 'ge' | 'eq' | 'ne'>> = {
  lt: 'lt',
  le: 'le',
  gt: 'gt',
  ge: 'ge',
  eq: 'eq',
  ne: 'ne',
};

/** Code that leaves the value. */
export function value(b: Body, e: Expr): Code {
  switch (e.kind) {
    case 'int':
      return int(e.value);
    case 'float':
      return float(e.value);
    case 'local':
      return localOf(b, e.name).get;
    case 'binary':
      return opOf(e)(value(b, e.a), value(b, e.b));
    case 'compare':
      return (e.type === 'f32' ? f32 : i32)[compareOps[e.op]](value(b, e.a), value(b, e.b));
    case 'select':
      return selected(b, e);
    case 'load': {
      const { address, offset } = placeOf(b, e.from, e.index, (index) => value(b, index));
      return load[e.elem](offset, address);
    }
    case 'toFloat':
      return f32.convert(value(b, e.value));
    case 'toInt':
      return i32.truncate(value(b, e.value));
    case 'call':
      return call(b, e);
    default:
      return e satisfies never;
  }
}

/** Whether an expression may be computed where its value is not used: it cannot trap, and costs little. */
const isFree = (e: Expr): boolean =>
  e.kind !== 'load' &&
  e.kind !== 'call' &&
  !(e.kind === 'binary' && (e.op === 'div' || e.op === 'mod')) &&
  partsOf(e).every(isFree);

function selected(b: Body, e: Of<'select'>): Code {
  const [test, yes, no] = [value(b, e.test), value(b, e.yes), value(b, e.no)];
  return isFree(e.yes) && isFree(e.no) ? select(yes, no, test) : either(e.type, test, yes, no);
}

/** Arguments are put into locals, unless they can be repeated as they are. */
function call(b: Body, e: Of<'call'>): Code {
  const primitive = primitiveOf(e.primitive);
  const sets: Code[] = [];
  const args = e.args.map((arg, i) => {
    if (arg.kind === 'int' || arg.kind === 'float' || arg.kind === 'local') return value(b, arg);
    const held = fresh(b, primitive.params[i]?.type ?? 'i32');
    sets.push(held.set(value(b, arg)));
    return held.get;
  });
  return [...sets.flat(), ...primitive.wasm((type) => fresh(b, type), ...args)];
}
