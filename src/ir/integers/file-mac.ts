/**
 * Layers whose weights a model's file has as integers: these are taken as they are.
 *
 *   real y = sum w (sx (x - zx)) + b = sx sw (sum q (x - zx) + bias)
 */
import { at, InputError } from '../../base/errors.ts';
import { largestOf } from '../../base/extremes.ts';
import type { RequantMode, ScaleContext } from '../graph/op.ts';
import { halfEven } from '../kernel/file-grid.ts';
import type { Quant } from '../kernel/stored.ts';
import { countOf, type FileIntegers, type Shape, type Tensor } from '../tensor.ts';
import { type Requant, requantOf } from './requant.ts';

/** Rows of a layer's weights in the file. */
export interface FileRows {
  readonly numbers: Int32Array;
  /** By row: the step of its weights. */
  readonly steps: Float64Array;
  readonly bias: Tensor | undefined;
}

/** Undefined where a row has several steps, or the weights are no integers of the file, or not in 16 bits. */
export function fileRowsOf(weight: Tensor, bias: Tensor | undefined): FileRows | undefined {
  const { integers } = weight;
  if (integers === undefined || integers.numbers.some((q) => q < -32768 || q > 32767)) return undefined;
  const rows = at(weight.shape, 0);
  const terms = integers.numbers.length / rows;
  const steps = Float64Array.from({ length: rows }, (_, row) => at(integers.steps, row * terms));
  const isOne = integers.steps.every((step, i) => step === at(steps, Math.floor(i / terms)));
  return isOne ? { numbers: integers.numbers, steps, bias } : undefined;
}

/** How far the step of a file's bias may lie from that of the sums, relatively, for its integers to be theirs. */
const nearStep = 0.0175;

const integerBias = ({ numbers, steps }: FileIntegers, row: number, step: number): number | undefined =>
  Math.abs(at(steps, row) / step - 1) <= nearStep ? at(numbers, row) : undefined;

/** In steps of the sums: the file's integers where they are such steps, else the nearest, as onnxruntime takes it. */
export function fileBias({ bias }: FileRows, row: number, step: number): number {
  if (bias === undefined) return 0;
  const given = bias.integers === undefined ? undefined : integerBias(bias.integers, row, step);
  return given ?? halfEven(Math.fround(at(bias.data, row) / step));
}

/** The step of a row's sums: a float32 product, as onnxruntime has it. */
export const sumStep = (input: Quant, step: number): number => Math.fround(input.scale * step);

/**
 * The requantization of rows whose grids are given: exactly onnxruntime's with ort-float.
 * @param reach of the sums, by row: |sum| <= reach
 * @throws InputError where the output's grid is finer than sums of int32 can be shifted up to
 */
export function fileRequant(
  mode: RequantMode,
  steps: Float64Array,
  grids: { readonly input: Quant; readonly output: Quant },
  reach: readonly number[],
): { readonly requant: Requant; readonly up: number } {
  const { input, output } = grids;
  const scale = Float32Array.from(steps, (step) => sumStep(input, step) / output.scale);
  if (mode === 'ort-float') {
    const unused = { multiplier: new Int32Array(scale.length), shift: new Uint8Array(scale.length) };
    return { requant: { mode, ...unused, scale }, up: 0 };
  }
  if (mode === 'pow2')
    throw new InputError({
      found: 'scales of the model that are not powers of two, with --requant pow2',
      supported: 'single, tfl-double, compact, ort-float',
      todo: 'compile with --requant single',
    });
  const ratios = Array.from(steps, (step) => (input.scale * step) / output.scale);
  const up = Math.max(0, Math.ceil(Math.log2(largestOf(ratios) * (1 - 1e-9))));
  if (largestOf(reach) * 2 ** up >= 2 ** 30)
    throw new InputError({
      found: `an output step ${largestOf(ratios)} times finer than its sums', with --requant ${mode}`,
      supported: 'sums below 2^30 in steps of the output',
      todo: 'compile with --requant ort-float',
    });
  // Rows of which nothing can be seen in the output.
  const scales = ratios.map((ratio) => Math.max(2 ** -31, Math.min(1, ratio * 2 ** -up)));
  return { requant: requantOf(mode === 'compact' ? 'single' : mode, scales), up };
}

/** Whether a layer's integers are those of the file, and rounded as onnxruntime does. */
export function isFileMac({ mode, inputTypes, inputQuants }: ScaleContext<unknown>): boolean {
  const weight = inputTypes[1]?.constant;
  const isFile = weight !== undefined && fileRowsOf(weight, undefined) !== undefined;
  return mode === 'ort-float' && isFile && inputQuants[0]?.file !== undefined;
}

/** A row's integers in the order in which onnxruntime multiplies them: channels of a pixel one behind the other. */
function inPairs({ numbers }: FileIntegers, [, channels = 1, ...taps]: Shape): (row: number) => Int32Array {
  const window = countOf(taps);
  const terms = channels * window;
  return (row) =>
    Int32Array.from({ length: terms }, (_, k) =>
      at(numbers, row * terms + (k % channels) * window + Math.floor(k / channels)),
    );
}

/**
 * Whether onnxruntime may cut a sum of two neighbouring products of weights of int8 and bytes to 16 bits, as it does on
 * x86-64 with AVX2 and without VNNI. Depthwise layers and weights of uint8 have another kernel.
 */
export function mayBeCut({ integers, shape }: Tensor): boolean {
  const isDepthwise = shape.length > 2 && shape[1] === 1;
  if (integers === undefined || isDepthwise || integers.grid?.type === 'uint8') return false;
  const rowOf = inPairs(integers, shape);
  return Array.from({ length: at(shape, 0) }, (_, row) => rowOf(row)).some((row) =>
    row.some((q, k) => {
      if (k % 2 !== 0) return false;
      const other = k + 1 < row.length ? at(row, k + 1) : 0;
      const [most, least] = [Math.max(q, 0) + Math.max(other, 0), Math.min(q, 0) + Math.min(other, 0)];
      return 255 * most > 32767 || 255 * least < -32768;
    }),
  );
}
