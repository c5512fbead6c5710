/** What is done to numbers, done to each lane of vectors. */
import { choose } from '../../../wasm/instructions.ts';
import { hull, type Interval } from '../interval.ts';
import { type CompareOp, compareOperations } from '../operations.ts';
import type { Primitive, VectorPrimitive } from '../primitive.ts';
import { clamp } from './clamp.ts';
import { requantizeCompact, requantizeHigh, requantizePow2 } from './requantize.ts';
import { requantizeByte } from './requantize-byte.ts';
import { byLane, zero } from './vectors.ts';
import { wrappedDifference, wrappedProduct, wrappedSum } from './wrapped.ts';

/** The name of the primitive that does to lanes what one of numbers does to a number. */
export const laneName = (scalar: string): string => `${scalar}_i32x4`;

/** A primitive of numbers in every lane; parameters named in `numbers` are the same for all lanes. */
function inLanes(
  scalar: Primitive,
  mve: string,
  numbers: readonly string[] = [],
  violation: VectorPrimitive['violation'] = scalar.violation,
): VectorPrimitive {
  return {
    name: laneName(scalar.name),
    doc: `in each lane: ${scalar.doc}`,
    params: scalar.params.map(({ name }) => ({ name, type: numbers.includes(name) ? 'i32' : 'i32x4' })),
    result: 'i32x4',
    instructions: { mve: [`return ${mve};`] },
    ...(scalar.lanes === undefined ? {} : { wasm: scalar.lanes }),
    js: byLane('i32x4', (...args) =>
      violation(...args.map((x) => ({ lo: x, hi: x }))) === undefined ? scalar.js(...args) : undefined,
    ),
    violation,
    range: scalar.range,
    cost: 'otherCall',
  };
}

/** Cut off at one limit and then at the other: the same as a choice where they are in order. */
const inOrder = (_x: Interval, lo = zero, hi = zero): string | undefined =>
  lo.hi > hi.lo ? `limits ${lo.lo}..${lo.hi} and ${hi.lo}..${hi.hi}, defined in this order` : undefined;

const cut: VectorPrimitive = {
  ...inLanes(clamp, 'vminq_s32(vmaxq_s32(x, vdupq_n_s32(lo)), vdupq_n_s32(hi))', ['lo', 'hi'], inOrder),
  uncut: (_, x = []) => x,
};

/** The name of the primitive that chooses by a comparison. */
export const choiceName = (op: CompareOp): string => `choose_${op}_i32x4`;

const choice = (op: CompareOp): VectorPrimitive => {
  const { sign, meaning, wasm } = compareOperations[op];
  return {
    name: choiceName(op),
    doc: `a ${sign} b ? yes : no in each lane`,
    params: (['a', 'b', 'yes', 'no'] as const).map((name) => ({ name, type: 'i32x4' })),
    result: 'i32x4',
    instructions: { mve: [`return vpselq_s32(yes, no, vcmp${op}q_s32(a, b));`] },
    wasm: (_, a = [], b = [], yes = [], no = []) => choose(yes, no, wasm.i32x4(a, b)),
    js: byLane('i32x4', (a = 0, b = 0, yes = 0, no = 0) => (meaning(a, b) ? yes : no)),
    violation: () => undefined,
    range: (_a, _b, yes = zero, no = zero) => hull([yes.lo, yes.hi, no.lo, no.hi]),
    cost: 'otherCall',
  };
};

export const lanePrimitives: readonly VectorPrimitive[] = [
  ...(Object.keys(compareOperations) as CompareOp[]).map(choice),
  cut,
  requantizeByte,
  inLanes(requantizeCompact, 'vrshlq_s32(vmulq_s32(acc, multiplier), vnegq_s32(shift))'),
  inLanes(requantizeHigh, 'vrshlq_s32(vmulhq_s32(acc, multiplier), vsubq_s32(vdupq_n_s32(1), shift))'),
  inLanes(requantizePow2, 'vrshlq_s32(acc, vnegq_s32(shift))'),
  inLanes(wrappedDifference, 'vsubq_s32(a, b)'),
  inLanes(wrappedProduct, 'vmulq_s32(a, b)'),
  inLanes(wrappedSum, 'vaddq_s32(a, b)'),
];
