import { at, complain } from '../../base/errors.ts';
import { onnxTypeName, widerDtypeOfOnnx } from '../graph/onnx-types.ts';
import type { ImportedOp } from '../graph/op.ts';
import { type DType, type FileIntegers, numbersFor, type Tensor, type TensorType } from '../tensor.ts';
import { onlyOnConstants } from './common/imported.ts';
import { isFloat, newestOpset, required } from './common/inputs.ts';
import { conversion } from './conversion.ts';

interface Attrs {
  /** Absent: that of input 1. */
  readonly to?: DType;
  /** Set where numbers become 16-bit floats, which are held in float32. */
  readonly rounding?: Rounding;
}

/** A floating-point type: bits of its fraction, and the exponents of its smallest and largest normal numbers. */
interface Rounding {
  readonly fraction: number;
  readonly least: number;
  readonly most: number;
}

const roundings: Readonly<Record<string, Rounding>> = {
  float16: { fraction: 10, least: -14, most: 15 },
  bfloat16: { fraction: 7, least: -126, most: 127 },
};

/** To the nearest, ties to even; what is beyond the largest number is infinite. */
function rounded(x: number, { fraction, least, most }: Rounding): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const size = Math.abs(x);
  let exponent = Math.max(Math.floor(Math.log2(size)), least);
  // The logarithm of a number just below a power of two may be rounded up to it.
  if (exponent > least && size < 2 ** exponent) exponent--;
  const step = 2 ** (exponent - fraction);
  const floor = Math.floor(size / step);
  const rest = size / step - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const near = (up ? floor + 1 : floor) * step;
  return Math.sign(x) * (near < 2 ** (most + 1) ? near : Number.POSITIVE_INFINITY);
}

/** Floats truncate toward zero on the way to integers; out-of-range values wrap, which ONNX leaves undefined. */
function converted(x: Tensor, to: DType, { rounding }: Attrs): Tensor {
  const data = numbersFor(to, x.data.length);
  const convert =
    to === 'bool' ? (v: number) => Number(v !== 0) : isFloat(to) ? (v: number) => v : Math.trunc;
  for (let i = 0; i < data.length; i++) {
    const value = convert(at(x.data, i));
    data[i] = rounding === undefined ? value : rounded(value, rounding);
  }
  const made = { dtype: to, shape: x.shape, data };
  return to === 'float32' && rounding === undefined && isMatrixOfBytes(x)
    ? { ...made, integers: wholeSteps(x) }
    : made;
}

/** As exporters write weights of 8 bits whose scales come behind the product. */
const isMatrixOfBytes = ({ dtype, shape }: Tensor): boolean =>
  shape.length >= 2 && (dtype === 'int8' || dtype === 'uint8');

const wholeSteps = ({ data }: Tensor): FileIntegers => ({
  numbers: Int32Array.from(data),
  steps: new Float32Array(data.length).fill(1),
});

const toOf = ({ to }: Attrs, inputs: readonly (TensorType | undefined)[]): DType =>
  to ?? required(inputs, 1, 'target_type').dtype;

function parsed(code: number): Attrs {
  const [to, rounding] = [widerDtypeOfOnnx(code), roundings[onnxTypeName(code)]];
  if (to === undefined)
    throw complain(`a cast to ${onnxTypeName(code)}`, 'floats, integers up to 64 bits, bool');
  return { to, ...(rounding === undefined ? {} : { rounding }) };
}

/**
 * ONNX Cast-6, 9, 13, 19, 21 and CastLike-15, 19, 21, between the types that tensors here have. Between floats it is left out of what is
 * compiled: all of that is float32.
 */
export const cast: ImportedOp<Attrs> = {
  kind: 'cast',
  restrictions: 'of activations to float32 and bool, from bool, and from integers to int32 and int64',
  onnx: {
    Cast: {
      since: 6,
      upTo: newestOpset,
      parse: ({ attributes }) => parsed(attributes.int('to', 0)),
    },
    CastLike: {
      since: 15,
      upTo: newestOpset,
      parse({ attributes }) {
        const code = attributes.get('to', 'int');
        return code === undefined ? {} : parsed(code);
      },
    },
  },
  infer: (attrs, inputs) => [{ dtype: toOf(attrs, inputs), shape: required(inputs, 0, 'input').shape }],
  reference: (attrs, inputs) => [converted(required(inputs, 0, 'input'), toOf(attrs, inputs), attrs)],
  canonicalize({ attrs, inputs, outputs, inputTypes }) {
    const [wanted, { rounding }] = [toOf(attrs, inputTypes), attrs];
    const { dtype: from } = required(inputTypes, 0, 'input');
    if (from === wanted || (isFloat(from) && isFloat(wanted))) return [];
    if (rounding !== undefined && from !== 'bool') return onlyOnConstants('Cast')();
    const to = isFloat(wanted) ? 'float32' : wanted;
    return [{ op: conversion, attrs: { from, to }, inputs: inputs.slice(0, 1), outputs }];
  },
};
