import { at, complain } from '../../base/errors.ts';
import type { CanonicalOp } from '../graph/op.ts';
import { sameAsInput } from '../integers/quant.ts';
import { type Order, simplified } from '../kernel/memory-order.ts';
import type { StoredTensor } from '../kernel/stored.ts';
import { countOf, movedAlike, numbersFor, type Shape, stridesOf, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { newestOpset, required } from './common/inputs.ts';

export interface TransposeAttrs {
  /** Output axis i is input axis perm[i]. Empty in the imported stage for the axes reversed. */
  readonly perm: readonly number[];
}

function permOf({ perm }: TransposeAttrs, { length: rank }: Shape): readonly number[] {
  const reversed = Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (perm.length === 0) return reversed;
  if (perm.length !== rank || reversed.some((axis) => !perm.includes(axis)))
    throw complain(
      `perm [${perm.join(', ')}] of a tensor with ${rank} axes`,
      `each of 0 to ${rank - 1} once`,
    );
  return perm;
}

function transposed(x: Tensor, perm: readonly number[]): Tensor {
  const strides = stridesOf(x.shape);
  const shape = perm.map((axis) => at(x.shape, axis));
  const steps = perm.map((axis) => at(strides, axis));
  const data = numbersFor(x.dtype, countOf(shape));
  const place = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let i = 0; i < data.length; i++) {
    data[i] = at(x.data, from);
    // Counts `place` up like an odometer, and `from` along with it; unchecked, as the axes are those of the shape.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place[axis] = (place[axis] as number) + 1;
      from += steps[axis] as number;
      if ((place[axis] as number) < (shape[axis] as number)) break;
      from -= (steps[axis] as number) * (shape[axis] as number);
      place[axis] = 0;
    }
  }
  return { dtype: x.dtype, shape, data };
}

/** Rows as columns. */
export const transposedMatrix = (matrix: Tensor): Tensor => movedAlike(matrix, (t) => transposed(t, [1, 0]));

/** Each element is its own row-major index. */
const indices = (shape: Shape): Tensor => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from({ length: countOf(shape) }, (_, i) => i),
});

/** Memory stays; each position now holds the element whose transposed index names what lies there. */
function orderOf(attrs: TransposeAttrs, input: StoredTensor | undefined): Order {
  const shape = input?.shape ?? [];
  // target[old row-major index] = new row-major index.
  const target = new Int32Array(countOf(shape));
  transposed(indices(shape), permOf(attrs, shape)).data.forEach((old: number, now: number) => {
    target[old] = now;
  });
  return simplified(Array.from(target, (_, i) => at(target, input?.order?.[i] ?? i)));
}

/** Axes in another order. ONNX Transpose-1, 13, 21. */
export const transpose: CanonicalOp<TransposeAttrs> = {
  kind: 'transpose',
  alias: true,
  onnx: {
    Transpose: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ perm: attributes.ints('perm') ?? [] }),
    },
  },
  infer(attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'data');
    return [{ dtype, shape: permOf(attrs, shape).map((axis) => at(shape, axis)) }];
  },
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'data');
    return [transposed(x, permOf(attrs, x.shape))];
  },
  order: (attrs, inputs) => orderOf(attrs, inputs[0]),
  explicit: (attrs, inputs) => ({ perm: permOf(attrs, required(inputs, 0, 'data').shape) }),
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  channels: opaqueChannels,
  outputQuant: (c) => sameAsInput(c),
  anyZeroPoint: 'moves',
  rows: undefined,
  gradient: {
    of({ perm }, steps) {
      const x = steps.input(0);
      const { shape, data } = transposed(indices(x.shape), perm);
      return steps.fixed(shape, (i) => [[x, at(data, i), 1]]);
    },
  },
};
