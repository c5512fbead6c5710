import { at } from '../../../base/errors.ts';
import { either, int, repeat, when } from '../../../wasm/code.ts';
import { f32, float, i32 } from '../../../wasm/instructions.ts';
import type { Primitive } from '../primitive.ts';

const f = Math.fround;

/** Taylor coefficients 1/6!, 1/5!, ..., 1: on |r| <= ln(2)/2 the remainder is below 2^-22 of the value. */
const coefficients = [1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1, 1].map(f);
const log2e = f(Math.LOG2E);
/** ln 2 in two parts; the first has 11 significant bits, so that n * high is exact for |n| < 2^13. */
const ln2High = f(0.693359375);
const ln2Low = f(Math.LN2 - 0.693359375);

/** e^x = 2^n e^r with n = round(x / ln 2), every operation rounded to binary32. */
function expOf(x: number): number {
  if (!(x > -87)) return 0;
  let n = Math.trunc(f(f(x * log2e) - 0.5));
  const r = f(f(x - f(n * ln2High)) - f(n * ln2Low));
  let p = at(coefficients, 0);
  for (const c of coefficients.slice(1)) p = f(f(p * r) + c);
  for (; n < 0; n++) p = f(p * 0.5);
  return p;
}

const shown = (x: number): string => {
  const digits = x.toPrecision(9);
  return /[.e]/.test(digits) ? `${digits}f` : `${digits}.0f`;
};

/** For softmax: arguments are differences to the largest input, so never positive. */
export const exp32: Primitive = {
  name: 'exp_f32',
  doc: 'e^x for x <= 0, to about 2^-21 of the value; 0 below -87',
  params: [{ name: 'x', type: 'f32' }],
  result: 'f32',
  c99: [
    'if (!(x > -87.0f)) {',
    '    return 0.0f;',
    '}',
    `int32_t n = (int32_t)(x * ${shown(log2e)} - 0.5f);`,
    `float r = (x - (float)n * ${shown(ln2High)}) - (float)n * ${shown(ln2Low)};`,
    `float p = ${shown(at(coefficients, 0))};`,
    ...coefficients.slice(1).map((c) => `p = p * r + ${shown(c)};`),
    'for (; n < 0; n++) {',
    '    p = p * 0.5f;',
    '}',
    'return p;',
  ],
  js: (x = 0) => expOf(x),
  wasm(fresh, x = []) {
    const [n, r, p] = [fresh('i32'), fresh('f32'), fresh('f32')];
    const times = (part: number) => f32.mul(f32.convert(n.get), float(part));
    return either(
      'f32',
      f32.gt(x, float(-87)),
      [
        ...n.set(i32.truncate(f32.sub(f32.mul(x, float(log2e)), float(0.5)))),
        ...r.set(f32.sub(f32.sub(x, times(ln2High)), times(ln2Low))),
        ...p.set(float(at(coefficients, 0))),
        ...coefficients.slice(1).flatMap((c) => p.set(f32.add(f32.mul(p.get, r.get), float(c)))),
        ...when(
          i32.lt(n.get, int(0)),
          repeat(
            [...p.set(f32.mul(p.get, float(0.5))), ...n.set(i32.add(n.get, int(1)))],
            i32.lt(n.get, int(0)),
          ),
        ),
        ...p.get,
      ],
      float(0),
    );
  },
  // Beyond, n is positive, and from 2^31 ln 2 on it is no int32_t.
  violation: (x = { lo: 0, hi: 0 }) => (x.hi > 0 ? `x up to ${x.hi}, not 0` : undefined),
  range: () => ({ lo: 0, hi: 1 }),
  cost: 'otherCall',
};
