/** Expressions of Kernel IR as WebAssembly. What C leaves undefined does not happen: it was proven or is checked. */
import { DefectError, must } from '../../base/errors.ts';
import { elemRange } from '../../ir/kernel/check.ts';
import type { Elem, Expr, ExprOf } from '../../ir/kernel/kernel.ts';
import { binaryOperations, compareOperations } from '../../ir/kernel/operations.ts';
import type { Primitive, VectorPrimitive } from '../../ir/kernel/primitive.ts';
import { anyPrimitive, vectorPrimitiveOf } from '../../ir/kernel/prims/index.ts';
import { partsOf } from '../../ir/kernel/walk.ts';
import { type Code, either, int } from '../../wasm/code.ts';
import { f32, float, i32, load, select } from '../../wasm/instructions.ts';
import { type Body, fresh, localOf, placeOf, valueType } from './body.ts';
import { loadedPairs, loadVector } from './vector-memory.ts';

const instructionOf = ({ op, type }: ExprOf<'binary'>) => {
  const { wasm, f32: real } = binaryOperations[op];
  return type === 'i32' ? wasm : must(real, `${op} of f32 was checked`).wasm;
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
      return instructionOf(e)(value(b, e.a), value(b, e.b));
    case 'compare':
      return compareOperations[e.op].wasm[e.type](value(b, e.a), value(b, e.b));
    case 'select':
      return selected(b, e);
    case 'load': {
      const { address, offset } = placeOf(b, e.from, e.index, (index) => value(b, index));
      return load[e.elem](offset, address);
    }
    case 'loadVector':
      return loadVector(b, e, (part) => value(b, part));
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

/** Whether an expression may be computed where its value is not used: it cannot trap (divisions do), and costs little. */
const isFree = (e: Expr): boolean =>
  e.kind !== 'load' &&
  e.kind !== 'call' &&
  !(e.kind === 'binary' && binaryOperations[e.op].cost === 'divide') &&
  partsOf(e).every(isFree);

function selected(b: Body, e: ExprOf<'select'>): Code {
  const [test, yes, no] = [value(b, e.test), value(b, e.yes), value(b, e.no)];
  return isFree(e.yes) && isFree(e.no) ? select(yes, no, test) : either(e.type, test, yes, no);
}

/** How a primitive is computed on the machine. */
function wasmOf({ relaxed }: Body, name: string): Pick<VectorPrimitive, 'wasm' | 'uncut'> {
  const vector = vectorPrimitiveOf(name);
  return (relaxed ? vector?.relaxed : undefined) ?? vector ?? must(anyPrimitive(name), `primitive ${name}`);
}

/** Lanes that become elements: narrowing them cuts them off at the limits of their type, if nothing else does. */
export function narrowed(b: Body, e: Expr, elem: Elem): Code {
  if (e.kind !== 'call') return value(b, e);
  const limits = elemRange(elem);
  const { uncut } = wasmOf(b, e.primitive);
  const [lo, hi] = e.args.slice(-2).map((arg) => (arg.kind === 'int' ? arg.value : undefined));
  return uncut && lo === limits?.lo && hi === limits?.hi ? call(b, e, uncut) : value(b, e);
}

/** Arguments are put into locals, unless they can be repeated as they are. */
function call(b: Body, e: ExprOf<'call'>, way?: Primitive['wasm']): Code {
  const pairs = loadedPairs(b, e, (part) => value(b, part));
  if (pairs !== undefined) return pairs;
  const primitive = must(anyPrimitive(e.primitive), `primitive ${e.primitive}`);
  const code = way ?? wasmOf(b, e.primitive).wasm;
  if (code === undefined) throw new DefectError(`${primitive.name} is of a chip`);
  const sets: Code[] = [];
  const args = e.args.map((arg, i) => {
    if (arg.kind === 'int' || arg.kind === 'float' || arg.kind === 'local') return value(b, arg);
    const held = fresh(b, valueType(must(primitive.params[i], 'a parameter').type));
    sets.push(held.set(value(b, arg)));
    return held.get;
  });
  return [...sets.flat(), ...code((type) => fresh(b, type), ...args)];
}
