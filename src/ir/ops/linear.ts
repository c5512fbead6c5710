import { at, atOr0, complain, holds, must } from '../../base/errors.ts';
import type { CanonicalOp, InputType, KernelContext } from '../graph/op.ts';
import { fileRowsOf, isFileMac } from '../integers/file-mac.ts';
import type { Arithmetic, QuantizedMac } from '../integers/mac.ts';
import {
  float32Arithmetic,
  int8Arithmetic,
  macOutputQuant,
  quantizeMac,
  weightsOf,
  withSlopes,
  withTable,
} from '../integers/mac.ts';
import { clampRows, type RowClamp } from '../integers/row-clamp.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { StoredTensor } from '../kernel/stored.ts';
import { countOf, movedAlike, type Tensor, type TensorType } from '../tensor.ts';
import { absorbClip } from './common/absorb.ts';
import { layerChannels } from './common/channel-flows.ts';
import { required, requireFloats, requireShape } from './common/inputs.ts';
import { packedKernel, packedRows } from './common/packed-rows.ts';
import { rounded } from './common/round.ts';
import { sumsAfter, sumsBefore } from './common/weighted-sums.ts';
import { clampWords, docOf, extents } from './kernels/doc.ts';
import { linear as linearKernel } from './kernels/linear.ts';

export interface LinearAttrs {
  /** Applied to the sums. */
  readonly clamp?: RowClamp;
}

function linearType(inputs: readonly (InputType | undefined)[]): TensorType {
  requireFloats(inputs);
  const [x, w] = [required(inputs, 0, 'x'), required(inputs, 1, 'w')];
  const [outs = 0, features = 0] = w.shape;
  if (x.shape.length !== 2 || w.shape.length !== 2) throw complain('x or w is not a matrix', 'matrices');
  requireShape([at(x.shape, 1)], [features], 'x per row');
  if (inputs[2] !== undefined) requireShape(inputs[2].shape, [outs], 'b');
  return { dtype: x.dtype, shape: [at(x.shape, 0), outs] };
}

/** sum over f of x[row, f] * w[out, f]; read unchecked in the loop */
function dot(x: Tensor, row: number, w: Tensor, out: number, features: number): number {
  const [xs, ws] = [x.data, w.data];
  const [fromX, fromW] = [row * features, out * features];
  holds(xs, fromX + features);
  holds(ws, fromW + features);
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
      sums[row * outs + out] = dot(x, row, w, out, at(w.shape, 1)) + atOr0(b?.data, out);
  return rounded(dtype, shape, clampRows(sums, attrs.clamp, outs, 1));
}

/** The columns of each row in the order in which the input lies in memory. */
function inMemoryOrder<T extends Arithmetic['weights']>(weights: T, input: StoredTensor): T {
  const { order } = input;
  if (order === undefined) return weights;
  const inputs = order.length;
  return weights.map((_, i) => at(weights, i - (i % inputs) + at(order, i % inputs))) as T;
}

const movedColumns = (w: Tensor, input: StoredTensor): Tensor =>
  input.order === undefined
    ? w
    : movedAlike(w, (t) => ({ ...t, data: inMemoryOrder(t.data as Float32Array, input) }));

function kernelOf({ clamp }: LinearAttrs, context: KernelContext, arithmetic: Arithmetic): Kernel {
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  const [inputs, outputs] = [countOf(input.shape), countOf(output.shape)];
  const words = `Linear layer ${inputs} -> ${outputs}${clampWords(clamp)}`;
  return linearKernel({
    name: context.name,
    doc: docOf(words, [input], output, arithmetic.elem, inputs * outputs),
    inputs,
    outputs,
    terms: `the input's in memory, ${extents(input, arithmetic.elem)}`,
    arithmetic: { ...arithmetic, weights: inMemoryOrder(arithmetic.weights, input) },
  });
}

/** x[N,F] times the transpose of w[OUT,F], plus optional b[OUT], clamped: PyTorch's nn.Linear with activation. */
export const linear: CanonicalOp<LinearAttrs, QuantizedMac> = {
  kind: 'linear',
  infer: (_attrs, inputs) => [linearType(inputs)],
  reference: (attrs, inputs) => [linearReference(attrs, inputs)],
  channels: layerChannels,
  order: () => undefined,
  affine: { kind: 'weighted', after: sumsAfter, before: sumsBefore },
  absorb: ({ attrs }, next) => absorbClip(attrs, next),
  elementwise: false,
  outputQuant: macOutputQuant,
  servesFile: isFileMac,
  sixteen: 'both',
  anyZeroPoint: 'computes',
  quantize: (c) =>
    quantizeMac({
      name: c.name,
      mode: c.mode,
      bits: c.weightBits,
      weightSteps: c.weightSteps,
      codebook: c.codebook,
      file: fileRowsOf(weightsOf(c.inputTypes), c.inputTypes[2]?.constant),
      weight: Float32Array.from(weightsOf(c.inputTypes).data),
      channels: at(weightsOf(c.inputTypes).shape, 0),
      bias: c.inputTypes[2]?.constant && Float32Array.from(c.inputTypes[2].constant.data),
      input: must(c.inputQuants[0], 'the input is quantized'),
      output: c.outputQuant,
      clamp: c.attrs.clamp,
      meanOf: c.inputMean && ((term) => atOr0(c.inputMean, term)),
    }),
  withTable,
  withSlopes: ({ clamp }, q, bend) => (clamp === undefined ? withSlopes(q, bend) : undefined),
  int8: (attrs, q, context) => kernelOf(attrs, context, int8Arithmetic(context.name, q, context)),
  rows: {
    of(_attrs, inputs) {
      const [count = 0, features = 0] = required(inputs, 0, 'x').shape;
      // Several are a convolution over one axis since canonicalize.
      if (count !== 1) throw complain(`a linear layer on ${count} rows`, 'one row per sample');
      return {
        groups: 1,
        groupStride: 0,
        starts: Int32Array.of(0),
        offsets: Int32Array.from({ length: features }, (_, i) => i),
        order: undefined,
        padded: ({ data }) => data,
      };
    },
    scaled: (attrs) => attrs,
  },
  gradient: { of: ({ clamp }, steps) => steps.clamp(steps.learned(steps.input(0), steps.output), clamp) },
  float32(attrs, context, [, weight, bias]) {
    const w = must(weight, 'a linear layer to be compiled has constant weights');
    const [rows, outputs] = [Float32Array.from(w.data), at(w.shape, 0)];
    const biases = bias === undefined ? undefined : Float32Array.from(bias.data);
    const arithmetic = float32Arithmetic(context.name, rows, outputs, biases, attrs.clamp);
    const packed = packedRows(movedColumns(w, must(context.inputs[0], 'an input')), outputs);
    if (packed !== undefined) return packedKernel(packed, context, arithmetic, clampWords(attrs.clamp));
    return kernelOf(attrs, context, arithmetic);
  },
};
