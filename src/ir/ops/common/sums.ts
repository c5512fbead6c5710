/** Sums of inputs times constant weights, rows x columns x taps, with one bias per row. */
import type { ChannelMap, Remade, RowClamp } from '../../graph/affine.ts';
import type { InputType } from '../../graph/op.ts';
import { boundAt, boundsBehind } from '../../integers/row-clamp.ts';
import { floats, type Tensor } from '../../tensor.ts';
import { required } from './inputs.ts';

interface Clamped {
  /** Applied to the sums. */
  readonly clamp?: RowClamp;
}

interface SumsView<A> {
  readonly attrs: A;
  /** Activation, weights, bias. */
  readonly inputTypes: readonly (InputType | undefined)[];
}

type Constants = { readonly weight: Tensor; readonly bias: Tensor };

const constants = (shape: readonly number[], weight: Float32Array, bias: Float32Array): Constants => ({
  weight: floats(shape, weight),
  bias: floats([bias.length], bias),
});

/** f of the clamped sums: w' = g w, b' = g b + h, row by row, and other bounds. */
export function sumsAfter<A extends Clamped>(
  f: ChannelMap,
  { attrs, inputTypes }: SumsView<A>,
): Remade<A> | undefined {
  const [, weight, bias] = inputTypes.map((type) => type?.constant);
  const { gain, shift } = f;
  if (weight === undefined || weight.shape[0] !== gain.length) return undefined;
  const row = weight.data.length / gain.length;
  const clamp = boundsBehind(attrs.clamp, f);
  return {
    attrs: clamp === undefined ? attrs : { ...attrs, clamp },
    constants: constants(
      weight.shape,
      Float32Array.from(weight.data, (w, i) => w * boundAt(gain, Math.floor(i / row))),
      Float32Array.from(gain, (g, c) => g * (bias?.data[c] ?? 0) + boundAt(shift, c)),
    ),
  };
}

/** Of f(x): w'[o, c] = w[o, c] g[c], b' = b + sum w[o, c] h[c]. */
export function sumsBefore(
  { gain, shift }: ChannelMap,
  { inputTypes }: SumsView<unknown>,
  groups: number,
): Constants | undefined {
  const weight = required(inputTypes, 1, 'weights').constant;
  if (weight === undefined) return undefined;
  const [outputs = 1, depth = 1] = weight.shape;
  const row = weight.data.length / outputs;
  const channelOf = (i: number): number => {
    const [o, c] = [Math.floor(i / row), Math.floor((i % row) / (row / depth))];
    return Math.floor((o * groups) / outputs) * depth + c;
  };
  const data = Float64Array.from(weight.data);
  const bias = Float32Array.from({ length: outputs }, (_, o) =>
    data
      .subarray(o * row, (o + 1) * row)
      .reduce(
        (sum, w, i) => sum + w * boundAt(shift, channelOf(o * row + i)),
        inputTypes[2]?.constant?.data[o] ?? 0,
      ),
  );
  return constants(
    weight.shape,
    Float32Array.from(data, (w, i) => w * boundAt(gain, channelOf(i))),
    bias,
  );
}
