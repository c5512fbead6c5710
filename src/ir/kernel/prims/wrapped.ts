import type { Code } from '../../../wasm/code.ts';
import { i32, i32x4 } from '../../../wasm/instructions.ts';
import { allInts, hull, type Interval, isInt32 } from '../interval.ts';
import type { Primitive } from '../primitive.ts';

/** Both operands as uint32_t, where C defines what overflows. */
const wrapped = (
  name: string,
  sign: string,
  exact: (a: number, b: number) => number,
  js: (a: number, b: number) => number,
  wasm: (a: Code, b: Code) => Code,
  lanes: (a: Code, b: Code) => Code,
): Primitive => ({
  name,
  doc: `the lowest 32 bits of a ${sign} b, as a number in two's complement`,
  params: [
    { name: 'a', type: 'i32' },
    { name: 'b', type: 'i32' },
  ],
  result: 'i32',
  c99: [`return (int32_t)((uint32_t)a ${sign} (uint32_t)b);`],
  js: (a = 0, b = 0) => js(a, b),
  wasm: (_, a = [], b = []) => wasm(a, b),
  lanes: (_, a = [], b = []) => lanes(a, b),
  violation: () => undefined,
  // Each operation is monotone in either operand: its corners bound it.
  range(a: Interval = allInts, b: Interval = allInts) {
    const corners = hull([a.lo, a.hi].flatMap((x) => [exact(x, b.lo), exact(x, b.hi)]));
    return isInt32(corners) ? corners : allInts;
  },
  cost: 'bits',
});

export const wrappedSum = wrapped(
  'wrapped_sum',
  '+',
  (a, b) => a + b,
  (a, b) => (a + b) | 0,
  i32.add,
  i32x4.add,
);
export const wrappedDifference = wrapped(
  'wrapped_difference',
  '-',
  (a, b) => a - b,
  (a, b) => (a - b) | 0,
  i32.sub,
  i32x4.sub,
);
export const wrappedProduct = wrapped(
  'wrapped_product',
  '*',
  (a, b) => a * b + 0,
  Math.imul,
  i32.mul,
  i32x4.mul,
);
