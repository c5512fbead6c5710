/** Arithmetic on pairs of elements. */

import { complain } from '../../../base/errors.ts';
import { broadcastShape, zip } from '../../geometry/broadcast.ts';
import type { InputType } from '../../graph/op.ts';
import type { Tensor, TensorType } from '../../tensor.ts';
import { required } from './inputs.ts';

export function inferPair(inputs: readonly (InputType | undefined)[]): TensorType[] {
  const [a, b] = [required(inputs, 0, 'A'), required(inputs, 1, 'B')];
  if (inputs.length > 2) throw complain(`${inputs.length} inputs`, '2');
  if (a.dtype !== b.dtype) throw complain(`inputs of type ${a.dtype} and ${b.dtype}`, 'one type');
  return [{ dtype: a.dtype, shape: broadcastShape(a.shape, b.shape) }];
}

/** `f` for each pair, rounded once; integers wrap around as ONNX leaves undefined. */
export function pairwise(
  inputs: readonly (Tensor | undefined)[],
  f: (x: number, y: number) => number,
): Tensor {
  return zip(required(inputs, 0, 'A'), required(inputs, 1, 'B'), f);
}
