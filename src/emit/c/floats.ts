/** Float constants: the shortest decimals that every compiler reads as the same binary32 numbers. */
import { at, DefectError } from '../../base/errors.ts';

const number = new Float32Array(1);
const bits = new Int32Array(number.buffer);

/** The float32 number that is `steps` after a positive finite one; 2^128 where the format ends. */
function neighbour(value: number, steps: -1 | 1): number {
  number[0] = value;
  bits[0] = at(bits, 0) + steps;
  const found = at(number, 0);
  return found === Infinity ? 2 ** 128 : found;
}

/**
 * Where a decimal has to lie that a compiler must read as the float32 `value` > 0: strictly between these. JavaScript
 * rounds the decimal to float64 first; midpoints of float32 numbers are float64 numbers, so strictly between them
 * nothing is rounded twice.
 */
const midpoints = (value: number): readonly [number, number] => [
  (neighbour(value, -1) + value) / 2,
  (value + neighbour(value, 1)) / 2,
];

function shortest(value: number): number {
  const [low, high] = midpoints(value);
  for (let digits = 1; digits < 9; digits++) {
    const read = Number(value.toPrecision(digits));
    if (read > low && read < high) return read;
  }
  return Number(value.toPrecision(9));
}

/** 1, 10, ... 10^12 */
const tens = Array.from({ length: 13 }, (_, digits) => 10 ** digits);

/** Most weights are such numbers: nine digits have at most 12 places. */
const isWeight = (value: number): boolean => value >= 1e-4 && value < 10;

/** Nine digits, which are always enough. */
function ninePlaces(value: number): number {
  if (value >= 0.1) return value >= 1 ? 8 : 9;
  if (value >= 0.01) return 10;
  return value >= 0.001 ? 11 : 12;
}

/**
 * Decimal places of `shortest` for a weight, of which it is n / 10^places with n = round(value 10^places) below 2^31.
 * A float32 number times 10^12 or less is a float64 number (24 + 12 log2(5) bits), so rounding it to an integer is
 * rounding the decimal, and dividing that by the power of ten again is reading it. The midpoints are equally far away
 * (powers of two aside), and with one place more a decimal is at least as near: the first that is too far ends the search.
 */
function placesOf(value: number): number {
  number[0] = value;
  const pattern = bits[0] as number;
  if ((pattern & 0x7f_ffff) === 0) return placesOfPower(value);
  // 2^-24 of the power of two below.
  bits[0] = (pattern & 0x7f80_0000) - (24 << 23);
  const half = number[0];
  const [low, high] = [value - half, value + half];
  let places = ninePlaces(value);
  while (places > 0) {
    const ten = tens[places - 1] as number;
    const read = Math.round(value * ten) / ten;
    if (read <= low || read >= high) break;
    places--;
  }
  return places;
}

function placesOfPower(value: number): number {
  const [low, high] = midpoints(value);
  return tens.findIndex((ten) => {
    const read = Math.round(value * ten) / ten;
    return read > low && read < high;
  });
}

function weightText(value: number): string {
  const places = placesOf(value);
  const ten = at(tens, places);
  const n = Math.round(value * ten);
  return n < ten ? `0.${String(n).padStart(places, '0')}f` : withPoint(String(n / ten));
}

/** A float constant. @throws DefectError for a number that is not binary32 */
export function cFloat(value: number): string {
  if (Math.fround(value) !== value) throw new DefectError(`${value} is not a binary32 number`);
  if (value < 0 || Object.is(value, -0)) return `-${cFloat(-value)}`;
  if (value === Infinity) return 'INFINITY';
  if (isWeight(value)) return weightText(value);
  return withPoint(value === 0 ? '0' : String(shortest(value)));
}

const withPoint = (text: string): string => `${/[.e]/.test(text) ? text : `${text}.0`}f`;

/** Characters from `to` on. @returns where they end */
export function putText(bytes: Uint8Array, to: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[to + i] = text.charCodeAt(i);
  return to + text.length;
}

const [zero, point, minus, f] = [48, 46, 45, 102];

/** `count` digits of n, the last of them before `end`; it is 0 <= n < 2^31. @returns what is left of n */
function putDigits(bytes: Uint8Array, end: number, n: number, count: number): number {
  let rest = n;
  for (let i = end - 1; i >= end - count; i--) {
    const next = (rest / 10) | 0;
    bytes[i] = zero + rest - 10 * next;
    rest = next;
  }
  return rest;
}

/** `cFloat` as bytes, a weight without a string: of millions of weights, those take most of the time. */
export function putFloat(bytes: Uint8Array, to: number, value: number): number {
  const size = Math.abs(value);
  if (!isWeight(size) || Math.fround(size) !== size) return putText(bytes, to, cFloat(value));
  const places = placesOf(size);
  const n = Math.round(size * (tens[places] as number));
  // 10 of 9.9999999 has no places and two digits.
  if (places === 0) return putText(bytes, to, cFloat(value));
  let first = to;
  if (value < 0) bytes[first++] = minus;
  const end = first + 2 + places;
  bytes[first] = zero + putDigits(bytes, end, n, places);
  bytes[first + 1] = point;
  bytes[end] = f;
  return end + 1;
}
