/** Between real numbers and the integers of a file: ONNX's QuantizeLinear and DequantizeLinear. */
import { at, complain } from '../../base/errors.ts';
import type { Attributes } from '../graph/attributes.ts';
import { onnxTypeName, widerDtype } from '../graph/onnx-types.ts';
import type { ImportedOp, OnnxRule, Replacement } from '../graph/op.ts';
import { halfEven } from '../kernel/file-grid.ts';
import {
  countOf,
  type DType,
  type FileIntegers,
  numbersFor,
  type Shape,
  showShape,
  type Tensor,
} from '../tensor.ts';
import { axisIn, newestOpset, required } from './common/inputs.ts';

/** The type of the integers, where no zero point has it. */
export interface IntegerType {
  readonly outputType?: DType;
}

interface Attrs extends IntegerType {
  readonly axis: number;
  /** Elements along the axis that share a scale; 0: all of them, or one. */
  readonly blockSize: number;
}

/** The least and the largest number of a type of elements. */
const bounds: Partial<Readonly<Record<DType, readonly [number, number]>>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 2 ** 16 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** The type of the integers that a node makes, whose zero point it is; uint8 without one. */
export function typeOf(zeroPoint: Pick<Tensor, 'dtype'> | undefined, { outputType }: IntegerType): DType {
  const dtype = zeroPoint?.dtype ?? outputType ?? 'uint8';
  if (bounds[dtype] !== undefined) return dtype;
  throw complain(`a zero point of type ${dtype}`, Object.keys(bounds).join(', '));
}

/** Which of the scales each element of a tensor has. @throws InputError for scales that do not fit it */
function scaleIndex({ axis, blockSize }: Attrs, shape: Shape, scale: Shape): (element: number) => number {
  const count = countOf(scale);
  if (blockSize === 0 && count === 1) return () => 0;
  const along = axisIn(axis, shape.length);
  const [size, inner] = [at(shape, along), countOf(shape.slice(along + 1))];
  const blocks = blockSize === 0 ? size : Math.ceil(size / blockSize);
  const wanted = blockSize === 0 ? [size] : shape.with(along, blocks);
  if (count !== countOf(wanted))
    throw complain(`scales ${showShape(scale)} of a tensor ${showShape(shape)}`, showShape(wanted));
  if (blockSize === 0) return (i) => Math.floor(i / inner) % size;
  return (i) => {
    const [outer, place] = [Math.floor(i / (inner * size)), Math.floor(i / inner) % size];
    return (outer * blocks + Math.floor(place / blockSize)) * inner + (i % inner);
  };
}

type Inputs = readonly (Tensor | undefined)[];

/** @throws InputError unless each scale has a zero point, where there are any */
export function requireZeroPoints(scale: Tensor, zero: Tensor | undefined): void {
  if (zero === undefined || zero.data.length === scale.data.length) return;
  throw complain(
    `zero points ${showShape(zero.shape)} for scales ${showShape(scale.shape)}`,
    'one zero point for each scale, or none at all',
    'quantize the model again',
  );
}

function quantized(attrs: Attrs, inputs: Inputs): Tensor {
  const [x, scale, zero] = [required(inputs, 0, 'x'), required(inputs, 1, 'y_scale'), inputs[2]];
  const dtype = typeOf(zero, attrs);
  const [lo, hi] = bounds[dtype] ?? [0, 255];
  requireZeroPoints(scale, zero);
  const which = scaleIndex(attrs, x.shape, scale.shape);
  const data = numbersFor(dtype, x.data.length);
  for (const [i, value] of x.data.entries()) {
    const s = which(i);
    const z = zero === undefined ? 0 : at(zero.data, s);
    const steps = Math.fround(value / at(scale.data, s));
    data[i] = z + halfEven(steps >= lo - z ? Math.min(steps, hi - z) : lo - z);
  }
  return { dtype, shape: x.shape, data };
}

function dequantized(attrs: Attrs, inputs: Inputs): Tensor {
  const [x, scale, zero] = [required(inputs, 0, 'x'), required(inputs, 1, 'x_scale'), inputs[2]];
  requireZeroPoints(scale, zero);
  const which = scaleIndex(attrs, x.shape, scale.shape);
  const numbers = Int32Array.from(
    x.data,
    (q: number, i) => q - (zero === undefined ? 0 : at(zero.data, which(i))),
  );
  const steps = Float32Array.from(numbers, (_, i) => at(scale.data, which(i)));
  // float(q - z) first: int32 above 2^24 are rounded.
  const data = steps.map((step, i) => Math.fround(at(numbers, i)) * step);
  return { dtype: 'float32', shape: x.shape, data, integers: { numbers, steps, ...gridIn(x, scale, zero) } };
}

/** Of one scale and 8 bits. */
function gridIn({ dtype }: Tensor, scale: Tensor, zero: Tensor | undefined): Pick<FileIntegers, 'grid'> {
  if (scale.data.length !== 1 || (dtype !== 'uint8' && dtype !== 'int8')) return {};
  return { grid: { type: dtype, zeroPoint: zero === undefined ? 0 : at(zero.data, 0) } };
}

const rule = (since: number): OnnxRule<Attrs> => ({
  since,
  upTo: newestOpset,
  parse: ({ attributes }) => attrsOf(attributes),
});

const attrsOf = (attributes: Attributes): Attrs => ({
  axis: attributes.int('axis', 1),
  blockSize: attributes.int('block_size', 0),
  ...outputType(attributes.int('output_dtype', 0)),
});

function outputType(code: number): IntegerType {
  if (code === 0) return {};
  const name = onnxTypeName(code);
  const dtype = widerDtype(name);
  if (dtype !== undefined && bounds[dtype] !== undefined && dtype !== 'int32') return { outputType: dtype };
  throw complain(`integers of type ${name}`, 'uint8, int8, uint16, int16');
}

/** What is left of them when the file's integers have become grids. */
const unlifted = (what: string) => (): readonly Replacement[] => {
  throw complain(
    `${what} whose other half is not in the model`,
    'QuantizeLinear with the DequantizeLinear of all that reads it, of one scale and zero point for a tensor',
  );
};

/** ONNX QuantizeLinear-10, 13, 19, 21, 23, 24, 25, to 8, 16 and 32 bits. */
export const quantizeLinear: ImportedOp<Attrs> = {
  kind: 'quantizeLinear',
  restrictions: 'of activations 8 or 16 bits, one constant scale and zero point',
  onnx: { QuantizeLinear: rule(10) },
  infer: (attrs, inputs) => [{ dtype: typeOf(inputs[2], attrs), shape: required(inputs, 0, 'x').shape }],
  reference: (attrs, inputs) => [quantized(attrs, inputs)],
  canonicalize: unlifted('integers'),
};

/** ONNX DequantizeLinear-10, 13, 19, 21, 23, 24, 25. */
export const dequantizeLinear: ImportedOp<Attrs> = {
  kind: 'dequantizeLinear',
  restrictions: 'of constants, or of what QuantizeLinear has made with the same scale and zero point',
  onnx: { DequantizeLinear: rule(10) },
  infer: (_attrs, inputs) => [{ dtype: 'float32', shape: required(inputs, 0, 'x').shape }],
  reference: (attrs, inputs) => [dequantized(attrs, inputs)],
  canonicalize: unlifted('integers'),
};
