import { at, complain, must } from '../../base/errors.ts';
import { type Piece, sourcesOf, targetsOf } from '../geometry/strided.ts';
import type { CanonicalOp, InputType, KernelContext, QuantizeContext, ScaleContext } from '../graph/op.ts';
import { quantOf } from '../integers/quant.ts';
import { type Order, spatialOrder } from '../kernel/memory-order.ts';
import type { Quant, StoredTensor } from '../kernel/stored.ts';
import { countOf, numbersFor, type Shape, type Tensor } from '../tensor.ts';
import { opaqueChannels, sameChannels } from './common/channel-flows.ts';
import { required } from './common/inputs.ts';
import { imagesOrRows } from './common/orders.ts';
import { movingKernel } from './kernels/move.ts';

export interface MoveAttrs {
  /** Of the output. */
  readonly shape: Shape;
  /** None makes an element that another makes. */
  readonly pieces: readonly Piece[];
  /** What elements are that no piece makes; absent where there are none. */
  readonly fill?: number;
  /** How the output lies, where that is the purpose: `image` is height, width, channel. Absent: as the inputs do. */
  readonly lies?: 'image' | 'rows';
  /** What the comment above the kernel says. */
  readonly words: string;
}

/** What bytes of each input become, 256 of each, where its grid is not the output's; and the byte of what is filled. */
export interface QuantizedMove {
  readonly tables: readonly (readonly number[] | undefined)[];
  readonly fill?: number;
}

function moved({ shape, pieces, fill = 0 }: MoveAttrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const { dtype } = required(inputs, 0, 'data');
  const data = numbersFor(dtype, countOf(shape)).fill(fill);
  for (const piece of pieces) {
    const source = required(inputs, piece.input, 'data').data;
    const from = sourcesOf(piece);
    targetsOf(piece).forEach((to, i) => {
      data[to] = at(source, at(from, i));
    });
  }
  return { dtype, shape, data };
}

const sameQuant = (a: Quant, b: Quant): boolean => a.scale === b.scale && a.zeroPoint === b.zeroPoint;

const byteOf = (real: number, { scale, zeroPoint }: Quant): number => Math.round(real / scale) + zeroPoint;
const isByte = (n: number): boolean => n >= 0 && n <= 255;

/** The inputs' grid where it is one, and what is filled has a byte on it; else what the range asks for. */
function outputQuant({ attrs, inputQuants, range }: ScaleContext<MoveAttrs>): Quant {
  const [first, ...others] = inputQuants.map((q) => must(q, 'activations are quantized'));
  const grid = must(first, 'there is an input');
  const held = attrs.fill === undefined || isByte(byteOf(attrs.fill, grid));
  return held && others.every((other) => sameQuant(other, grid)) ? grid : quantOf(range);
}

/** The nearest byte on the output's grid of each byte, halves up. */
const rescaled = (from: Quant, to: Quant): readonly number[] =>
  Array.from({ length: 256 }, (_, q) =>
    Math.min(255, Math.max(0, byteOf((q - from.zeroPoint) * from.scale, to))),
  );

const quantized = ({ attrs, inputQuants, outputQuant: to }: QuantizeContext<MoveAttrs>): QuantizedMove => ({
  tables: inputQuants.map((q) => {
    const from = must(q, 'activations are quantized');
    return sameQuant(from, to) ? undefined : rescaled(from, to);
  }),
  ...(attrs.fill === undefined ? {} : { fill: Math.min(255, Math.max(0, byteOf(attrs.fill, to))) }),
});

const kernelOf = (
  { pieces, words }: MoveAttrs,
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
  { tables, fill }: QuantizedMove,
) =>
  movingKernel({
    name,
    words,
    elem,
    inputs,
    output: must(outputs[0], 'an output'),
    pieces,
    tables,
    ...(fill === undefined ? {} : { fill }),
  });

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
  return inputs.some(({ order }) => order !== undefined) ? spatialOrder(shape) : undefined;
}

/**
 * Elements of its inputs at other places, each as it is: slices, concatenations, padding, repetition. Where the
 * inputs lie as images do, so does the output; else both are row-major.
 */
export const move: CanonicalOp<MoveAttrs, QuantizedMove> = {
  kind: 'move',
  infer: inferMove,
  reference: (attrs, inputs) => [moved(attrs, inputs)],
  reads: (attrs, inputs) => (isCopy(attrs) ? inputs.map(({ order }) => order) : imagesOrRows(attrs, inputs)),
  order: orderOf,
  channels: (attrs) => (isCopy(attrs) ? sameChannels(attrs) : opaqueChannels()),
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  anyZeroPoint: 'moves',
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
          return source === undefined ? [] : [[steps.input(source[0]), source[1], 1]];
        },
        (i) => (made[i] === undefined && fill !== undefined ? fill : 0),
      );
    },
  },
  int8: (attrs, q, context) => kernelOf(attrs, context, 'u8', q),
  float32: (attrs, context) =>
    kernelOf(attrs, context, 'f32', {
      tables: context.inputs.map(() => undefined),
      ...(attrs.fill === undefined ? {} : { fill: attrs.fill }),
    }),
};
