import { at, atOr0, complain, holds } from '../../base/errors.ts';
import { broadcastShape, broadcastTo } from '../geometry/broadcast.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { movedAlike, showShape, type Tensor, type TensorType } from '../tensor.ts';
import { add } from './add.ts';
import { reshapeTo } from './common/imported.ts';
import { newestOpset, required } from './common/inputs.ts';
import { productOf } from './common/matrix-products.ts';
import { rounded } from './common/round.ts';
import { rowsProduct } from './common/row-products.ts';
import { linear } from './linear.ts';
import { transpose, transposedMatrix } from './transpose.ts';

interface Attrs {
  readonly alpha: number;
  readonly beta: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

/** [M, K, N] of an M x K times K x N product. */
function sizes(
  { transA, transB }: Attrs,
  inputs: readonly (TensorType | undefined)[],
): [number, number, number] {
  const [a, b] = [required(inputs, 0, 'A').shape, required(inputs, 1, 'B').shape];
  if (a.length !== 2 || b.length !== 2) throw complain(`A ${showShape(a)}, B ${showShape(b)}`, 'matrices');
  const [m = 0, k = 0] = transA ? a.toReversed() : a;
  const [k2 = 0, n = 0] = transB ? b.toReversed() : b;
  if (k !== k2) throw complain(`A ${showShape(a)}, B ${showShape(b)}`, 'matrices that multiply');
  return [m, k, n];
}

function outputType(attrs: Attrs, inputs: readonly (InputType | undefined)[]): TensorType {
  const [m, , n] = sizes(attrs, inputs);
  const c = inputs[2]?.shape ?? [];
  const shape = broadcastShape([m, n], c);
  if (shape.length !== 2 || shape[0] !== m || shape[1] !== n)
    throw complain(`C ${showShape(c)} for a product ${m}x${n}`, 'a C that broadcasts to the product');
  return { dtype: required(inputs, 0, 'A').dtype, shape };
}

/** alpha * A' B' + beta * C */
function product(attrs: Attrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const { dtype, shape } = outputType(attrs, inputs);
  const [m, k, n] = sizes(attrs, inputs);
  const [a, b, c] = [required(inputs, 0, 'A').data, required(inputs, 1, 'B').data, inputs[2]];
  const [rowA, stepA] = attrs.transA ? [1, m] : [k, 1];
  const [columnB, stepB] = attrs.transB ? [k, 1] : [1, n];
  const addend = c === undefined ? undefined : broadcastTo(c, shape).data;
  // Read unchecked in the loop.
  holds(a, m * k);
  holds(b, k * n);
  const values = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let f = 0; f < k; f++)
        sum += (a[i * rowA + f * stepA] as number) * (b[j * columnB + f * stepB] as number);
      values[i * n + j] = attrs.alpha * sum + attrs.beta * atOr0(addend, i * n + j);
    }
  return rounded(dtype, shape, values);
}

/** Each element times a factor, rounded to the tensor's type (exact for 1). */
const scaled = (tensor: Tensor, factor: number): Tensor =>
  factor === 1
    ? tensor
    : rounded(
        tensor.dtype,
        tensor.shape,
        Float64Array.from(tensor.data, (x) => x * factor),
      );

/** w[OUT,F] = alpha * B', constant. */
function weightsOf(b: InputType, transB: boolean, alpha: number): Tensor {
  if (b.constant === undefined)
    throw complain('a product of two activations', 'a constant second factor (weights)');
  return scaled(transB ? b.constant : transposedMatrix(b.constant), alpha);
}

/** b[OUT] = beta * C, broadcast. */
function biasOf(c: Tensor, n: number, beta: number): Tensor {
  const row = movedAlike(c, (t) => broadcastTo(t, t.shape.length === 2 ? [1, n] : [n]));
  return scaled({ ...row, shape: [n] }, beta);
}

/** The row vector A: as it is, or a column reshaped. */
function rowOf({ attrs, inputs, outputs, inputTypes }: NodeView<Attrs>): [string, Replacement[]] {
  const [, k] = sizes(attrs, inputTypes);
  const [from = '', row] = [inputs[0], `${outputs[0]}~row`];
  return attrs.transA && k !== 1 ? [row, [reshapeTo(from, row, [1, k])]] : [from, []];
}

/** A constant of the file under its own name where it needs no change, else a new one. */
type Constant = readonly [name: string, added: ReadonlyMap<string, Tensor>];

function weights({ attrs, inputs, outputs, inputTypes }: NodeView<Attrs>): Constant {
  const b = required(inputTypes, 1, 'B');
  if (b.constant !== undefined && attrs.transB && attrs.alpha === 1) return [at(inputs, 1), new Map()];
  const name = `${outputs[0]}~w`;
  return [name, new Map([[name, weightsOf(b, attrs.transB, attrs.alpha)]])];
}

function bias({ attrs, inputs, outputs, inputTypes }: NodeView<Attrs>, c: Tensor): Constant {
  const [, , n] = sizes(attrs, inputTypes);
  if (c.shape.length === 1 && c.shape[0] === n && attrs.beta === 1) return [at(inputs, 2), new Map()];
  const name = `${outputs[0]}~b`;
  return [name, new Map([[name, biasOf(c, n, attrs.beta)]])];
}

/** Several rows: a constant C of one number per column is their bias. */
function severalRows({ attrs, inputs, outputs, inputTypes }: NodeView<Attrs>): readonly Replacement[] {
  const [m, k, n] = sizes(attrs, inputTypes);
  const c = attrs.beta === 0 ? undefined : inputTypes[2];
  if (attrs.transA)
    throw complain(`the product of a transposed matrix with ${m} rows`, 'transA = 0, or one row');
  if (c !== undefined && (c.constant === undefined || c.shape.at(-2) === m))
    throw complain(`C ${showShape(c.shape)} for ${m} rows`, 'a constant C of one number per column');
  return rowsProduct({
    from: at(inputs, 0),
    shape: [m, k],
    to: at(outputs, 0),
    target: [m, n],
    rows: m,
    depth: k,
    weights: weightsOf(required(inputTypes, 1, 'B'), attrs.transB, attrs.alpha),
    ...(c?.constant === undefined ? {} : { bias: biasOf(c.constant, n, attrs.beta) }),
  });
}

/** Of two activations, or of an activation behind a constant. */
function ofActivations({ attrs, inputs, outputs, inputTypes }: NodeView<Attrs>): readonly Replacement[] {
  const to = at(outputs, 0);
  const [a, b] = [attrs.transA, attrs.transB].map((turned, i) => {
    const [name, type] = [at(inputs, i), required(inputTypes, i, 'factor')];
    return turned ? turnedFactor(name, type, `${to}~${i === 0 ? 'a' : 'b'}`) : { name, type, before: [] };
  });
  if (a === undefined || b === undefined || attrs.alpha <= 0)
    throw complain(`alpha = ${attrs.alpha} for a product of two activations`, 'alpha above 0');
  const c = attrs.beta === 0 ? undefined : inputTypes[2];
  if (c !== undefined && attrs.beta !== 1)
    throw complain(`beta = ${attrs.beta} for a product of two activations`, 'beta = 1');
  const product = c === undefined ? to : `${to}~product`;
  return [
    ...a.before,
    ...b.before,
    ...productOf({ factors: [a, b], to: product, gain: attrs.alpha }),
    ...(c === undefined ? [] : [{ op: add, attrs: {}, inputs: [product, at(inputs, 2)], outputs }]),
  ];
}

function turnedFactor(name: string, type: InputType, to: string) {
  const op = { op: transpose, attrs: { perm: [1, 0] }, inputs: [name], outputs: [to] };
  const [constant] = type.constant === undefined ? [] : transpose.reference(op.attrs, [type.constant]);
  const shape = type.shape.toReversed();
  if (constant === undefined) return { name: to, type: { dtype: type.dtype, shape }, before: [op] };
  return { name: to, type: { dtype: type.dtype, shape, constant }, before: [] };
}

function canonical(node: NodeView<Attrs>): readonly Replacement[] {
  const { attrs, outputs, inputTypes } = node;
  if (inputTypes[1]?.constant === undefined) return ofActivations(node);
  if (sizes(attrs, inputTypes)[0] !== 1) return severalRows(node);
  const [row, before] = rowOf(node);
  const [w, constants] = weights(node);
  const c = attrs.beta === 0 ? undefined : inputTypes[2];
  if (c === undefined) return [...before, { op: linear, attrs: {}, inputs: [row, w], outputs, constants }];
  if (c.constant === undefined) return [...before, ...addedActivation(node, row, w, constants)];
  const [b, more] = bias(node, c.constant);
  const all = new Map([...constants, ...more]);
  return [...before, { op: linear, attrs: {}, inputs: [row, w, b], outputs, constants: all }];
}

/** C is an activation: a product, then a sum. */
function addedActivation(
  { attrs, inputs, outputs }: NodeView<Attrs>,
  row: string,
  w: string,
  constants: ReadonlyMap<string, Tensor>,
): readonly Replacement[] {
  if (attrs.beta !== 1) throw complain(`beta = ${attrs.beta} for a C that is not constant`, 'beta = 1');
  const sum = `${outputs[0]}~product`;
  return [
    { op: linear, attrs: {}, inputs: [row, w], outputs: [sum], constants },
    { op: add, attrs: {}, inputs: [sum, at(inputs, 2)], outputs },
  ];
}

/** ONNX Gemm-1, 6, 7, 9, 11, 13. */
export const gemm: ImportedOp<Attrs> = {
  kind: 'gemm',
  restrictions:
    'of several rows by constant weights no transA, and a constant C of one number per column; of two activations alpha above 0 and beta 1',
  onnx: {
    Gemm: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        alpha: attributes.float('alpha', 1),
        beta: attributes.float('beta', 1),
        transA: attributes.int('transA', 0) !== 0,
        transB: attributes.int('transB', 0) !== 0,
      }),
    },
  },
  infer: (attrs, inputs) => [outputType(attrs, inputs)],
  reference: (attrs, inputs) => [product(attrs, inputs)],
  canonicalize: canonical,
};
