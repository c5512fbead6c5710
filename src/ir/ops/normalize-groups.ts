import { at, complain, must } from '../../base/errors.ts';
import { largestOf } from '../../base/extremes.ts';
import { broadcastIndex, broadcastShape } from '../geometry/broadcast.ts';
import type { ChannelMap, Remade } from '../graph/affine.ts';
import type { Channels } from '../graph/channels.ts';
import type { Steps, Value } from '../graph/gradient.ts';
import type { CanonicalOp, InputType, KernelContext, NodeView } from '../graph/op.ts';
import { noFinerThan } from '../integers/quant.ts';
import type { Clamp } from '../integers/row-clamp.ts';
import { positionsOf } from '../kernel/memory-order.ts';
import { elemOf, type Quant } from '../kernel/stored.ts';
import { countOf, floats, type Shape, sameShape, showShape, type Tensor } from '../tensor.ts';
import { absorbClip } from './common/absorb.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { constantOf, required, requireFloats } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { alongAxes, groupsOf, otherAxes } from './kernels/axis-lines.ts';
import { clampWords, docOf } from './kernels/doc.ts';
import {
  longestNormalized,
  longestWide,
  type Normalization,
  normalizeFloat32,
  normalizeInt8,
  type Place,
  type QuantizedNormalization,
  quantizedNormalization,
} from './kernels/group-norm.ts';
import { groupsBy } from './reduce.ts';

export interface NormalizeAttrs {
  /** The input's elements, row-major, under another shape; the output has the input's. */
  readonly view: Shape;
  /** Of the view, ascending: along these lie what is normalized together. */
  readonly axes: readonly number[];
  readonly epsilon: number;
  /** Applied to the output. */
  readonly clamp?: Clamp;
}

/** Gains and shifts, 1 and 0 where they are omitted, under one shape that broadcasts to the view. */
export interface Parameters {
  readonly shape: Shape;
  readonly gain: readonly number[];
  readonly shift: readonly number[];
}

export function parametersOf(gain: Tensor | undefined, shift: Tensor | undefined): Parameters {
  const shape = broadcastShape(gain?.shape ?? [], shift?.shape ?? []);
  const all = (tensor: Tensor | undefined, otherwise: number): readonly number[] =>
    tensor === undefined
      ? new Array<number>(countOf(shape)).fill(otherwise)
      : Array.from(broadcastIndex(tensor.shape, shape), (from) => at(tensor.data, from));
  return { shape, gain: all(gain, 1), shift: all(shift, 0) };
}

/** (x - mean) / sqrt(variance + epsilon), of one group in place. */
function normalizeGroup(values: Float64Array, centred: boolean, epsilon: number): void {
  const mean = centred ? values.reduce((sum, x) => sum + x, 0) / values.length : 0;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / values.length + epsilon);
  for (let i = 0; i < values.length; i++) values[i] = (at(values, i) - mean) / deviation;
}

function normalized(
  { view, axes, epsilon, clamp }: NormalizeAttrs,
  centred: boolean,
  [input, gain, shift]: readonly (Tensor | undefined)[],
): Tensor {
  const x = must(input, 'an input');
  const parameters = parametersOf(gain, shift);
  const which = broadcastIndex(parameters.shape, view);
  const members = alongAxes(view, axes);
  const made = new Float64Array(x.data.length);
  const group = new Float64Array(members.length);
  for (const start of alongAxes(view, otherAxes(view, axes))) {
    for (let i = 0; i < group.length; i++) group[i] = at(x.data, start + at(members, i));
    normalizeGroup(group, centred, epsilon);
    members.forEach((member, i) => {
      const p = at(which, start + member);
      const y = at(group, i) * at(parameters.gain, p) + at(parameters.shift, p);
      made[start + member] = Math.min(Math.max(y, clamp?.lo ?? -Infinity), clamp?.hi ?? Infinity);
    });
  }
  return rounded(x.dtype, x.shape, made);
}

type Inputs = readonly (InputType | undefined)[];

function infer({ view, axes }: NormalizeAttrs, inputs: Inputs) {
  requireFloats(inputs);
  const { dtype, shape } = required(inputs, 0, 'X');
  if (countOf(view) !== countOf(shape) || axes.length === 0)
    throw complain(
      `a normalization of ${showShape(shape)} along axes ${axes.join(', ')} of ${showShape(view)}`,
    );
  const parameters = inputs.slice(1).reduce<Shape>((all, p) => broadcastShape(all, p?.shape ?? []), []);
  if (!sameShape(broadcastShape(parameters, view), view))
    throw complain(
      `scales of shape ${showShape(parameters)} for ${showShape(view)}`,
      'shapes that broadcast',
    );
  return [{ dtype, shape }];
}

const constantAt = (inputs: Inputs, index: number): Tensor | undefined =>
  constantOf(inputs[index], index === 1 ? 'scale' : 'bias');

const parametersIn = (inputs: Inputs): Parameters =>
  parametersOf(constantAt(inputs, 1), constantAt(inputs, 2));

const sizeOf = ({ view, axes }: NormalizeAttrs): number => countOf(axes.map((axis) => at(view, axis)));

const definitionOf = (
  attrs: NormalizeAttrs,
  centred: boolean,
  { shape, gain, shift }: Parameters,
): Normalization => ({
  centred,
  epsilon: attrs.epsilon,
  parameters: shape,
  gain,
  shift,
  ...(attrs.clamp === undefined ? {} : { clamp: attrs.clamp }),
});

function placeOf(
  title: string,
  { view, axes, clamp }: NormalizeAttrs,
  shape: Shape,
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
): Place {
  const [input, output] = [must(inputs[0], 'an input'), must(outputs[0], 'an output')];
  const groups = groupsOf(view, axes, [positionsOf(input), broadcastIndex(shape, view)]);
  const doc = docOf(`${title} of ${groups.size}${clampWords(clamp)}`, [input], output, elem);
  const elems = elem === 'f32' ? { elem, outElem: elem } : { elem: elemOf(input), outElem: elemOf(output) };
  return { name, doc, groups, count: countOf(view), ...elems };
}

/** Steps no finer than what gains of 16 bits can make of a normalized number, and shifts of 30. */
function finestStep({ gain, shift }: Parameters): number {
  const spread =
    shift.reduce((most, h) => Math.max(most, h), -Infinity) -
    shift.reduce((least, h) => Math.min(least, h), Infinity);
  return Math.max(largestOf(gain.map(Math.abs)) / 2 ** 12, spread / 2 ** 20);
}

/** Whether each channel is normalized by itself, with one gain and one shift. */
const byChannel = ({ view, axes }: NormalizeAttrs, inputs: Inputs, parameters: Shape): boolean =>
  sameShape(view, required(inputs, 0, 'X').shape) &&
  axes.every((axis) => axis >= 2) &&
  parameters.every((n, i) => n === 1 || i - parameters.length + view.length === 1);

function channelsOf(attrs: NormalizeAttrs, inputs: Inputs): Channels<NormalizeAttrs> {
  const parameters = parametersIn(inputs);
  const { view } = attrs;
  if (!byChannel(attrs, inputs, parameters.shape)) return opaqueChannels();
  const channels = at(view, 1);
  const ofChannel = (values: readonly number[], c: number): number =>
    values.length === 1 ? at(values, 0) : at(values, c);
  const kept = (values: readonly number[], which: readonly number[]): Tensor =>
    floats(
      [which.length, ...view.slice(2).map(() => 1)],
      Float32Array.from(which, (c) => ofChannel(values, c)),
    );
  return {
    flow: 'kept',
    isSilent: (c) => ofChannel(parameters.shift, c) === 0,
    reduced: (which) => ({
      attrs: { ...attrs, view: view.with(1, which.length) },
      constants:
        which.length === channels
          ? []
          : [undefined, kept(parameters.gain, which), kept(parameters.shift, which)],
    }),
  };
}

/** f of what comes out: gains times gains. */
function mapAfter(
  f: ChannelMap,
  { attrs, inputTypes }: NodeView<NormalizeAttrs>,
): Remade<NormalizeAttrs> | undefined {
  const { shape } = required(inputTypes, 0, 'X');
  if (attrs.clamp !== undefined || f.clamp !== undefined || !sameShape(shape, attrs.view)) return undefined;
  const own = parametersIn(inputTypes);
  const channels = [at(shape, 1), ...shape.slice(2).map(() => 1)];
  const made = broadcastShape(own.shape, channels);
  const [from, which] = [broadcastIndex(own.shape, made), broadcastIndex(channels, made)];
  const numbers = (g: (i: number) => number) => floats(made, Float32Array.from(from.keys(), g));
  const gainAt = (i: number): number => at(f.gain, at(which, i));
  return {
    attrs,
    constants: {
      scale: numbers((i) => at(own.gain, at(from, i)) * gainAt(i)),
      bias: numbers((i) => at(own.shift, at(from, i)) * gainAt(i) + at(f.shift, at(which, i))),
    },
  };
}

function normalizedSteps(attrs: NormalizeAttrs, centred: boolean, steps: Steps): Value {
  const { view, axes, epsilon, clamp } = attrs;
  const x = steps.input(0);
  const rows = { starts: alongAxes(view, otherAxes(view, axes)), members: alongAxes(view, axes) };
  const group = groupsBy(countOf(view), rows);
  const mean = (of: Value, more = 0): Value =>
    steps.fixed(
      [rows.starts.length],
      (i) => Array.from(rows.members, (m) => [of, at(rows.starts, i) + m, 1 / rows.members.length] as const),
      () => more,
    );
  const means = centred ? mean(x) : undefined;
  const less = steps.fixed(x.shape, (i) => [
    [x, i, 1],
    ...(means === undefined ? [] : [[means, at(group, i), -1] as const]),
  ]);
  const over = steps.curve(mean(steps.product(less, less), epsilon), {
    kind: 'power',
    attrs: { exponent: -0.5 },
  });
  const normal = steps.product(
    less,
    steps.fixed(x.shape, (i) => [[over, at(group, i), 1]]),
  );
  const { shape, gain, shift } = parametersOf(steps.constant(1), steps.constant(2));
  const which = broadcastIndex(shape, view);
  const scaled = steps.fixed(
    steps.output,
    (i) => [[normal, i, at(gain, at(which, i))]],
    (i) => at(shift, at(which, i)),
  );
  return steps.clamp(scaled, clamp);
}

function requireShort(attrs: NormalizeAttrs, { bits }: Quant): void {
  const longest = bits === undefined ? longestNormalized : longestWide;
  if (sizeOf(attrs) <= longest) return;
  throw complain(
    `a normalization of ${sizeOf(attrs)} elements in ${bits ?? 8} bits`,
    `at most ${longest}`,
    'normalize smaller groups, or compile with --arith float32',
  );
}

const operator = (
  kind: string,
  title: string,
  centred: boolean,
): CanonicalOp<NormalizeAttrs, QuantizedNormalization> => ({
  kind,
  infer,
  reference: (attrs, inputs) => [normalized(attrs, centred, inputs)],
  reads: strided,
  channels: channelsOf,
  affine: { kind: 'weighted', after: mapAfter, before: () => undefined },
  absorb: ({ attrs }, next) => absorbClip(attrs, next) as NormalizeAttrs | undefined,
  elementwise: false,
  ...(centred ? { anyZeroPoint: 'computes' } : {}),
  outputQuant: ({ inputTypes, range, outputBits }) =>
    noFinerThan(finestStep(parametersIn(inputTypes)), range, outputBits),
  sixteen: 'both',
  quantize({ attrs, inputTypes, inputQuants, outputQuant }) {
    const input = must(inputQuants[0], 'the input is quantized');
    requireShort(attrs, input);
    const definition = definitionOf(attrs, centred, parametersIn(inputTypes));
    return quantizedNormalization(definition, sizeOf(attrs), input, outputQuant);
  },
  rows: undefined,
  gradient: { of: (attrs, steps) => normalizedSteps(attrs, centred, steps) },
  int8: (attrs, q, context) => normalizeInt8(placeOf(title, attrs, q.parameters, context, 'u8'), q),
  float32(attrs, context, constants) {
    const parameters = parametersOf(constants[1], constants[2]);
    const place = placeOf(title, attrs, parameters.shape, context, 'f32');
    return normalizeFloat32(place, definitionOf(attrs, centred, parameters));
  },
});

/** (x - mean) / sqrt(variance + epsilon) * scale + bias of groups of elements: layer, group and instance normalization. */
export const normalize = operator('normalize', 'Normalization', true);

/** x / sqrt(mean of squares + epsilon) * scale + bias of groups of elements. */
export const rmsNormalize = operator('rmsNormalize', 'RMS normalization', false);
