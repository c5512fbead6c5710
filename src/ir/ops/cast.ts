import { at, complain } from '../../base/errors.ts';
import { dtypeOfOnnx, onnxTypeName } from '../graph/onnx-types.ts';
import type { ImportedOp } from '../graph/op.ts';
import { type DType, numbersFor, type Tensor } from '../tensor.ts';
import { onlyOnConstants } from './common/imported.ts';
import { isFloat, newestOpset, required } from './common/inputs.ts';

interface Attrs {
  readonly to: DType;
}

/** Floats truncate toward zero on the way to integers; out-of-range values wrap, which ONNX leaves undefined. */
function converted(x: Tensor, to: DType): Tensor {
  const data = numbersFor(to, x.data.length);
  const convert =
    to === 'bool' ? (v: number) => Number(v !== 0) : isFloat(to) ? (v: number) => v : Math.trunc;
  for (let i = 0; i < data.length; i++) data[i] = convert(at(x.data, i));
  return { dtype: to, shape: x.shape, data };
}

/** ONNX Cast-6, 9, 13, 19, 21, between the types that tensors here have. */
export const cast: ImportedOp<Attrs> = {
  kind: 'cast',
  onnx: {
    Cast: {
      since: 6,
      upTo: newestOpset,
      parse({ attributes }) {
        const code = attributes.int('to', 0);
        const to = dtypeOfOnnx(code);
        if (to === undefined)
          throw complain(`a cast to ${onnxTypeName(code)}`, 'float32, float64, integers, bool');
        return { to };
      },
    },
  },
  infer: ({ to }, inputs) => [{ dtype: to, shape: required(inputs, 0, 'input').shape }],
  reference: ({ to }, inputs) => [converted(required(inputs, 0, 'input'), to)],
  canonicalize({ attrs, inputTypes }) {
    return required(inputTypes, 0, 'input').dtype === attrs.to ? [] : onlyOnConstants('Cast')();
  },
};
