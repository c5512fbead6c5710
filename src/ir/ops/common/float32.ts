/**
 * Real functions in float32 without C's mathematical library: what each operation rounds is the same everywhere. Errors are
 * measured against float64, relative where the values are above 1, else absolute.
 */
import type { Hold } from '../../graph/op.ts';
import { add, call, compare, div, float, maximum, minimum, mul, select, sub } from '../../kernel/builders.ts';
import type { Expr } from '../../kernel/kernel.ts';

export const negative = (x: Expr): Expr => sub(float(0), x);
/** |x| of a local. */
export const magnitude = (x: Expr): Expr => maximum(x, negative(x));
/** y with the sign of x. */
export const signed = (x: Expr, y: Expr): Expr => select(compare('lt', x, float(0)), negative(y), y);
export const where = (
  op: 'lt' | 'le' | 'gt' | 'ge' | 'eq',
  x: Expr,
  than: number,
  yes: Expr,
  no: Expr,
): Expr => select(compare(op, x, float(than)), yes, no);

/** The sum of c[i] x^i, from the highest power on. */
export const polynomial = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients
    .map((c) => float(c))
    .toReversed()
    .reduce((sum, c) => add(mul(sum, x), c));

/** e^x of x <= 0. */
export const below0 = (x: Expr): Expr => call('exp_f32', 'f32', x);

/** e^(x/2): it is a float32 number wherever its square is. */
export function rootOfExp(x: Expr, hold: Hold): Expr {
  const half = hold('half', mul(x, float(0.5)));
  const e = hold('e', below0(minimum(half, negative(half))));
  return hold('root', where('ge', x, 0, div(float(1), e), e));
}

/** Error 2^-20. */
export function exp(x: Expr, hold: Hold): Expr {
  const root = rootOfExp(x, hold);
  return mul(root, root);
}

/** e^x - 1 of a local x <= 0. */
export const expm1 = (x: Expr): Expr =>
  where(
    'gt',
    x,
    -0.5,
    mul(x, polynomial(x, [1, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320])),
    sub(below0(x), float(1)),
  );

/** With e = e^-|x|, which is at most 1: 1 / (1 + e) for x >= 0, else e / (1 + e). */
export function logistic(x: Expr, hold: Hold): Expr {
  const e = hold('e', below0(minimum(x, negative(x))));
  return div(where('ge', x, 0, float(1), e), add(e, float(1)));
}

/** With e = e^-2|x|: (1 - e) / (1 + e) for x >= 0, and its negative. */
export function tanh(x: Expr, hold: Hold): Expr {
  const e = hold('e', below0(mul(minimum(x, negative(x)), float(2))));
  return div(where('ge', x, 0, sub(float(1), e), sub(e, float(1))), add(e, float(1)));
}

/** log((1 + s) / (1 - s)) = 2 (s + s^3/3 + s^5/5 + ...), for |s| <= 1/3: the next term is below 2^-29. */
function logOfRatio(s: Expr, hold: Hold): Expr {
  const square = hold('square', mul(s, s));
  return mul(
    s,
    polynomial(
      square,
      Array.from({ length: 8 }, (_, i) => 2 / (2 * i + 1)),
    ),
  );
}

/** log(1 + x) of 0 <= x <= 1. */
export const log1pUpTo1 = (x: Expr, hold: Hold): Expr =>
  logOfRatio(hold('s', div(x, add(x, float(2)))), hold);

/** Below 2^-126 it is what it is there, -87.3. Error 2^-22. */
export function log(x: Expr, hold: Hold): Expr {
  const normal = hold('normal', maximum(x, float(2 ** -126)));
  const m = hold('m', call('mantissa_f32', 'f32', normal));
  const high = hold('high', where('gt', m, Math.SQRT2, float(1), float(0)));
  const exponent = add(call('exponent_f32', 'f32', normal), high);
  // The mantissa in 0.7..1.41, where its logarithm is that of a ratio with |s| < 0.18.
  const near = hold('near', where('gt', m, Math.SQRT2, mul(m, float(0.5)), m));
  const s = hold('s', div(sub(near, float(1)), add(near, float(1))));
  return add(mul(exponent, float(Math.LN2)), logOfRatio(s, hold));
}

/** log(1 + x) of x >= 0: log u with u = 1 + x, and what u lost of x. */
export function log1p(x: Expr, hold: Hold): Expr {
  const u = hold('u', add(x, float(1)));
  const lost = hold('lost', sub(x, sub(u, float(1))));
  return add(log(u, hold), where('lt', u, 2 ** 24, div(lost, u), float(0)));
}

/** 0 below 2^-126, and of negative numbers. */
export const sqrt = (x: Expr): Expr => call('sqrt_f32', 'f32', x);

/** 1.5 2^23: added and taken away it leaves the nearest integer of what is below 2^22, halves to even. */
const magic = float(1.5 * 2 ** 23);
/** Of what is below 2^22. */
export const nearestBelow = (x: Expr): Expr => sub(add(x, magic), magic);
/** The nearest integer, halves to even; what is far from 0 is one. */
export const nearest = (x: Expr): Expr => where('lt', magnitude(x), 2 ** 22, nearestBelow(x), x);

/** pi / 2 in parts: the products of all but the last with integers below 2^16 are exact. */
const parts = [201 / 2 ** 7, 253 / 2 ** 19, 170 / 2 ** 27];
const rest = parts.reduce((left, part) => left - part, Math.PI / 2);

export interface SineCosine {
  readonly sine: Expr;
  readonly cosine: Expr;
}

/** With x = n pi/2 + r, |r| <= pi/4: the polynomials of r, by n. Error 2^-22 up to |x| = 100,000, where float32 numbers are 1/128 apart; beyond it grows with n. */
export function sineCosine(x: Expr, hold: Hold): SineCosine {
  const n = hold('n', nearestBelow(mul(x, float(2 / Math.PI))));
  const r = hold(
    'r',
    [...parts, rest].reduce((left, part) => sub(left, mul(n, float(part))), x),
  );
  const z = hold('z', mul(r, r));
  const s = hold('s', mul(r, polynomial(z, [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880])));
  const c = hold('c', polynomial(z, [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320]));
  // n mod 4 as -2..2.
  const turn = hold('turn', sub(n, mul(nearestBelow(mul(n, float(0.25))), float(4))));
  const odd = (yes: Expr, no: Expr): Expr => select(compare('eq', mul(turn, turn), float(1)), yes, no);
  const even = (y: Expr): Expr => where('eq', turn, 0, y, negative(y));
  return { sine: odd(mul(turn, c), even(s)), cosine: odd(negative(mul(turn, s)), even(c)) };
}

/** Brought to |u| <= tan(pi/8) by 1/x beyond 1 and (t - 1) / (t + 1) beyond there. Error 2^-22. */
export function arctangent(x: Expr, hold: Hold): Expr {
  const a = hold('a', magnitude(x));
  const t = hold('t', where('gt', a, 1, div(float(1), a), a));
  const middle = Math.SQRT2 - 1;
  const u = hold('u', where('gt', t, middle, div(sub(t, float(1)), add(t, float(1))), t));
  const z = hold('z', mul(u, u));
  const series = Array.from({ length: 9 }, (_, i) => (-1) ** i / (2 * i + 1));
  const angle = hold('angle', mul(u, polynomial(z, series)));
  const turned = hold('turned', where('gt', t, middle, add(angle, float(Math.PI / 4)), angle));
  return signed(x, where('gt', a, 1, sub(float(Math.PI / 2), turned), turned));
}

/** Coefficients of the error function's power series, by x^2. */
const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
const erfSeries = Array.from(
  { length: 10 },
  (_, n) => (2 / Math.sqrt(Math.PI)) * ((-1) ** n / (factorial(n) * (2 * n + 1))),
);
/** 1 - erf x = t polynomial(t) e^(-x^2), t = 1 / (1 + p x): Hastings, Approximations for Digital Computers, sheet 43. */
const hastings = [0, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];

/** The error function. Error 2^-21 below 1, 2e-7 above. */
export function erf(x: Expr, hold: Hold): Expr {
  const a = hold('a', magnitude(x));
  const z = hold('z', mul(a, a));
  const t = hold('t', div(float(1), add(mul(a, float(0.3275911)), float(1))));
  const far = sub(float(1), mul(polynomial(t, hastings), below0(negative(z))));
  return where('lt', a, 1, mul(x, polynomial(z, erfSeries)), signed(x, far));
}
