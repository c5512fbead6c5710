/** Tensors that the program makes of nothing but sizes and numbers. */
import { complain } from '../../../base/errors.ts';
import {
  countOf,
  type DType,
  largestTensor,
  numbersFor,
  type Shape,
  showShape,
  type Tensor,
} from '../../tensor.ts';
import { type AtenCall, filled, type Translation, type Translations } from './aten-call.ts';
import { cast } from './aten-common.ts';
import { int } from './aten-draft.ts';

function modest(shape: Shape): Shape {
  if (shape.every((n) => Number.isSafeInteger(n) && n >= 0) && countOf(shape) <= largestTensor) return shape;
  throw complain(`a tensor of shape ${showShape(shape)}`, `up to ${largestTensor} elements`);
}

const full =
  (value: (call: AtenCall) => number): Translation =>
  (call) => {
    const dtype = call.dtype('dtype') ?? writtenType(call);
    return call.constant(filled(value(call), dtype, modest(call.numbers('size'))));
  };

/** Of a number as it is written. */
function writtenType(call: AtenCall): DType {
  const kind = call.arg('fill_value')?.kind;
  if (kind === 'flag') return 'bool';
  return kind === 'int' || kind === 'symbol' ? 'int64' : 'float32';
}

const like =
  (value: (call: AtenCall) => number): Translation =>
  (call) => {
    const { dtype, shape } = call.typeOf(call.tensor('self'));
    return call.constant(filled(value(call), call.dtype('dtype') ?? dtype, shape));
  };

/** Of the type of `self`, in a shape of its own. */
const anew =
  (value: (call: AtenCall) => number): Translation =>
  (call) => {
    const { dtype } = call.typeOf(call.tensor('self'));
    return call.constant(filled(value(call), call.dtype('dtype') ?? dtype, modest(call.numbers('size'))));
  };

const fillValue = (call: AtenCall): number => call.number('fill_value');
const zero = (): number => 0;
const unit = (): number => 1;

const made = (dtype: DType, count: number, value: (i: number) => number): Tensor => ({
  dtype,
  shape: modest([count]),
  data: numbersFor(dtype, count).map((_, i) => value(i)),
});

function arange(call: AtenCall): string {
  const names = ['start', 'end', 'step'];
  const isWhole = names.every((name) => call.arg(name)?.kind !== 'float');
  const [start, end, step] = [call.number('start', 0), call.number('end'), call.number('step', 1)];
  if (step === 0) throw complain('a step of 0');
  const count = Math.max(0, Math.ceil((end - start) / step));
  modest([count]);
  return call.constant(
    made(call.dtype('dtype') ?? (isWhole ? 'int64' : 'float32'), count, (i) => start + i * step),
  );
}

/** From both ends to the middle, as PyTorch computes it. */
function linspace(call: AtenCall): string {
  const [start, end, count] = [call.number('start'), call.number('end'), call.int('steps')];
  modest([count]);
  const step = count < 2 ? 0 : (end - start) / (count - 1);
  const value = (i: number): number => (i < count / 2 ? start + i * step : end - (count - 1 - i) * step);
  return call.constant(made(call.dtype('dtype') ?? 'float32', count, value));
}

const scalarTensor: Translation = (call) => {
  const kind = call.arg('s')?.kind;
  return call.scalar(call.number('s'), call.dtype('dtype') ?? (kind === 'float' ? 'float32' : 'int64'));
};

function eye(call: AtenCall): string {
  const n = call.int('n');
  const m = call.int('m', n);
  modest([n, m]);
  const data = numbersFor(call.dtype('dtype') ?? 'float32', n * m);
  for (let i = 0; i < Math.min(n, m); i++) data[i * m + i] = 1;
  return call.constant({ dtype: call.dtype('dtype') ?? 'float32', shape: [n, m], data });
}

/** A triangle of what may be an activation: times a constant of ones and zeros. */
const triangle =
  (upper: boolean): Translation =>
  (call) => {
    const x = call.tensor('self');
    const { shape, dtype } = call.typeOf(x);
    const sides = shape.slice(-2);
    const ones = call.constant(filled(1, 'float32', sides));
    const kept = call.make('Trilu', [ones, call.scalar(call.int('diagonal', 0), 'int64')], {
      upper: int(Number(upper)),
    });
    if (dtype === 'bool') return call.make('And', [x, cast(call, kept, 'bool')]);
    return call.make('Where', [cast(call, kept, 'bool'), x, call.scalar(0, dtype)]);
  };

export const constants: Translations = {
  'full.default': full(fillValue),
  'zeros.default': full(zero),
  'ones.default': full(unit),
  'empty.memory_format': full(zero),
  'full_like.default': like(fillValue),
  'zeros_like.default': like(zero),
  'ones_like.default': like(unit),
  'empty_like.default': like(zero),
  'new_full.default': anew(fillValue),
  'new_zeros.default': anew(zero),
  'new_ones.default': anew(unit),
  'new_empty.default': anew(zero),
  'arange.default': arange,
  'arange.start': arange,
  'arange.start_step': arange,
  'linspace.default': linspace,
  'scalar_tensor.default': scalarTensor,
  'eye.default': eye,
  'eye.m': eye,
  'tril.default': triangle(false),
  'triu.default': triangle(true),
};
