/** The instructions by their names in the specification: operands in, code that leaves the result. */
import { type Code, int, type Local, memory, op, repeat, simd, when } from './code.ts';

export const i32 = {
  eqz: op(0x45),
  eq: op(0x46),
  ne: op(0x47),
  lt: op(0x48),
  /** Less, without sign. */
  below: op(0x49),
  gt: op(0x4a),
  le: op(0x4c),
  ge: op(0x4e),
  add: op(0x6a),
  sub: op(0x6b),
  mul: op(0x6c),
  div: op(0x6d),
  rem: op(0x6f),
  and: op(0x71),
  or: op(0x72),
  xor: op(0x73),
  shl: op(0x74),
  shr: op(0x75),
  /** The low half of an i64. */
  wrap: op(0xa7),
  /** Of an f32, towards 0; what does not fit becomes the nearest that does. */
  truncate: op(0xfc, 0),
} as const;

export const i64 = {
  extend: op(0xac),
  add: op(0x7c),
  mul: op(0x7e),
  shl: op(0x86),
  shr: op(0x87),
} as const;

export const f32 = {
  eq: op(0x5b),
  ne: op(0x5c),
  lt: op(0x5d),
  gt: op(0x5e),
  le: op(0x5f),
  ge: op(0x60),
  add: op(0x92),
  sub: op(0x93),
  mul: op(0x94),
  div: op(0x95),
  /** Of an i32, to nearest even. */
  convert: op(0xb2),
  sqrt: op(0x91),
  /** The same 32 bits as an i32, and back. */
  bits: op(0xbc),
  fromBits: op(0xbe),
} as const;

export const float = (value: number): Code => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)];

/** (a, b, test): a where the test is not 0, else b; both are computed. */
export const select = op(0x1b);

export const load = {
  i8: memory(0x2c),
  u8: memory(0x2d),
  i16: memory(0x2e),
  u16: memory(0x2f),
  i32: memory(0x28),
  f32: memory(0x2a),
  v128: memory(0xfd, 0),
  /** Eight bytes to eight 16-bit lanes. */
  i8x8: memory(0xfd, 1),
  u8x8: memory(0xfd, 2),
  /** Four 16-bit numbers to 32-bit lanes. */
  i16x4: memory(0xfd, 3),
  u16x4: memory(0xfd, 4),
  /** The same 32 bits in all four lanes. */
  splat32: memory(0xfd, 9),
  /** 32 bits to the first lane, zeros to the others. */
  first32: memory(0xfd, 0x5c),
} as const;

export const store = {
  i8: memory(0x3a),
  u8: memory(0x3a),
  i16: memory(0x3b),
  u16: memory(0x3b),
  i32: memory(0x36),
  f32: memory(0x38),
  v128: memory(0xfd, 0x0b),
  /** A lane of 8, 16, 32 or 64 bits. */
  lane: (bits: 8 | 16 | 32 | 64, lane: number, offset: number, ...operands: readonly Code[]): Code => [
    memory(0xfd, { 8: 0x58, 16: 0x59, 32: 0x5a, 64: 0x5b }[bits])(offset, ...operands),
    lane,
  ],
} as const;

/** (to, from, bytes) */
export const copyBytes = op(0xfc, 0x0a, 0, 0);
/** (to, byte, bytes) */
export const fillBytes = op(0xfc, 0x0b, 0);

/** Without sign. */
export const i8x16 = { splat: simd(0x0f), min: simd(0x77), max: simd(0x79) } as const;

export const i32x4 = {
  splat: simd(0x11),
  eq: simd(0x37),
  ne: simd(0x38),
  lt: simd(0x39),
  gt: simd(0x3b),
  le: simd(0x3d),
  ge: simd(0x3f),
  shl: simd(0xab),
  shr: simd(0xac),
  /** Without sign. */
  shrBits: simd(0xad),
  add: simd(0xae),
  sub: simd(0xb1),
  mul: simd(0xb5),
  min: simd(0xb6),
  max: simd(0xb8),
  /** Eight products of 16-bit lanes, neighbours added. */
  dot: simd(0xba),
  /** Of four f32, towards 0. */
  truncate: simd(0xf8),
  /** The first lane. */
  first: (lanes: Code): Code => [lanes, 0xfd, 0x1b, 0],
} as const;

const i64x2 = {
  splat: simd(0x12),
  shr: simd(0xcc),
  add: simd(0xce),
  /** 64-bit products of the first and of the last two 32-bit lanes. */
  productsLow: simd(0xdc),
  productsHigh: simd(0xdd),
} as const;

/** (a, b, mask): bits of a where the mask has ones, else of b. */
export const choose = simd(0x52);
/** Of 8-bit lanes to 16-bit ones, of 16-bit lanes to 32-bit ones: the first half of a vector. */
export const extend = {
  i8: (lanes: Code): Code => simd(0xa7)(simd(0x87)(lanes)),
  u8: (lanes: Code): Code => simd(0xa9)(simd(0x89)(lanes)),
} as const;
/** 32-bit lanes to bytes, cut off at 0 and 255 (u8) or -128 and 127 (i8): the first four bytes. */
export const narrow = {
  u8: (lanes: Code): Code => bytesOf(0x66, lanes),
  i8: (lanes: Code): Code => bytesOf(0x65, lanes),
  i16: (lanes: Code): Code => simd(0x85)(lanes, lanes),
  u16: (lanes: Code): Code => simd(0x86)(lanes, lanes),
  /** 16-bit lanes to bytes. */
  words: {
    u8: (lanes: Code): Code => simd(0x66)(lanes, lanes),
    i8: (lanes: Code): Code => simd(0x65)(lanes, lanes),
  },
} as const;

/** 32-bit lanes to 16-bit ones with sign; what is twice on the stack is computed twice, so give locals. */
function bytesOf(instruction: number, lanes: Code): Code {
  const words = simd(0x85)(lanes, lanes);
  return simd(instruction)(words, words);
}

/** Sums and products of addresses. */
export const plus = (a: Code, ...more: readonly Code[]): Code => more.reduce((all, b) => i32.add(all, b), a);
export const times = (a: Code, b: Code): Code => i32.mul(a, b);

/** While local `pointer` is below `end`: the body, then the pointer is moved by `step` bytes. */
export const sweep = (pointer: Local, end: Code, step: number, body: Code): Code =>
  when(
    i32.below(pointer.get, end),
    repeat([body, pointer.set(plus(pointer.get, int(step)))], i32.below(pointer.get, end)),
  );

export const loadInt = (address: Code): Code => load.i32(0, address);
const f64 = { add: op(0xa0), mul: op(0xa2), promote: op(0xbb), demote: op(0xb6) };
/** Of f32, each operation in f64, and rounded to f32. */
export const inFloat64 = {
  multiplyAdd: (a: Code, b: Code, c: Code): Code =>
    f64.demote(f64.add(f64.mul(f64.promote(a), f64.promote(b)), f64.promote(c))),
};
export const storeFloat = (address: Code, value: Code): Code => store.f32(0, address, value);
export const addFloat = f32.add;

/** Four float32 side by side, `offset` bytes behind the address. */
export const loadLanes = (address: Code, offset = 0): Code => load.v128(offset, address);
export const storeLanes = (address: Code, value: Code, offset = 0): Code =>
  store.v128(offset, address, value);
/** One float32 in all four lanes. */
export const loadSplat = (address: Code): Code => load.splat32(0, address);
export const splat = simd(0x13);
export const lane = (value: Code, index: number): Code => [value, 0xfd, 0x1f, index];
/** Ones in the first bytes, zeros in the others. */
export const bytesMask = (count: number): Code => [
  0xfd,
  0x0c,
  ...Array.from({ length: 16 }, (_, i) => (i < count ? 255 : 0)),
];
export const zeroLanes: Code = bytesMask(0);
export const equal = simd(0x41);
export const less = simd(0x43);
export const greater = simd(0x44);
export const and = simd(0x4e);
/** a and not b */
export const without = simd(0x4f);
export const or = simd(0x50);
export const anyTrue = simd(0x53);
export const sum = simd(0xe4);
export const product = simd(0xe6);
export const smaller = simd(0xe8);
export const larger = simd(0xe9);

export const i16x8 = {
  add: simd(0x8e),
  sub: simd(0x91),
  /** Lanes of two vectors by their indices, those of the second from 8 on. */
  shuffle: (a: Code, b: Code, from: readonly number[]): Code =>
    shuffle(
      a,
      b,
      from.flatMap((i) => [2 * i, 2 * i + 1]),
    ),
} as const;

/** Ones in as many of the first bytes as a number says. */
export const firstMask = (count: Code): Code => {
  const indices: Code = [0xfd, 0x0c, ...Array.from({ length: 16 }, (_, i) => i)];
  return simd(0x26)(indices, i8x16.splat(count));
};
/** The last 8 bytes as the first. */
export const secondHalf = (a: Code): Code => shuffle(a, a, words(2, 3, 2, 3));
/** Each half of 8 bytes, so many bits on. */
export const shiftedHalves = (a: Code, bits: number): Code => simd(0xcd)(a, int(bits));

const words = (...which: readonly number[]): Code =>
  which.flatMap((w) => [4 * w, 4 * w + 1, 4 * w + 2, 4 * w + 3]);
const shuffle = (a: Code, b: Code, lanes: Code): Code => [a, b, 0xfd, 0x0d, ...lanes];

export const f64x2 = {
  add: simd(0xf0),
  mul: simd(0xf2),
  /** a * b + c, rounded once or twice. */
  relaxedMultiplyAdd: simd(0x107),
  splat: (value: number): Code => {
    const bytes = [...new Uint8Array(Float64Array.of(value).buffer)];
    return [0xfd, 0x0c, ...bytes, ...bytes];
  },
  /** An i32 in both lanes. */
  splatInt: (value: Code): Code => simd(0x14)(op(0xb7)(value)),
  /** Of four i32, the first two and the last two. */
  fromInts: (lanes: Code): readonly [Code, Code] => [
    simd(0xfe)(lanes),
    simd(0xfe)(shuffle(lanes, lanes, words(2, 3, 2, 3))),
  ],
  /** Of the high and the low halves of four floats, the first two and the last two. */
  fromWords: (high: Code, low: Code): readonly [Code, Code] => [
    shuffle(low, high, words(0, 4, 1, 5)),
    shuffle(low, high, words(2, 6, 3, 7)),
  ],
  /** The low halves of two times two. */
  lowWords: (a: Code, b: Code): Code => shuffle(a, b, words(0, 2, 4, 6)),
} as const;

/** 2^x in each lane, for x in 0..30: the exponent of a float. */
export const powerOfTwo = (x: Code): Code =>
  i32x4.truncate(i32x4.shl(i32x4.add(x, i32x4.splat(int(127))), int(23)));

/** a * b / 2^32 in each lane, rounded down. */
export const highProduct = (a: Code, b: Code): Code =>
  shuffle(i64x2.productsLow(a, b), i64x2.productsHigh(a, b), words(1, 3, 5, 7));

/**
 * a * b / 2^31 in each lane, rounded down; it fits. The high half of the product twice, and the first bit of the low half: V8
 * has no instruction that shifts 64 bits with sign.
 */
export const product31 = (a: Code, b: Code): Code => {
  const high = highProduct(a, b);
  return i32x4.add(i32x4.shl(high, int(1)), i32x4.shrBits(i32x4.mul(a, b), int(31)));
};

/** (a * b + addend) / 2^31 in each lane, rounded down; it fits. */
export function sum31(a: Code, b: Code, addend: number): Code {
  const scaled = (product: Code): Code => {
    const sum = i64x2.add(product, i64x2.splat(i64.extend(int(addend))));
    return i64x2.shr(sum, int(31));
  };
  return shuffle(scaled(i64x2.productsLow(a, b)), scaled(i64x2.productsHigh(a, b)), words(0, 2, 4, 6));
}
