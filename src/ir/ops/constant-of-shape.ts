import { at, complain } from '../../base/errors.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { countOf, floats, numbersFor, type Shape, type Tensor } from '../tensor.ts';
import { onlyOnConstants } from './common/imported.ts';
import { constantInts, constantScalar, known, newestOpset, required } from './common/inputs.ts';

interface Attrs {
  /** One element. */
  readonly value: Tensor;
}

function shapeOf(inputs: readonly (InputType | undefined)[]): Shape {
  const shape = constantInts(required(inputs, 0, 'input'), 'shape') ?? [];
  if (shape.every((n) => Number.isSafeInteger(n) && n >= 0)) return shape;
  throw complain(`the shape [${shape.join(', ')}]`, 'sizes of 0 or more');
}

/** ONNX ConstantOfShape-9, 20, 21. */
export const constantOfShape: ImportedOp<Attrs> = {
  kind: 'constantOfShape',
  folds: true,
  onnx: {
    ConstantOfShape: {
      since: 9,
      upTo: newestOpset,
      parse({ attributes }) {
        const value = attributes.get('value', 'tensor') ?? floats([1], new Float32Array(1));
        constantScalar(known(value), 'value');
        return { value };
      },
    },
  },
  infer: ({ value }, inputs) => [{ dtype: value.dtype, shape: shapeOf(inputs) }],
  reference({ value }, inputs) {
    const shape = shapeOf(inputs.map(known));
    return [
      { dtype: value.dtype, shape, data: numbersFor(value.dtype, countOf(shape)).fill(at(value.data, 0)) },
    ];
  },
  canonicalize: onlyOnConstants('ConstantOfShape'),
};
