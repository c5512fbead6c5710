/** Sums of inputs times constant weights, rows x columns x taps, with one bias per row. */
import { at, atOr0 } from '../../../base/errors.ts';
import type { ChannelMap, Remade } from '../../graph/affine.ts';
import type { InputType } from '../../graph/op.ts';
import { weightsOf } from '../../integers/mac.ts';
import { boundAt, boundsBehind } from '../../integers/row-clamp.ts';
import { floats, type Tensor } from '../../tensor.ts';
import { columnsOf, type LayerAttrs } from './channel-flows.ts';

interface SumsView<A> {
  readonly attrs: A;
  /** Activation, weights, bias. */
  readonly inputTypes: readonly (InputType | undefined)[];
}

const constants = (weight: Tensor, bias: Float32Array) => ({ weight, bias: floats([bias.length], bias) });

/** Rows times gains: integers of the file stay, and their steps become others, which are above 0. */
function scaledRows(weight: Tensor, gain: readonly number[]): Tensor {
  const { shape, data, integers } = weight;
  const row = data.length / gain.length;
  const gainOf = (i: number): number => boundAt(gain, Math.floor(i / row));
  const made = floats(
    shape,
    Float32Array.from(data, (w, i) => w * gainOf(i)),
  );
  if (integers === undefined || gain.some((g) => Math.fround(g) === 0)) return made;
  const numbers = integers.numbers.map((q, i) => (gainOf(i) < 0 ? -q : q));
  const steps = integers.steps.map((step, i) => step * Math.abs(gainOf(i)));
  return {
    ...floats(
      shape,
      steps.map((step, i) => step * at(numbers, i)),
    ),
    integers: { numbers, steps },
  };
}

/** f of the clamped sums: w' = g w, b' = g b + h, row by row, and other bounds. */
export function sumsAfter<A extends LayerAttrs>(
  f: ChannelMap,
  { attrs, inputTypes }: SumsView<A>,
): Remade<A> | undefined {
  const [, weight, bias] = inputTypes.map((type) => type?.constant);
  const { gain, shift } = f;
  if (weight === undefined || weight.shape[0] !== gain.length) return undefined;
  const clamp = boundsBehind(attrs.clamp, f);
  return {
    attrs: clamp === undefined ? attrs : { ...attrs, clamp },
    constants: constants(
      scaledRows(weight, gain),
      Float32Array.from(gain, (g, c) => g * atOr0(bias?.data, c) + boundAt(shift, c)),
    ),
  };
}

/** Of f(x): w'[o, c] = w[o, c] g[c], b' = b + sum w[o, c] h[c], and padding that f maps to what it was: (p - h) / g. */
export function sumsBefore<A extends LayerAttrs>(
  { gain, shift }: ChannelMap,
  { attrs, inputTypes }: SumsView<A>,
): Remade<A> | undefined {
  const { weights, rows, taps, start, padding } = columnsOf(attrs, weightsOf(inputTypes));
  // A gain of 0 maps all padding to one number.
  if (padding !== undefined && gain.includes(0)) return undefined;
  const scaled = Float32Array.from(weights.data);
  const bias = Float32Array.from({ length: rows }, (_, row) => {
    let sum = atOr0(inputTypes[2]?.constant?.data, row);
    for (const [c, g] of gain.entries()) {
      const from = start(row, c);
      if (from === undefined) continue;
      const own = scaled.subarray(from, from + taps);
      for (const w of own) sum += w * boundAt(shift, c);
      own.set(own.map((w) => w * g));
    }
    return sum;
  });
  const moved = padding?.values.map((p, c) => (p - boundAt(shift, c)) / boundAt(gain, c));
  return {
    attrs: padding === undefined || moved === undefined ? attrs : padding.replaced(moved),
    constants: constants(floats(weights.shape, scaled), bias),
  };
}
