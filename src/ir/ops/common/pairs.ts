/** Operators on pairs of elements, of activations or constants, with ONNX broadcasting and in any orders of memory. */
import { at, must } from '../../../base/errors.ts';
import { largestOf, smallestOf } from '../../../base/extremes.ts';
import { broadcastIndex, broadcastTo } from '../../geometry/broadcast.ts';
import type { Channels } from '../../graph/channels.ts';
import type { Steps, Value } from '../../graph/gradient.ts';
import type {
  CanonicalOp,
  InputType,
  KernelContext,
  QuantizeContext,
  RequantMode,
  ScaleContext,
} from '../../graph/op.ts';
import { holding, noFinerThan, quantOf } from '../../integers/quant.ts';
import { int } from '../../kernel/builders.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { spatialOrder } from '../../kernel/memory-order.ts';
import { channelGrids, elemOf, type Quant, type StoredTensor, storageOf } from '../../kernel/stored.ts';
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
import {
  type FileFloats,
  type FileProduct,
  fileFloatsValue,
  fileProductValue,
} from '../kernels/file-pairs.ts';
import { opaqueChannels, sameChannels } from './channel-flows.ts';
import { inferPair, pairwise } from './elementwise.ts';

/** By operand; undefined for activations. */
export type Constants = readonly (Tensor | undefined)[];

/** The operands' grids: a constant has one of its own, which holds 0, and 16 bits beside others of 16. */
export const gridsOf = (c: ScaleContext<unknown>): readonly Quant[] =>
  c.inputQuants.map((quant, i) => {
    if (quant !== undefined) return quant;
    const { data, integers } = must(c.inputTypes[i]?.constant, 'what is no activation is constant');
    if (integers?.grid !== undefined) return fileGridOf(integers.grid, at(integers.steps, 0));
    const isWide = c.outputBits === 16 || c.inputQuants.some((other) => other?.bits === 16);
    return quantOf(holding({ lo: smallestOf(data), hi: largestOf(data) }, [0]), isWide ? 16 : undefined);
  });

const fileGridOf = ({ type, zeroPoint }: NonNullable<FileIntegers['grid']>, scale: number): Quant => ({
  scale,
  zeroPoint: zeroPoint + (type === 'int8' ? 128 : 0),
  file: type,
});

/** Whether operands and output are on grids of the model's file, with the arithmetic of onnxruntime asked for. */
export const isOfFile = (mode: RequantMode, grids: readonly Quant[]): boolean =>
  mode === 'ort-float' && grids.every(({ file }) => file !== undefined);

/** Constants as they are stored on their grids. */
export const bytesOf = ({ inputTypes }: ScaleContext<unknown>, grids: readonly Quant[]): Constants =>
  inputTypes.map((type, i): Tensor | undefined => {
    if (type?.constant === undefined) return undefined;
    const grid = at(grids, i);
    // The end of a range whose 0 was rounded up is half a step beyond the last number.
    const { lo, hi } = storageOf(grid);
    const stored = Array.from(type.constant.data, (x) =>
      Math.max(lo, Math.min(hi, Math.round(x / grid.scale) + grid.zeroPoint)),
    );
    return grid.bits === 16
      ? { dtype: 'int16', shape: type.shape, data: Int16Array.from(stored) }
      : { dtype: 'uint8', shape: type.shape, data: Uint8Array.from(stored) };
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
    if (constant === undefined) {
      const place = must(activations.next().value, 'what is no constant is an activation');
      const operand = { length: countOf(place.shape), at: positions(place, output) };
      return { ...operand, elem: elem === 'f32' ? elem : elemOf(place) };
    }
    const operand = { length: countOf(constant.shape), at: positions(constant, output) };
    const name = `${context.name}_constant${i}`;
    const says = `A constant operand of the model, row-major${elem === 'f32' ? '' : ', quantized'}.`;
    if (elem === 'f32')
      return { ...operand, table: { name, elem, data: Float32Array.from(constant.data), says } };
    return constant.dtype === 'int16'
      ? { ...operand, table: { name, elem: 'i16', data: Int16Array.from(constant.data), says } }
      : { ...operand, table: { name, elem: 'u8', data: Uint8Array.from(constant.data), says } };
  });
}

/** How a value is computed of both elements, and of numbers of their channel. */
export interface PairValue extends Pick<Elementwise, 'value' | 'tables'> {
  /** A list for each such number, by channel; their values follow those of the operands. Absent: none. */
  readonly channels?: Readonly<Record<string, readonly number[]>>;
}

/** @param what what the comment above the kernel calls it */
export function pairKernel(
  what: string,
  context: KernelContext,
  elem: 'u8' | 'f32',
  constants: Constants,
  { channels = {}, value, tables = [] }: PairValue,
): Kernel {
  const output = must(context.outputs[0], 'an output');
  const doc = docOf(what, context.inputs, output, elem);
  const pair = operandsOf(context, elem, constants);
  const lists = Object.entries(channels);
  const isOne = (list: readonly number[]): boolean => list.every((x) => x === list[0]);
  const place = { shape: output.shape.map((n, axis) => (axis === 1 ? n : 1)) };
  const read = lists.flatMap(([name, list]): readonly Operand[] => {
    const table = {
      name: `${context.name}_${name}`,
      elem: 'i32',
      data: Int32Array.from(list),
      says: 'By channel.',
    } as const;
    return isOne(list) ? [] : [{ length: list.length, at: positions(place, output), table }];
  });
  return elementwise({
    name: context.name,
    doc,
    elem: elem === 'f32' ? elem : elemOf(output),
    operands: [...pair, ...read],
    count: countOf(output.shape),
    tables,
    value(x, hold) {
      const loaded = x.slice(pair.length).values();
      const own = lists.map(([, list]) =>
        isOne(list) ? int(at(list, 0)) : must(loaded.next().value, 'a number of the channel'),
      );
      return value([...x.slice(0, pair.length), ...own], hold);
    },
  });
}

/** Whether axis 1 is that of the channels of both, and of what is made of them. */
export const pairChannelGrids = (
  _attrs: unknown,
  inputs: readonly (InputType | undefined)[],
): true | undefined => {
  const shapes = inputs.flatMap((type) =>
    type === undefined || type.constant !== undefined ? [] : [type.shape],
  );
  const [first] = shapes;
  const alike = shapes.every((shape) => shape.length === first?.length && shape[0] === 1);
  return first !== undefined && first.length > 1 && alike ? true : undefined;
};

/** By channel of the output: the grids of the operands, and its own. */
export type PairChannels = readonly { readonly operands: readonly Quant[]; readonly output: Quant }[];

/** Undefined where all have one for all channels. */
export function channelsOfPair(c: QuantizeContext<unknown>): PairChannels | undefined {
  const grids = gridsOf(c);
  if ([...grids, c.outputQuant].every(({ channels }) => channels === undefined)) return undefined;
  const count = channelCount(must(c.outputTypes[0], 'an output').shape);
  const lists = [...grids, c.outputQuant].map((quant) => channelGrids(quant, count));
  return Array.from({ length: count }, (_, channel) => {
    const own = lists.map((list) => must(list[channel], 'a grid of the channel'));
    return { operands: own.slice(0, -1), output: must(own.at(-1), 'that of the output') };
  });
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

/** What the integers are, of each channel where those have grids of their own, and the constants. */
export type QuantizedPair<Q> = {
  readonly constants: Constants;
} & (
  | { readonly integers: Q; readonly channels?: readonly Q[] }
  | { readonly product: FileProduct }
  | { readonly floats: FileFloats }
);

export interface Pair<Q> {
  readonly kind: string;
  /** What the comment above its kernel calls it. */
  readonly title: string;
  value(x: number, y: number): number;
  readonly float32: Elementwise['value'];
  /** The finest step of the output that the integers serve. @param isWide a tensor among them has 16 bits */
  finest(grids: readonly Quant[], isWide: boolean): number;
  integers(grids: readonly Quant[], output: Quant): Q;
  /** The product for which onnxruntime has a kernel of its own; absent: it computes in float32 in between. */
  readonly fileProduct?: (grids: readonly Quant[], output: Quant) => FileProduct;
  /** @param name of the kernel, for tables */
  int8(integers: Q, name: string): Pick<Elementwise, 'value' | 'tables'>;
  /** The same where channels have grids of their own. Absent: it knows none. */
  readonly byChannel?: {
    integers(channels: PairChannels): readonly Q[];
    int8(integers: readonly Q[]): PairValue;
  };
  gradient(steps: Steps, x: Value, y: Value): Value;
  /** As `CanonicalOp.sixteen`. */
  readonly sixteen?: 'both';
}

function pairValue<Q>(f: Pair<Q>, q: QuantizedPair<Q>, name: string): PairValue {
  if ('product' in q) return { value: (x) => fileProductValue(q.product, x) };
  if ('floats' in q) return { value: (x, hold) => fileFloatsValue(q.floats, f.float32, x, hold) };
  return (q.channels && f.byChannel?.int8(q.channels)) ?? f.int8(q.integers, name);
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
  outputQuant: (c) => {
    const grids = gridsOf(c);
    const isWide = c.outputBits !== undefined || grids.some(({ bits }) => bits !== undefined);
    return noFinerThan(f.finest(grids, isWide), c.range, c.outputBits);
  },
  servesFile: (c) => isOfFile(c.mode, gridsOf(c)),
  ...(f.byChannel === undefined ? {} : { channelGrids: pairChannelGrids }),
  ...(f.sixteen === undefined ? {} : { sixteen: f.sixteen }),
  quantize(c) {
    const [grids, output] = [gridsOf(c), c.outputQuant];
    const constants = bytesOf(c, grids);
    if (isOfFile(c.mode, [...grids, output]))
      return f.fileProduct === undefined
        ? { constants, floats: { grids, output } }
        : { constants, product: f.fileProduct(grids, output) };
    const channels = channelsOfPair(c);
    const own = channels && f.byChannel?.integers(channels);
    return {
      constants,
      integers: f.integers(grids, output),
      ...(own === undefined ? {} : { channels: own }),
    };
  },
  rows: undefined,
  gradient: { of: (_attrs, steps) => f.gradient(steps, ...pairValues(steps)) },
  int8(_attrs, q, context) {
    return pairKernel(f.title, context, 'u8', q.constants, pairValue(f, q, context.name));
  },
  float32: (_attrs, context, constants) =>
    pairKernel(f.title, context, 'f32', constants, { value: f.float32 }),
});
