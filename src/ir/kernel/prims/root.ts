/** Square roots and logarithms of int32, bit by bit: what normalizations take once per row. */
import { at } from '../../../base/errors.ts';
import { type Code, int, type Local, repeat, when } from '../../../wasm/code.ts';
import { i32, select } from '../../../wasm/instructions.ts';
import type { Interval } from '../interval.ts';
import type { FreshLocal, Primitive } from '../primitive.ts';

const common = { params: [{ name: 'x', type: 'i32' }], result: 'i32', cost: 'otherCall' } as const;

/** Numbers above 0. */
const positive = ({ lo, hi }: Interval = { lo: 1, hi: 1 }): string | undefined =>
  lo >= 1 ? undefined : `x in ${lo}..${hi}, defined for 1..2147483647`;

/** j with x 4^j in 2^28..2^30 - 1. */
const shiftOf = (x: number): number => Math.floor((Math.clz32(x) - 2) / 2);
const normal = (x: number): number => Math.floor(x * 4 ** shiftOf(x));

/** Falls as x grows. */
const shiftRange = (x: Interval = { lo: 1, hi: 1 }): Interval => ({
  lo: shiftOf(Math.max(1, x.hi)),
  hi: shiftOf(Math.max(1, x.lo)),
});

/** `w` from 2^30 on by 4, and below 2^28 times 4 until it is not; `each` is done every time. */
const normalized = (w: Local, x: Code, [down, up]: readonly [Code, Code] = [[], []]): Code => [
  ...w.set(x),
  ...when(i32.ge(w.get, int(2 ** 30)), [...w.set(i32.shr(w.get, int(2))), down]),
  ...when(
    i32.lt(w.get, int(2 ** 28)),
    repeat([...w.set(i32.shl(w.get, int(2))), up], i32.lt(w.get, int(2 ** 28))),
  ),
];

/** By how many pairs of bits a number is moved so that its root has 15. */
export const rootShift: Primitive = {
  ...common,
  name: 'root_shift',
  doc: 'j such that x * 4^j is in 2^28..2^30 - 1; x >= 1',
  c99: [
    'int32_t j = 0;',
    'if (x >= 1073741824) {',
    '    return -1;',
    '}',
    'for (; x < 268435456; x = x << 2) {',
    '    j++;',
    '}',
    'return j;',
  ],
  js: (x = 1) => shiftOf(x),
  wasm(fresh, x = []) {
    const [w, j] = [fresh('i32'), fresh('i32')];
    const step = (by: number): Code => j.set(i32.add(j.get, int(by)));
    return [...j.set(int(0)), ...normalized(w, x, [step(-1), step(1)]), ...j.get];
  },
  violation: positive,
  range: shiftRange,
};

/** The root of w in 2^28..2^30 - 1, to the nearest: floor by bits from 2^14 on, one more where the rest is above it. */
function rootOf(x: number): number {
  const w = normal(x);
  const root = Math.floor(Math.sqrt(w));
  return w - root * root > root ? root + 1 : root;
}

export const root15: Primitive = {
  ...common,
  name: 'root15',
  doc: 'the square root of x * 4^root_shift(x), rounded down inside: to nearest, in 16384..32768; x >= 1',
  c99: [
    'if (x >= 1073741824) {',
    '    x = x >> 2;',
    '}',
    'while (x < 268435456) {',
    '    x = x << 2;',
    '}',
    'int32_t root = 0;',
    'for (int32_t bit = 16384; bit > 0; bit = bit >> 1) {',
    '    int32_t next = root + bit;',
    '    root = next * next <= x ? next : root;',
    '}',
    'return root + (x - root * root > root);',
  ],
  js: (x = 1) => rootOf(x),
  wasm(fresh, x = []) {
    const [w, root, bit, next] = [fresh('i32'), fresh('i32'), fresh('i32'), fresh('i32')];
    const better = select(next.get, root.get, i32.le(i32.mul(next.get, next.get), w.get));
    return [
      ...normalized(w, x),
      ...root.set(int(0)),
      ...bit.set(int(2 ** 14)),
      ...repeat(
        [...next.set(i32.add(root.get, bit.get)), ...root.set(better), ...bit.set(i32.shr(bit.get, int(1)))],
        i32.gt(bit.get, int(0)),
      ),
      ...i32.add(root.get, i32.gt(i32.sub(w.get, i32.mul(root.get, root.get)), root.get)),
    ];
  },
  violation: positive,
  range: (x = { lo: 1, hi: 1 }) => {
    const [shift, root] = [shiftRange(x), [x.lo, x.hi].map((end) => rootOf(Math.max(1, end)))];
    // Grows with x as long as the shift stays.
    return shift.lo === shift.hi ? { lo: at(root, 0), hi: at(root, 1) } : { lo: 2 ** 14, hi: 2 ** 15 };
  },
};

/** m in 2^14..2^15 - 1, of which each squaring shows one more bit of the logarithm; errors add up to 1e-4. */
function log2Of(x: number): number {
  const whole = 31 - Math.clz32(x);
  let m = whole >= 14 ? x >> (whole - 14) : x << (14 - whole);
  let log = whole;
  for (let bit = 0; bit < 16; bit++) {
    m = (m * m + 2 ** 13) >> 14;
    log *= 2;
    if (m < 2 ** 15) continue;
    m >>= 1;
    log++;
  }
  return log;
}

/** The sixteen squarings. */
function squarings(fresh: FreshLocal, m: Local, log: Local): Code {
  const [count, above] = [fresh('i32'), fresh('i32')];
  const squared = i32.shr(i32.add(i32.mul(m.get, m.get), int(2 ** 13)), int(14));
  return [
    ...count.set(int(16)),
    ...repeat(
      [
        ...m.set(squared),
        ...above.set(i32.ge(m.get, int(2 ** 15))),
        ...m.set(i32.shr(m.get, above.get)),
        ...log.set(i32.add(i32.add(log.get, log.get), above.get)),
        ...count.set(i32.sub(count.get, int(1))),
      ],
      i32.gt(count.get, int(0)),
    ),
  ];
}

export const log2: Primitive = {
  ...common,
  name: 'log2_q16',
  doc: '65536 log2 x, within 12; x >= 1',
  c99: [
    'int32_t log = 14;',
    'for (; x >= 32768; x = x >> 1) {',
    '    log++;',
    '}',
    'for (; x < 16384; x = x << 1) {',
    '    log--;',
    '}',
    'for (int32_t bit = 0; bit < 16; bit++) {',
    '    x = (x * x + 8192) >> 14;',
    '    int32_t above = x >= 32768;',
    '    x = x >> above;',
    '    log = log * 2 + above;',
    '}',
    'return log;',
  ],
  js: (x = 1) => log2Of(x),
  wasm(fresh, x = []) {
    const [m, log] = [fresh('i32'), fresh('i32')];
    const moved = (holds: Code, change: Code, by: number): Code =>
      when(holds, repeat([...m.set(change), ...log.set(i32.add(log.get, int(by)))], holds));
    return [
      ...m.set(x),
      ...log.set(int(14)),
      ...moved(i32.ge(m.get, int(2 ** 15)), i32.shr(m.get, int(1)), 1),
      ...moved(i32.lt(m.get, int(2 ** 14)), i32.shl(m.get, int(1)), -1),
      ...squarings(fresh, m, log),
      ...log.get,
    ];
  },
  violation: positive,
  range: (x = { lo: 1, hi: 1 }) => ({
    lo: 65536 * (31 - Math.clz32(Math.max(1, x.lo))),
    hi: 65536 * (32 - Math.clz32(Math.max(1, x.hi))),
  }),
};
