/** Trigonometric and hyperbolic functions and their inverses; the hyperbolic tangent is an activation of its own. */
import type { Hold, Range } from '../graph/op.ts';
import { add, div, float, maximum, minimum, mul, sub } from '../kernel/builders.ts';
import type { Expr } from '../kernel/kernel.ts';
import * as float32 from './common/float32.ts';
import { plain } from './common/onnx-rules.ts';
import { pointwise } from './common/pointwise.ts';

/** Of a name that JavaScript has too. */
const named = (
  type: 'Sin' | 'Cos' | 'Tan' | 'Asin' | 'Acos' | 'Atan' | 'Sinh' | 'Cosh' | 'Asinh' | 'Acosh' | 'Atanh',
  [since, title, range]: readonly [since: number, title: string, range?: Range],
  of: (x: Expr, hold: Hold) => Expr,
) => {
  const name = type.toLowerCase() as Lowercase<typeof type>;
  return pointwise<unknown>({
    kind: name,
    title,
    onnx: plain(type, since),
    value: (_attrs, x) => Math[name](x),
    float32: (_attrs, x, hold) => of(x, hold),
    ...(range === undefined ? {} : { range }),
  });
};

const upTo1 = { lo: -1, hi: 1 };

/** ONNX Sin-7, 22. */
export const sin = named('Sin', [7, 'Sine', upTo1], (x, hold) => float32.sineCosine(x, hold).sine);
/** ONNX Cos-7, 22. */
export const cos = named('Cos', [7, 'Cosine', upTo1], (x, hold) => float32.sineCosine(x, hold).cosine);
/** ONNX Tan-7, 22. */
export const tan = named('Tan', [7, 'Tangent'], (x, hold) => {
  const { sine, cosine } = float32.sineCosine(x, hold);
  return div(sine, cosine);
});

const within1 = (x: Expr, hold: Hold): Expr =>
  hold('v', minimum(hold('raised', maximum(x, float(-1))), float(1)));

/** atan(x / sqrt(1 - x^2)). ONNX Asin-7, 22. */
export const asin = named('Asin', [7, 'Arcsine'], (x, hold) => {
  const v = within1(x, hold);
  const cosine = float32.sqrt(mul(sub(float(1), v), add(v, float(1))));
  return float32.arctangent(hold('slope', div(v, cosine)), hold);
});
/** 2 atan(sqrt((1 - x) / (1 + x))). ONNX Acos-7, 22. */
export const acos = named('Acos', [7, 'Arccosine'], (x, hold) => {
  const v = within1(x, hold);
  const slope = hold('slope', float32.sqrt(div(sub(float(1), v), add(v, float(1)))));
  return mul(float32.arctangent(slope, hold), float(2));
});
/** ONNX Atan-7, 22. */
export const atan = named('Atan', [7, 'Arctangent'], float32.arctangent);

/** e^|x| / 2. */
const halfExp = (x: Expr, hold: Hold): Expr => {
  const root = float32.rootOfExp(hold('a', float32.magnitude(x)), hold);
  return hold('large', mul(mul(root, float(0.5)), root));
};

/** (e^x - e^-x) / 2, and up to 1 the power series. ONNX Sinh-9, 22. */
export const sinh = named('Sinh', [9, 'Hyperbolic sine'], (x, hold) => {
  const large = halfExp(x, hold);
  const z = hold('z', mul(x, x));
  const near = mul(x, float32.polynomial(z, [1, 1 / 6, 1 / 120, 1 / 5040, 1 / 362880]));
  const far = float32.signed(x, sub(large, div(float(0.25), large)));
  return float32.where('lt', z, 1, near, far);
});
/** ONNX Cosh-9, 22. */
export const cosh = named('Cosh', [9, 'Hyperbolic cosine'], (x, hold) => {
  const large = halfExp(x, hold);
  return add(div(float(0.25), large), large);
});

/** log(1 + near), or beyond 2^60, where squares may be above all float32, log 2 + log x. */
function logOfSum(x: Expr, near: Expr, hold: Hold): Expr {
  const beyond = (yes: Expr, no: Expr): Expr => float32.where('gt', x, 2 ** 60, yes, no);
  const sum = hold('sum', beyond(x, near));
  return add(float32.log1p(sum, hold), beyond(float(Math.LN2), float(0)));
}

/** log(|x| + sqrt(x^2 + 1)). ONNX Asinh-9, 22. */
export const asinh = named('Asinh', [9, 'Inverse hyperbolic sine'], (x, hold) => {
  const a = hold('a', float32.magnitude(x));
  const z = hold('z', mul(a, a));
  const near = add(div(z, add(float32.sqrt(add(z, float(1))), float(1))), a);
  return float32.signed(x, logOfSum(a, near, hold));
});
/** log(x + sqrt(x^2 - 1)). ONNX Acosh-9, 22. */
export const acosh = named('Acosh', [9, 'Inverse hyperbolic cosine'], (x, hold) => {
  const t = hold('t', sub(maximum(x, float(1)), float(1)));
  return logOfSum(t, add(float32.sqrt(mul(t, add(t, float(2)))), t), hold);
});
/** log(1 + 2 |x| / (1 - |x|)) / 2. ONNX Atanh-9, 22. */
export const atanh = named('Atanh', [9, 'Inverse hyperbolic tangent'], (x, hold) => {
  const a = hold('a', float32.magnitude(within1(x, hold)));
  const ratio = hold('ratio', div(add(a, a), sub(float(1), a)));
  return float32.signed(x, mul(float32.log1p(ratio, hold), float(0.5)));
});
