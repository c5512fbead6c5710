/** Tensors that come of sizes alone: windows of signals, unit matrices. */
import { at, complain } from '../../base/errors.ts';
import type { Attributes } from '../graph/attributes.ts';
import { onnxTypeName, widerDtypeOfOnnx } from '../graph/onnx-types.ts';
import type { ImportedOp } from '../graph/op.ts';
import { countOf, type DType, numbersFor, showShape, type Tensor, type TensorType } from '../tensor.ts';
import { constantScalar, known, required } from './common/inputs.ts';
import {
  type Attrs,
  type Inputs,
  type Meaning,
  onConstants,
  requireModest,
  type Types,
} from './common/meanings.ts';

/** The element type that an attribute names. @throws InputError for one that tensors here do not have */
function typeIn(attributes: Attributes, name: string, otherwise: DType): DType {
  const code = attributes.get(name, 'int');
  const type = code === undefined ? otherwise : widerDtypeOfOnnx(code);
  if (type !== undefined) return type;
  throw complain(`elements of type ${onnxTypeName(code ?? 0)}`, 'floats, integers, bool');
}

/** a0 - a1 cos t + a2 cos 2t, with t = 2 pi i / n; periodic ones begin again behind their end. */
function windowed(
  [a0, a1, a2]: readonly [number, number, number],
  inputs: Inputs,
  attributes: Attributes,
): Tensor {
  const size = constantScalar(known(inputs[0]), 'size') ?? 0;
  requireModest([size]);
  const period = attributes.int('periodic', 1) === 0 ? size - 1 : size;
  const dtype = typeIn(attributes, 'output_datatype', 'float32');
  const data = numbersFor(dtype, size).map((_, i) => {
    const t = (2 * Math.PI * i) / period;
    return a0 - a1 * Math.cos(t) + a2 * Math.cos(2 * t);
  });
  return { dtype, shape: [size], data };
}

const windowOf = (type: string, terms: readonly [number, number, number]): Meaning => ({
  type,
  since: 17,
  value: (inputs, attributes) => windowed(terms, inputs, attributes),
});

function diagonalType(types: Types, attributes: Attributes): TensorType {
  const { dtype, shape } = required(types, 0, 'input');
  if (shape.length !== 2) throw complain(`shape ${showShape(shape)}`, 'a matrix');
  return { dtype: typeIn(attributes, 'dtype', dtype), shape };
}

/** Ones on a diagonal, zeros elsewhere. */
function diagonal(inputs: Inputs, attributes: Attributes): Tensor {
  const { dtype, shape } = diagonalType(inputs.map(known), attributes);
  const columns = at(shape, 1);
  const k = attributes.int('k', 0);
  const data = numbersFor(dtype, countOf(shape)).map((_, i) =>
    Number((i % columns) - Math.floor(i / columns) === k),
  );
  return { dtype, shape, data };
}

/** ONNX HannWindow, HammingWindow and BlackmanWindow-17, EyeLike-9, 22. */
export const generators: readonly ImportedOp<Attrs>[] = [
  onConstants(windowOf('HannWindow', [1 / 2, 1 / 2, 0])),
  onConstants(windowOf('HammingWindow', [25 / 46, 21 / 46, 0])),
  onConstants(windowOf('BlackmanWindow', [0.42, 0.5, 0.08])),
  {
    ...onConstants({
      type: 'EyeLike',
      since: 9,
      infer: (types, attributes) => [diagonalType(types, attributes)],
      value: diagonal,
    }),
    typesOnly: true,
  },
];
