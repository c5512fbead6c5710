import { complain } from '../../base/errors.ts';
import { broadcastShape, zip } from '../geometry/broadcast.ts';
import type { Hold, ImportedOp, InputType } from '../graph/op.ts';
import { div, float, mul } from '../kernel/builders.ts';
import type { Expr } from '../kernel/kernel.ts';
import * as float32 from './common/float32.ts';
import { constantScalar, required } from './common/inputs.ts';
import { plain } from './common/onnx-rules.ts';
import { pointwise } from './common/pointwise.ts';

export interface PowerAttrs {
  readonly exponent: number;
}

/** By squares. */
function integerPower(x: Expr, n: number, hold: Hold): Expr {
  if (n === 1) return x;
  const half = hold('half', integerPower(x, Math.floor(n / 2), hold));
  return n % 2 === 0 ? mul(half, half) : mul(mul(half, half), x);
}

/** x^size for size > 0. */
function positivePower(x: Expr, size: number, hold: Hold): Expr {
  if (Number.isInteger(size) && size <= 64) return integerPower(x, size, hold);
  if (size === 0.5) return float32.sqrt(x);
  const logarithm = hold('logarithm', float32.log(x, hold));
  const power = float32.exp(hold('product', mul(logarithm, float(size))), hold);
  return float32.where('ge', x, 2 ** -126, power, float(0));
}

/** x^exponent, of a constant. */
export const power = pointwise<PowerAttrs>({
  kind: 'power',
  title: 'Power',
  onnx: {},
  value: ({ exponent }, x) => x ** exponent,
  float32({ exponent }, x, hold) {
    if (exponent === 0) return float(1);
    const size = hold('power', positivePower(x, Math.abs(exponent), hold));
    return exponent < 0 ? div(float(1), size) : size;
  },
});

/** @throws InputError for exponents above 64 that are integers: their powers of negative numbers have no kernel */
function exponentOf(input: InputType | undefined): number {
  const exponent = constantScalar(input, 'exponent') ?? Number.NaN;
  if (!Number.isInteger(exponent) || Math.abs(exponent) <= 64) return exponent;
  throw complain(`exponent ${exponent}`, 'integers of -64 to 64, and fractions');
}

/** ONNX Pow-1, 7, 12, 13, 15: of activations the exponent is one constant number. */
export const pow: ImportedOp = {
  kind: 'pow',
  restrictions: 'a constant exponent, one number: an integer of -64 to 64, or a fraction',
  onnx: plain('Pow', 1),
  infer(_attrs, inputs) {
    const [base, exponent] = [required(inputs, 0, 'base'), required(inputs, 1, 'exponent')];
    return [{ dtype: base.dtype, shape: broadcastShape(base.shape, exponent.shape) }];
  },
  reference: (_attrs, inputs) => [
    zip(required(inputs, 0, 'base'), required(inputs, 1, 'exponent'), (x, y) => x ** y),
  ],
  canonicalize: ({ inputs, inputTypes, outputs }) => [
    { op: power, attrs: { exponent: exponentOf(inputTypes[1]) }, inputs: inputs.slice(0, 1), outputs },
  ],
};
