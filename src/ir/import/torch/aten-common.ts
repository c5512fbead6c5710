/** What many translations share: types that meet, shapes that change. */
import { at, complain } from '../../../base/errors.ts';
import { countOf, type DType, type Shape } from '../../tensor.ts';
import type { AtenCall } from './aten-call.ts';
import { int, ints } from './aten-draft.ts';

/** ONNX' codes of element types. */
const codes: Readonly<Record<DType, number>> = {
  ...{ float32: 1, uint8: 2, int8: 3, int16: 5, int32: 6 },
  ...{ int64: 7, bool: 9, float64: 11, uint16: 4, uint32: 12, uint64: 13 },
};

export const cast = (call: AtenCall, x: string, dtype: DType): string =>
  call.typeOf(x).dtype === dtype ? x : call.make('Cast', [x], { to: int(codes[dtype]) });

export const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64';

/** From narrow to wide, as promotion goes. */
const widths: readonly DType[] = [
  ...(['bool', 'uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64'] as const),
  ...(['float32', 'float64'] as const),
];

/** Booleans, integers, floats. */
const category = (dtype: DType): number => (dtype === 'bool' ? 0 : isFloat(dtype) ? 2 : 1);

interface Met {
  readonly dtype: DType;
  /** 0: a Python number, 1: a tensor without axes, 2: another. Within a category the higher decides. */
  readonly weight: 0 | 1 | 2;
}

/** The type in which two operands are computed. */
export function promoted(a: Met, b: Met): DType {
  const [first, second] = [category(a.dtype), category(b.dtype)];
  if (first !== second && a.weight === b.weight) return first > second ? a.dtype : b.dtype;
  const [high, low] = a.weight >= b.weight ? [a, b] : [b, a];
  if (high.weight !== low.weight) {
    if (category(high.dtype) >= category(low.dtype)) return high.dtype;
    return low.weight === 0 && isFloat(low.dtype) ? 'float32' : low.dtype;
  }
  if (
    new Set([a.dtype, b.dtype]).size === 2 &&
    [a.dtype, b.dtype].every((t) => t === 'uint8' || t === 'int8')
  )
    return 'int16';
  return widths.indexOf(a.dtype) >= widths.indexOf(b.dtype) ? a.dtype : b.dtype;
}

function met(call: AtenCall, name: string, tensor: string): Met {
  const { dtype, shape } = call.typeOf(tensor);
  return { dtype, weight: call.isTensor(name) ? (shape.length === 0 ? 1 : 2) : 0 };
}

/** A number as a scalar of a type, or a tensor cast to it. */
export function as(call: AtenCall, name: string, tensor: string, dtype: DType): string {
  if (call.isTensor(name)) return cast(call, tensor, dtype);
  return call.scalar(call.number(name), dtype);
}

/** Two arguments in the type that they are computed in; `floats`: integers become float32 (a division). */
export function operands(
  call: AtenCall,
  [first, second]: readonly [string, string],
  floats = false,
): readonly [string, string] {
  const [a, b] = [call.tensor(first), call.tensor(second)];
  const common = promoted(met(call, first, a), met(call, second, b));
  const dtype = floats && !isFloat(common) ? 'float32' : common;
  return [as(call, first, a, dtype), as(call, second, b, dtype)];
}

/** A tensor as float32, where it holds integers or booleans. */
export const floating = (call: AtenCall, x: string): string =>
  isFloat(call.typeOf(x).dtype) ? x : cast(call, x, 'float32');

export const reshaped = (call: AtenCall, x: string, shape: readonly number[]): string =>
  call.make('Reshape', [x, call.list(shape)]);

export const transposed = (call: AtenCall, x: string, perm: readonly number[]): string =>
  perm.every((axis, i) => axis === i) ? x : call.make('Transpose', [x], { perm: ints(perm) });

export const squeezed = (call: AtenCall, x: string, axes: readonly number[]): string =>
  call.make('Squeeze', [x, call.list(axes)]);

export const unsqueezed = (call: AtenCall, x: string, axes: readonly number[]): string =>
  call.make('Unsqueeze', [x, call.list(axes)]);

export const concatenated = (call: AtenCall, parts: readonly string[], axis: number): string =>
  parts.length === 1 ? at(parts, 0) : call.make('Concat', parts, { axis: int(axis) });

/** Elements `start` to before `end` along an axis, both within it. */
export const cut = (call: AtenCall, x: string, axis: number, start: number, end: number, step = 1): string =>
  call.make('Slice', [x, call.list([start]), call.list([end]), call.list([axis]), call.list([step])]);

/** The index along an axis, without that axis. */
export const selected = (call: AtenCall, x: string, axis: number, index: number): string =>
  call.make('Gather', [x, call.scalar(index, 'int64')], { axis: int(axis) });

/** Broadcast to a shape. */
export function expanded(call: AtenCall, x: string, shape: readonly number[]): string {
  const from = call.shapeOf(x);
  if (from.length === shape.length && from.every((n, i) => n === shape[i])) return x;
  return call.make('Expand', [x, call.list(shape)]);
}

/** The numbers 0, 1, 2... in a shape: what moves elements moves them, and tells where each came from. */
export const counted = (call: AtenCall, shape: Shape): string =>
  call.constant({ dtype: 'int64', shape, data: Float64Array.from({ length: countOf(shape) }, (_, i) => i) });

/** A tensor with other elements at some places, counted row-major. Of equal places the last counts. */
export function replaced(call: AtenCall, whole: string, places: readonly number[], part: string): string {
  const shape = call.shapeOf(whole);
  const count = countOf(shape);
  const isWhole = places.length === count && places.every((place, i) => place === i);
  if (isWhole) return reshaped(call, part, shape);
  const from = Array.from({ length: count }, (_, i) => i);
  places.forEach((place, i) => {
    from[place] = count + i;
  });
  const both = [reshaped(call, whole, [count]), reshaped(call, part, [places.length])];
  return reshaped(call, call.make('Gather', [concatenated(call, both, 0), call.list(from)]), shape);
}

/** The same with an axis of 1 in front, where a call leaves out the batch. */
export function batched(call: AtenCall, x: string, rank: number, compute: (batch: string) => string): string {
  const found = call.rankOf(x);
  if (found === rank) return compute(x);
  if (found !== rank - 1)
    throw complain(`a tensor of ${found} axes`, `${rank} axes, or ${rank - 1} without batch`);
  return squeezed(call, compute(unsqueezed(call, x, [0])), [0]);
}

/** A number for each of `count` axes, where one number stands for all. */
export const forAxes = (values: readonly number[], count: number): readonly number[] =>
  values.length === 1 ? new Array<number>(count).fill(at(values, 0)) : values;

export const trained =
  'the program was exported in training mode: it is taken as in evaluation (dropout and batch normalization)';
