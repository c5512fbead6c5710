import { at, complain, must } from '../../base/errors.ts';
import { movedTo, type Piece, sourcesOf, targetsOf } from '../geometry/strided.ts';
import type {
  CanonicalOp,
  ChannelSource,
  ConstantPadding,
  InputType,
  KernelContext,
  MemoryView,
  QuantizeContext,
  ScaleContext,
} from '../graph/op.ts';
import { saturationOf } from '../integers/mac.ts';
import { quantOf } from '../integers/quant.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { type Order, orderLike, spatialOrder } from '../kernel/memory-order.ts';
import { type Quant, type StoredTensor, storageOf } from '../kernel/stored.ts';
import { channelCount, countOf, numbersFor, type Shape, type Tensor } from '../tensor.ts';
import { opaqueChannels, sameChannels } from './common/channel-flows.ts';
import { required } from './common/inputs.ts';
import { liesAsImage } from './common/reads.ts';
import { nearestAffineSum } from './kernels/affine-sum.ts';
import { movingKernel, type Source, type Ways, waysOf } from './kernels/moving.ts';

export interface MoveAttrs {
  /** Of the output. */
  readonly shape: Shape;
  /** None makes an element that another makes. */
  readonly pieces: readonly Piece[];
  /** What elements are that no piece makes; absent where there are none. */
  readonly fill?: number;
  /** How the output lies, where that is the purpose: `image` is height, width, channel. Absent: as the inputs do. */
  readonly lies?: 'image' | 'rows';
  /** Set where it is the pieces of a constant padding, and nothing else. */
  readonly padding?: ConstantPadding;
  /** What the comment above the kernel says. */
  readonly words: string;
}

/** Of each input, and the byte of what is filled. */
export interface QuantizedMove {
  readonly sources: readonly Source[];
  readonly fill?: number;
}

function moved({ shape, pieces, fill = 0 }: MoveAttrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const { dtype } = required(inputs, 0, 'data');
  const made = { dtype, shape, data: numbersFor(dtype, countOf(shape)).fill(fill) };
  return movedTo(made, pieces, inputs);
}

const sameQuant = (a: Quant, b: Quant): boolean =>
  a.scale === b.scale && a.zeroPoint === b.zeroPoint && a.bits === b.bits;

const storedOf = (real: number, { scale, zeroPoint }: Quant): number => Math.round(real / scale) + zeroPoint;

const saturated = (real: number, quant: Quant): number => {
  const { lo, hi } = storageOf(quant);
  return Math.min(hi, Math.max(lo, storedOf(real, quant)));
};

/** Whether all numbers have a place on the grid. */
const holdsAll = (quant: Quant, numbers: Iterable<number>): boolean => {
  for (const x of numbers) if (saturated(x, quant) !== storedOf(x, quant)) return false;
  return true;
};

/** The inputs' grid where it is one, and what else there is lies on it; otherwise what the range asks for. */
function outputQuant({ attrs, inputQuants, inputTypes, range, outputBits }: ScaleContext<MoveAttrs>): Quant {
  const [first, ...others] = inputQuants.filter((q) => q !== undefined);
  // Several that happen to have one grid of 16 bits say nothing about what reads the whole.
  const isWider = others.length > 0 && first?.bits === 16 && outputBits === undefined;
  if (first === undefined || isWider || !others.every((other) => sameQuant(other, first)))
    return quantOf(range, outputBits);
  const constants = inputTypes.flatMap((type) => type?.constant ?? []);
  const held = constants.every(({ data }) => holdsAll(first, data));
  return held && holdsAll(first, attrs.fill === undefined ? [] : [attrs.fill])
    ? first
    : quantOf(range, outputBits);
}

/** The nearest byte on the output's grid of each byte, halves up. */
function rescaled(from: Quant, to: Quant): readonly number[] {
  return Array.from({ length: 256 }, (_, q) => saturated((q - from.zeroPoint) * from.scale, to));
}

/** @param to undefined for integers, which stand for themselves */
function sourceOf(from: Quant | undefined, constant: Tensor | undefined, to: Quant | undefined): Source {
  if (constant !== undefined) {
    const { data } = constant;
    return { kind: 'constant', data: Array.from(data, (x) => (to === undefined ? x : saturated(x, to))) };
  }
  if (from === undefined || to === undefined || to.channels !== undefined || sameQuant(from, to))
    return { kind: 'activation' };
  if (from.bits === undefined && to.bits === undefined)
    return { kind: 'activation', bytes: rescaled(from, to) };
  return { kind: 'activation', sum: nearestAffineSum([from], to, saturationOf(to, undefined)) };
}

/** As they are stored without grids. */
const unquantized = ({ fill }: MoveAttrs, constants: readonly (Tensor | undefined)[]): QuantizedMove => ({
  sources: constants.map((constant) => sourceOf(undefined, constant, undefined)),
  ...(fill === undefined ? {} : { fill }),
});

function quantized({
  attrs,
  inputQuants,
  inputTypes,
  outputQuant: to,
}: QuantizeContext<MoveAttrs>): QuantizedMove {
  if (!inputQuants.some((quant) => quant !== undefined))
    return unquantized(
      attrs,
      inputTypes.map((type) => type?.constant),
    );
  return {
    sources: inputQuants.map((quant, i) => sourceOf(quant, inputTypes[i]?.constant, to)),
    ...(attrs.fill === undefined ? {} : { fill: saturated(attrs.fill, to) }),
  };
}

function kernelOf(
  { pieces, words }: MoveAttrs,
  { name, inputs, outputs }: KernelContext,
  { sources, fill }: QuantizedMove,
): Kernel {
  const output = must(outputs[0], 'an output');
  const filled = fill === undefined ? {} : { fill };
  return movingKernel({ name, words, sources, inputs, output, pieces, ...filled });
}

/** By how much a run of positions that are all neighbours is moved; undefined where it is no such run. */
function shiftOf({ from, to }: Ways): number | undefined {
  const [first, target] = [from[0], to[0]];
  if (first === undefined || target === undefined) return undefined;
  const alike = from.every((position, i) => position === first + i && to[i] === target + i);
  return alike ? target - first : undefined;
}

/** A stretch of its input, or its inputs one behind the other; none of them on another grid. */
function viewOf(
  { pieces, fill }: MoveAttrs,
  quantized: QuantizedMove | undefined,
  inputs: readonly StoredTensor[],
  output: StoredTensor,
): MemoryView | undefined {
  const changed = quantized?.sources.some(
    (source) => source.kind === 'constant' || source.bytes !== undefined || source.sum !== undefined,
  );
  if (fill !== undefined || changed === true) return undefined;
  const ways = inputs.map((input, i) =>
    waysOf(
      pieces.filter((piece) => piece.input === i),
      input,
      output,
    ),
  );
  const shifts = ways.map(shiftOf);
  const [first] = shifts;
  if (inputs.length === 1 && first !== undefined) return { kind: 'part', offset: -first };
  const whole = ways.every(({ from }, i) => from.length === countOf(at(inputs, i).shape));
  const offsets = shifts.filter((shift) => shift !== undefined);
  return whole && inputs.length > 1 && offsets.length === inputs.length
    ? { kind: 'whole', offsets }
    : undefined;
}

/** Which channel each element of the inputs is of, numbered through all inputs. */
function channelNumbers({ shape }: Shaped, first: number): Tensor {
  const plane = countOf(shape.slice(2));
  const data = Int32Array.from({ length: countOf(shape) }, (_, i) => first + Math.floor(i / plane));
  return { dtype: 'int32', shape, data };
}

type Shaped = Pick<InputType, 'shape'>;

/** Undefined where an output's channel is made of several, of a constant or of what is filled. */
function channelSources(
  { shape, pieces, fill }: MoveAttrs,
  inputs: readonly (InputType | undefined)[],
): readonly ChannelSource[] | undefined {
  const types = inputs.map((type, i) => required([type], 0, `input ${i}`));
  if (fill !== undefined || [shape, ...types.map((type) => type.shape)].some(([batch]) => batch !== 1))
    return undefined;
  if (types.some(({ constant }) => constant !== undefined)) return undefined;
  const sources = types.flatMap(({ shape }, input) =>
    Array.from({ length: channelCount(shape) }, (_, channel): ChannelSource => ({ input, channel })),
  );
  const firsts = types.map((_, input) => sources.findIndex((source) => source.input === input));
  const numbers = types.map((type, i) => channelNumbers(type, at(firsts, i)));
  const { data } = moved({ shape, pieces, words: '' }, numbers);
  const plane = countOf(shape.slice(2));
  const made = Array.from({ length: channelCount(shape) }, (_, c) => at(data, c * plane));
  if (!data.every((n: number, i: number) => n === made[Math.floor(i / plane)])) return undefined;
  return made.map((n) => must(sources[n], 'a source'));
}

/** Whether it hands its one input on, element by element: a copy into another order in memory. */
const isCopy = ({ lies }: MoveAttrs): boolean => lies !== undefined;

function inferMove({ shape, pieces }: MoveAttrs, inputs: readonly (InputType | undefined)[]) {
  const { dtype } = required(inputs, 0, 'data');
  for (const { input } of pieces)
    if (required(inputs, input, 'data').dtype !== dtype)
      throw complain('inputs of several types', 'one type');
  return [{ dtype, shape }];
}

function orderOf({ shape, lies }: MoveAttrs, inputs: readonly StoredTensor[]): Order {
  if (lies !== undefined) return lies === 'image' ? spatialOrder(shape) : undefined;
  if (inputs.some((input) => input.order !== undefined && liesAsImage(input))) return spatialOrder(shape);
  const [only, ...others] = inputs;
  return only === undefined || others.length > 0 ? undefined : orderLike(only, shape);
}

/**
 * Elements of its inputs at other places, each as it is: slices, concatenations, padding, repetition. Where the
 * inputs lie as images do, so does the output; one input's axes keep their order in memory; else the output is row-major.
 */
export const move: CanonicalOp<MoveAttrs, QuantizedMove> = {
  kind: 'move',
  infer: inferMove,
  reference: (attrs, inputs) => [moved(attrs, inputs)],
  order: orderOf,
  view: viewOf,
  channels: (attrs) => (isCopy(attrs) ? sameChannels(attrs) : opaqueChannels()),
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  pads: ({ padding }) => padding,
  anyZeroPoint: 'moves',
  channelSources,
  sixteen: 'both',
  outputQuant,
  quantize: quantized,
  gradient: {
    of({ shape, pieces, fill }, steps) {
      const made = new Array<readonly [input: number, element: number] | undefined>(countOf(shape));
      for (const piece of pieces) {
        const from = sourcesOf(piece);
        targetsOf(piece).forEach((to, i) => {
          made[to] = [piece.input, at(from, i)];
        });
      }
      return steps.fixed(
        steps.output,
        (i) => {
          const source = made[i];
          if (source === undefined || steps.constant(source[0]) !== undefined) return [];
          return [[steps.input(source[0]), source[1], 1]];
        },
        (i) => {
          const [input, element] = made[i] ?? [];
          if (input === undefined || element === undefined) return fill ?? 0;
          const constant = steps.constant(input);
          return constant === undefined ? 0 : at(constant.data, element);
        },
      );
    },
  },
  ownTypes: true,
  int8: (attrs, q, context) => kernelOf(attrs, context, q),
  float32: (attrs, context, constants) => kernelOf(attrs, context, unquantized(attrs, constants)),
};
