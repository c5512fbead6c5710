/** Inputs from a seed: the same numbers as scripts/networks/data.py makes, in the same order of operations. */
import { mulberry32 } from '../../src/base/random.ts';
import { countOf, type DType, numbersFor, type Tensor } from '../../src/ir/tensor.ts';

/** What the numbers of an input are like; its functions are described in scripts/networks/data.py. */
export type DataKind =
  | { readonly kind: 'normal'; readonly mean?: number; readonly std?: number }
  | { readonly kind: 'even'; readonly low?: number; readonly high?: number; readonly whole?: boolean }
  | { readonly kind: 'image'; readonly high?: number; readonly whole?: boolean; readonly last?: boolean }
  | { readonly kind: 'wave'; readonly axis?: number }
  | { readonly kind: 'table'; readonly mean: readonly number[]; readonly std: readonly number[] }
  | { readonly kind: 'tokens'; readonly count: number };

export interface InputSpec {
  readonly name: string;
  /** With a first axis of 1 for the batch. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly data: DataKind;
}

function normal(count: number, seed: number): Float64Array {
  const random = mulberry32(seed);
  return Float64Array.from({ length: count }, () => {
    const sum = random() + random() + random() + random();
    return (sum - 2) * 1.7320508;
  });
}

function even(count: number, seed: number, low: number, high: number): Float64Array {
  const random = mulberry32(seed);
  return Float64Array.from({ length: count }, () => random() * (high - low) + low);
}

function image(shape: readonly number[], seed: number, high: number, last: boolean): Float64Array {
  const [a, b, c] = shape.slice(-3) as [number, number, number];
  const [channels, height, width] = last ? [c, a, b] : [a, b, c];
  const [rows, columns] = [Math.ceil(height / 4), Math.ceil(width / 4)];
  const random = mulberry32(seed);
  const colours = Float64Array.from({ length: channels }, random);
  const patches = Float64Array.from({ length: channels * rows * columns }, random);
  const made = new Float64Array(channels * height * width);
  for (let ch = 0; ch < channels; ch++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const patch = patches[(ch * rows + (y >> 2)) * columns + (x >> 2)]!;
        const i = last ? (y * width + x) * channels + ch : (ch * height + y) * width + x;
        made[i] = (colours[ch]! * 0.5 + patch * 0.375 + random() * 0.125) * high;
      }
  return made;
}

function wave(shape: readonly number[], seed: number, axis: number): Float64Array {
  const made = normal(countOf(shape), seed);
  const at = axis + shape.length;
  const inner = countOf(shape.slice(at + 1));
  const length = shape[at]!;
  for (let start = 0; start < made.length; start += length * inner)
    for (let i = 0; i < inner; i++) {
      let before = 0;
      for (let t = 0; t < length; t++) {
        const place = start + t * inner + i;
        before = before * 0.9 + made[place]! * 0.4359;
        made[place] = before;
      }
    }
  return made;
}

function numbersOf({ shape, data }: InputSpec, seed: number): Float64Array {
  const count = countOf(shape);
  switch (data.kind) {
    case 'normal':
      return normal(count, seed).map((x) => x * (data.std ?? 1) + (data.mean ?? 0));
    case 'even':
      return floored(even(count, seed, data.low ?? 0, data.high ?? 1), data.whole);
    case 'image':
      return floored(image(shape, seed, data.high ?? 1, data.last ?? false), data.whole);
    case 'wave':
      return wave(shape, seed, data.axis ?? -1);
    case 'table':
      return normal(count, seed).map(
        (x, i) => x * data.std[i % data.std.length]! + data.mean[i % data.mean.length]!,
      );
    case 'tokens':
      return floored(even(count, seed, 0, data.count), true);
    default:
      return data satisfies never;
  }
}

const floored = (numbers: Float64Array, whole = false): Float64Array =>
  whole ? numbers.map(Math.floor) : numbers;

/** One tensor for each input. */
export const sampleOf = (inputs: readonly InputSpec[], seed: number): Tensor[] =>
  inputs.map((spec, i) => {
    const data = numbersFor(spec.dtype, countOf(spec.shape));
    data.set(numbersOf(spec, seed + 1000 * i));
    return { dtype: spec.dtype, shape: spec.shape, data };
  });
