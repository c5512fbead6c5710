import { at, must } from '../../base/errors.ts';
import type { ChannelMap, Remade } from '../graph/affine.ts';
import type { CanonicalOp, NodeView, Replacement } from '../graph/op.ts';
import { add, float, mul } from '../kernel/builders.ts';
import { channelCount, countOf, floats, picked, type Tensor } from '../tensor.ts';
import { depthwise } from './common/depthwise.ts';
import { required } from './common/inputs.ts';
import { pointwise } from './common/pointwise.ts';
import { rounded } from './common/round.ts';

export interface LineAttrs {
  readonly gain: number;
  readonly shift: number;
}

/** gain x + shift, with the same two numbers for all elements. */
export const line = pointwise<LineAttrs>({
  kind: 'line',
  title: 'Scale and shift',
  onnx: {},
  value: ({ gain, shift }, x) => gain * x + shift,
  float32: ({ gain, shift }, x) => add(mul(x, float(gain)), float(shift)),
  gradient({ gain, shift }, steps) {
    const x = steps.input(0);
    return steps.fixed(
      x.shape,
      (i) => [[x, i, gain]],
      () => shift,
    );
  },
});

const vector = (values: readonly number[]): Tensor => floats([values.length], Float32Array.from(values));

const again = ({ gain, shift }: ChannelMap): Remade<unknown> => ({
  attrs: {},
  constants: { gain: vector(gain), shift: vector(shift) },
});

const numbersOf = ({ inputTypes }: NodeView<unknown>, index: number): readonly number[] =>
  Array.from(must(inputTypes[index]?.constant, 'gains and shifts are constant').data);

const alike = (numbers: readonly number[]): boolean => numbers.every((x) => x === numbers[0]);

/** As a line where channels do not differ. */
function alone(f: ChannelMap, node: NodeView<unknown>): readonly Replacement[] {
  const { gain, shift, clamp } = f;
  if (!alike(gain) || !alike(shift) || clamp !== undefined) return depthwise(f, node);
  const attrs = { gain: at(gain, 0), shift: at(shift, 0) };
  return [{ op: line, attrs, inputs: node.inputs.slice(0, 1), outputs: node.outputs }];
}

/** gain[c] x + shift[c] by channel (axis 1), of x[N,C,...], gain[C] and shift[C]: no node is left of it but in layers. */
export const scaleShift: CanonicalOp<unknown> = {
  kind: 'scaleShift',
  infer: (_attrs, inputs) => {
    const { dtype, shape } = required(inputs, 0, 'input');
    return [{ dtype, shape }];
  },
  reference(_attrs, inputs) {
    const [x, gain, shift] = [0, 1, 2].map((i) => required(inputs, i, 'input')) as [Tensor, Tensor, Tensor];
    const inner = countOf(x.shape.slice(2));
    const channels = channelCount(x.shape);
    const values = Float64Array.from(x.data, (value, i) => {
      const c = Math.floor(i / inner) % channels;
      return at(gain.data, c) * value + at(shift.data, c);
    });
    return [rounded(x.dtype, x.shape, values)];
  },
  affine: {
    kind: 'channelwise',
    map: (node) => ({ gain: numbersOf(node, 1), shift: numbersOf(node, 2) }),
    again,
    alone,
  },
  absorb: () => undefined,
  elementwise: false,
  channels: (attrs, inputs) => ({
    flow: 'kept',
    isSilent: (c) => inputs[2]?.constant?.data[c] === 0,
    reduced: (_inputs, kept) => ({
      attrs,
      constants: inputs.map((input) => input?.constant && picked(input.constant, 0, kept)),
    }),
  }),
  rows: undefined,
  gradient: 'none',
};

/** The node that multiplies and shifts a tensor, as one. */
export const scaleShiftOf = (
  f: Pick<ChannelMap, 'gain' | 'shift'>,
  [name, from, to]: readonly [name: string, from: string, to: string],
): Replacement => {
  const [gain, shift] = [`${name}~gain`, `${name}~shift`];
  const constants = new Map([
    [gain, vector(f.gain)],
    [shift, vector(f.shift)],
  ]);
  return { op: scaleShift, attrs: {}, inputs: [from, gain, shift], outputs: [to], constants };
};
