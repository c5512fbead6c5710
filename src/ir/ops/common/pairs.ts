/** Operators on pairs of elements, of activations or constants, with ONNX broadcasting and in any orders of memory. */
import { at, must } from '../../../base/errors.ts';
import { largestOf, smallestOf } from '../../../base/extremes.ts';
import { broadcastIndex, broadcastTo } from '../../geometry/broadcast.ts';
import type { Channels } from '../../graph/channels.ts';
import type { Steps, Value } from '../../graph/gradient.ts';
import type {
  CanonicalOp,
  Hold,
  InputType,
  KernelContext,
  RequantMode,
  ScaleContext,
} from '../../graph/op.ts';
import { holding, noFinerThan, quantOf } from '../../integers/quant.ts';
import type { Expr, Kernel } from '../../kernel/kernel.ts';
import { spatialOrder } from '../../kernel/memory-order.ts';
import type { Quant, StoredTensor } from '../../kernel/stored.ts';
import {
  channelCount,
  countOf,
  type FileIntegers,
  type Shape,
  sameShape,
  type Tensor,
} from '../../tensor.ts';
import { docOf } from '../kernels/doc.ts';
import { type Elementwise, elementwise, type Operand } from '../kernels/elementwise.ts';
import { type FileFloats, fileFloatsValue } from '../kernels/file-pairs.ts';
import { opaqueChannels, sameChannels } from './channel-flows.ts';
import { inferPair, pairwise } from './elementwise.ts';

/** By operand; undefined for activations. */
export type Constants = readonly (Tensor | undefined)[];

/** The operands' grids: a constant has one of its own, which holds 0. */
export const gridsOf = ({ inputQuants, inputTypes }: ScaleContext<unknown>): readonly Quant[] =>
  inputQuants.map((quant, i) => {
    if (quant !== undefined) return quant;
    const { data, integers } = must(inputTypes[i]?.constant, 'what is no activation is constant');
    if (integers?.grid !== undefined) return fileGridOf(integers.grid, at(integers.steps, 0));
    return quantOf(holding({ lo: smallestOf(data), hi: largestOf(data) }, [0]));
  });

const fileGridOf = ({ type, zeroPoint }: NonNullable<FileIntegers['grid']>, scale: number): Quant => ({
  scale,
  zeroPoint: zeroPoint + (type === 'int8' ? 128 : 0),
  file: type,
});

/** Whether operands and output are on grids of the model's file, with the arithmetic of onnxruntime asked for. */
export const isOfFile = (mode: RequantMode, grids: readonly Quant[]): boolean =>
  mode === 'ort-float' && grids.every(({ file }) => file !== undefined);

/** Constants as bytes on their grids. */
export const bytesOf = ({ inputTypes }: ScaleContext<unknown>, grids: readonly Quant[]): Constants =>
  inputTypes.map((type, i): Tensor | undefined => {
    if (type?.constant === undefined) return undefined;
    const { scale, zeroPoint } = at(grids, i);
    const bytes = Uint8Array.from(type.constant.data, (x) => Math.round(x / scale) + zeroPoint);
    return { dtype: 'uint8', shape: type.shape, data: bytes };
  });

/** The numbers that a constant has for each channel (axis 1) of a tensor; undefined where those of one differ. */
export function channelNumbers(constant: Tensor, shape: Shape): readonly number[] | undefined {
  const whole = broadcastTo(constant, shape).data;
  const [plane, channels] = [countOf(shape.slice(2)), channelCount(shape)];
  const numbers = Array.from({ length: channels }, (_, c) => Number(whole[c * plane]));
  const alike = whole.every((x: number, i: number) => x === numbers[Math.floor(i / plane) % channels]);
  return alike ? numbers : undefined;
}

type Place = Pick<StoredTensor, 'shape' | 'order'>;

/** Position in memory by row-major element. */
function placesIn({ order, shape }: Place): Int32Array {
  const count = countOf(shape);
  const places = new Int32Array(count);
  for (let position = 0; position < count; position++) places[order?.[position] ?? position] = position;
  return places;
}

/** Where an operand's element for each position of the output's memory lies. */
export function positions(operand: Place, output: Place): Int32Array {
  const [elements, places] = [broadcastIndex(operand.shape, output.shape), placesIn(operand)];
  return Int32Array.from(elements, (_, position) =>
    at(places, at(elements, output.order?.[position] ?? position)),
  );
}

function operandsOf(context: KernelContext, elem: 'u8' | 'f32', constants: Constants): readonly Operand[] {
  const output = must(context.outputs[0], 'an output');
  const activations = context.inputs.values();
  return constants.map((constant, i): Operand => {
    const place = constant ?? must(activations.next().value, 'what is no constant is an activation');
    const operand = { length: countOf(place.shape), at: positions(place, output) };
    if (constant === undefined) return operand;
    const data = elem === 'f32' ? Float32Array.from(constant.data) : Uint8Array.from(constant.data);
    return { ...operand, table: { name: `${context.name}_constant${i}`, elem, data } };
  });
}

/** @param what what the comment above the kernel calls it */
export function pairKernel(
  what: string,
  context: KernelContext,
  elem: 'u8' | 'f32',
  constants: Constants,
  value: Pick<Elementwise, 'value' | 'tables'>,
): Kernel {
  const output = must(context.outputs[0], 'an output');
  const doc = docOf(what, context.inputs, output, elem);
  const operands = operandsOf(context, elem, constants);
  return elementwise({ name: context.name, doc, elem, operands, count: countOf(output.shape), ...value });
}

/** That of the first activation that has all elements, or as images lie. */
export function pairOrder(
  _attrs: unknown,
  inputs: readonly StoredTensor[],
  output: Shape,
): StoredTensor['order'] {
  const whole = inputs.find(({ shape }) => countOf(shape) === countOf(output));
  return whole === undefined ? spatialOrder(output) : whole.order;
}

/** Two activations with as many channels hand them on; constants have none. */
export function pairChannels<A>(attrs: A, [a, b]: readonly (InputType | undefined)[]): Channels<A> {
  const alike =
    a !== undefined && b !== undefined && a.shape.length === b.shape.length && a.shape[1] === b.shape[1];
  if (!alike || a.constant !== undefined || b.constant !== undefined) return opaqueChannels();
  return sameChannels(attrs);
}

/** An operand repeated to fill the output. */
function operandValue(steps: Steps, index: number): Value {
  const { shape } = must(steps.types[index], 'operands have types');
  const [constant, from] = [steps.constant(index), broadcastIndex(shape, steps.output)];
  if (constant !== undefined)
    return steps.fixed(
      steps.output,
      () => [],
      (i) => at(constant.data, at(from, i)),
    );
  const value = steps.input(index);
  if (sameShape(shape, steps.output)) return value;
  return steps.fixed(steps.output, (i) => [[value, at(from, i), 1]]);
}

export const pairValues = (steps: Steps): readonly [Value, Value] => [
  operandValue(steps, 0),
  operandValue(steps, 1),
];

/** What the integers are, and the constants. */
export type QuantizedPair<Q> = {
  readonly constants: Constants;
} & ({ readonly integers: Q } | { readonly floats: FileFloats });

export interface Pair<Q> {
  readonly kind: string;
  /** What the comment above its kernel calls it. */
  readonly title: string;
  value(x: number, y: number): number;
  readonly float32: Elementwise['value'];
  /** The finest step of the output that the integers serve. */
  finest(grids: readonly Quant[]): number;
  integers(grids: readonly Quant[], output: Quant): Q;
  /** The integers with which onnxruntime has a kernel of its own; absent: it computes in float32 in between. */
  readonly fileIntegers?: (grids: readonly Quant[], output: Quant) => Q;
  /** @param name of the kernel, for tables */
  int8(integers: Q, name: string): Pick<Elementwise, 'value' | 'tables'>;
  gradient(steps: Steps, x: Value, y: Value): Value;
}

/** An operator of every stage, of a function of two numbers. Its tensors hold 0. */
export const pair = <Q>(f: Pair<Q>): CanonicalOp<unknown, QuantizedPair<Q>> => ({
  kind: f.kind,
  infer: (_attrs, inputs) => inferPair(inputs),
  reference: (_attrs, inputs) => [pairwise(inputs, (x, y) => f.value(x, y))],
  real: {
    value: (_attrs, x = Number.NaN, y = Number.NaN) => f.value(x, y),
    float32: (_attrs, x, hold) => f.float32(x, hold),
  },
  channels: (attrs, inputs) => {
    const channels = pairChannels(attrs, inputs);
    return channels.flow === 'opaque' ? channels : { ...channels, isSilent: () => f.value(0, 0) === 0 };
  },
  order: pairOrder,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: true,
  outputQuant: (c) => noFinerThan(f.finest(gridsOf(c)), c.range),
  servesFile: (c) => isOfFile(c.mode, gridsOf(c)),
  quantize(c) {
    const [grids, output] = [gridsOf(c), c.outputQuant];
    const constants = bytesOf(c, grids);
    if (!isOfFile(c.mode, [...grids, output])) return { constants, integers: f.integers(grids, output) };
    if (f.fileIntegers === undefined) return { constants, floats: { grids, output } };
    return { constants, integers: f.fileIntegers(grids, output) };
  },
  rows: undefined,
  gradient: { of: (_attrs, steps) => f.gradient(steps, ...pairValues(steps)) },
  int8(_attrs, q, context) {
    const value =
      'floats' in q
        ? { value: (x: readonly Expr[], hold: Hold) => fileFloatsValue(q.floats, f.float32, x, hold) }
        : f.int8(q.integers, context.name);
    return pairKernel(f.title, context, 'u8', q.constants, value);
  },
  float32: (_attrs, context, constants) =>
    pairKernel(f.title, context, 'f32', constants, { value: f.float32 }),
});
