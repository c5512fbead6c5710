/**
 * One axis resized (ONNX Resize-19): which of its elements each new one is made of, and with what weights. Coordinates
 * are computed in float32, step by step as onnxruntime does: near a border between two elements this decides.
 */
import { at } from '../../base/errors.ts';

const f = Math.fround;

export const coordinateModes = [
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
  'tf_half_pixel_for_nn',
  'tf_crop_and_resize',
] as const;
export type CoordinateMode = (typeof coordinateModes)[number];

/** `simple`: before opset 11, up where the axis becomes shorter, else down. */
export const nearestModes = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil', 'simple'] as const;
export type NearestMode = (typeof nearestModes)[number];

export interface ResizedAxis {
  readonly in: number;
  readonly out: number;
  /** New elements to one old one. */
  readonly scale: number;
  /** Which part of the axis is resized, as shares of it: of tf_crop_and_resize. */
  readonly crop?: readonly [start: number, end: number];
}

/** Of each new element, `taps` neighbours from `first` on, each times its weight. */
export interface Taps {
  readonly taps: number;
  readonly first: readonly number[];
  /** `taps` for each new element; they sum to 1. */
  readonly weights: readonly number[];
}

/** Where the new element `i` lies among the old ones. */
function coordinate(axis: ResizedAxis, mode: CoordinateMode, i: number): number {
  const { in: size, out, scale } = axis;
  const half = f(f(f(i + 0.5) / scale) - 0.5);
  switch (mode) {
    case 'half_pixel':
      return half;
    case 'half_pixel_symmetric': {
      const adjustment = f(out / f(scale * size));
      const center = f(size / 2);
      return f(f(center * f(1 - adjustment)) + half);
    }
    case 'pytorch_half_pixel':
      return out > 1 ? half : 0;
    case 'align_corners':
      return out === 1 ? 0 : f(f(i * (size - 1)) / (out - 1));
    case 'asymmetric':
      return f(i / scale);
    case 'tf_half_pixel_for_nn':
      return f(f(i + 0.5) / scale);
    case 'tf_crop_and_resize': {
      const [start, end] = axis.crop ?? [0, 1];
      const part = out > 1 ? start + (i * (end - start)) / (out - 1) : (start + end) / 2;
      return f(part * (size - 1));
    }
    default:
      return mode satisfies never;
  }
}

/** The new elements that lie between the first and the last old one; of those outside nothing is known. */
export function insideOf(axis: ResizedAxis, mode: CoordinateMode): readonly number[] {
  const all = Array.from({ length: axis.out }, (_, i) => i);
  if (mode !== 'tf_crop_and_resize') return all;
  return all.filter((i) => {
    const x = coordinate(axis, mode, i);
    return x >= 0 && x <= axis.in - 1;
  });
}

function nearestTo(x: number, mode: NearestMode, shrinks: boolean): number {
  switch (mode) {
    case 'round_prefer_floor':
      return Math.ceil(x - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5);
    case 'floor':
      return Math.floor(x);
    case 'ceil':
      return Math.ceil(x);
    case 'simple':
      return shrinks ? Math.ceil(x) : Math.trunc(x);
    default:
      return mode satisfies never;
  }
}

const within = (i: number, size: number): number => Math.min(Math.max(i, 0), size - 1);

/** Which element each new one is. */
export const nearestIndex = (
  axis: ResizedAxis,
  coordinates: CoordinateMode,
  nearest: NearestMode,
): readonly number[] =>
  Array.from({ length: axis.out }, (_, i) =>
    within(nearestTo(coordinate(axis, coordinates, i), nearest, axis.scale < 1), axis.in),
  );

/** Weights of the elements around `x`, by index: those outside count for the border's. */
function gathered(size: number, terms: readonly (readonly [index: number, weight: number])[]) {
  const taps = Math.min(size, terms.length);
  const lowest = Math.min(...terms.map(([index]) => within(index, size)));
  const first = Math.min(lowest, size - taps);
  const weights = new Array<number>(taps).fill(0);
  for (const [index, weight] of terms) {
    const tap = within(index, size) - first;
    weights[tap] = at(weights, tap) + weight;
  }
  return { taps, first, weights };
}

function tapsOf(axis: ResizedAxis, termsAt: (i: number) => readonly (readonly [number, number])[]): Taps {
  const made = Array.from({ length: axis.out }, (_, i) => gathered(axis.in, termsAt(i)));
  return {
    taps: at(made, 0).taps,
    first: made.map(({ first }) => first),
    weights: made.flatMap(({ weights }) => weights),
  };
}

/** Between two neighbours. */
export const linearTaps = (axis: ResizedAxis, mode: CoordinateMode): Taps =>
  tapsOf(axis, (i) => {
    const x = Math.min(Math.max(coordinate(axis, mode, i), 0), axis.in - 1);
    const low = Math.floor(x);
    return [
      [low, 1 - (x - low)],
      [low + 1, x - low],
    ];
  });

/** Weights that sum to 1; with `inside`, those of neighbours outside of the axis are 0. */
function shares(
  terms: readonly (readonly [index: number, weight: number])[],
  size: number,
  inside: boolean,
): readonly (readonly [number, number])[] {
  const counts = (index: number): boolean => !inside || (index >= 0 && index < size);
  const sum = terms.reduce((total, [index, weight]) => (counts(index) ? total + weight : total), 0);
  return terms.map(([index, weight]) => [index, counts(index) ? weight / sum : 0]);
}

/** Keys' convolution of four neighbours; with `inside`, those outside of the axis do not count. */
export const cubicTaps = (axis: ResizedAxis, mode: CoordinateMode, a: number, inside: boolean): Taps =>
  tapsOf(axis, (i) => {
    const x = coordinate(axis, mode, i);
    const low = Math.floor(x);
    const terms = [-1, 0, 1, 2].map((k) => [low + k, keys(x - low - k, a)] as const);
    return shares(terms, axis.in, inside);
  });

/**
 * With the filter as wide as an old element becomes where the axis gets shorter: `reach` neighbours to either side,
 * weighed by a triangle (1) or Keys' convolution (2); with `inside`, those outside of the axis do not count.
 */
export const smoothTaps = (
  axis: ResizedAxis,
  mode: CoordinateMode,
  reach: 1 | 2,
  { a, inside }: { readonly a: number; readonly inside: boolean },
): Taps =>
  tapsOf(axis, (i) => {
    const scale = Math.min(axis.scale, 1);
    const x = coordinate(axis, mode, i);
    const low = Math.floor(x);
    const start = Math.floor(-reach / scale) + 1;
    const terms = Array.from({ length: 2 * (reach - start) }, (_, k) => {
      const distance = Math.abs((start + k - (x - low)) * scale);
      const weight = reach === 1 ? Math.max(0, 1 - distance) : distance < 2 ? keys(distance, a) : 0;
      return [low + start + k, weight] as const;
    });
    return shares(terms, axis.in, inside);
  });

/** Of some of the new elements. */
export const tapsAt = ({ taps, first, weights }: Taps, elements: readonly number[]): Taps => ({
  taps,
  first: elements.map((i) => at(first, i)),
  weights: elements.flatMap((i) => weights.slice(i * taps, (i + 1) * taps)),
});

/** Keys' convolution: the weight of a neighbour at a distance of up to 2. */
export function keys(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

/** One neighbour. */
export const singleTaps = (index: readonly number[]): Taps => ({
  taps: 1,
  first: index,
  weights: index.map(() => 1),
});
