/** Primitives of vectors. */
import { at, DefectError } from '../../../base/errors.ts';
import { i8x16, i32x4 } from '../../../wasm/instructions.ts';
import { allInts, hull, type Interval, isInt32 } from '../interval.ts';
import { lanesOf, type Vector } from '../kernel.ts';
import { intervalOf } from '../operations.ts';
import type { VectorPrimitive, VectorValue } from '../primitive.ts';

export function lanes(value: VectorValue | undefined): readonly number[] {
  if (typeof value === 'object') return value;
  throw new DefectError('a primitive takes a vector here');
}

function number(value: VectorValue | undefined): number {
  if (typeof value === 'number') return value;
  throw new DefectError('a primitive takes a number here');
}

export const zero: Interval = { lo: 0, hi: 0 };
export const whole = (x: number): number | undefined => (x === (x | 0) ? x : undefined);
export const outsideInt = (what: string, x: Interval): string | undefined =>
  isInt32(x) ? undefined : `${what} in ${x.lo}..${x.hi}, defined for ${allInts.lo}..${allInts.hi}`;

type OfLane = (...args: number[]) => number | undefined;

/** Applies `f` to the numbers of each lane; a number stands in all lanes. Undefined where any lane is. */
export function byLane(type: Vector, f: OfLane): VectorPrimitive['js'] {
  return (...args) => {
    const result: number[] = [];
    for (let i = 0; i < lanesOf[type]; i++) {
      const x = f(...args.map((arg) => (typeof arg === 'number' ? arg : at(arg, i))));
      if (x === undefined) return undefined;
      result.push(x);
    }
    return result;
  };
}

/** Of a sum and so many products. */
function addedRange(sum: Interval = zero, a: Interval = zero, b: Interval = zero, count = 16): Interval {
  const products = intervalOf('mul', a, b);
  return { lo: sum.lo + count * products.lo, hi: sum.hi + count * products.hi };
}

export const two = (type: Vector) =>
  [
    { name: 'a', type },
    { name: 'b', type },
  ] as const;

/** An operation that may overflow, on lanes of i32. */
function exact(
  name: string,
  op: 'add' | 'sub' | 'mul',
  doc: string,
  f: (a: number, b: number) => number,
): VectorPrimitive {
  const range = (a = zero, b = zero) => intervalOf(op, a, b);
  return {
    name: `${name}_i32x4`,
    doc,
    params: two('i32x4'),
    result: 'i32x4',
    instructions: { mve: [`return v${name}q_s32(a, b);`] },
    wasm: (_, a = [], b = []) => i32x4[op](a, b),
    js: byLane('i32x4', (a = 0, b = 0) => whole(f(a, b))),
    violation: (a, b) => outsideInt(doc, range(a, b)),
    range,
    cost: 'otherCall',
  };
}

const addLanes = exact('add', 'add', 'a + b in each lane', (a, b) => a + b);
const subLanes = exact('sub', 'sub', 'a - b in each lane', (a, b) => a - b);
const mulLanes = exact('mul', 'mul', 'a * b in each lane', (a, b) => a * b + 0);

const shiftLanes: VectorPrimitive = {
  name: 'shift_right_i32x4',
  doc: 'a / 2^by in each lane, rounded down; by in 0..31',
  params: [
    { name: 'a', type: 'i32x4' },
    { name: 'by', type: 'i32' },
  ],
  result: 'i32x4',
  instructions: { mve: ['return vshlq_s32(a, vdupq_n_s32(-by));'] },
  wasm: (_, a = [], by = []) => i32x4.shr(a, by),
  js: byLane('i32x4', (a = 0, by = 0) => (by >= 0 && by <= 31 ? a >> by : undefined)),
  violation: (_a, by = zero) =>
    by.lo < 0 || by.hi > 31 ? `by in ${by.lo}..${by.hi}, defined for 0..31` : undefined,
  range: (a = zero, by = zero) => intervalOf('shr', a, by),
  cost: 'otherCall',
};

const multiplyAddLanes: VectorPrimitive = {
  name: 'multiply_add_i32x4',
  doc: 'sum + a * b in each lane',
  params: [{ name: 'sum', type: 'i32x4' }, ...two('i32x4')],
  result: 'i32x4',
  // gcc 12 puts all additions of an unrolled loop off to its end otherwise, and spills the products.
  instructions: {
    mve: [
      'sum = vaddq_s32(sum, vmulq_s32(a, b));',
      '#if defined(__GNUC__)',
      '__asm__ volatile("" : "+w"(sum)); /* no addition is put off */',
      '#endif',
      'return sum;',
    ],
  },
  js: byLane('i32x4', (sum = 0, a = 0, b = 0) => whole(sum + a * b)),
  violation: (sum, a = zero, b = zero) =>
    outsideInt('a product', intervalOf('mul', a, b)) ?? outsideInt('a sum', addedRange(sum, a, b, 1)),
  range: (sum, a, b) => addedRange(sum, a, b, 1),
  cost: 'otherCall',
};

const maxLanes: VectorPrimitive = {
  name: 'max_i32x4',
  doc: 'the larger of a and b in each lane',
  params: two('i32x4'),
  result: 'i32x4',
  instructions: { mve: ['return vmaxq_s32(a, b);'] },
  wasm: (_, a = [], b = []) => i32x4.max(a, b),
  js: byLane('i32x4', (a = 0, b = 0) => Math.max(a, b)),
  violation: () => undefined,
  range: (a = zero, b = zero) => ({ lo: Math.max(a.lo, b.lo), hi: Math.max(a.hi, b.hi) }),
  cost: 'otherCall',
};

const minLanes: VectorPrimitive = {
  ...maxLanes,
  name: 'min_i32x4',
  doc: 'the smaller of a and b in each lane',
  instructions: { mve: ['return vminq_s32(a, b);'] },
  wasm: (_, a = [], b = []) => i32x4.min(a, b),
  js: byLane('i32x4', (a = 0, b = 0) => Math.min(a, b)),
  range: (a = zero, b = zero) => ({ lo: Math.min(a.lo, b.lo), hi: Math.min(a.hi, b.hi) }),
};

const splat: VectorPrimitive = {
  name: 'splat_i32x4',
  doc: 'x in each lane',
  params: [{ name: 'x', type: 'i32' }],
  result: 'i32x4',
  instructions: { mve: ['return vdupq_n_s32(x);'] },
  wasm: (_, x = []) => i32x4.splat(x),
  js: byLane('i32x4', (x = 0) => x),
  violation: () => undefined,
  range: (x = zero) => x,
  cost: 'otherCall',
};

const splatBytes: VectorPrimitive = {
  name: 'splat_u8x16',
  doc: 'x in each lane',
  params: [{ name: 'x', type: 'i32' }],
  result: 'u8x16',
  instructions: { mve: ['return vdupq_n_u8((uint8_t)x);'] },
  wasm: (_, x = []) => i8x16.splat(x),
  js: byLane('u8x16', (x = 0) => (x >= 0 && x <= 255 ? x : undefined)),
  violation: (x = zero) => (x.lo < 0 || x.hi > 255 ? `x in ${x.lo}..${x.hi}, defined for 0..255` : undefined),
  range: (x = zero) => x,
  cost: 'otherCall',
};

const four: VectorPrimitive = {
  name: 'four_i32x4',
  doc: 'a, b, c, d as lanes',
  params: (['a', 'b', 'c', 'd'] as const).map((name) => ({ name, type: 'i32' })),
  result: 'i32x4',
  instructions: { mve: ['int32x4_t lanes = {a, b, c, d};', 'return lanes;'] },
  js: (...args) => args.map(number),
  violation: () => undefined,
  range: (...args) => hull(args.flatMap(({ lo, hi }) => [lo, hi])),
  cost: 'otherCall',
};

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += at(a, i) * at(b, i);
  return sum;
}

const ofBytes = [{ name: 'sum', type: 'i32' }, ...two('u8x16')] as const;

/** VMLADAVA: 16 multiply-accumulates. */
const dotBytes: VectorPrimitive = {
  name: 'dot_u8x16',
  doc: 'sum + a[0] * b[0] + ... + a[15] * b[15]',
  params: ofBytes,
  result: 'i32',
  instructions: { mve: ['return (int32_t)vmladavaq_u8((uint32_t)sum, a, b);'] },
  js: (sum, a, b) => whole(number(sum) + dot(lanes(a), lanes(b))),
  violation: (sum = zero, a = zero, b = zero) => outsideInt('the sum', addedRange(sum, a, b)),
  range: (sum = zero, a = zero, b = zero) => addedRange(sum, a, b),
  cost: 'otherCall',
};

const one: Interval = { lo: 1, hi: 1 };
const sumBytes: VectorPrimitive = {
  name: 'sum_u8x16',
  doc: 'sum + a[0] + ... + a[15]',
  params: ofBytes.slice(0, 2),
  result: 'i32',
  instructions: { mve: ['return (int32_t)vaddvaq_u8((uint32_t)sum, a);'] },
  js: (sum, a) => whole(lanes(a).reduce((x, y) => x + y, number(sum))),
  violation: (sum = zero, a = zero) => outsideInt('the sum', addedRange(sum, a, one)),
  range: (sum = zero, a = zero) => addedRange(sum, a, one),
  cost: 'otherCall',
};

export const vectorPrimitives: readonly VectorPrimitive[] = [
  addLanes,
  dotBytes,
  four,
  maxLanes,
  minLanes,
  mulLanes,
  multiplyAddLanes,
  shiftLanes,
  splat,
  splatBytes,
  subLanes,
  sumBytes,
];
