/** The kinds of operations that the models of speed and size both count, one for each expression. */
import { must } from '../base/errors.ts';
import type { Expr, ExprOf } from '../ir/kernel/kernel.ts';
import { binaryOperations, compareOperations } from '../ir/kernel/operations.ts';
import { primitiveOf, vectorPrimitiveOf } from '../ir/kernel/prims/index.ts';

/**
 * At which place of `list` a feature is counted.
 * @throws DefectError for one that is in no list: nothing may be counted as something else, or not at all
 */
export function placesIn<F extends string>(list: readonly F[]): (feature: F) => number {
  const places = new Map(list.map((feature, i) => [feature, i]));
  return (feature) => must(places.get(feature), 'a feature of the cost model');
}

/** Loads of one byte at an index below 32 (Thumb's immediate offsets), at others; of wider elements. */
function loadKind({ elem, index }: ExprOf<'load'>) {
  if (elem !== 'u8' && elem !== 'i8') return 'loadWide';
  return index.kind === 'int' && index.value < 32 ? 'loadNear' : 'loadFar';
}

/** Without the parts of the expression; undefined: nothing. */
export function kindOf(e: Expr) {
  switch (e.kind) {
    case 'binary':
      return binaryOperations[e.op].cost;
    case 'compare':
      return compareOperations[e.op].cost;
    case 'select':
      return 'select';
    case 'load':
      return loadKind(e);
    case 'loadVector':
      return 'loadWide';
    case 'call': {
      const { cost } = vectorPrimitiveOf(e.primitive) ?? primitiveOf(e.primitive);
      return typeof cost === 'string' ? cost : cost(...e.args);
    }
    case 'toFloat':
    case 'toInt':
      return 'otherCall';
    case 'int':
    case 'float':
    case 'local':
      return undefined;
    default:
      return e satisfies never;
  }
}
