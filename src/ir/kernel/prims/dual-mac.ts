/** Four bytes at a time, and two products an instruction: the DSP extension of Cortex-M4, M7, M33 and M55. */
import { type Code, int } from '../../../wasm/code.ts';
import { i32 } from '../../../wasm/instructions.ts';
import { allInts, type Interval, isInt32 } from '../interval.ts';
import type { Primitive } from '../primitive.ts';

const byte: Interval = { lo: 0, hi: 255 };
const isByte = ({ lo, hi }: Interval): boolean => lo >= 0 && hi <= 255;

/** Compilers for chips that load words from any address make one load of it, where the bytes are neighbours. */
export const fourBytes: Primitive = {
  name: 'four_bytes',
  doc: 'four bytes, a the lowest, as the word that little-endian memory has of them',
  params: ['a', 'b', 'c', 'd'].map((name) => ({ name, type: 'i32' })),
  result: 'i32',
  c99: ['return (int32_t)((uint32_t)a | (uint32_t)b << 8 | (uint32_t)c << 16 | (uint32_t)d << 24);'],
  js: (a = 0, b = 0, c = 0, d = 0) => a | (b << 8) | (c << 16) | (d << 24),
  wasm: (_, a = [], b = [], c = [], d = []) => {
    const high = i32.or(i32.shl(c, int(16)), i32.shl(d, int(24)));
    return i32.or(i32.or(a, i32.shl(b, int(8))), high);
  },
  violation: (...args) => (args.every(isByte) ? undefined : 'what is no byte'),
  range: (a = byte, b = byte, c = byte, d = byte) =>
    d.hi > 127
      ? allInts
      : {
          lo: a.lo + 256 * b.lo + 65536 * c.lo + 2 ** 24 * d.lo,
          hi: a.hi + 256 * b.hi + 65536 * c.hi + 2 ** 24 * d.hi,
        },
  cost: 'otherCall',
};

const isOne = ({ lo, hi }: Interval): boolean => lo === hi;
const exactly = (x: number): Interval => ({ lo: x, hi: x });

/** A part of a word: what it is where the word is known, else all that it may be. */
const part = (word: Interval, of: (x: number) => number, all: Interval): Interval =>
  isOne(word) ? exactly(of(word.lo)) : all;

const product = (a: Interval, b: Interval): Interval => {
  const [p, q, r, s] = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
  return { lo: Math.min(p, q, r, s), hi: Math.max(p, q, r, s) };
};

/** How weights stand in a word: the two of even places, or of odd places. */
interface Weights {
  readonly suffix: string;
  readonly says: string;
  readonly all: Interval;
  readonly low: (w: number) => number;
  readonly high: (w: number) => number;
  readonly c99: readonly [low: string, high: string];
  readonly wasm: (w: Code) => readonly [low: Code, high: Code];
  /** Lines that make of w the operand of SMLAD, and its name. */
  readonly widened: { readonly lines: readonly string[]; readonly value: string };
}

const byteOf = (x: Code, index: number): Code => i32.and(i32.shr(x, int(8 * index)), int(255));
const signed = (w: Code, bits: number, from: number): Code =>
  i32.shr(i32.shl(w, int(32 - bits - from)), int(32 - bits));

/** No compiler's intrinsics rotate. */
const rotated = (instruction: string, from: string, to: string): readonly string[] => [
  `int32_t ${to};`,
  `__asm__("${instruction} %0, %1, ror #8" : "=r"(${to}) : "r"(${from}));`,
];

const halves: Weights = {
  suffix: '',
  says: 'the halves of w',
  all: { lo: -32768, hi: 32767 },
  low: (w) => (w << 16) >> 16,
  high: (w) => w >> 16,
  c99: ['(int32_t)((uint32_t)w << 16) >> 16', 'w >> 16'],
  wasm: (w) => [signed(w, 16, 0), signed(w, 16, 16)],
  widened: { lines: [], value: 'w' },
};

/**
 * sum + x[place] * (one weight) + x[place + 2] * (another). UXTB16 takes two bytes out of a word, SMLAD adds both
 * products; what several sums take out of the same word is taken out once.
 */
function dualMac(name: 'even' | 'odd', place: 0 | 1, weights: Weights): Primitive {
  const [low, high] = weights.c99;
  const at = (x: string, i: number): string => `((${x} >> ${8 * i}) & 255)`;
  const js = (x = 0, w = 0, sum = 0) =>
    (sum + ((x >> (8 * place)) & 255) * weights.low(w) + ((x >> (8 * place + 16)) & 255) * weights.high(w)) |
    0;
  const w = weights.widened;
  const pair =
    place === 0
      ? { lines: [], value: '(int32_t)__builtin_arm_uxtb16((uint32_t)x)' }
      : { lines: rotated('uxtb16', 'x', 'pair'), value: 'pair' };
  return {
    name: `${name}_products${weights.suffix}`,
    doc: `sum + bytes ${place} and ${place + 2} of x, 0 to 255, times ${weights.says}, modulo 2^32`,
    params: ['x', 'w', 'sum'].map((param) => ({ name: param, type: 'i32' })),
    result: 'i32',
    c99: [
      `int32_t low = ${at('x', place)} * (${low});`,
      `int32_t high = ${at('x', place + 2)} * (${high});`,
      'return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);',
    ],
    instructions: {
      dsp: [...pair.lines, ...w.lines, `return __builtin_arm_smlad(${pair.value}, ${w.value}, sum);`],
    },
    js,
    wasm: (_, x = [], word = [], sum = []) => {
      const [first, second] = weights.wasm(word);
      const products = i32.add(i32.mul(byteOf(x, place), first), i32.mul(byteOf(x, place + 2), second));
      return i32.add(sum, products);
    },
    violation: () => undefined,
    range: (x = allInts, word = allInts, sum = allInts) => {
      const [a, b] = [place, place + 2].map((i) => part(x, (one) => (one >> (8 * i)) & 255, byte));
      const first = product(a ?? byte, part(word, weights.low, weights.all));
      const second = product(b ?? byte, part(word, weights.high, weights.all));
      const all = { lo: sum.lo + first.lo + second.lo, hi: sum.hi + first.hi + second.hi };
      return isInt32(all) ? all : allInts;
    },
    cost: 'otherCall',
  };
}

export const evenProducts = dualMac('even', 0, halves);
export const oddProducts = dualMac('odd', 1, halves);

/** Four weights of 8 bits in a word, as inputs are: SXTB16 takes them out. */
const bytes = (place: 0 | 1): Weights => ({
  suffix: '_i8',
  says: `the same bytes of w, -128 to 127`,
  all: { lo: -128, hi: 127 },
  low: (w) => (w << (24 - 8 * place)) >> 24,
  high: (w) => (w << (8 - 8 * place)) >> 24,
  c99: [24 - 8 * place, 8 - 8 * place].map((by) =>
    by === 0 ? 'w >> 24' : `(int32_t)((uint32_t)w << ${by}) >> 24`,
  ) as [string, string],
  wasm: (w) => [signed(w, 8, 8 * place), signed(w, 8, 8 * place + 16)],
  widened:
    place === 0
      ? { lines: [], value: '(int32_t)__builtin_arm_sxtb16((uint32_t)w)' }
      : { lines: rotated('sxtb16', 'w', 'weights'), value: 'weights' },
});

export const evenProductsI8 = dualMac('even', 0, bytes(0));
export const oddProductsI8 = dualMac('odd', 1, bytes(1));
