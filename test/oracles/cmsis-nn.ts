/**
 * What CMSIS-NN and TensorFlow Lite compute for 8-bit tensors, written from their definitions over integers of any
 * size. Bytes are unsigned here, signed there: every stored number and zero point is 128 more.
 */

/** How a rescaling rounds: twice (the default of both), or once (CMSIS_NN_USE_SINGLE_ROUNDING, TFLITE_SINGLE_ROUNDING). */
export type Rounding = 'double' | 'single';

/** real = multiplier * 2^(shift - 31), multiplier in [2^30, 2^31). */
export interface Factor {
  readonly multiplier: bigint;
  readonly shift: number;
}

/** The 31-bit number nearest to a positive real. */
export function factorOf(real: number): Factor {
  let shift = Math.ceil(Math.log2(real));
  if (real / 2 ** shift >= 1) shift++;
  if (real / 2 ** shift < 0.5) shift--;
  let multiplier = BigInt(Math.round((real / 2 ** shift) * 2 ** 31));
  if (multiplier === 1n << 31n) {
    multiplier /= 2n;
    shift++;
  }
  return shift < -31 ? { multiplier: 0n, shift: 0 } : { multiplier, shift };
}

/** a b / 2^31, to the nearest, halves up; -1 times -1 saturates. */
function highMultiply(a: bigint, b: bigint): bigint {
  const most = (1n << 31n) - 1n;
  const product = (a * b + (1n << 30n)) >> 31n;
  return product > most ? most : product;
}

/** x / 2^n to the nearest, halves away from zero. */
function halve(x: bigint, n: number): bigint {
  if (n === 0) return x;
  const half = 1n << BigInt(n - 1);
  return x < 0n ? -((half - x) >> BigInt(n)) : (x + half) >> BigInt(n);
}

export function rescale(x: bigint, { multiplier, shift }: Factor, rounding: Rounding): bigint {
  if (rounding === 'single') return (x * multiplier + (1n << BigInt(30 - shift))) >> BigInt(31 - shift);
  return halve(highMultiply(x << BigInt(Math.max(0, shift)), multiplier), Math.max(0, -shift));
}

export interface Grid {
  readonly scale: number;
  readonly zeroPoint: number;
}

const clampTo = (lo: number, hi: number, x: number): number => Math.min(hi, Math.max(lo, x));

/** The sum of two bytes: operands with 20 more bits on a common grid, then one rescaling. */
export function additionOf(
  [first, second]: readonly [Grid, Grid],
  output: Grid,
  rounding: Rounding,
  [lo, hi]: readonly [number, number] = [0, 255],
): (a: number, b: number) => number {
  const twice = 2 * Math.max(first.scale, second.scale);
  const lifted = ({ scale, zeroPoint }: Grid): bigint[] =>
    Array.from({ length: 256 }, (_, byte) =>
      rescale(BigInt(byte - zeroPoint) << 20n, factorOf(scale / twice), rounding),
    );
  const [a, b] = [lifted(first), lifted(second)];
  const back = factorOf(twice / (2 ** 20 * output.scale));
  return (x, y) => clampTo(lo, hi, Number(rescale(a[x]! + b[y]!, back, rounding)) + output.zeroPoint);
}

/** The mean of stored bytes: halves away from 0, which is byte 128. */
export function averageOf(bytes: readonly number[]): number {
  const sum = bytes.reduce((total, byte) => total + byte - 128, 0);
  const half = Math.floor(bytes.length / 2);
  return 128 + Math.trunc((sum > 0 ? sum + half : sum - half) / bytes.length);
}

/** e^x of x <= 0 with 5 integer bits (Q5.26), in Q0.31. */
function exponential(x: bigint): bigint {
  if (x === 0n) return (1n << 31n) - 1n;
  const quarter = 1n << 24n;
  // x = fraction - rest, -1/4 <= fraction < 0, rest a multiple of 1/4
  const fraction = (x & (quarter - 1n)) - quarter;
  const rest = fraction - x;
  // Taylor's polynomial around -1/8; 1895147668 is e^(-1/8), 715827883 is 1/3.
  const t = (fraction << 5n) + (1n << 28n);
  const t2 = highMultiply(t, t);
  const t3 = highMultiply(t2, t);
  const t4 = halve(highMultiply(t2, t2), 2);
  const tail = halve(highMultiply(t4 + t3, 715827883n) + t2, 1);
  let result = 1895147668n + highMultiply(1895147668n, t + tail);
  // e^(-1/4), e^(-1/2), e^(-1), ... e^(-16)
  const powers = [1672461947n, 1302514674n, 790015084n, 290630308n, 39332535n, 720401n, 242n];
  powers.forEach((power, i) => {
    if ((rest & (quarter << BigInt(i))) !== 0n) result = highMultiply(result, power);
  });
  return result;
}

/** 1 / (1 + x) for 0 <= x < 1, both Q0.31: Newton's method from 48/17 - 32/17 d, d = (1 + x) / 2. */
function reciprocal(x: bigint): bigint {
  const half = (x + (1n << 31n)) / 2n;
  let guess = 1515870810n + highMultiply(half, -1010580540n);
  for (let i = 0; i < 3; i++) guess += highMultiply(guess, (1n << 29n) - highMultiply(half, guess)) << 2n;
  const doubled = guess << 1n;
  return doubled >= 1n << 31n ? (1n << 31n) - 1n : doubled;
}

/**
 * One row of bytes to probabilities in steps of 1/256. Where the exponentials add up to 512 or more, CMSIS-NN's
 * scalar code shifts by over 31 bits, which C leaves undefined; its vector code has these numbers.
 */
export function softmaxRow(row: readonly number[], scale: number): number[] {
  const { multiplier, shift } = factorOf(Math.min(scale * 2 ** 26, 2 ** 31 - 1));
  const lowest = -Math.floor((31 * 2 ** 26) / 2 ** shift);
  const largest = row.reduce((most, byte) => Math.max(most, byte), 0);
  const powers = row.map((byte) =>
    byte - largest < lowest
      ? undefined
      : exponential(highMultiply(BigInt(byte - largest) << BigInt(shift), multiplier)),
  );
  const sum = powers.reduce<bigint>((total, p) => total + (p === undefined ? 0n : halve(p, 12)), 0n);
  const headroom = 32 - sum.toString(2).length;
  const inverse = reciprocal((sum << BigInt(headroom)) - (1n << 31n));
  return powers.map((p) =>
    p === undefined ? 0 : clampTo(0, 255, Number(halve(highMultiply(inverse, p), 12 - headroom + 23))),
  );
}
