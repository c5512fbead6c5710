/**
 * Groups of elements less their mean, over their deviation, with a gain and a shift of their own: in integers without a
 * product of 64 bits.
 */
import { at, must } from '../../../base/errors.ts';
import { largestOf } from '../../../base/extremes.ts';
import { clampFloat, saturationOf } from '../../integers/mac.ts';
import type { Clamp } from '../../integers/row-clamp.ts';
import {
  accumulate,
  add,
  assign,
  binary,
  call,
  constant,
  div,
  float,
  int,
  load,
  local,
  maximum,
  mul,
  shr,
  store,
  sub,
  variable,
} from '../../kernel/builders.ts';
import type { Elem, Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import { type Quant, reachOf } from '../../kernel/stored.ts';
import type { Shape } from '../../tensor.ts';
import * as float32 from '../common/float32.ts';
import type { Groups } from './axis-lines.ts';
import { type Group, inGroups } from './reducing.ts';

/** What is computed, of real numbers. */
export interface Normalization {
  /** Less the mean; else only over the root of the mean square. */
  readonly centred: boolean;
  /** Added to the variance. */
  readonly epsilon: number;
  /** Of gains and shifts, which the second of the groups' lists numbers. */
  readonly parameters: Shape;
  readonly gain: readonly number[];
  readonly shift: readonly number[];
  readonly clamp?: Clamp;
}

export interface Place {
  readonly name: string;
  readonly doc: readonly string[];
  /** Places in memory, and which gain and shift are an element's. */
  readonly groups: Groups;
  /** Elements. */
  readonly count: number;
  /** Of the input and the output. */
  readonly elem: Elem;
  readonly outElem: Elem;
}

/** The integers of a normalization of groups of `size` stored numbers q. */
export interface QuantizedNormalization {
  /** Of gains and shifts; it broadcasts to the groups' shape. */
  readonly parameters: Shape;
  /** The input's zero point, where there is no mean; the variance counts from it. */
  readonly zero?: number;
  /** Variances are of 2^bits units: their sum over a group, with epsilon, stays below 2^30. */
  readonly bits: number;
  readonly epsilon: number;
  /** The normalized number has this many fractional bits, of 16 in all. */
  readonly fraction: number;
  /** What the last shift is without root_shift. */
  readonly shift: number;
  /** y = ((z gain + shift) >> last) + zeroPoint */
  readonly gains: readonly number[];
  readonly shifts: readonly number[];
  readonly last: number;
  readonly zeroPoint: number;
  readonly lo: number;
  readonly hi: number;
  /** Of inputs of 16 bits: epsilon by the distances' shift, of which the last is the most. */
  readonly wide?: { readonly bits: number; readonly epsilons: readonly number[] };
}

/** Sums of squares of bytes, and of products of a mean with sums, stay in int32. */
export const longestNormalized = Math.floor((2 ** 31 - 1) / (255 * 255.5));

/** The same of 16 bits, whose sums are counted from -32768. */
export const longestWide = 2 ** 14;

const largestGain = 32767;

/** Distances of 15 bits are squared with as many as leave their sum below 2^29, and epsilon below that. */
const squaredBits = (size: number): number => Math.floor((29 - Math.ceil(Math.log2(size))) / 2);

/** What epsilon is for each shift of the distances, while it stays below 2^29: further ones would only dwarf the rest. */
function epsilonsOf(size: number, epsilon: number, { scale }: Quant, bits: number): readonly number[] {
  const made = Array.from(
    { length: 15 },
    (_, j) => (size * epsilon * 16 ** j) / scale ** 2 / 4 ** (30 - bits),
  );
  const fitting = made.filter((e) => e < 2 ** 29);
  return fitting.length === 0 ? [2 ** 29] : fitting.map((e) => Math.max(1, Math.round(e)));
}

/** Fractional bits of what is at most `most` in 16. */
const fractionOf = (most: number): number => 15 - Math.ceil(Math.log2(most));

/** Gains and shifts in units of 2^-last, of which gains have 16 bits and shifts 30. */
function gainsFor(gains: readonly number[], shifts: readonly number[]) {
  const [lo, hi] = [Math.min(...shifts), Math.max(...shifts)];
  const zeroPoint = Math.round((lo + hi) / 2);
  const [most, far] = [largestOf(gains.map(Math.abs)), Math.max(hi - zeroPoint, zeroPoint - lo, 1)];
  const last = Math.floor(Math.min(29, Math.log2(largestGain / most), Math.log2(2 ** 29 / far)));
  return { last, zeroPoint };
}

/**
 * @param size elements of a group
 */
export function quantizedNormalization(
  { centred, epsilon, parameters, gain, shift, clamp }: Normalization,
  size: number,
  input: Quant,
  output: Quant,
): QuantizedNormalization {
  const wide = input.bits === undefined ? undefined : { bits: squaredBits(size) };
  const least = (size * epsilon) / input.scale ** 2;
  const bits = wide !== undefined ? 0 : Math.floor(Math.log2((2 ** 30 - 1) / (255 ** 2 * size + least)));
  const root = Math.sqrt(size * 2 ** bits);
  const exponent = Math.floor(Math.log2(root));
  // A normalized number is at most the root of the group's size, and that over epsilon's.
  const bound =
    epsilon > 0
      ? (((input.bits === undefined ? 1 : 2) * reachOf(input) - (input.bits === undefined ? 0 : 1)) *
          input.scale) /
        Math.sqrt(epsilon)
      : Infinity;
  const fraction = bound < Math.sqrt(size) ? fractionOf(bound) : Math.min(12, fractionOf(Math.sqrt(size)));
  const real = gain.map((g) => ((root / 2 ** exponent) * g * 2 ** -fraction) / output.scale);
  const moved = shift.map((h) => h / output.scale + output.zeroPoint);
  const { last, zeroPoint } = gainsFor(real, moved);
  const { lo, hi } = saturationOf(output, clamp);
  return {
    parameters,
    ...(centred ? {} : { zero: input.zeroPoint }),
    bits,
    epsilon: wide === undefined ? Math.max(1, Math.round(least * 2 ** bits)) : 0,
    fraction,
    shift: (wide === undefined ? 36 : 44 - wide.bits) - fraction - exponent,
    ...(wide === undefined
      ? {}
      : { wide: { ...wide, epsilons: epsilonsOf(size, epsilon, input, wide.bits) } }),
    gains: real.map((g) => Math.round(g * 2 ** last)),
    shifts: moved.map((h) => Math.round((h - zeroPoint) * 2 ** last) + 2 ** (last - 1)),
    last,
    zeroPoint,
    lo,
    hi,
  };
}

/** x 2^bits, rounded down. */
const scaled = (x: Expr, bits: number): Expr => (bits >= 0 ? mul(x, 2 ** bits) : shr(x, -bits));

const clamped = (x: Expr, lo: number, hi: number): Expr => call('clamp', 'i32', x, int(lo), int(hi));

/**
 * Sums in one pass: with the mean m, rounded, and r = sum - n m, sum (q - m)^2 is S2 - m (S1 + r), and
 * n times the variance r^2 / n less. Bounds that only algebra knows are said.
 */
function meanAndVariance(
  { each }: Group,
  { bits, epsilon }: QuantizedNormalization,
  n: number,
): readonly Stmt[] {
  const half = Math.floor(n / 2);
  const [sum, squares, mean, rest] = ['sum', 'squares', 'mean', 'left'].map((name) => local(name)) as [
    Expr,
    Expr,
    Expr,
    Expr,
  ];
  const spread = clamped(sub(squares, mul(mean, add(sum, rest))), 0, 255 ** 2 * n);
  return [
    variable('sum', int(0)),
    variable('squares', int(0)),
    ...each('i', (q) => [
      constant('q', q),
      accumulate('sum', local('q')),
      accumulate('squares', mul(local('q'), local('q'))),
    ]),
    constant('mean', div(add(sum, half), n)),
    constant('left', clamped(sub(sum, mul(mean, n)), -half, half)),
    constant('spread', spread),
    constant(
      'variance',
      add(sub(scaled(local('spread'), bits), div(scaled(mul(rest, rest), bits), n)), epsilon),
    ),
    // What rounding took from the mean, in 128ths.
    constant('rest', sub(div(add(mul(rest, 128), 64 * n + half), n), 64)),
  ];
}

function squaresOnly(
  { each }: Group,
  { bits, epsilon }: QuantizedNormalization,
  zero: number,
): readonly Stmt[] {
  return [
    variable('squares', int(0)),
    ...each('i', (q) => [constant('q', sub(q, zero)), accumulate('squares', mul(local('q'), local('q')))]),
    constant('variance', add(scaled(local('squares'), bits), epsilon)),
  ];
}

/**
 * Distances from the centre as numbers of 15 bits, all of a group moved by 4^shift, whatever their size: the largest decides.
 * Bounds that only algebra knows are said.
 */
function wideVariance(
  { each }: Group,
  { zero, wide }: QuantizedNormalization,
  n: number,
  epsilon: (shift: Expr) => Expr,
) {
  const { bits, epsilons } = must(wide, 'integers for 16 bits');
  const half = Math.floor(n / 2);
  const centre = zero === undefined ? local('mean') : int(zero);
  const distance = (x: Expr): Expr => clamped(sub(x, centre), -65535, 65535);
  // d 4^shift / 2^15, of d 2^14: only ever shifted to the right.
  const moved = (x: Expr): Expr =>
    clamped(shr(mul(distance(x), 2 ** 14), sub(29, mul(local('moved'), 2))), -largestGain, largestGain);
  const mean = [
    variable('sum', int(0)),
    ...each('i', (x) => [accumulate('sum', x)]),
    constant('mean', sub(div(add(local('sum'), 32768 * n + half), n), 32768)),
  ];
  const statements = [
    ...(zero === undefined ? mean : []),
    variable('largest', int(1)),
    ...each('k', (x) => [
      constant('far', distance(x)),
      constant('near', sub(0, local('far'))),
      constant('size', maximum(local('far'), local('near'))),
      assign('largest', maximum(local('size'), local('largest'))),
    ]),
    constant('moved', clamped(call('root_shift', 'i32', local('largest')), 0, epsilons.length - 1)),
    variable('squares', int(0)),
    ...each('l', (x) => [
      constant('d', shr(add(moved(x), 2 ** (14 - bits)), 15 - bits)),
      accumulate('squares', mul(local('d'), local('d'))),
    ]),
    constant('variance', add(local('squares'), epsilon(local('moved')))),
  ];
  return { statements, moved };
}

/** A number that is the same throughout, or a table of them. */
function entry(name: string, elem: 'i16' | 'i32' | 'f32', data: readonly number[]) {
  const first = at(data, 0);
  if (data.every((x) => x === first))
    return { tables: [], value: (): Expr => (elem === 'f32' ? float(first) : int(first)) };
  const table: Table = { name, elem, data, says: 'By element of a group, or by channel.' };
  return { tables: [table], value: (index: Expr): Expr => load(name, elem, index) };
}

export function normalizeInt8(
  { name, doc, groups, count, elem, outElem }: Place,
  q: QuantizedNormalization,
): Kernel {
  const [gain, shift] = [entry(`${name}_gain`, 'i16', q.gains), entry(`${name}_shift`, 'i32', q.shifts)];
  const epsilons = entry(`${name}_epsilon`, 'i32', q.wide?.epsilons ?? [0]);
  const { size } = groups;
  const body = (group: Group): readonly Stmt[] => {
    const centre = q.zero === undefined ? local('mean') : int(q.zero);
    const rest = q.zero === undefined ? local('rest') : int(0);
    const wide = q.wide === undefined ? undefined : wideVariance(group, q, size, epsilons.value);
    const whole = wide?.moved ?? ((x: Expr): Expr => sub(mul(sub(x, centre), 128), rest));
    const narrow = (): readonly Stmt[] =>
      q.zero === undefined ? meanAndVariance(group, q, size) : squaresOnly(group, q, q.zero);
    const rounded = shr(add(mul(local('t'), local('over')), local('half')), local('by'));
    return [
      ...(wide?.statements ?? narrow()),
      constant('within', maximum(local('variance'), int(1))),
      constant('root', call('root15', 'i32', local('within'))),
      constant('over', div(add(shr(local('root'), 1), 2 ** 29), local('root'))),
      constant('by', clamped(sub(int(q.shift), call('root_shift', 'i32', local('within'))), 1, 30)),
      constant('half', binary('shl', int(1), sub(local('by'), 1))),
      ...group.each('j', (x, [place = int(0), index = int(0)]) => [
        constant('t', whole(x)),
        constant('z', clamped(rounded, -largestGain, largestGain)),
        constant('y', shr(add(mul(local('z'), gain.value(index)), shift.value(index)), q.last)),
        store('out', outElem, place, clamped(add(local('y'), q.zeroPoint), q.lo, q.hi)),
      ]),
    ];
  };
  const tables = [...gain.tables, ...shift.tables, ...epsilons.tables];
  return inGroups({ name, doc, elem, outElem, groups, counts: [count, count], tables, body });
}

export function normalizeFloat32({ name, doc, groups, count }: Place, n: Normalization): Kernel {
  const [gain, shift] = [entry(`${name}_gain`, 'f32', n.gain), entry(`${name}_shift`, 'f32', n.shift)];
  const x = local('x', 'f32');
  const centred = (value: Expr): Expr => (n.centred ? sub(value, local('mean', 'f32')) : value);
  const mean: (group: Group) => readonly Stmt[] = ({ each }) => [
    variable('sum', float(0)),
    ...each('i', (value) => [accumulate('sum', value)]),
    constant('mean', div(local('sum', 'f32'), float(groups.size))),
  ];
  const body = (group: Group): readonly Stmt[] => [
    ...(n.centred ? mean(group) : []),
    variable('squares', float(0)),
    ...group.each('j', (value) => [constant('x', centred(value)), accumulate('squares', mul(x, x))]),
    constant('variance', add(div(local('squares', 'f32'), float(groups.size)), float(n.epsilon))),
    constant('deviation', float32.sqrt(local('variance', 'f32'))),
    ...group.each('k', (value, [place = int(0), index = int(0)]) => [
      constant('z', div(centred(value), local('deviation', 'f32'))),
      constant('y', add(mul(local('z', 'f32'), gain.value(index)), shift.value(index))),
      store('out', 'f32', place, clampFloat(local('y', 'f32'), n.clamp)),
    ]),
  ];
  const tables = [...gain.tables, ...shift.tables];
  return inGroups({ name, doc, elem: 'f32', groups, counts: [count, count], tables, body });
}
