import { complain } from '../../base/errors.ts';
import { broadcastShape } from '../geometry/broadcast.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { sameShape, showShape, type TensorType } from '../tensor.ts';
import { constantOf, known, newestOpset, required } from './common/inputs.ts';
import { leakyRelu } from './linear-units.ts';
import { prelu } from './products.ts';

interface Attrs {
  /** A list of slopes is by channel (axis 1), whatever axes follow: before opset 7. */
  readonly byChannel: boolean;
}

/** The input, and the slopes on axes that broadcast to it. */
function operandsOf<T extends TensorType>({ byChannel }: Attrs, inputs: readonly (T | undefined)[]): [T, T] {
  const [x, slope] = [required(inputs, 0, 'X'), required(inputs, 1, 'slope')];
  if (!byChannel || slope.shape.length !== 1) return [x, slope];
  return [x, { ...slope, shape: [...slope.shape, ...x.shape.slice(2).map(() => 1)] }];
}

/** ONNX PRelu-1, 6, 7, 9, 16: slopes that broadcast to the input. One number is a leaky ReLU. */
export const preluSlopes: ImportedOp<Attrs> = {
  kind: 'preluSlopes',
  restrictions: 'constant slopes',
  onnx: { PRelu: { since: 1, upTo: newestOpset, parse: ({ opset }) => ({ byChannel: opset < 7 }) } },
  infer(attrs, inputs) {
    const [x, slope] = operandsOf<InputType>(attrs, inputs);
    if (!sameShape(broadcastShape(x.shape, slope.shape), x.shape))
      throw complain(`slopes of ${showShape(slope.shape)}`, `slopes that broadcast to ${showShape(x.shape)}`);
    return prelu.infer({}, [x, slope]);
  },
  reference: (attrs, inputs) => prelu.reference({}, operandsOf(attrs, inputs)),
  canonicalize({ name, attrs, inputs, inputTypes, outputs }) {
    const slopes = constantOf(inputTypes[1], 'slope');
    const [alpha] = slopes?.data ?? [];
    if (slopes === undefined || alpha === undefined) throw complain('no slopes', 'one or more');
    const first = inputs.slice(0, 1);
    if (slopes.data.every((x: number) => x === alpha))
      return [{ op: leakyRelu, attrs: { alpha }, inputs: first, outputs }];
    const [, placed] = operandsOf(attrs, [
      required(inputTypes, 0, 'X'),
      required([known(slopes)], 0, 'slope'),
    ]);
    const constant = `${name}~slopes`;
    const constants = new Map([[constant, { ...slopes, shape: placed.shape }]]);
    return [{ op: prelu, attrs: {}, inputs: [...first, constant], outputs, constants }];
  },
};
