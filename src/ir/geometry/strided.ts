/** Elements that lie in equal steps along some axes. */
import { at } from '../../base/errors.ts';
import { countOf, type Shape, stridesOf } from '../tensor.ts';

/** first + sum over the axes of index times stride, the last axis fastest. */
export function stridedIndex(first: number, counts: Shape, strides: readonly number[]): Int32Array {
  let index: Int32Array<ArrayBuffer> = Int32Array.of(first);
  counts.forEach((count, axis) => {
    index = spread(index, count, at(strides, axis));
  });
  return index;
}

/** Each offset followed along one more axis. */
function spread(offsets: Int32Array, size: number, stride: number): Int32Array<ArrayBuffer> {
  const found = new Int32Array(offsets.length * size);
  let next = 0;
  for (const offset of offsets) for (let i = 0; i < size; i++) found[next++] = offset + i * stride;
  return found;
}

/** Row-major elements of a tensor, in equal steps along axes that are those of the piece. */
interface Places {
  readonly first: number;
  readonly strides: readonly number[];
}

/** Elements of one input that become elements of an output, one for one. */
export interface Piece {
  /** Which input. */
  readonly input: number;
  /** How many along each axis. */
  readonly counts: Shape;
  readonly from: Places;
  readonly to: Places;
}

export const sourcesOf = ({ counts, from }: Piece): Int32Array =>
  stridedIndex(from.first, counts, from.strides);
export const targetsOf = ({ counts, to }: Piece): Int32Array => stridedIndex(to.first, counts, to.strides);

/** Along one axis: elements `from`, `from + step`, ... of an input become `to`, `to + 1`, ... of the output. */
export interface Stretch {
  readonly from: number;
  readonly step: number;
  readonly to: number;
  readonly count: number;
}

/** The piece of a box: a stretch along every axis of an input and an output with as many axes. */
export function boxPiece(input: number, own: Shape, output: Shape, stretches: readonly Stretch[]): Piece {
  const [inner, outer] = [stridesOf(own), stridesOf(output)];
  const sum = (starts: readonly number[], strides: readonly number[]): number =>
    starts.reduce((total, start, axis) => total + start * at(strides, axis), 0);
  return {
    input,
    counts: stretches.map(({ count }) => count),
    from: {
      first: sum(
        stretches.map(({ from }) => from),
        inner,
      ),
      strides: stretches.map(({ step }, axis) => step * at(inner, axis)),
    },
    to: {
      first: sum(
        stretches.map(({ to }) => to),
        outer,
      ),
      strides: outer,
    },
  };
}

/** A whole tensor, element by element. */
export const wholePiece = (shape: Shape): Piece => ({
  input: 0,
  counts: shape,
  from: { first: 0, strides: stridesOf(shape) },
  to: { first: 0, strides: stridesOf(shape) },
});

export const countIn = ({ counts }: Piece): number => countOf(counts);
