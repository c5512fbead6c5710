/**
 * Multiply-accumulate operators (convolutions and linear layers) in integers: per-channel symmetric weights,
 * int32 bias with the input's zero point folded in, one requantization per output.
 *
 *   real y = sum w (sx (x - zx)) + b = sx sw (sum q x + bias),  bias = round(b / (sx sw)) - zx sum q
 */

import { at, atOr0, InputError, must } from '../../base/errors.ts';
import { largestCode, largestOf, largestSize, smallestOf } from '../../base/extremes.ts';
import {
  type Bend,
  type InputType,
  largestWeight,
  type RequantMode,
  type ScaleContext,
  type WeightBits,
} from '../graph/op.ts';
import { float, int, load, maximum, minimum, mul } from '../kernel/builders.ts';
import { fileStep } from '../kernel/file-grid.ts';
import type { Expr, Table } from '../kernel/kernel.ts';
import { type Quant, reachOf, type StoredTensor, storageOf } from '../kernel/stored.ts';
import { dense8, formatName, type WeightFormat } from '../kernel/weight-format.ts';
import type { Tensor } from '../tensor.ts';
import { type FileRows, fileBias, fileRequant, sumStep } from './file-mac.ts';
import { noFinerThan } from './quant.ts';
import {
  compactHolds,
  compactOf,
  compactShift,
  epilogue,
  largestCompact,
  type Requant,
  type RowSaturation,
  requantOf,
  type Saturation,
  type Slopes,
} from './requant.ts';
import { type Bound, boundOf, type Clamp, clampAt, largestFloat, type RowClamp } from './row-clamp.ts';

export interface QuantizedMac {
  /** channels x terms, row-major in the float weight's own order; symmetric, |q| <= `largestWeight(bits)`. */
  readonly weights: Int8Array;
  /** In their place, which then is empty, where a zero point of the file's puts some beyond 8 bits: stored in 16. */
  readonly wide?: Int16Array;
  readonly bits: WeightBits;
  /** The real value of one weight step, per output channel. */
  readonly weightScales: Float64Array;
  /** The same of each weight, where inputs or outputs have a grid for each channel: not that of its row then. */
  readonly steps?: Float64Array;
  /** Holds -zx * sum(q) too. */
  readonly bias: Int32Array;
  readonly requant: Requant;
  readonly saturation: RowSaturation;
  /** How the weights are stored; `dense8` when absent. */
  readonly format?: WeightFormat;
  /** At most 16 values, ascending, of which every weight is one: formats of few bits then store their indices. */
  readonly codebook?: Int8Array;
  /** Of integers of the model's file: the bits that hold them all, of 4 bits with indices into `codebook` where there is one. */
  readonly fileBits?: number;
  /** Sums are multiplied by 2^up before they are requantized: 0 when absent. For outputs finer than a sum's step. */
  readonly up?: number;
  /** What each stored number becomes in the end; where it has 1,024 entries, those numbers have 10 bits. */
  readonly table?: Uint8Array;
  /** By output channel: what sums below 0 are multiplied by besides. Absent: nothing. */
  readonly slopes?: Slopes;
  /** Sums accumulated at a time where the kernel has a choice: 4 when absent. 8 halve the cost of decoding. */
  readonly lanes?: 4 | 8;
}

/** The real value of one step of a weight. */
export const weightStep = ({ steps, weightScales, weights }: QuantizedMac, i: number): number =>
  steps === undefined
    ? at(weightScales, Math.floor((i * weightScales.length) / weights.length))
    : at(steps, i);

/** That the largest of them needs. */
export const bitsOf = (weights: ArrayLike<number>): number =>
  Math.ceil(Math.log2(largestCode(weights) + 1)) + 1;

export interface MacToQuantize {
  readonly name: string;
  readonly mode: RequantMode;
  readonly bits: WeightBits;
  readonly weight: Float32Array;
  /** As `ScaleContext.weightSteps`. */
  readonly weightSteps?: Float64Array | undefined;
  /** As `ScaleContext.codebook`. */
  readonly codebook?: Int8Array | undefined;
  readonly channels: number;
  readonly bias: Float32Array | undefined;
  readonly input: Quant;
  readonly output: Quant;
  readonly clamp: RowClamp | undefined;
  /** Where the model's file has the weights as integers. */
  readonly file?: FileRows | undefined;
  /** Mean of the input that each term of a row multiplies, in real units; undefined: no bias correction. */
  readonly meanOf: ((term: number, row: number) => number) | undefined;
}

/** |bias| stays below 2^28 steps, so that no bias alone can bring an accumulator near 2^31. */
const largestBias = 2 ** 28;
/** Sums of 16-bit inputs without their bias, with room for the rounding of weights. */
const largestSum = 13 * 2 ** 27;
/** Of rows of zeros, whose output is their bias: fine enough for 8 bits, and stored in 16. */
const biasWithoutWeights = 2 ** 14;

const leastStep = (row: Float32Array, bias: number, input: Quant, bits: WeightBits, given: number): number =>
  Math.max(
    given > 0 ? given : largestSize(row) / largestWeight(bits),
    Math.abs(atZero(row, bias, input)) /
      (input.scale * (largestSize(row) > 0 ? largestBias : biasWithoutWeights)),
    // As a rule 2,000 terms have room for weights of 8 bits.
    input.bits === undefined ? 0 : (reachOf(input) * sizeOf(row)) / largestSum,
  );

const sizeOf = (row: Float32Array): number => row.reduce((sum, w) => sum + Math.abs(w), 0);

/**
 * The step of a row of weights: the given one, or its largest weight is the largest step; unless the bias asks for
 * a coarser one.
 */
function stepOf(mac: MacToQuantize, row: Float32Array, bias: number, given: number): number {
  const { input, output, bits, mode } = mac;
  const needed = Math.max(
    leastStep(row, bias, input, bits, given),
    // Far below what matters: a row of zeros still needs a positive scale that a shift of 30 can express.
    (output.scale / input.scale) * 2 ** -28,
  );
  if (mode !== 'pow2') return needed;
  const exponent = Math.floor(Math.log2(output.scale / (input.scale * needed)));
  return (output.scale / input.scale) * 2 ** -Math.min(30, Math.max(1, exponent));
}

/**
 * `needed` steps of a layer's rows, made coarser so that each requantization scale is a whole multiple, 1 to
 * 255, of one power of two: compact requantization is then exact. The row of the largest step becomes coarser
 * by at most 1/127, others by at most their multiplier's inverse.
 */
export function compactSteps(needed: Float64Array, input: Quant, output: Quant): Float64Array {
  const unit = input.scale / output.scale;
  const shift = compactShift(
    Array.from(needed, (step) => step * unit),
    largestCompact,
  );
  const multiplier = (step: number): number =>
    Math.max(1, Math.min(largestCompact, Math.ceil(step * unit * 2 ** shift - 1e-9)));
  return needed.map((step) => multiplier(step) / (unit * 2 ** shift));
}

/** The second input: what a layer multiplies by. */
export const weightsOf = (inputs: readonly (InputType | undefined)[]): Tensor =>
  must(inputs[1]?.constant, 'a layer to be compiled has constant weights');

/** As fine as the range allows and requantization can serve. */
export function macOutputQuant(c: ScaleContext<unknown>): Quant {
  const weight = Float32Array.from(weightsOf(c.inputTypes).data);
  const step = finestStep(c, weight, must(c.inputQuants[0], 'the input is quantized'));
  // Requantization in float32 ends at 2^21: the zero point must leave it room.
  const far = c.mode === 'ort-float' ? Math.max(c.range.lo, -c.range.hi) / 2 ** 20 : 0;
  return noFinerThan(Math.max(step, far), c.range, c.outputBits);
}

/** The least step of each row: the given one, or its largest weight is the largest step, coarser for a large bias. */
function leastSteps(c: ScaleContext<unknown>, weight: Float32Array, input: Quant): readonly RowStep[] {
  const bias = c.inputTypes[2]?.constant?.data;
  const rows = at(weightsOf(c.inputTypes).shape, 0);
  const terms = weight.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const values = weight.subarray(row * terms, (row + 1) * terms);
    const b = atOr0(bias, row);
    return { values, bias: b, step: leastStep(values, b, input, c.weightBits, atOr0(c.weightSteps, row)) };
  });
}

/** How much coarser an input's grid may make a row's weights. */
const littleCoarser = 1.1;

/**
 * Whether a layer's weights stay as fine on an input of 16 bits: sums of many terms, and a bias that is large beside the steps of a
 * sum, make them coarser.
 * @param inputTypes of the layer: its input, weights and bias
 */
export function keepsWeights(inputTypes: readonly (InputType | undefined)[], input: Quant): boolean {
  const weight = Float32Array.from(weightsOf(inputTypes).data);
  const bias = inputTypes[2]?.constant?.data;
  const rows = at(weightsOf(inputTypes).shape, 0);
  const terms = weight.length / rows;
  return Array.from({ length: rows }, (_, row) => row).every((row) => {
    const values = weight.subarray(row * terms, (row + 1) * terms);
    const own = largestSize(values) / largestWeight(8);
    return own === 0 || leastStep(values, atOr0(bias, row), input, 8, 0) <= littleCoarser * own;
  });
}

interface RowStep {
  readonly values: Float32Array;
  readonly bias: number;
  readonly step: number;
}

/** The finest output step that a requantization scale of at most 1 (1/2 for pow2) can serve, with sums shifted up. */
function finestStep(c: ScaleContext<unknown>, weight: Float32Array, input: Quant): number {
  const rows = leastSteps(c, weight, input);
  const accumulatorStep = largestOf(rows.map(({ step }) => step)) * input.scale;
  if (c.mode === 'pow2' || c.mode === 'compact') return accumulatorStep * (c.mode === 'pow2' ? 4 : 1);
  return accumulatorStep / 2 ** headroom(rows, input);
}

/** Sums of a linear layer of 8 inputs still have room for 2^12. */
const mostUp = 12;

/** How far all sums can be shifted up and stay below 2^30, so that a zero point can be added to them. */
function headroom(rows: readonly RowStep[], input: Quant): number {
  const reaches = rows.map(({ values, bias, step }) => {
    if (!(step > 0)) return 1;
    const sum = values.reduce((total, w) => total + Math.abs(w) / step + 1, 0);
    return reachOf(input) * sum + Math.abs(atZero(values, bias, input)) / (input.scale * step);
  });
  return Math.max(0, Math.min(mostUp, Math.floor(Math.log2(2 ** 30 / Math.max(1, largestOf(reaches))))));
}

/** The sum of a row where every input is stored as 0, in real units: what the integer bias stands for. */
const atZero = (row: Float32Array, bias: number, { scale, zeroPoint }: Quant): number =>
  bias - zeroPoint * scale * row.reduce((sum, w) => sum + w, 0);

/**
 * @throws InputError when an accumulator could leave int32 for some input, in any order of summation:
 * |bias| + 255 sum |q| >= 2^31 (32,768 sum |q| of 16-bit inputs); it names the channel.
 */
export function quantizeMac(mac: MacToQuantize): QuantizedMac {
  const { channels, weight, input, output } = mac;
  if (mac.file !== undefined && (input.file !== undefined || input.bits === 16))
    return macOfFile(mac, mac.file);
  const terms = weight.length / channels;
  const weights = new Int8Array(weight.length);
  const weightScales = new Float64Array(channels);
  const bias = new Int32Array(channels);
  const rowOf = (channel: number) => weight.subarray(channel * terms, (channel + 1) * terms);
  for (let channel = 0; channel < channels; channel++)
    weightScales[channel] = stepOf(
      mac,
      rowOf(channel),
      atOr0(mac.bias, channel),
      atOr0(mac.weightSteps, channel),
    );
  const free = mac.weightSteps === undefined;
  if (mac.mode === 'compact' && free) weightScales.set(compactSteps(weightScales, input, output));
  for (let channel = 0; channel < channels; channel++) {
    const row = rowOf(channel);
    const step = at(weightScales, channel);
    const steps = row.map((w) => integerOf(w / step, mac.codebook));
    weights.set(steps, channel * terms);
    bias[channel] = biasSteps(mac, row, steps, step, atOr0(mac.bias, channel), channel);
  }
  const ratios = Array.from(weightScales, (step) => (input.scale * step) / output.scale);
  const up = mac.mode === 'pow2' || mac.mode === 'compact' ? 0 : shiftUp(ratios);
  const scales = ratios.map((ratio) => Math.min(1, ratio * 2 ** -up));
  return {
    weights,
    bits: mac.bits,
    weightScales,
    bias,
    ...(up === 0 ? {} : { up }),
    requant: requantFor(mac.mode, scales, weights, bias, reachOf(input)),
    saturation: rowSaturation(output, mac.clamp, channels),
    ...(mac.codebook === undefined ? {} : { codebook: mac.codebook }),
  };
}

/** The file's integers with the file's grids. */
function macOfFile(mac: MacToQuantize, file: FileRows): QuantizedMac {
  const { channels, input, output, mode } = mac;
  const terms = file.numbers.length / channels;
  // Weights of a zero point of their own may lie 255 steps from it.
  const isNarrow = file.numbers.every((q) => q >= -128 && q <= 127);
  const weights = isNarrow
    ? { weights: Int8Array.from(file.numbers) }
    : { weights: new Int8Array(0), wide: Int16Array.from(file.numbers) };
  const rows = Array.from({ length: channels }, (_, row) =>
    file.numbers.subarray(row * terms, (row + 1) * terms),
  );
  const bias = Int32Array.from(rows, (row, c) => {
    const magnitude = row.reduce((sum, q) => sum + Math.abs(q), 0);
    const own = fileBias(file, c, sumStep(input, at(file.steps, c)));
    return within(mac, c, own - input.zeroPoint * row.reduce((sum, q) => sum + q, 0), magnitude);
  });
  const reach = magnitudes(file.numbers, bias, reachOf(input));
  const { requant, up } = fileRequant(mode, file.steps, { input, output }, reach);
  return {
    ...weights,
    ...{ bits: 8, weightScales: file.steps, bias, requant },
    ...(isNarrow ? packing(file.numbers) : {}),
    ...(up === 0 ? {} : { up }),
    saturation: rowSaturation(output, mac.clamp, channels),
  };
}

/** Integers of 4 bits about a zero point of their own are 16 neighbours, which a codebook lists. */
function packing(numbers: Int32Array): Pick<QuantizedMac, 'fileBits' | 'codebook'> {
  const [fileBits, least] = [bitsOf(numbers), Math.min(0, smallestOf(numbers))];
  if (fileBits <= 4 || Math.max(0, largestOf(numbers)) - least > 15) return { fileBits };
  return { fileBits: 4, codebook: Int8Array.from({ length: 16 }, (_, i) => least + i) };
}

/** So that no scale is above 1, but for rounding. */
const shiftUp = (ratios: readonly number[]): number => {
  const most = ratios.reduce((a, b) => Math.max(a, b), 0);
  return Math.max(0, Math.ceil(Math.log2(most * (1 - 1e-9))));
};

/** The nearest integer, or the nearest value of the codebook; 0 stays 0 in both. */
function integerOf(steps: number, codebook: Int8Array | undefined): number {
  const whole = Math.round(steps);
  if (codebook === undefined || codebook.includes(whole)) return whole;
  return codebook.reduce((best, v) => (Math.abs(v - steps) < Math.abs(best - steps) ? v : best));
}

/** |bias| + reach sum |q|, by channel: no accumulator is larger, in any order of summation. */
function magnitudes(weights: Int8Array | Int32Array, bias: Int32Array, reach: number): number[] {
  const terms = weights.length / bias.length;
  return Array.from(bias, (b, channel) => {
    let sum = Math.abs(b);
    for (let term = 0; term < terms; term++) sum += reach * Math.abs(at(weights, channel * terms + term));
    return sum;
  });
}

/**
 * Compact multipliers have one byte where that is exact (`compactSteps`), else up to 16 bits, as many as keep
 * products in int32: weights whose steps were fixed before keep them. Layers that fit neither have 64-bit
 * products.
 */
export function requantFor(
  mode: RequantMode,
  scales: readonly number[],
  weights: Int8Array,
  bias: Int32Array,
  largestInput = 255,
): Requant {
  if (mode !== 'compact') return requantOf(mode, scales);
  const reach = magnitudes(weights, bias, largestInput);
  const narrow = compactOf(scales, largestCompact);
  if (isWithin(narrow, 1e-6) && compactHolds(narrow, reach)) return narrow;
  for (let bits = 16; bits >= 8; bits--) {
    const wide = compactOf(scales, 2 ** bits - 1);
    if (compactHolds(wide, reach) && isWithin(wide, 2 ** -9)) return wide;
  }
  return requantOf('single', scales);
}

/** Whether all multipliers are so close to their scales, relatively; 2^-9 is half a step of a full 8-bit output. */
const isWithin = ({ multiplier, shift, scale }: Requant, error: number): boolean =>
  multiplier.every((m, c) => Math.abs((m * 2 ** -at(shift, c)) / at(scale, c) - 1) <= error);

/** The bias in accumulator steps, corrected by the mean error of rounding the weights: b - (q sw - w) E[x]. */
function biasSteps(
  mac: MacToQuantize,
  row: Float32Array,
  steps: Float32Array,
  step: number,
  real: number,
  channel: number,
): number {
  const { scale, zeroPoint } = mac.input;
  // Far from 0, a weight's rounding times the input's offset is more than the signal.
  const offset =
    mac.input.bits === undefined && (zeroPoint < 0 || zeroPoint > 255)
      ? () => scale * (127.5 - zeroPoint)
      : undefined;
  const meanOf = mac.meanOf ?? offset;
  let correction = 0;
  let sum = 0;
  let magnitude = 0;
  steps.forEach((q, term) => {
    if (meanOf !== undefined) correction += (q * step - at(row, term)) * meanOf(term, channel);
    sum += q;
    magnitude += Math.abs(q);
  });
  return within(mac, channel, Math.round((real - correction) / (scale * step) - zeroPoint * sum), magnitude);
}

/** A bias with which no sum leaves int32; `magnitude` is the sum of the weights' sizes. */
function within(mac: MacToQuantize, channel: number, bias: number, magnitude: number): number {
  const largest = reachOf(mac.input);
  if (Math.abs(bias) + largest * magnitude >= 2 ** 31)
    throw new InputError({
      where: `node '${mac.name}', output channel ${channel}`,
      found: `an accumulator of up to ${Math.abs(bias) + largest * magnitude}, beyond int32`,
      supported: `rows whose ${largest} * sum |weight| + |bias| stays below 2^31 steps`,
      todo: 'split the layer or reduce its inputs',
    });
  return bias;
}

/** Where a clamp (and the storage) saturates, in output steps. */
export function saturationOf(output: Quant, clamp: Clamp | undefined): Saturation {
  const { lo, hi } = storageOf(output);
  const stored = (real: number): number =>
    output.file === undefined
      ? Math.max(lo, Math.min(hi, Math.round(real / output.scale) + output.zeroPoint))
      : fileStep(Math.fround(real), output);
  return {
    zeroPoint: output.zeroPoint,
    lo: clamp === undefined ? lo : stored(clamp.lo),
    hi: clamp === undefined ? hi : stored(clamp.hi),
  };
}

/** The same by output channel. */
function rowSaturation(output: Quant, clamp: RowClamp | undefined, channels: number): RowSaturation {
  const rows = Array.from({ length: channels }, (_, c) =>
    saturationOf(output, clamp === undefined ? undefined : clampAt(clamp, c)),
  );
  return {
    zeroPoint: output.zeroPoint,
    lo: boundOf(rows.map(({ lo }) => lo)),
    hi: boundOf(rows.map(({ hi }) => hi)),
  };
}

/** The arithmetic of a multiply-accumulate kernel; the loops around it are the same for int8 and float32. */
export interface Arithmetic {
  /** Of the inputs. */
  readonly elem: 'u8' | 'i16' | 'f32';
  readonly outElem: 'u8' | 'i16' | 'f32';
  readonly accumulator: 'i32' | 'f32';
  readonly weightElem: 'i8' | 'i16' | 'f32';
  /** Weights in their own order, channels x terms; the loops put them in theirs. */
  readonly weights: Int8Array | Int16Array | Float32Array;
  readonly bias: Table;
  readonly tables: readonly Table[];
  readonly format: WeightFormat;
  readonly codebook?: Int8Array;
  /** The real value of a weight's step, by output. */
  readonly scales?: readonly number[];
  /** The stored output of an accumulator. */
  readonly finish: (accumulator: Expr, channel: Expr) => Expr;
}

/** Half the bytes where the numbers allow it and the layer is stored small anyway. */
function biasElem({ bias, requant }: QuantizedMac, format: WeightFormat): 'i16' | 'i32' {
  const small = requant.mode === 'compact' || formatName(format) !== formatName(dense8);
  return small && bias.every((b) => b >= -32768 && b <= 32767) ? 'i16' : 'i32';
}

/**
 * The layer with a function behind it. Ten bits are the same sums with a requantization four times as fine, where there is room
 * for it in the shifts, and bounds that are the same for all channels.
 */
export function withTable<Q extends QuantizedMac>(mac: Q, table: Uint8Array): Q | undefined {
  if (mac.table !== undefined) return undefined;
  if (table.length === 256) return { ...mac, table };
  const { requant, saturation } = mac;
  const { lo, hi, zeroPoint } = saturation;
  if (requant.mode !== 'single' || requant.shift.some((s) => s < 2)) return undefined;
  if (typeof lo !== 'number' || typeof hi !== 'number') return undefined;
  return {
    ...mac,
    table,
    requant: {
      ...requant,
      shift: requant.shift.map((s) => s - 2),
      scale: requant.scale.map((x) => 4 * x),
    },
    saturation: { zeroPoint: 4 * zeroPoint, lo: 4 * lo, hi: hi === 255 ? 1023 : 4 * hi },
  };
}

/**
 * The layer with a bent line behind it, which its sums then meet before they are rounded: scales s of sums above 0,
 * slope s of others, both at most 1 after the shift up. Undefined where sums have no room for that shift, of
 * requantizations with coarse multipliers, and where channels or a file have grids of their own.
 */
export function withSlopes<Q extends QuantizedMac>(mac: Q, { slopes, input, output }: Bend): Q | undefined {
  const { mode } = mac.requant;
  const [channels, isPlain] = [mac.bias.length, [input, output].every(isOneGrid)];
  if (mode === 'pow2' || mode === 'compact' || !isPlain || (mac.table ?? mac.slopes ?? mac.steps))
    return undefined;
  if (slopes.length !== 1 && slopes.length !== channels) return undefined;
  const own = Array.from({ length: channels }, (_, c) => at(slopes, slopes.length === 1 ? 0 : c));
  const most = own.map((slope) => Math.max(1, Math.abs(slope)));
  const ratios = most.map((m, c) => (m * input.scale * at(mac.weightScales, c)) / output.scale);
  const up = shiftUp(ratios);
  if (up > 0 && largestOf(magnitudes(mac.weights, mac.bias, reachOf(input))) * 2 ** up >= 2 ** 30)
    return undefined;
  const { multiplier, scale, shift } = requantOf(
    mode,
    ratios.map((ratio) => Math.min(1, ratio * 2 ** -up)),
  );
  return {
    ...mac,
    up,
    requant: {
      mode,
      shift,
      multiplier: multiplier.map((m, c) => Math.max(1, Math.round(m / at(most, c)))),
      scale: scale.map((s, c) => s / at(most, c)),
    },
    saturation: saturationOf(output, undefined),
    slopes: own,
  };
}

const isOneGrid = ({ file, channels }: Quant): boolean => file === undefined && channels === undefined;

/** The input and the output of a layer in integers. */
export interface Ends {
  readonly inputs: readonly StoredTensor[];
  readonly outputs: readonly (StoredTensor | undefined)[];
}

const biasWords =
  'By output, in steps of input scale * weight scale: the bias - input zero point * sum of the weights.';

const elemIn = (tensor: StoredTensor | undefined): 'u8' | 'i16' =>
  tensor?.quant?.bits === 16 ? 'i16' : 'u8';

export function int8Arithmetic(prefix: string, mac: QuantizedMac, { inputs, outputs }: Ends): Arithmetic {
  const end = epilogue(prefix, mac.requant, mac.saturation, mac.slopes);
  const table: Table | undefined = mac.table && {
    name: `${prefix}_table`,
    elem: 'u8',
    data: mac.table,
    says: 'What each rounded sum becomes: the function behind the layer.',
  };
  const format = mac.format ?? dense8;
  return {
    elem: elemIn(inputs[0]),
    outElem: elemIn(outputs[0]),
    accumulator: 'i32',
    weightElem: mac.wide === undefined ? 'i8' : 'i16',
    weights: mac.wide ?? mac.weights,
    bias: { name: `${prefix}_bias`, elem: biasElem(mac, format), data: mac.bias, says: biasWords },
    ...(mac.steps === undefined ? { scales: Array.from(mac.weightScales, Math.fround) } : {}),
    tables: table === undefined ? end.tables : [...end.tables, table],
    format,
    ...(mac.codebook === undefined ? {} : { codebook: mac.codebook }),
    finish(accumulator, channel) {
      const stored = end.value(mul(accumulator, 2 ** (mac.up ?? 0)), channel);
      return table === undefined ? stored : load(table.name, 'u8', stored);
    },
  };
}

/** `x` between the clamp's bounds; an infinite bound costs nothing. */
export function clampFloat(x: Expr, clamp: Clamp | undefined): Expr {
  if (clamp === undefined) return x;
  const above = clamp.lo > -Infinity ? maximum(x, float(clamp.lo)) : x;
  return clamp.hi < Infinity ? minimum(above, float(clamp.hi)) : above;
}

/** What C can write down of a bound: the largest float32 bounds nothing. */
const finite = (x: number): number => Math.max(-largestFloat, Math.min(largestFloat, Math.fround(x)));

/** The tables of bounds that differ by channel, and `x` between the bounds of its channel. */
function clampFloatRows(prefix: string, clamp: RowClamp | undefined) {
  const tables: Table[] = [];
  const bound = (side: 'lo' | 'hi', channel: Expr): Expr | undefined => {
    const values: Bound = clamp?.[side] ?? Infinity;
    if (typeof values === 'number') return Number.isFinite(values) ? float(values) : undefined;
    const name = `${prefix}_${side}`;
    if (!tables.some((table) => table.name === name))
      tables.push({ name, elem: 'f32', data: Float32Array.from(values, finite) });
    return load(name, 'f32', channel);
  };
  const value = (x: Expr, channel: Expr): Expr => {
    const [lo, hi] = [bound('lo', channel), bound('hi', channel)];
    const above = lo === undefined ? x : maximum(x, lo);
    return hi === undefined ? above : minimum(above, hi);
  };
  value(float(0), int(0));
  return { tables, value };
}

export function float32Arithmetic(
  prefix: string,
  weights: Float32Array,
  channels: number,
  bias: Float32Array | undefined,
  clamp: RowClamp | undefined,
): Arithmetic {
  const bounds = clampFloatRows(prefix, clamp);
  return {
    elem: 'f32',
    outElem: 'f32',
    accumulator: 'f32',
    weightElem: 'f32',
    weights,
    bias: {
      name: `${prefix}_bias`,
      elem: 'f32',
      data: bias ?? new Float32Array(channels),
      says: 'The bias, by output.',
    },
    tables: bounds.tables,
    format: dense8,
    finish: bounds.value,
  };
}
