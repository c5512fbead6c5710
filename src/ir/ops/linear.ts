import type { InputType, OpDef } from '../op.ts';
import type { Tensor, TensorType } from '../tensor.ts';
import { complain, required, requireFloats, requireShape } from './common/inputs.ts';
import { type Clamp, clampAll, rounded } from './common/round.ts';

export interface LinearAttrs {
  /** Applied to the sums. */
  readonly clamp?: Clamp;
}

function linearType(inputs: readonly (InputType | undefined)[]): TensorType {
  requireFloats(inputs);
  const [x, w] = [required(inputs, 0, 'x'), required(inputs, 1, 'w')];
  const [outs = 0, features = 0] = w.shape;
  if (x.shape.length !== 2 || w.shape.length !== 2) throw complain('x or w is not a matrix', 'matrices');
  requireShape([x.shape[1] ?? 0], [features], 'x per row');
  if (inputs[2] !== undefined) requireShape(inputs[2].shape, [outs], 'b');
  return { dtype: x.dtype, shape: [x.shape[0] ?? 0, outs] };
}

/** sum over f of x[row, f] * w[out, f] */
function dot(x: Tensor, row: number, w: Tensor, out: number, features: number): number {
  const [xs, ws] = [x.data, w.data];
  const [fromX, fromW] = [row * features, out * features];
  let sum = 0;
  for (let f = 0; f < features; f++) sum += (xs[fromX + f] as number) * (ws[fromW + f] as number);
  return sum;
}

function linearReference(attrs: LinearAttrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const { dtype, shape } = linearType(inputs);
  const [x, w, b] = [required(inputs, 0, 'x'), required(inputs, 1, 'w'), inputs[2]];
  const [rows = 0, outs = 0] = shape;
  const sums = new Float64Array(rows * outs);
  for (let row = 0; row < rows; row++)
    for (let out = 0; out < outs; out++)
      sums[row * outs + out] = dot(x, row, w, out, w.shape[1] ?? 0) + (b?.data[out] ?? 0);
  return rounded(dtype, shape, clampAll(sums, attrs.clamp));
}

/** x[N,F] times the transpose of w[OUT,F], plus optional b[OUT], clamped: PyTorch's nn.Linear with activation. */
export const linear: OpDef<LinearAttrs> = {
  kind: 'linear',
  infer: (_attrs, inputs) => [linearType(inputs)],
  reference: (attrs, inputs) => [linearReference(attrs, inputs)],
};
