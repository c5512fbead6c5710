/** What becomes of many elements: sums, extremes, orders. */
import { at, complain } from '../../../base/errors.ts';
import { countOf } from '../../tensor.ts';
import type { AtenCall, Translation, Translations } from './aten-call.ts';
import { cast, isFloat, reshaped } from './aten-common.ts';
import { int } from './aten-draft.ts';

const self = (call: AtenCall): string => call.tensor('self');

/** None and an empty list are all axes. */
function axesOf(call: AtenCall, rank: number): readonly number[] {
  const given = call.maybeNumbers('dim') ?? [];
  const all = Array.from({ length: rank }, (_, axis) => axis);
  return given.length === 0 ? all : given.map((axis) => call.axis(axis, rank));
}

const keeps = (call: AtenCall): number => Number(call.flag('keepdim', false));

/** An ONNX reduction over axes; a scalar is its own. */
function over(call: AtenCall, type: string, x: string, axes: readonly number[], keepdims: number): string {
  return axes.length === 0 ? x : call.make(type, [x, call.list(axes)], { keepdims: int(keepdims) });
}

/** In the type that `dtype` asks for. */
const typed = (call: AtenCall, x: string): string => {
  const dtype = call.dtype('dtype');
  return dtype === undefined ? x : cast(call, x, dtype);
};

const reduced =
  (type: string): Translation =>
  (call) => {
    const x = typed(call, self(call));
    return over(call, type, x, axesOf(call, call.rankOf(x)), keeps(call));
  };

/** A sum of integers or booleans is int64. */
const summed =
  (type: string): Translation =>
  (call) => {
    const x = typed(call, self(call));
    const whole = isFloat(call.typeOf(x).dtype) ? x : cast(call, x, 'int64');
    return over(call, type, whole, axesOf(call, call.rankOf(x)), keeps(call));
  };

const some =
  (type: string): Translation =>
  (call) => {
    const x = cast(call, cast(call, self(call), 'bool'), 'float32');
    const found = over(call, type, x, axesOf(call, call.rankOf(x)), keeps(call));
    return cast(call, found, 'bool');
  };

/** Values and their places along one axis. */
const withPlaces =
  (values: string, places: string): Translation =>
  (call) => {
    const x = self(call);
    const axis = call.axis(call.int('dim'), call.rankOf(x));
    const keepdims = keeps(call);
    const found = over(call, values, x, [axis], keepdims);
    if ((call.node.outputs[1] ?? '').length === 0) return found;
    return [found, call.make(places, [x], { axis: int(axis), keepdims: int(keepdims) })];
  };

/** Of the flattened tensor where there is no axis. */
const placeOf =
  (type: string): Translation =>
  (call) => {
    const x = self(call);
    if (call.arg('dim') !== undefined)
      return call.make(type, [x], {
        axis: int(call.axis(call.int('dim'), call.rankOf(x))),
        keepdims: int(keeps(call)),
      });
    if (keeps(call) === 1) throw complain('keepdim without dim', 'one with the other');
    return call.make(type, [reshaped(call, x, [countOf(call.shapeOf(x))])], {
      axis: int(0),
      keepdims: int(0),
    });
  };

function topK(call: AtenCall): readonly string[] {
  const x = self(call);
  const attributes = {
    axis: int(call.axis(call.int('dim', -1), call.rankOf(x))),
    largest: int(Number(call.flag('largest', true))),
  };
  return call.makeAll('TopK', [x, call.list([call.int('k')])], attributes, 2);
}

function sorted(call: AtenCall): readonly string[] {
  const x = self(call);
  const axis = call.axis(call.int('dim', -1), call.rankOf(x));
  const attributes = { axis: int(axis), largest: int(Number(call.flag('descending', false))) };
  return call.makeAll('TopK', [x, call.list([at(call.shapeOf(x), axis)])], attributes, 2);
}

/** Mean of squares around the mean, times n / (n - correction). */
function variance(call: AtenCall): string {
  const x = self(call);
  const shape = call.shapeOf(x);
  const axes = axesOf(call, shape.length);
  const correction = call.maybeNumber('correction') ?? Number(call.flag('unbiased', true));
  const count = axes.reduce((product, axis) => product * at(shape, axis), 1);
  const around = call.make('Sub', [x, over(call, 'ReduceMean', x, axes, 1)]);
  const mean = over(call, 'ReduceMean', call.make('Mul', [around, around]), axes, keeps(call));
  if (correction === 0) return mean;
  return call.make('Mul', [mean, call.scalar(count / (count - correction))]);
}

const deviation = (call: AtenCall): string => call.make('Sqrt', [variance(call)]);

const withMean =
  (spread: (call: AtenCall) => string): Translation =>
  (call) => {
    const x = self(call);
    return [spread(call), over(call, 'ReduceMean', x, axesOf(call, call.rankOf(x)), keeps(call))];
  };

/** The root of the sum of squares, the sum of magnitudes, or the largest of them. */
function norm(call: AtenCall, name: string): string {
  const x = typed(call, self(call));
  const [order, axes] = [call.number(name, 2), axesOf(call, call.rankOf(x))];
  const type = order === 2 ? 'ReduceL2' : order === 1 ? 'ReduceL1' : undefined;
  if (type !== undefined) return over(call, type, x, axes, keeps(call));
  if (Math.abs(order) !== Number.POSITIVE_INFINITY)
    throw complain(`a norm of order ${order}`, '1, 2 or infinity');
  return over(call, order > 0 ? 'ReduceMax' : 'ReduceMin', call.make('Abs', [x]), axes, keeps(call));
}

const cumulated: Translation = (call) => {
  const x = typed(call, self(call));
  return call.make('CumSum', [x, call.scalar(call.axis(call.int('dim'), call.rankOf(x)), 'int64')]);
};

/** The root of the sum of squared differences along the last axis. */
const distance: Translation = (call) => {
  const way = call.make('Sub', [call.tensor('x1'), call.tensor('x2')]);
  const x = call.make('Add', [way, call.scalar(call.number('eps', 1e-6))]);
  if (call.number('p', 2) !== 2) throw complain('a distance of another order', 'p=2');
  return over(call, 'ReduceL2', x, [call.rankOf(x) - 1], keeps(call));
};

/** Of a product with itself the root, but never below eps. */
const cosine: Translation = (call) => {
  const [a, b] = [call.tensor('x1'), call.tensor('x2')];
  const axes = [call.axis(call.int('dim', 1), call.rankOf(a))];
  const eps = call.scalar(call.number('eps', 1e-8));
  const lengths = [a, b].map((x) => call.make('Max', [over(call, 'ReduceL2', x, axes, 1), eps]));
  const units = [a, b].map((x, i) => call.make('Div', [x, at(lengths, i)]));
  return over(call, 'ReduceSum', call.make('Mul', units), axes, 0);
};

const extremes: Translation = (call) => {
  const x = self(call);
  const axes = axesOf(call, call.rankOf(x));
  return ['ReduceMin', 'ReduceMax'].map((type) => over(call, type, x, axes, keeps(call)));
};

const counted: Translation = (call) => {
  const x = cast(call, self(call), 'bool');
  const ones = cast(call, x, 'float32');
  return cast(call, over(call, 'ReduceSum', ones, axesOf(call, call.rankOf(x)), 0), 'int64');
};

export const reductionsOfAten: Translations = {
  'mean.default': reduced('ReduceMean'),
  'mean.dim': reduced('ReduceMean'),
  'sum.default': summed('ReduceSum'),
  'sum.dim_IntList': summed('ReduceSum'),
  'prod.default': summed('ReduceProd'),
  'prod.dim_int': summed('ReduceProd'),
  'amax.default': reduced('ReduceMax'),
  'amin.default': reduced('ReduceMin'),
  'max.default': reduced('ReduceMax'),
  'min.default': reduced('ReduceMin'),
  'max.dim': withPlaces('ReduceMax', 'ArgMax'),
  'min.dim': withPlaces('ReduceMin', 'ArgMin'),
  'argmax.default': placeOf('ArgMax'),
  'argmin.default': placeOf('ArgMin'),
  'any.default': some('ReduceMax'),
  'any.dim': some('ReduceMax'),
  'any.dims': some('ReduceMax'),
  'all.default': some('ReduceMin'),
  'all.dim': some('ReduceMin'),
  'all.dims': some('ReduceMin'),
  'logsumexp.default': reduced('ReduceLogSumExp'),
  'cumsum.default': cumulated,
  'topk.default': topK,
  'sort.default': sorted,
  'sort.stable': sorted,
  'var.default': variance,
  'var.dim': variance,
  'var.correction': variance,
  'std.default': deviation,
  'std.dim': deviation,
  'std.correction': deviation,
  'var_mean.dim': withMean(variance),
  'var_mean.correction': withMean(variance),
  'std_mean.dim': withMean(deviation),
  'std_mean.correction': withMean(deviation),
  'aminmax.default': extremes,
  'cosine_similarity.default': cosine,
  'pairwise_distance.default': distance,
  'linalg_vector_norm.default': (call) => norm(call, 'ord'),
  'norm.ScalarOpt_dim': (call) => norm(call, 'p'),
  'count_nonzero.default': counted,
};
