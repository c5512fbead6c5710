/** The instructions by their names in the specification: operands in, code that leaves the result. */
import { type Code, memory, op, simd } from './code.ts';

export const i32 = {
  eqz: op(0x45),
  eq: op(0x46),
  ne: op(0x47),
  lt: op(0x48),
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
  /** The same 32 bits in all four lanes. */
  splat32: memory(0xfd, 9),
} as const;

export const store = {
  i8: memory(0x3a),
  u8: memory(0x3a),
  i16: memory(0x3b),
  u16: memory(0x3b),
  i32: memory(0x36),
  f32: memory(0x38),
  v128: memory(0xfd, 0x0b),
} as const;

/** (to, from, bytes) */
export const copyBytes = op(0xfc, 0x0a, 0, 0);
/** (to, byte, bytes) */
export const fillBytes = op(0xfc, 0x0b, 0);

export const i32x4 = {
  add: simd(0xae),
  /** Eight products of 16-bit lanes, neighbours added. */
  dot: simd(0xba),
} as const;
