import { at, complain } from '../../base/errors.ts';
import { indexIn } from '../geometry/index-in.ts';
import { movedTo, type Piece } from '../geometry/strided.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { digitsOf } from '../kernel/memory-order.ts';
import { countOf, numbersFor, type Shape, showShape, stridesOf, type Tensor } from '../tensor.ts';
import { constantOf, known, newestOpset, required } from './common/inputs.ts';
import { asMove } from './common/moves.ts';
import { pick } from './pick.ts';

interface Attrs {
  readonly batchDims: number;
}

type Inputs = readonly (InputType | undefined)[];

/** Leading axes of the data that an index names, and the slices behind them. */
function sizesOf({ batchDims }: Attrs, inputs: Inputs) {
  const [data, indices] = [required(inputs, 0, 'data').shape, required(inputs, 1, 'indices').shape];
  const named = indices.at(-1) ?? 0;
  const behind = batchDims + named;
  const batched = Array.from({ length: batchDims }, (_, axis) => data[axis] === indices[axis]);
  if (indices.length <= batchDims || named < 1 || behind > data.length || batched.includes(false))
    throw complain(
      `indices ${showShape(indices)} of ${named} axes of ${showShape(data)}, batch_dims = ${batchDims}`,
      'at least one axis, at most all, behind batches of one size',
    );
  const shape: Shape = [...indices.slice(0, -1), ...data.slice(behind)];
  const rows = countOf(indices.slice(batchDims, -1));
  return {
    data,
    named,
    rows,
    batch: countOf(data.slice(batchDims)),
    slice: countOf(data.slice(behind)),
    shape,
  };
}

/** The first element of each slice. */
function startsOf(attrs: Attrs, inputs: Inputs): Int32Array {
  const { data, named, rows, batch } = sizesOf(attrs, inputs);
  const { batchDims } = attrs;
  const indices = constantOf(required(inputs, 1, 'indices'), 'indices')?.data ?? [];
  const strides = stridesOf(data);
  return Int32Array.from({ length: indices.length / named }, (_, i) =>
    strides.slice(batchDims, batchDims + named).reduce(
      (sum, stride, axis) => {
        return sum + indexIn(at(indices, i * named + axis), at(data, batchDims + axis)) * stride;
      },
      Math.floor(i / rows) * batch,
    ),
  );
}

/** Slices by one rule where there is one, else one by one. */
function piecesOf(attrs: Attrs, inputs: Inputs): readonly Piece[] {
  const { slice } = sizesOf(attrs, inputs);
  const starts = startsOf(attrs, inputs);
  const [whole] = digitsOf([starts]) ?? [];
  if (whole !== undefined)
    return [
      {
        input: 0,
        counts: [...whole.counts, slice],
        from: { first: whole.first, strides: [...whole.strides, 1] },
        to: { first: 0, strides: [...stridesOf(whole.counts).map((step) => step * slice), 1] },
      },
    ];
  return Array.from(starts, (first, i) => ({
    input: 0,
    counts: [slice],
    from: { first, strides: [1] },
    to: { first: i * slice, strides: [1] },
  }));
}

function picked(attrs: Attrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const types = inputs.map(known);
  const { dtype } = required(inputs, 0, 'data');
  const { shape } = sizesOf(attrs, types);
  const made = { dtype, shape, data: numbersFor(dtype, countOf(shape)) };
  return movedTo(made, piecesOf(attrs, types), inputs);
}

/** ONNX GatherND-11, 12, 13: slices of the data by indices of its leading axes. */
export const gatherNd: ImportedOp<Attrs> = {
  kind: 'gatherND',
  restrictions: 'of a constant constant indices',
  onnx: {
    GatherND: {
      since: 11,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ batchDims: attributes.int('batch_dims', 0) }),
    },
  },
  infer: (attrs, inputs) => [
    { dtype: required(inputs, 0, 'data').dtype, shape: sizesOf(attrs, inputs).shape },
  ],
  reference: (attrs, inputs) => [picked(attrs, inputs)],
  canonicalize(node) {
    const { inputs, outputs, inputTypes, attrs } = node;
    if (inputTypes.every((type) => type?.constant === undefined))
      return [{ op: pick, attrs: { how: 'rows', axis: attrs.batchDims }, inputs, outputs }];
    return [asMove(node, 'Slices by index', piecesOf(attrs, inputTypes))];
  },
};
