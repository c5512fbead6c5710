import { at, complain } from '../../base/errors.ts';
import { axiswise, movedTo } from '../geometry/strided.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { countOf, numbersFor, type Shape, type Tensor } from '../tensor.ts';
import { axisIn, constantInts, known, newestOpset, required } from './common/inputs.ts';
import { asMove } from './common/moves.ts';

interface Attrs {
  /** Before opset 10; inputs from then on. */
  readonly fixed?: {
    readonly starts: readonly number[];
    readonly ends: readonly number[];
    readonly axes?: readonly number[];
  };
}

/** Elements first, first + step, ..., `count` of them. */
interface Range {
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

type Inputs = readonly (InputType | undefined)[];

const clampTo = (x: number, lo: number, hi: number): number => Math.min(Math.max(x, lo), hi);

function rangeOf(start: number, end: number, step: number, size: number): Range {
  if (step === 0) throw complain('a step of 0');
  const [from, to] = [start < 0 ? start + size : start, end < 0 ? end + size : end];
  const first = step > 0 ? clampTo(from, 0, size) : clampTo(from, 0, size - 1);
  const last = step > 0 ? clampTo(to, 0, size) : clampTo(to, -1, size - 1);
  return { first, step, count: Math.max(0, Math.ceil((last - first) / step)) };
}

/** One range per axis of the data. */
function rangesOf({ fixed }: Attrs, inputs: Inputs): Range[] {
  const { shape } = required(inputs, 0, 'data');
  const starts = fixed?.starts ?? constantInts(inputs[1], 'starts') ?? [];
  const ends = fixed?.ends ?? constantInts(inputs[2], 'ends') ?? [];
  const axes = fixed?.axes ?? constantInts(inputs[3], 'axes') ?? starts.map((_, i) => i);
  const steps = constantInts(inputs[4], 'steps') ?? starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length)
    throw complain('starts, ends, axes and steps of different lengths', 'one of each per axis');
  const ranges = shape.map((size) => ({ first: 0, step: 1, count: size }));
  axes.forEach((axis, i) => {
    const along = axisIn(axis, shape.length);
    ranges[along] = rangeOf(at(starts, i), at(ends, i), at(steps, i), at(shape, along));
  });
  return ranges;
}

const indicesOf = (ranges: readonly Range[]): readonly Int32Array[] =>
  ranges.map(({ first, step, count }) => Int32Array.from({ length: count }, (_, i) => first + i * step));

function sliced(x: Tensor, ranges: readonly Range[]): Tensor {
  const shape: Shape = ranges.map((range) => range.count);
  const made = { dtype: x.dtype, shape, data: numbersFor(x.dtype, countOf(shape)) };
  return movedTo(made, axiswise(0, x.shape, indicesOf(ranges)), [x]);
}

/** ONNX Slice-1 (attributes), 10, 11, 13 (inputs, with steps). */
export const slice: ImportedOp<Attrs> = {
  kind: 'slice',
  onlyMoves: true,
  restrictions: 'constant starts, ends and steps',
  onnx: {
    Slice: {
      since: 1,
      upTo: newestOpset,
      parse({ attributes, opset }) {
        if (opset >= 10) return {};
        const axes = attributes.ints('axes');
        const fixed = { starts: attributes.ints('starts') ?? [], ends: attributes.ints('ends') ?? [] };
        return { fixed: axes === undefined ? fixed : { ...fixed, axes } };
      },
    },
  },
  infer: (attrs, inputs) => [
    { dtype: required(inputs, 0, 'data').dtype, shape: rangesOf(attrs, inputs).map((range) => range.count) },
  ],
  reference: (attrs, inputs) => [sliced(required(inputs, 0, 'data'), rangesOf(attrs, inputs.map(known)))],
  canonicalize(node) {
    const { shape } = required(node.inputTypes, 0, 'data');
    return [asMove(node, 'Slice', axiswise(0, shape, indicesOf(rangesOf(node.attrs, node.inputTypes))))];
  },
};
