/** Layers of integers that the model's file has: bytes less zero points, summed in int32. */
import { at, complain, must } from '../../base/errors.ts';
import { explicitWindow, parseWindow, type WindowAttrs, windowAxes } from '../geometry/window.ts';
import type {
  CanonicalOp,
  ImportedOp,
  InputType,
  KernelContext,
  NodeView,
  Replacement,
} from '../graph/op.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { spatialOrder } from '../kernel/memory-order.ts';
import { countOf, type Shape, showShape, type Tensor, type TensorType } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { newestOpset, required } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { multiplied, stackedProduct } from './common/stacked-product.ts';
import { conv } from './conv.ts';
import { integerConvolution, integerProduct } from './kernels/byte-sums.ts';
import { deepest } from './matrices.ts';

type Inputs<T> = readonly (T | undefined)[];

/** What is summed, by the factors' shapes; the axis of the weights whose places may have zero points of their own. */
interface Sums<A> {
  readonly kind: string;
  shape(attrs: A, x: Shape, w: Shape): Shape;
  /** Products in a sum. */
  depth(attrs: A, w: Shape): number;
  readonly axis: 0 | -1;
  /** Of what x and w are beyond their zero points. */
  value(attrs: A, x: Tensor, w: Tensor): Tensor;
  kernel(attrs: A, context: KernelContext, constants: Inputs<Tensor>): Kernel;
}

/** @throws InputError unless they are integers of 8 bits whose sums int32 holds, with a zero point each */
function requireSums<A>(
  sums: Sums<A>,
  attrs: A,
  inputs: Inputs<InputType>,
): readonly [TensorType, TensorType] {
  const [x, w] = [required(inputs, 0, 'A'), required(inputs, 1, 'B')];
  const other = [x, w].find(({ dtype }) => dtype !== 'uint8' && dtype !== 'int8');
  if (other !== undefined) throw complain(`a factor of type ${other.dtype}`, 'uint8 and int8');
  const depth = sums.depth(attrs, w.shape);
  if (depth > deepest) throw complain(`sums of ${depth} products`, `at most ${deepest}`, 'split the product');
  const count = w.shape.at(sums.axis) ?? 1;
  [x, w].forEach(({ dtype }, i) => {
    const zero = inputs[i + 2];
    if (zero === undefined) return;
    if (zero.dtype !== dtype) throw complain(`a zero point of type ${zero.dtype} for ${dtype}`, 'one type');
    const whole =
      zero.shape.length <= 1 && (countOf(zero.shape) === 1 || (i === 1 && zero.shape[0] === count));
    if (whole) return;
    throw complain(
      `zero points of shape ${showShape(zero.shape)}`,
      i === 0 ? 'one for the whole tensor' : `one, or ${count}: one for each output`,
    );
  });
  return [x, w];
}

/** In float64, less zero points: one, or one for each place along an axis. */
function beyond({ shape, data }: Tensor, zero: Tensor | undefined, axis: 0 | -1): Tensor {
  const several = zero !== undefined && zero.data.length > 1;
  const inner = several && axis === 0 ? countOf(shape.slice(1)) : 1;
  const zeroAt = (i: number): number => {
    if (zero === undefined) return 0;
    return at(zero.data, several ? Math.floor(i / inner) % zero.data.length : 0);
  };
  return { dtype: 'float64', shape, data: Float64Array.from(data, (q, i) => q - zeroAt(i)) };
}

/** x, w, and the zero point of each, as int32 sums. The same in float32 and int8 programs: there is nothing to quantize. */
const integerSums = <A>(sums: Sums<A>): CanonicalOp<A, { readonly constants: Inputs<Tensor> }> => ({
  kind: sums.kind,
  ownTypes: true,
  infer(attrs, inputs) {
    const [x, w] = requireSums(sums, attrs, inputs);
    return [{ dtype: 'int32', shape: sums.shape(attrs, x.shape, w.shape) }];
  },
  reference(attrs, inputs) {
    const [x, w] = [required(inputs, 0, 'A'), required(inputs, 1, 'B')];
    const { shape, data } = sums.value(attrs, beyond(x, inputs[2], -1), beyond(w, inputs[3], sums.axis));
    return [{ dtype: 'int32', shape, data: Int32Array.from(data) }];
  },
  channels: opaqueChannels,
  reads: strided,
  order: () => undefined,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  gradient: 'none',
  quantize: ({ inputTypes }) => ({ constants: inputTypes.map((type) => type?.constant) }),
  int8: (attrs, { constants }, context) => sums.kernel(attrs, context, constants),
  float32: sums.kernel,
});

/** x[..., M, K] w[..., K, N]. */
export const integerMatrices = integerSums<unknown>({
  kind: 'integerMatrices',
  shape(_attrs, x, w) {
    if (x.length < 2 || w.length < 2) throw complain('a vector', 'matrices');
    return stackedProduct(x, w).shape;
  },
  // Of vectors, which `shape` refuses, any number.
  depth: (_attrs, w) => w.at(-2) ?? 1,
  axis: -1,
  value: (_attrs, x, w) => multiplied(x, w),
  kernel: (_attrs, context, constants) => integerProduct(context, constants),
});

interface ConvAttrs extends WindowAttrs {
  readonly groups: number;
}

const float64 = (shape: Shape): TensorType => ({ dtype: 'float64', shape });
const axesOf = (attrs: ConvAttrs, x: Shape, w: Shape) => windowAxes(attrs, x, w.slice(2));

/** Windows of w[O, C / groups, ...] over x[N, C, ...]; padding is the zero point. */
export const integerConv: CanonicalOp<ConvAttrs, { readonly constants: Inputs<Tensor> }> = {
  ...integerSums<ConvAttrs>({
    kind: 'integerConv',
    shape: (attrs, x, w) => at(conv.infer(attrs, [float64(x), float64(w)]), 0).shape,
    depth: (_attrs, w) => countOf(w.slice(1)),
    axis: 0,
    value: (attrs, x, w) => at(conv.reference(attrs, [x, w]), 0),
    kernel(attrs, context, constants) {
      const shapes = context.inputs.map(({ shape }) => shape);
      const x = constants[0]?.shape ?? must(shapes[0], 'an input');
      const w = constants[1]?.shape ?? must(shapes[constants[0] === undefined ? 1 : 0], 'weights');
      return integerConvolution(context, constants, axesOf(attrs, x, w), attrs.groups);
    },
  }),
  order: (_attrs, _inputs, output) => spatialOrder(output),
  explicit(attrs, inputs) {
    const [x, w] = [required(inputs, 0, 'x').shape, required(inputs, 1, 'w').shape];
    return { ...attrs, ...explicitWindow(axesOf(attrs, x, w)) };
  },
};

/** With zero points of 0 where the node has none. */
export function withZeros<A>(
  op: CanonicalOp<A>,
  attrs: A,
  inputs: readonly string[],
  types: Inputs<InputType>,
  to: string,
): Replacement {
  const constants = new Map<string, Tensor>();
  const zeros = [0, 1].map((i) => {
    const known = inputs[i + 2] ?? '';
    if (known !== '') return known;
    const { dtype } = required(types, i, 'factor');
    const name = `${to}~zero${i}`;
    constants.set(name, { dtype, shape: [], data: dtype === 'int8' ? Int8Array.of(0) : Uint8Array.of(0) });
    return name;
  });
  return { op, attrs, inputs: [...inputs.slice(0, 2), ...zeros], outputs: [to], constants };
}

const imported = <A>(
  kind: string,
  op: CanonicalOp<A>,
): Pick<ImportedOp<A>, 'kind' | 'infer' | 'reference' | 'canonicalize'> => ({
  kind,
  infer: (attrs, inputs) => op.infer(attrs, inputs),
  reference: (attrs, inputs) => op.reference(attrs, inputs),
  canonicalize: ({ attrs, inputs, outputs, inputTypes }: NodeView<A>) => [
    withZeros(op, attrs, inputs, inputTypes, at(outputs, 0)),
  ],
});

const restrictions = `one zero point of A, or of x; sums of at most ${deepest} products`;

/** ONNX MatMulInteger-10. */
export const matMulInteger: ImportedOp<unknown> = {
  ...imported('matMulInteger', integerMatrices),
  restrictions: `${restrictions}; no vectors`,
  onnx: { MatMulInteger: { since: 10, upTo: newestOpset, parse: () => ({}) } },
};

/** ONNX ConvInteger-10. */
export const convInteger: ImportedOp<ConvAttrs> = {
  ...imported('convInteger', integerConv),
  restrictions,
  onnx: {
    ConvInteger: {
      since: 10,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ ...parseWindow(attributes), groups: attributes.int('group', 1) }),
    },
  },
};
