import { at, complain } from '../../base/errors.ts';
import { type AxisIndex, axiswise, movedTo } from '../geometry/strided.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { countOf, numbersFor, type Shape, type Tensor } from '../tensor.ts';
import { axisIn, constantInts, constantScalar, known, newestOpset, required } from './common/inputs.ts';
import { asMove } from './common/moves.ts';

const modes = ['constant', 'reflect', 'edge', 'wrap'] as const;

interface Attrs {
  readonly mode: (typeof modes)[number];
  /** Before opset 11; inputs from then on. */
  readonly fixed?: { readonly pads: readonly number[]; readonly value: number };
}

type Inputs = readonly (InputType | undefined)[];

/** Before and behind each axis; what is negative is cut off. */
function padsOf({ fixed }: Attrs, inputs: Inputs): readonly (readonly [number, number])[] {
  const { shape } = required(inputs, 0, 'data');
  const pads = fixed?.pads ?? constantInts(required(inputs, 1, 'pads'), 'pads') ?? [];
  const axes = constantInts(inputs[3], 'axes')?.map((axis) => axisIn(axis, shape.length)) ?? [
    ...shape.keys(),
  ];
  if (pads.length !== 2 * axes.length)
    throw complain(`${pads.length} pads of ${axes.length} axes`, 'two of each axis');
  return shape.map((_, axis) => {
    const i = axes.indexOf(axis);
    return i < 0 ? [0, 0] : [at(pads, i), at(pads, i + axes.length)];
  });
}

/** A place outside of 0..size-1 as one inside; -1: the constant. */
function inside(i: number, size: number, mode: Attrs['mode']): number {
  if (i >= 0 && i < size) return i;
  switch (mode) {
    case 'constant':
      return -1;
    case 'edge':
      return i < 0 ? 0 : size - 1;
    case 'wrap':
      return ((i % size) + size) % size;
    case 'reflect': {
      if (size === 1) throw complain('reflection of an axis of 1', 'axes of 2 or more');
      const period = 2 * (size - 1);
      const within = ((i % period) + period) % period;
      return Math.min(within, period - within);
    }
    default:
      return mode satisfies never;
  }
}

const indicesOf = (attrs: Attrs, inputs: Inputs): readonly AxisIndex[] =>
  padsOf(attrs, inputs).map(([before, behind], axis) => {
    const size = at(required(inputs, 0, 'data').shape, axis);
    const length = before + size + behind;
    if (length < 0) throw complain(`padding of ${before}, ${behind} of an axis of ${size}`);
    return Array.from({ length }, (_, i) => inside(i - before, size, attrs.mode));
  });

const fillOf = ({ fixed }: Attrs, inputs: Inputs): number =>
  fixed?.value ?? constantScalar(inputs[2], 'constant_value') ?? 0;

const shapeOf = (indices: readonly AxisIndex[]): Shape => indices.map(({ length }) => length);

function padded(x: Tensor, indices: readonly AxisIndex[], value: number): Tensor {
  const shape = shapeOf(indices);
  const data = numbersFor(x.dtype, countOf(shape)).fill(value);
  return movedTo({ dtype: x.dtype, shape, data }, axiswise(0, x.shape, indices), [x]);
}

function modeOf(mode: string): Attrs['mode'] {
  const found = modes.find((one) => one === mode);
  if (found === undefined) throw complain(`mode '${mode}'`, modes.join(', '));
  return found;
}

/** ONNX Pad-1, 2 (attributes), 11, 13, 18 (axes), 19 (wrap): more elements around, or fewer. */
export const pad: ImportedOp<Attrs> = {
  kind: 'pad',
  restrictions: 'constant pads',
  onnx: {
    Pad: {
      since: 1,
      upTo: newestOpset,
      parse({ attributes, opset }) {
        const mode = modeOf(attributes.string('mode', 'constant'));
        if (opset >= 11) return { mode };
        const pads = attributes.ints('pads') ?? attributes.ints('paddings') ?? [];
        return { mode, fixed: { pads, value: attributes.float('value', 0) } };
      },
    },
  },
  infer: (attrs, inputs) => [
    { dtype: required(inputs, 0, 'data').dtype, shape: shapeOf(indicesOf(attrs, inputs)) },
  ],
  reference(attrs, inputs) {
    const types = inputs.map(known);
    return [padded(required(inputs, 0, 'data'), indicesOf(attrs, types), fillOf(attrs, types))];
  },
  canonicalize(node) {
    const indices = indicesOf(node.attrs, node.inputTypes);
    const pieces = axiswise(0, required(node.inputTypes, 0, 'data').shape, indices);
    if (!indices.some((index) => Array.from(index).includes(-1))) return [asMove(node, 'Padding', pieces)];
    const fill = fillOf(node.attrs, node.inputTypes);
    const pads = padsOf(node.attrs, node.inputTypes);
    const cut = pads.some((ends) => ends.some((n) => n < 0));
    return [asMove(node, 'Padding', pieces, { fill, ...(cut ? {} : { padding: { pads, value: fill } }) })];
  },
};
