/** Between stored numbers and float32: the borders of parts of an int8 program that stay float32. */
import { must } from '../../base/errors.ts';
import type { CanonicalOp } from '../graph/op.ts';
import { add, call, div, float, mul, sub } from '../kernel/builders.ts';
import type { Expr } from '../kernel/kernel.ts';
import { type Quant, storageOf } from '../kernel/stored.ts';
import { sameChannels } from './common/channel-flows.ts';
import { required } from './common/inputs.ts';
import { storedKernel } from './common/stored-operands.ts';

type Attrs = Readonly<Record<string, never>>;

const first = ([x]: readonly Expr[]): Expr => must(x, 'an operand');

/** The same numbers, stored another way. */
const border = {
  only: 'int8',
  infer: (_attrs, inputs) => {
    const { dtype, shape } = required(inputs, 0, 'input');
    return [{ dtype, shape }];
  },
  reference: (_attrs, inputs) => [required(inputs, 0, 'input')],
  channels: sameChannels,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: true,
  rows: undefined,
  gradient: 'none',
} as const satisfies Partial<CanonicalOp<Attrs, Quant>>;

/** The numbers that bytes stand for, in float32: float(q - zero point) scale, as ONNX's DequantizeLinear. */
export const toReal: CanonicalOp<Attrs, Quant> = {
  ...border,
  kind: 'toReal',
  anyZeroPoint: 'computes',
  quantize: ({ inputQuants }) => must(inputQuants[0], 'the input is quantized'),
  int8: (_attrs, { scale, zeroPoint }, context) =>
    storedKernel('As float32', context, [undefined], (x) =>
      mul({ kind: 'toFloat', value: sub(first(x), zeroPoint) }, float(scale)),
    ),
};

/** The nearest numbers of a grid, by a float32 quotient, halves to even, as ONNX's QuantizeLinear. */
export const toStored: CanonicalOp<Attrs, Quant> = {
  ...border,
  kind: 'toStored',
  quantize: ({ outputQuant }) => outputQuant,
  int8(_attrs, quant, context) {
    const { scale, zeroPoint } = quant;
    const { lo, hi } = storageOf(quant);
    return storedKernel('Onto a grid', context, [undefined], (x) => {
      const steps = div(first(x), float(scale));
      return add(call('nearest_within_f32', 'i32', steps, lo - zeroPoint, hi - zeroPoint), zeroPoint);
    });
  },
};
