import { at, complain } from '../../base/errors.ts';
import { padInto, sweepOf } from '../geometry/slide.ts';
import type { ImportedOp } from '../graph/op.ts';
import { countOf, numbersFor, type Shape, stridesOf, type Tensor } from '../tensor.ts';
import { newestOpset, required } from './common/inputs.ts';
import { inferPool, type PoolAttrs, parsePool, poolAxes } from './common/pool.ts';
import { maxPool } from './max-pool.ts';

interface Attrs {
  readonly pool: PoolAttrs;
  /** Elements of a channel are counted with the first axis fastest. */
  readonly columnMajor: boolean;
}

/** The number of each element of a channel. */
function numbering(spatial: Shape, columnMajor: boolean): Float64Array {
  const strides = stridesOf(spatial);
  const steps = columnMajor ? stridesOf(spatial.toReversed()).toReversed() : strides;
  return Float64Array.from({ length: countOf(spatial) }, (_, i) =>
    spatial.reduce(
      (sum, size, axis) => sum + (Math.floor(i / at(strides, axis)) % size) * at(steps, axis),
      0,
    ),
  );
}

/** Which element of all of x is the largest of each window: the first of equal ones. */
function indicesOf({ pool, columnMajor }: Attrs, x: Tensor): Tensor {
  const axes = poolAxes(pool, x.shape);
  const sweep = sweepOf(axes);
  const shape = [...x.shape.slice(0, 2), ...axes.map((axis) => axis.out)];
  const numbers = new Float64Array(sweep.paddedCount).fill(-1);
  padInto(numbers, 0, numbering(x.shape.slice(2), columnMajor), 0, sweep);
  const data = numbersFor('int64', countOf(shape));
  const padded = new Float64Array(sweep.paddedCount).fill(Number.NEGATIVE_INFINITY);
  for (let out = 0; out < data.length; out++) {
    const [channel, place] = [Math.floor(out / sweep.outCount), out % sweep.outCount];
    if (place === 0) padInto(padded, 0, x.data, channel * sweep.inCount, sweep);
    const window = sweep.taps.map((tap) => tap + at(sweep.starts, place)).filter((i) => at(numbers, i) >= 0);
    const best = window.reduce((most, i) => (at(padded, i) > at(padded, most) ? i : most));
    data[out] = channel * sweep.inCount + at(numbers, best);
  }
  return { dtype: 'int64', shape, data };
}

/** ONNX MaxPool-1, 8, 10, 11, 12, 22: in networks that are compiled nothing reads the places of the largest elements. */
export const maxPoolIndices: ImportedOp<Attrs> = {
  kind: 'maxPoolIndices',
  restrictions: 'one or two spatial axes; the first output alone',
  onnx: {
    MaxPool: {
      since: 1,
      upTo: newestOpset,
      parse: (node) => ({
        pool: parsePool(node),
        columnMajor: node.attributes.int('storage_order', 0) !== 0,
      }),
    },
  },
  infer({ pool }, inputs) {
    const [type] = inferPool(pool, inputs);
    return type === undefined ? [] : [type, { dtype: 'int64', shape: type.shape }];
  },
  reference: (attrs, inputs) => [
    ...maxPool.reference(attrs.pool, inputs),
    indicesOf(attrs, required(inputs, 0, 'X')),
  ],
  canonicalize({ attrs, inputs, outputs }) {
    const [made = '', indices = ''] = outputs;
    if (indices !== '')
      throw complain(
        'a second output, the places of the largest elements',
        'the first output alone',
        'upsample by Resize or ConvTranspose instead of MaxUnpool',
      );
    return [{ op: maxPool, attrs: attrs.pool, inputs, outputs: [made] }];
  },
};
