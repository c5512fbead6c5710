import { at, atOr0, complain, must } from '../../base/errors.ts';
import type { Shuffle } from '../geometry/shuffle.ts';
import { type AutoPad, extentOf, parseWindow, type WindowAttrs } from '../geometry/window.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import {
  countOf,
  floats,
  type Shape,
  sameShape,
  stridesOf,
  type Tensor,
  type TensorType,
} from '../tensor.ts';
import { constantOf, newestOpset, required, requireFloats, requireShape } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import { type ConvAttrs, conv } from './conv.ts';

export interface ConvTransposeAttrs extends WindowAttrs {
  readonly groups: number;
  /** Added at the end of each axis; empty: nothing. */
  readonly outputPadding: readonly number[];
  /** Of the spatial axes; empty: what the rest gives. */
  readonly outputShape: readonly number[];
}

/** One spatial axis: input i gives tap k to output i stride + k dilation - before. */
interface Axis {
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
}

type Inputs<T> = readonly (T | undefined)[];

const orDefault = (list: readonly number[], i: number, standard: number): number =>
  list.length === 0 ? standard : at(list, i);

/** What is cut off at both ends, where it has to be found: the odd one at the end for SAME_UPPER, else before. */
function splitPadding(total: number, autoPad: AutoPad): readonly [number, number] {
  const half = Math.floor(total / 2);
  return autoPad === 'SAME_UPPER' ? [half, total - half] : [total - half, half];
}

function axisOf(attrs: ConvTransposeAttrs, size: number, kernel: number, i: number, rank: number): Axis {
  const [stride, dilation] = [orDefault(attrs.strides, i, 1), orDefault(attrs.dilations, i, 1)];
  const whole = stride * (size - 1) + orDefault(attrs.outputPadding, i, 0) + extentOf({ kernel, dilation });
  const asked = attrs.outputShape.length > 0 ? orDefault(attrs.outputShape.slice(-rank), i, 0) : undefined;
  const same = attrs.autoPad === 'SAME_UPPER' || attrs.autoPad === 'SAME_LOWER' ? size * stride : undefined;
  const wanted = asked ?? same;
  const [before, after] =
    wanted === undefined
      ? [orDefault(attrs.pads, i, 0), orDefault(attrs.pads, rank + i, 0)]
      : splitPadding(Math.max(0, whole - wanted), attrs.autoPad);
  const out = asked ?? whole - before - after;
  if (stride < 1 || dilation < 1 || before < 0 || out < 1)
    throw complain(
      `an axis of ${size} with stride ${stride}, dilation ${dilation} and padding ${before}, ${after}`,
      'strides and dilations of 1 or more, and an output of 1 or more',
    );
  return { in: size, out, kernel, stride, dilation, before };
}

/** @throws InputError when X, W, B and the attributes do not fit together. */
function axesOf(attrs: ConvTransposeAttrs, inputs: Inputs<TensorType>): readonly Axis[] {
  const [x, w, b] = [required(inputs, 0, 'X').shape, required(inputs, 1, 'W').shape, inputs[2]?.shape];
  const [[, channels = 0, ...spatial], [depth = 0, perGroup = 0, ...kernel]] = [x, w];
  if (w.length !== x.length || spatial.length < 1)
    throw complain(`X with ${x.length} axes, W with ${w.length}`, 'as many, 3 or more');
  if (attrs.groups < 1 || depth !== channels || channels % attrs.groups !== 0)
    throw complain(`group = ${attrs.groups} for ${channels} input channels, W of ${depth}`);
  if (attrs.kernel.length > 0) requireShape(kernel, attrs.kernel, 'W after its first two axes');
  if (b !== undefined) requireShape(b, [perGroup * attrs.groups], 'B');
  return spatial.map((size, i) => axisOf(attrs, size, at(kernel, i), i, spatial.length));
}

function typeOf(attrs: ConvTransposeAttrs, inputs: Inputs<InputType>): TensorType {
  requireFloats(inputs);
  const axes = axesOf(attrs, inputs);
  const [x, w] = [required(inputs, 0, 'X'), required(inputs, 1, 'W')];
  const channels = at(w.shape, 1) * attrs.groups;
  return { dtype: x.dtype, shape: [at(x.shape, 0), channels, ...axes.map(({ out }) => out)] };
}

/** Which output an input's tap is added to, by axis; -1: none. */
const targetOf = ({ stride, dilation, before, out }: Axis, i: number, k: number): number => {
  const place = i * stride + k * dilation - before;
  return place >= 0 && place < out ? place : -1;
};

/** Every [index on each axis] of a shape, row-major. */
const places = (shape: Shape): readonly (readonly number[])[] =>
  shape.reduce<readonly (readonly number[])[]>(
    (all, size) => all.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );

/** Each input times the weights is added to the outputs around it. */
function scattered(attrs: ConvTransposeAttrs, inputs: Inputs<Tensor>): Tensor {
  const [x, w, b] = [required(inputs, 0, 'X'), required(inputs, 1, 'W'), inputs[2]];
  const axes = axesOf(attrs, inputs);
  const { dtype, shape } = typeOf(attrs, inputs);
  const [batch = 1, outs = 1, ...size] = shape;
  const [plane, steps] = [countOf(size), stridesOf(size)];
  const [channels, perGroup] = [at(x.shape, 1), at(w.shape, 1)];
  const sums = Float64Array.from({ length: countOf(shape) }, (_, i) =>
    atOr0(b?.data, Math.floor(i / plane) % outs),
  );
  const taps = places(axes.map(({ kernel }) => kernel));
  const pixels = places(axes.map((axis) => axis.in));
  pixels.forEach((pixel, p) => {
    taps.forEach((tap, t) => {
      const target = axes.map((axis, a) => targetOf(axis, at(pixel, a), at(tap, a)));
      if (target.includes(-1)) return;
      const place = target.reduce((sum, i, a) => sum + i * at(steps, a), 0);
      for (let n = 0; n < batch; n++)
        for (let c = 0; c < channels; c++) {
          const first = Math.floor((c * attrs.groups) / channels) * perGroup;
          const value = at(x.data, (n * channels + c) * pixels.length + p);
          for (let o = 0; o < perGroup; o++) {
            const to = (n * outs + first + o) * plane + place;
            sums[to] = at(sums, to) + value * at(w.data, (c * perGroup + o) * taps.length + t);
          }
        }
    });
  });
  return rounded(dtype, shape, sums);
}

/**
 * An axis as an ordinary convolution. With Y = y + before = q stride + phase, output Y is made of the inputs q - j, of
 * each with tap (phase + j stride) / dilation where that is one: all phases of q read the same inputs, so that each is
 * an output channel of its own, and the channels become the pixels of a block.
 */
interface Phases {
  /** Window of the convolution, its dilation and its padding. */
  readonly taps: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
  /** Pixels of the blocks that come before the output. */
  readonly crop: number;
  /** The tap of W for a phase and a place in the window; -1: none. */
  tapOf(phase: number, place: number): number;
}

function phasesOf({ in: size, out, kernel, stride, dilation, before }: Axis): Phases {
  const dense = stride > 1;
  const taps = dense ? Math.ceil(extentOf({ kernel, dilation }) / stride) : kernel;
  const step = dense ? 1 : dilation;
  const reach = (taps - 1) * step;
  const [first, last] = [Math.floor(before / stride), Math.floor((out - 1 + before) / stride)];
  const pad = Math.max(0, reach - first);
  return {
    taps,
    dilation: step,
    before: pad,
    after: Math.max(0, last - (size - 1)),
    crop: before - (reach - pad) * stride,
    tapOf(phase, place) {
      const j = taps - 1 - place;
      if (!dense) return j;
      const tap = (phase + j * stride) / dilation;
      return Number.isInteger(tap) && tap < kernel ? tap : -1;
    },
  };
}

/** One row of weights for each output channel and phase, the phases of a channel side by side. */
function rowsOf(w: Tensor, groups: number, axes: readonly Axis[], phases: readonly Phases[]): Tensor {
  const [channels = 1, perGroup = 1, ...kernel] = w.shape;
  const depth = channels / groups;
  const blocks = places(axes.map(({ stride }) => stride));
  const window = phases.map(({ taps }) => taps);
  const spots = places(window);
  const strides = stridesOf(kernel);
  /** By phase and place in the window. */
  const taps = blocks.map((block) =>
    spots.map((spot) => {
      const tap = phases.map(({ tapOf }, i) => tapOf(at(block, i), at(spot, i)));
      return tap.includes(-1) ? -1 : tap.reduce((sum, k, i) => sum + k * at(strides, i), 0);
    }),
  );
  const data = new Float32Array(groups * perGroup * blocks.length * depth * spots.length);
  let next = 0;
  for (let out = 0; out < groups * perGroup; out++)
    for (const own of taps)
      for (let i = 0; i < depth; i++) {
        const from =
          ((Math.floor(out / perGroup) * depth + i) * perGroup + (out % perGroup)) * countOf(kernel);
        for (const tap of own) data[next++] = tap < 0 ? 0 : at(w.data, from + tap);
      }
  return floats([groups * perGroup * blocks.length, depth, ...window], data);
}

const repeated = (bias: Tensor, times: number): Tensor =>
  floats(
    [bias.data.length * times],
    Float32Array.from({ length: bias.data.length * times }, (_, i) => at(bias.data, Math.floor(i / times))),
  );

function canonical({
  attrs,
  inputs,
  outputs,
  inputTypes,
}: NodeView<ConvTransposeAttrs>): readonly Replacement[] {
  const axes = axesOf(attrs, inputTypes);
  const w = must(constantOf(required(inputTypes, 1, 'W'), 'weight tensor W'), 'W is there');
  const b = constantOf(inputTypes[2], 'bias B');
  const phases = axes.map(phasesOf);
  const block = axes.map(({ stride }) => stride);
  const sums = axes.map((axis, i) => {
    const { taps, dilation, before, after } = at(phases, i);
    return axis.in + before + after - (taps - 1) * dilation;
  });
  const shuffle: Shuffle = {
    block,
    neighbours: 'pixels',
    crop: phases.map(({ crop }) => crop),
    size: axes.map(({ out }) => out),
  };
  const plain = countOf(block) === 1 && sameShape(sums, shuffle.size);
  const [rows, bias] = [`${outputs[0]}~w`, `${outputs[0]}~b`];
  const convAttrs: ConvAttrs = {
    kernel: phases.map(({ taps }) => taps),
    strides: axes.map(() => 1),
    pads: [...phases.map(({ before }) => before), ...phases.map(({ after }) => after)],
    autoPad: 'NOTSET',
    dilations: phases.map(({ dilation }) => dilation),
    groups: attrs.groups,
    ...(plain ? {} : { shuffle }),
  };
  const constants = new Map([[rows, rowsOf(w, attrs.groups, axes, phases)]]);
  if (b !== undefined) constants.set(bias, repeated(b, countOf(block)));
  return [{ op: conv, attrs: convAttrs, inputs: [at(inputs, 0), ...constants.keys()], outputs, constants }];
}

/**
 * Each input times the weights is added to the outputs around it. X[N,C,spatial...], W[C,M/group,kernel...], optional
 * B[M]. ONNX ConvTranspose-1, 11, 22.
 */
export const convTranspose: ImportedOp<ConvTransposeAttrs> = {
  kind: 'convTranspose',
  restrictions: 'one or two spatial axes; constant weights',
  onnx: {
    ConvTranspose: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        ...parseWindow(attributes),
        groups: attributes.int('group', 1),
        outputPadding: attributes.ints('output_padding') ?? [],
        outputShape: attributes.ints('output_shape') ?? [],
      }),
    },
  },
  infer: (attrs, inputs) => [typeOf(attrs, inputs)],
  reference: (attrs, inputs) => [scattered(attrs, inputs)],
  canonicalize: canonical,
};
