import { at, complain } from '../../base/errors.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { countOf, type Shape, showShape, type Tensor } from '../tensor.ts';
import { avgPool } from './avg-pool.ts';
import { reshapeTo } from './common/imported.ts';
import { axesIn, constantInts, known, newestOpset, required } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import { transpose } from './transpose.ts';

interface Attrs {
  /** Before opset 18. */
  readonly axes?: readonly number[];
  readonly keepDims: boolean;
  /** No axes mean none, instead of all. */
  readonly noAxesIsNoop: boolean;
}

type Inputs = readonly (InputType | undefined)[];

function axesOf({ axes, noAxesIsNoop }: Attrs, inputs: Inputs): readonly number[] {
  const rank = required(inputs, 0, 'data').shape.length;
  const asked = axes ?? constantInts(inputs[1], 'axes') ?? [];
  if (asked.length > 0) return axesIn(asked, rank);
  return noAxesIsNoop ? [] : Array.from({ length: rank }, (_, i) => i);
}

const reducedShape = (shape: Shape, axes: readonly number[], keepDims: boolean): Shape =>
  shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]));

/** The reduced axes go last, so that each mean is over neighbours. */
function means(x: Tensor, axes: readonly number[], keepDims: boolean): Tensor {
  const kept = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const [lined = x] = x.shape.length === 0 ? [x] : transpose.reference({ perm: [...kept, ...axes] }, [x]);
  const count = countOf(axes.map((axis) => at(x.shape, axis)));
  const shape = reducedShape(x.shape, axes, keepDims);
  const values = new Float64Array(countOf(shape));
  for (let i = 0; i < values.length; i++) {
    let sum = 0;
    for (const value of lined.data.subarray(i * count, (i + 1) * count)) sum += value;
    values[i] = sum / count;
  }
  return rounded(x.dtype, shape, values);
}

/** Means over spatial axes are average-pools as large as the axes. */
function canonical({ attrs, inputs, outputs, inputTypes }: NodeView<Attrs>): readonly Replacement[] {
  const { shape } = required(inputTypes, 0, 'data');
  const axes = axesOf(attrs, inputTypes);
  if (shape.length < 3 || shape.length > 5 || axes.some((axis) => axis < 2))
    throw complain(`a mean over axes ${axes.join(', ')} of ${showShape(shape)}`, 'means over spatial axes');
  const [from = '', to = ''] = [inputs[0], outputs[0]];
  const pooled = attrs.keepDims ? to : `${to}~pooled`;
  const kernel = shape.slice(2).map((n, i) => (axes.includes(i + 2) ? n : 1));
  const pool = averageOf(kernel, from, pooled);
  return attrs.keepDims ? [pool] : [pool, reshapeTo(pooled, to, reducedShape(shape, axes, false))];
}

/** Average-pool with a window and nothing else. */
export const averageOf = (kernel: readonly number[], from: string, to: string): Replacement => ({
  op: avgPool,
  attrs: {
    kernel,
    strides: [],
    pads: [],
    autoPad: 'NOTSET',
    dilations: [],
    ceilMode: false,
    countIncludePad: false,
  },
  inputs: [from],
  outputs: [to],
});

/** ONNX ReduceMean-1, 11, 13 (axes are an attribute), 18 (an input). */
export const reduceMean: ImportedOp<Attrs> = {
  kind: 'reduceMean',
  onnx: {
    ReduceMean: {
      since: 1,
      upTo: newestOpset,
      parse({ attributes }) {
        const axes = attributes.ints('axes');
        return {
          ...(axes === undefined ? {} : { axes }),
          keepDims: attributes.int('keepdims', 1) !== 0,
          noAxesIsNoop: attributes.int('noop_with_empty_axes', 0) !== 0,
        };
      },
    },
  },
  infer(attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'data');
    return [{ dtype, shape: reducedShape(shape, axesOf(attrs, inputs), attrs.keepDims) }];
  },
  reference(attrs, inputs) {
    return [means(required(inputs, 0, 'data'), axesOf(attrs, inputs.map(known)), attrs.keepDims)];
  },
  canonicalize: canonical,
};
