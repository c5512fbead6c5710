/** Integer meanings of what mixes elements: resampling, running sums, products, attention, choices, recurrent layers. */

import type { Quant } from '../../src/ir/kernel/stored.ts';
import type { QuantizedAttention } from '../../src/ir/ops/attention.ts';
import type { QuantizedRecurrent } from '../../src/ir/ops/common/quantized-recurrent.ts';
import type { Cell, RecurrentAttrs } from '../../src/ir/ops/common/recurrent-cells.ts';
import type { QuantizedMatrices } from '../../src/ir/ops/matrices.ts';
import type { QuantizedResample, ResampleAttrs } from '../../src/ir/ops/resample.ts';
import type { QuantizedRunningSum, RunningSumAttrs } from '../../src/ir/ops/running-sum.ts';
import type { Bytes } from './operators.ts';
import { recurrentStates } from './recurrent.ts';
import { byteOf } from './requantize.ts';

type Shape = readonly number[];

const countOf = (shape: Shape): number => shape.reduce((n, size) => n * size, 1);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, x) => total + x, 0);
const clamp = (x: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, x));
const saturation = ({ zeroPoint, bits }: Quant) =>
  bits === 16 ? { zeroPoint, lo: -32767, hi: 32767 } : { zeroPoint, lo: 0, hi: 255 };

/** Indices of a row-major element, and the element of indices; an axis of 1 is broadcast. */
function indexOf(element: number, shape: Shape): number[] {
  let rest = element;
  return shape
    .toReversed()
    .map((size) => {
      const index = rest % size;
      rest = Math.floor(rest / size);
      return index;
    })
    .reverse();
}
const elementAt = (index: Shape, shape: Shape): number =>
  shape.reduce(
    (at, size, axis) => at * size + (size === 1 ? 0 : index[axis + index.length - shape.length]!),
    0,
  );

const made = (shape: Shape, byte: (index: number[]) => number): Bytes => ({
  shape,
  data: Int32Array.from({ length: countOf(shape) }, (_, i) => byte(indexOf(i, shape))),
});

export function resampleOracle({ axes }: ResampleAttrs, q: QuantizedResample, x: Bytes, shape: Shape): Bytes {
  const blurred = axes.filter(({ taps }) => taps > 1).length;
  const total = (index: number[], done: number): number => {
    const own = axes[done];
    if (own === undefined) return x.data[elementAt(index, x.shape)]!;
    const place = index[own.axis]!;
    return sum(
      range(own.taps).map((k) => {
        const weight = own.taps === 1 ? 1 : q.axes[done]![place * own.taps + k]!;
        return weight * total(index.with(own.axis, own.first[place]! + k), done + 1);
      }),
    );
  };
  const unit = 2 ** (q.bits * blurred);
  return made(shape, (index) => {
    const acc = total(index, 0);
    return q.requant === undefined
      ? Math.floor(acc / unit + 0.5)
      : byteOf(acc - q.input.zeroPoint * unit, q.requant, 0, saturation(q.output));
  });
}

export function runningSumOracle(
  { axis, exclusive, reverse }: RunningSumAttrs,
  { input, output, requant }: QuantizedRunningSum,
  { shape, data }: Bytes,
): Bytes {
  return made(shape, (index) => {
    const own = index[axis]!;
    const summed = range(shape[axis]!).filter(
      (i) => (reverse ? i >= own : i <= own) && !(exclusive && i === own),
    );
    const acc = sum(summed.map((i) => data[elementAt(index.with(axis, i), shape)]! - input.zeroPoint));
    return byteOf(acc, requant, 0, saturation(output));
  });
}

export function matricesOracle(q: QuantizedMatrices, factors: readonly Bytes[], shape: Shape): Bytes {
  const rest = factors.values();
  const [a, b] = q.constants.map((constant) => constant ?? rest.next().value!);
  const steps = (of: { shape: Shape; data: ArrayLike<number> }, index: Shape, i: number): number =>
    of.data[elementAt(index, of.shape)]! - q.zeroPoints[i]!;
  return made(shape, (index) => {
    const [stack, m, n] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
    const acc = sum(
      range(a!.shape.at(-1)!).map((k) => steps(a!, [...stack, m, k], 0) * steps(b!, [...stack, k, n], 1)),
    );
    return byteOf(acc, q.requant, 0, saturation(q.output));
  });
}

/** x multiplier 2^-31 2^-shift, halves up. */
const scaled = (x: number, multiplier: number, shift: number): number =>
  Number((BigInt(x) * BigInt(multiplier) + (1n << BigInt(30 + shift))) >> BigInt(31 + shift));

/** Of queries, keys that lie as columns, and values; without a mask. */
export function attentionOracle(
  q: QuantizedAttention,
  [query, key, value]: readonly Bytes[],
  shape: Shape,
): Bytes {
  const [depth, keys] = key!.shape.slice(-2) as [number, number];
  const unit = Math.min(32767, Math.floor((2 ** 31 - 1) / (255 * keys)));
  const at = (of: Bytes, index: Shape, i: number): number =>
    of.data[elementAt(index, of.shape)]! - q.zeroPoints[i]!;
  const sharesOf = (stack: Shape, m: number): number[] => {
    const scores = range(keys).map((j) => {
      const acc = sum(
        range(depth).map((d) => at(query!, [...stack, m, d], 0) * at(key!, [...stack, d, j], 1)),
      );
      return scaled(acc * 2 ** q.up, q.multiplier, q.shift);
    });
    const largest = Math.max(...scores);
    return scores.map((score) => {
      const below = Math.min(4095, largest - score);
      return Math.round(unit * 2 ** (-(below % 256) / 256)) >> Math.floor(below / 256);
    });
  };
  return made(shape, (index) => {
    const stack = index.slice(0, -2);
    const shares = sharesOf(stack, index.at(-2)!);
    const total = sum(shares);
    let fold = 0;
    while (total >> fold > 32767) fold++;
    const multiplier = Math.floor(2 ** 30 / clamp(total >> fold, 8192, 32767)) * q.ratio;
    const num = sum(shares.map((share, j) => share * at(value!, [...stack, j, index.at(-1)!], 2)));
    return clamp(scaled(num, multiplier, fold + q.ratioShift - 1) + q.zeroPoint, 0, 255);
  });
}

type Stored = { readonly shape: Shape; readonly data: ArrayLike<number> } | undefined;

/** Operands, constant or not, at one place of the output. */
function operands(
  constants: readonly Stored[],
  activations: readonly Bytes[],
): (index: Shape) => readonly number[] {
  const rest = activations.values();
  const all = constants.map((constant) => constant ?? rest.next().value!);
  return (index) => all.map(({ shape, data }) => data[elementAt(index, shape)]!);
}

const comparisons: Readonly<Record<string, (x: number, y: number) => boolean>> = {
  eq: (x, y) => x === y,
  gt: (x, y) => x > y,
  ge: (x, y) => x >= y,
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
};

interface Compared {
  readonly constants: readonly Stored[];
  readonly operands: readonly ({ readonly zero: number; readonly multiplier: number } | undefined)[];
}

export function comparisonOracle(how: string, q: Compared, x: readonly Bytes[], shape: Shape): Bytes {
  const read = operands(q.constants, x);
  return made(shape, (index) => {
    const [a, b] = read(index).map((value, i) => {
      const unit = q.operands[i];
      return unit === undefined ? value : (value - unit.zero) * unit.multiplier;
    });
    return Number(comparisons[how]!(a!, b!));
  });
}

const connectives: Readonly<Record<string, (x: boolean, y: boolean) => boolean>> = {
  and: (x, y) => x && y,
  or: (x, y) => x || y,
  xor: (x, y) => x !== y,
  not: (x) => !x,
};

export function logicOracle(
  how: string,
  constants: readonly Stored[],
  x: readonly Bytes[],
  shape: Shape,
): Bytes {
  const read = operands(constants, x);
  return made(shape, (index) => {
    const [a, b] = read(index).map((value) => value !== 0);
    return Number(connectives[how]!(a!, b ?? false));
  });
}

interface Affine {
  readonly multipliers: readonly number[];
  readonly bias: number;
  readonly shift: number;
}

interface Chosen {
  readonly constants: readonly Stored[];
  readonly sums: readonly (Affine | undefined)[];
}

export function choiceOracle({ constants, sums }: Chosen, x: readonly Bytes[], shape: Shape): Bytes {
  const read = operands(constants, x);
  return made(shape, (index) => {
    const [which, ...values] = read(index);
    const pick = which !== 0 ? 0 : 1;
    const q = sums[pick];
    if (q === undefined) return values[pick]!;
    return clamp(Math.floor((values[pick]! * q.multipliers[0]! + q.bias) / 2 ** q.shift), 0, 255);
  });
}

/** The index of the largest along the last axis, the first of equal ones. */
export function firstLargest(axis: number, x: Bytes, shape: Shape): Bytes {
  const size = x.shape[axis]!;
  return {
    shape,
    data: Uint8Array.from({ length: countOf(shape) }, (_, i) => {
      const row = [...x.data.subarray(i * size, (i + 1) * size)];
      return row.indexOf(Math.max(...row));
    }),
  };
}

export function embeddingOracle(rows: readonly number[], { data }: Bytes, shape: Shape): Bytes {
  const width = shape.at(-1)!;
  return {
    shape,
    data: Uint8Array.from([...data].flatMap((row) => rows.slice(row * width, (row + 1) * width))),
  };
}

/** All states of steps one after the other, of one sample, as bytes. */
export function recurrentOracle(
  cell: Cell,
  attrs: RecurrentAttrs,
  q: QuantizedRecurrent,
  { shape: [steps = 1, , inputs = 1], data }: Bytes,
  shape: Shape,
): Bytes {
  const x = range(steps).map((t) => [...data.subarray(t * inputs, (t + 1) * inputs)]);
  const { all } = recurrentStates({ cell, attrs, q, x });
  return {
    shape,
    data: Uint8Array.from(all.flat(), (state) => stateByte(state, q.stateBits, q.outputs[0]!)),
  };
}

function stateByte(state: number, bits: number, { scale, zeroPoint }: Quant): number {
  const ratio = 2 ** -bits / scale;
  const shift = clamp(14 - Math.floor(Math.log2(ratio)), 1, 30);
  const multiplier = clamp(Math.round(ratio * 2 ** shift), 1, 32767);
  return clamp(Math.floor((state * multiplier) / 2 ** shift + 0.5) + zeroPoint, 0, 255);
}
