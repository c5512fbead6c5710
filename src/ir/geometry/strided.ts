/** Elements that lie in equal steps along some axes. */
import { at, must } from '../../base/errors.ts';
import { type Digits, digitsOf } from '../kernel/memory-order.ts';
import { type Shape, stridesOf, type Tensor } from '../tensor.ts';

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

/** Which index along an axis of an input each index along the output's is; -1: none. */
export type AxisIndex = ArrayLike<number>;

/** Neighbours of an axis whose sources follow one rule. */
interface Segment {
  readonly to: number;
  readonly digits: Digits;
}

/** As few segments as a scan finds: stretches without gaps whole, where one rule holds them, else in equal steps. */
function segmentsOf(index: AxisIndex): readonly Segment[] {
  const found: Segment[] = [];
  for (let i = 0; i < index.length; ) {
    const end = endOf(index, i, () => true);
    const whole = digitsOf([listFrom(index, i, end)])?.[0];
    if (whole !== undefined) found.push({ to: i, digits: whole });
    else if (end > i) found.push(...equalSteps(index, i, end));
    i = Math.max(end, i + 1);
  }
  return found;
}

const listFrom = (index: AxisIndex, from: number, to: number): Int32Array =>
  Int32Array.from({ length: to - from }, (_, i) => index[from + i] as number);

/** The first index from `from` on that has no source, or for which `goesOn` does not hold. */
function endOf(index: AxisIndex, from: number, goesOn: (i: number) => boolean): number {
  let i = from;
  while (i < index.length && (index[i] as number) >= 0 && goesOn(i)) i++;
  return i;
}

function equalSteps(index: AxisIndex, from: number, to: number): readonly Segment[] {
  const found: Segment[] = [];
  for (let i = from; i < to; ) {
    const step = i + 1 < to ? (index[i + 1] as number) - (index[i] as number) : 0;
    const start = i;
    const end = endOf(
      index,
      i,
      (j) => j < to && (j <= start + 1 || (index[j] as number) - (index[j - 1] as number) === step),
    );
    const digits = must(digitsOf([listFrom(index, i, end)])?.[0], 'equal steps are one digit');
    found.push({ to: i, digits });
    i = end;
  }
  return found;
}

/**
 * The pieces of an output whose every axis is put together from indices of the same axis of an input: slices,
 * concatenation, padding, repetition.
 */
export function axiswise(input: number, own: Shape, indices: readonly AxisIndex[]): readonly Piece[] {
  const output = indices.map(({ length }) => length);
  const [inner, outer] = [stridesOf(own), stridesOf(output)];
  let pieces: readonly Piece[] = [
    { input, counts: [], from: { first: 0, strides: [] }, to: { first: 0, strides: [] } },
  ];
  indices.forEach((index, axis) => {
    const segments = segmentsOf(index);
    pieces = pieces.flatMap((piece) =>
      segments.map((segment) => along(piece, segment, at(inner, axis), at(outer, axis))),
    );
  });
  return pieces;
}

/** The piece with one more axis, as many as the segment has digits. */
function along(
  { input, counts, from, to }: Piece,
  { to: start, digits }: Segment,
  inner: number,
  outer: number,
): Piece {
  const steps = stridesOf(digits.counts);
  return {
    input,
    counts: [...counts, ...digits.counts],
    from: {
      first: from.first + digits.first * inner,
      strides: [...from.strides, ...digits.strides.map((stride) => stride * inner)],
    },
    to: { first: to.first + start * outer, strides: [...to.strides, ...steps.map((step) => step * outer)] },
  };
}

/** Element `from[i]` of an input as element `to[i]` of the output: one piece where a rule holds, else runs of equal steps. */
export function piecesBetween(input: number, from: Int32Array, to: Int32Array): readonly Piece[] {
  if (from.length === 0) return [];
  const [near, far] = digitsOf([from, to]) ?? [];
  if (near !== undefined && far !== undefined) return [{ input, counts: near.counts, from: near, to: far }];
  const made: Piece[] = [];
  for (let i = 0; i < from.length; ) {
    const [step, stride] = [stepAt(from, i), stepAt(to, i)];
    const start = i;
    while (i + 1 < from.length && stepAt(from, i) === step && stepAt(to, i) === stride) i++;
    i++;
    made.push({
      ...{ input, counts: [i - start] },
      from: { first: at(from, start), strides: [step] },
      to: { first: at(to, start), strides: [stride] },
    });
  }
  return made;
}

/** To the next one; 0 behind the last. */
const stepAt = (list: Int32Array, i: number): number => (list[i + 1] ?? at(list, i)) - at(list, i);

/** All of an axis. */
export const allOf = (size: number): AxisIndex => Int32Array.from({ length: size }, (_, i) => i);

/** A whole tensor, element by element. */
export const wholePiece = (shape: Shape): Piece => ({
  input: 0,
  counts: shape,
  from: { first: 0, strides: stridesOf(shape) },
  to: { first: 0, strides: stridesOf(shape) },
});

/** `target` with the pieces of some inputs in it. */
export function movedTo(
  target: Tensor,
  pieces: readonly Piece[],
  inputs: readonly (Tensor | undefined)[],
): Tensor {
  for (const piece of pieces) {
    const { data } = must(inputs[piece.input], 'an input of a piece');
    const from = sourcesOf(piece);
    targetsOf(piece).forEach((to, i) => {
      target.data[to] = at(data, at(from, i));
    });
  }
  return target;
}
