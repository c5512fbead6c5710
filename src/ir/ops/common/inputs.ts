/** What every operator asks of its inputs, with the complaint when it does not get it. */
import { complain, DynamicShapeError } from '../../../base/errors.ts';
import type { InputType } from '../../graph/op.ts';
import { type DType, type Shape, showShape, type Tensor } from '../../tensor.ts';

/**
 * The newest opset of the default ONNX domain. Since 22 the operators here have gained element types only
 * (Cast-24 a rounding mode for one of those).
 */
export const newestOpset = 25;

/** @throws InputError when the input is omitted. */
export function required<T>(inputs: readonly (T | undefined)[], index: number, role: string): T {
  const found = inputs[index];
  if (found === undefined) throw complain(`input ${index} (${role}) is missing`);
  return found;
}

/** A tensor as its type with its value. */
export const known = (tensor: Tensor | undefined): InputType | undefined =>
  tensor === undefined ? undefined : { dtype: tensor.dtype, shape: tensor.shape, constant: tensor };

/** @throws DynamicShapeError when the input is there but not constant. */
export function constantOf(input: InputType | undefined, role: string): Tensor | undefined {
  if (input === undefined || input.constant !== undefined) return input?.constant;
  throw new DynamicShapeError({
    found: `its ${role} is computed from the network's input`,
    supported: 'a constant',
    todo: 'export with fixed shapes; only the batch axis may be dynamic',
  });
}

/** The numbers of a constant list of integers. @throws DynamicShapeError */
export function constantInts(input: InputType | undefined, role: string): readonly number[] | undefined {
  const tensor = constantOf(input, role);
  return tensor === undefined ? undefined : Array.from(tensor.data);
}

/** @throws InputError when a constant is not a single number; DynamicShapeError when it is not constant. */
export function constantScalar(input: InputType | undefined, role: string): number | undefined {
  const tensor = constantOf(input, role);
  if (tensor === undefined) return undefined;
  const [value] = tensor.data;
  if (value === undefined || tensor.data.length !== 1)
    throw complain(`its ${role} has shape ${showShape(tensor.shape)}`, 'a single number');
  return value;
}

export const isFloat = (dtype: DType): boolean => dtype === 'float32' || dtype === 'float64';

/** @throws InputError unless all present inputs are floating point, of one type. */
export function requireFloats(inputs: readonly (InputType | undefined)[]): void {
  const types = new Set(inputs.flatMap((input) => (input === undefined ? [] : [input.dtype])));
  if ([...types].every(isFloat) && types.size <= 1) return;
  throw complain(`inputs of type ${[...types].join(', ')}`, 'float32, or float64, for all of them');
}

/** @throws InputError unless the shape is `wanted`. */
export function requireShape(shape: Shape, wanted: Shape, role: string): void {
  if (shape.length === wanted.length && shape.every((n, i) => n === wanted[i])) return;
  throw complain(`its ${role} has shape ${showShape(shape)}`, showShape(wanted));
}

/** -rank..rank-1 to 0..rank-1. @throws InputError outside of that. */
export function axisIn(axis: number, rank: number): number {
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  throw complain(`axis ${axis} of a tensor with ${rank} axes`, `${-rank} to ${rank - 1}`);
}

/** @throws InputError when an axis is out of range or named twice. */
export function axesIn(axes: readonly number[], rank: number): number[] {
  const found = axes.map((axis) => axisIn(axis, rank)).sort((a, b) => a - b);
  if (new Set(found).size !== found.length) throw complain(`axes ${axes.join(', ')} name an axis twice`);
  return found;
}
