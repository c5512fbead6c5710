/** Float32 numbers taken apart, without C's mathematical library. */
import { int } from '../../../wasm/code.ts';
import { f32, float, i32, select } from '../../../wasm/instructions.ts';
import type { Primitive } from '../primitive.ts';

const real = new Float32Array(1);
const bits = new Uint32Array(real.buffer);

function bitsOf(x: number): number {
  real.fill(x);
  return bits.reduce((_, word) => word);
}

function realOf(word: number): number {
  bits.fill(word);
  return real.reduce((_, x) => x);
}

const overlay = ['union {', '    float real;', '    uint32_t bits;', '} word;', 'word.real = x;'];
const common = {
  params: [{ name: 'x', type: 'f32' }],
  result: 'f32',
  range: () => ({ lo: 0, hi: 0 }),
  cost: 'otherCall',
} as const;

/** Infinity counts as 2^128. */
const notNormal = (x = { lo: 1, hi: 1 }): string | undefined =>
  x.lo >= 2 ** -126 ? undefined : `x from ${x.lo} on, not 2^-126`;

/** x = mantissa 2^exponent. */
export const exponent32: Primitive = {
  ...common,
  name: 'exponent_f32',
  doc: 'floor(log2 x) for normal x > 0',
  c99: [...overlay, 'return (float)((int32_t)(word.bits >> 23) - 127);'],
  js: (x = 1) => (bitsOf(x) >>> 23) - 127,
  wasm: (_, x = []) => f32.convert(i32.sub(i32.shr(f32.bits(x), int(23)), int(127))),
  violation: notNormal,
};

export const mantissa32: Primitive = {
  ...common,
  name: 'mantissa_f32',
  doc: 'x / 2^floor(log2 x), in 1..2, for normal x > 0',
  c99: [...overlay, 'word.bits = (word.bits & 0x007fffffu) | 0x3f800000u;', 'return word.real;'],
  js: (x = 1) => realOf((bitsOf(x) & 0x007fffff) | 0x3f800000),
  wasm: (_, x = []) => f32.fromBits(i32.or(i32.and(f32.bits(x), int(0x007fffff)), int(0x3f800000))),
  violation: notNormal,
};

/** The root of the mantissa, of 24 bits and one to round by: a bit is set where the square stays below. */
export const sqrt32: Primitive = {
  ...common,
  name: 'sqrt_f32',
  doc: 'the square root, rounded to nearest; 0 for x below 2^-126',
  c99: [
    ...overlay,
    'if (!(x >= 1.17549435e-38f)) {',
    '    return 0.0f;',
    '}',
    'if (word.bits >= 0x7f800000u) {',
    '    return x;',
    '}',
    'uint32_t exponent = (word.bits >> 23) + 127u;',
    'uint32_t rest = ((word.bits & 0x007fffffu) | 0x00800000u) << (1u + (exponent & 1u));',
    'uint32_t root = 0;',
    'uint32_t twice = 0;',
    'for (uint32_t bit = 0x01000000u; bit != 0; bit >>= 1) {',
    '    if (twice + bit <= rest) {',
    '        rest -= twice + bit;',
    '        twice += 2 * bit;',
    '        root += bit;',
    '    }',
    '    rest <<= 1;',
    '}',
    'word.bits = ((exponent >> 1) << 23) + ((root + 1u) >> 1) - 0x00800000u;',
    'return word.real;',
  ],
  js: (x = 0) => (x >= 2 ** -126 ? Math.fround(Math.sqrt(x)) : 0),
  wasm: (_, x = []) => select(f32.sqrt(x), float(0), f32.ge(x, float(2 ** -126))),
  violation: () => undefined,
};
