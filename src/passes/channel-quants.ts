/**
 * Operators on activations with a grid for each channel. A layer computes on one grid (scale S, zero point Z) all the
 * same: what it reads and makes are maps of each channel of numbers on that grid,
 *
 *   s (q - z) = g x + h,  x = S (q - Z),  g = s / S,  h = s (Z - z)
 *
 * and maps go into rows, columns, bias, padding and bounds as those of a batch normalization do.
 */
import { at, must } from '../base/errors.ts';
import { largestSize } from '../base/extremes.ts';
import type { ChannelMap } from '../ir/graph/affine.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { InputType, NodeView, QuantizeContext, Range, ScaleContext } from '../ir/graph/op.ts';
import type { QuantizedMac } from '../ir/integers/mac.ts';
import { holding, noFinerThan, quantOf } from '../ir/integers/quant.ts';
import { type ChannelGrid, channelGrids, perChannel, type Quant } from '../ir/kernel/stored.ts';
import { channelCount } from '../ir/tensor.ts';
import { handedOn } from './channel-grids.ts';

interface Work {
  readonly graph: Graph<'float'>;
  readonly node: Node;
  readonly scale: ScaleContext<unknown>;
  /** Of what the node makes, where each channel has a grid. */
  readonly ranges: readonly Range[] | undefined;
  readonly inputMean: Float64Array | undefined;
}

interface Made {
  readonly quant: Quant;
  readonly quantized: unknown;
}

type Channels = readonly ChannelGrid[];

/** The grid that layers compute on. */
function wholeOf(quant: Quant): Quant {
  const { channels: _, ...whole } = quant;
  return whole;
}

/** From numbers on the whole grid to real ones. */
const toReal = (channels: Channels, { scale, zeroPoint }: Quant): ChannelMap => ({
  gain: channels.map((grid) => grid.scale / scale),
  shift: channels.map((grid) => grid.scale * (zeroPoint - grid.zeroPoint)),
});

/** From real numbers to those on the whole grid. */
const fromReal = (channels: Channels, { scale, zeroPoint }: Quant): ChannelMap => ({
  gain: channels.map((grid) => scale / grid.scale),
  shift: channels.map((grid) => scale * (grid.zeroPoint - zeroPoint)),
});

const wholeRange = ({ scale, zeroPoint }: Quant): Range => ({
  lo: scale * (0 - zeroPoint),
  hi: scale * (255 - zeroPoint),
});

/** The layer on whole grids. */
function remade(
  node: NodeView<unknown> & Pick<Node, 'op'>,
  input: Quant | undefined,
  output: Quant | undefined,
): Pick<NodeView<unknown>, 'attrs' | 'inputTypes'> {
  const { affine } = node.op;
  if (affine.kind !== 'weighted') return node;
  let made: Pick<NodeView<unknown>, 'attrs' | 'inputTypes'> = node;
  const apply = (rule: 'before' | 'after', f: ChannelMap): void => {
    const { attrs, constants } = must(
      affine[rule](f, { ...node, ...made }),
      'a map that was asked for before',
    );
    const types = Object.values(constants).map((constant): InputType => ({ ...constant, constant }));
    made = { attrs, inputTypes: [made.inputTypes[0], ...types] };
  };
  if (input?.channels !== undefined) apply('before', toReal(input.channels, input));
  if (output?.channels !== undefined) apply('after', fromReal(output.channels, output));
  return made;
}

/** The mean of each input channel on the whole grid; without one, what weights are rounded about. */
function meanOn(input: Quant, mean: Float64Array | undefined): Float64Array | undefined {
  if (input.channels === undefined) return mean;
  const { gain, shift } = fromReal(input.channels, input);
  return Float64Array.from(input.channels, ({ scale, zeroPoint }, c) => {
    const middle = zeroPoint < 0 || zeroPoint > 255 ? scale * (127.5 - zeroPoint) : 0;
    return at(gain, c) * (mean === undefined ? middle : at(mean, c)) + (shift[c] as number);
  });
}

/** The real value of a step of each weight. */
function withSteps(quantized: unknown, given: InputType | undefined, used: InputType | undefined): unknown {
  if (typeof quantized !== 'object' || quantized === null || !('weightScales' in quantized)) return quantized;
  const mac = quantized as QuantizedMac;
  const [real, whole] = [must(given?.constant, 'weights').data, must(used?.constant, 'weights').data];
  const terms = whole.length / mac.weightScales.length;
  const steps = Float64Array.from(whole, (w: number, i: number) => {
    const step = at(mac.weightScales, Math.floor(i / terms));
    return w === 0 ? step : (step * at(real, i)) / w;
  });
  return { ...mac, steps };
}

/** The steps of rows of which each is a multiple of a row on a given step. */
function stepsOf(
  steps: Float64Array,
  given: InputType | undefined,
  made: InputType | undefined,
): Float64Array {
  const largestIn = (type: InputType | undefined, row: number): number => {
    const { data } = must(type?.constant, 'weights');
    const terms = data.length / steps.length;
    return largestSize(Float64Array.from(data.subarray(row * terms, (row + 1) * terms)));
  };
  return steps.map((step, row) => (step === 0 ? 0 : (step * largestIn(made, row)) / largestIn(given, row)));
}

function layer(
  { node, scale, ranges, inputMean }: Work,
  output: (context: ScaleContext<unknown>) => Quant,
): Made {
  const input = must(scale.inputQuants[0], 'the input is quantized');
  const inputQuants = [wholeOf(input), ...scale.inputQuants.slice(1)];
  const view = { ...scale, ...node, inputTypes: scale.inputTypes };
  const wanted = ranges && perChannel(ranges.map((range) => quantOf(range)));
  const on = (quant: Quant | undefined): ScaleContext<unknown> => {
    const { attrs, inputTypes } = remade(view, input, quant);
    const steps = scale.weightSteps;
    return {
      ...scale,
      attrs,
      inputTypes,
      ...(steps === undefined ? {} : { weightSteps: stepsOf(steps, scale.inputTypes[1], inputTypes[1]) }),
      inputQuants,
      range: quant === undefined ? scale.range : wholeRange(quant),
    };
  };
  const fine = output(on(wanted));
  const quant = ranges === undefined || wanted === undefined ? fine : coarsened(wanted, ranges, fine.scale);
  const whole = wholeOf(quant);
  const context: QuantizeContext<unknown> = {
    ...on(quant),
    outputQuant: whole,
    outputQuants: [whole],
    inputMean: meanOn(input, inputMean),
  };
  const quantized = node.op.quantize?.(context);
  return { quant, quantized: withSteps(quantized, scale.inputTypes[1], context.inputTypes[1]) };
}

/** All channels coarser alike, where the layer cannot serve the largest step. */
function coarsened(wanted: Quant, ranges: readonly Range[], step: number): Quant {
  const more = step / wanted.scale;
  if (more <= 1 + 1e-9) return wanted;
  const channels = must(wanted.channels, 'grids of channels');
  return perChannel(ranges.map((range, c) => noFinerThan(more * at(channels, c).scale, range)));
}

/** Of one channel of each input. */
const channelOf = (quants: readonly (Quant | undefined)[], c: number): readonly (Quant | undefined)[] =>
  quants.map((quant) => quant && (quant.channels?.[c] ?? quant));

function computed({ node, scale, ranges }: Work, output: (context: ScaleContext<unknown>) => Quant): Made {
  const quant =
    ranges === undefined
      ? output(scale)
      : perChannel(
          ranges.map((range, c) => output({ ...scale, inputQuants: channelOf(scale.inputQuants, c), range })),
        );
  const context = { ...scale, outputQuant: quant, outputQuants: [quant], inputMean: undefined };
  return { quant, quantized: node.op.quantize?.(context) };
}

/** What hands channels on computes on the whole grid, or moves bytes. */
function handed(
  { graph, node, scale, ranges }: Work,
  output: (context: ScaleContext<unknown>) => Quant,
): Made {
  const sources = must(handedOn(graph, node), `'${node.name}' hands channels on`);
  const grids = node.inputs.map((_, i) => {
    const quant = scale.inputQuants[i];
    return quant && channelGrids(quant, channelCount(must(scale.inputTypes[i], 'a type').shape));
  });
  const channels = sources.map(({ input, channel }) =>
    must(grids[input]?.[channel], 'the grid of a channel'),
  );
  const quantize = (context: ScaleContext<unknown>, outputQuant: Quant): unknown =>
    node.op.quantize?.({ ...context, outputQuant, outputQuants: [outputQuant], inputMean: undefined });
  const moved = perChannel(channels);
  if (node.op.channelSources !== undefined) return { quant: moved, quantized: quantize(scale, moved) };
  const from = must(scale.inputQuants[0], 'the input is quantized');
  const whole = wholeOf(from);
  const { gain, shift } = fromReal(channels, from);
  const range = must(ranges, 'ranges of channels')
    .map(({ lo, hi }, c) => ({ lo: at(gain, c) * lo + at(shift, c), hi: at(gain, c) * hi + at(shift, c) }))
    .reduce((all, { lo, hi }) => holding(all, [lo, hi]));
  const context = { ...scale, inputQuants: [whole], range };
  const made = output(context);
  const quantized = quantize(context, made);
  if (made.scale === whole.scale && made.zeroPoint === whole.zeroPoint) return { quant: moved, quantized };
  const f = toReal(channels, from);
  const quant = perChannel(
    channels.map((_, c) => {
      const scale = at(f.gain, c) * made.scale;
      return { scale, zeroPoint: made.zeroPoint - at(f.shift, c) / scale };
    }),
  );
  return { quant, quantized };
}

/** Undefined where all that the node reads and makes has one grid each. @throws InputError naming the node */
export function quantizedOnChannels(work: Work): Made | undefined {
  const { node, scale, ranges } = work;
  const { op } = node;
  if (ranges === undefined && scale.inputQuants.every((quant) => quant?.channels === undefined))
    return undefined;
  const output = (context: ScaleContext<unknown>): Quant =>
    op.outputQuant?.(context, 0) ?? quantOf(context.range);
  if (op.affine.kind === 'weighted') return layer(work, output);
  return op.channelGrids === undefined ? handed(work, output) : computed(work, output);
}
