/**
 * Quantization: every activation gets an affine 8-bit scale, every operator its integers. What each operator
 * makes of its weights stands in its own file; this pass only hands out the scales in order.
 */
import { at, InputError, locate, must } from '../base/errors.ts';
import { channelsOf, type Graph, type Node, staysFloat, type TensorInfo } from '../ir/graph/graph.ts';
import type {
  ByLayer,
  QuantizeContext,
  Range,
  RequantMode,
  ScaleContext,
  WeightBits,
} from '../ir/graph/op.ts';
import { holding, quantOf, rangeOfGrid, steepRange, withCheapZero } from '../ir/integers/quant.ts';
import type { Quant } from '../ir/kernel/stored.ts';
import type { Calibration } from './calibrate.ts';
import { channelRanges } from './channel-grids.ts';
import { quantizedOnChannels } from './channel-quants.ts';
import type { Pass } from './pass.ts';
import { onlyReader, viewOf } from './rewrite.ts';
import { wideGridOf } from './wide-grids.ts';

/** How weights and activations become integers. */
export interface QuantizeOptions {
  readonly mode: RequantMode;
  /** For all layers, or by node name (8 for those without). */
  readonly weightBits: ByLayer<WeightBits>;
  /** By node name, for layers whose weights lie on grids already. */
  readonly weightSteps?: ReadonlyMap<string, Float64Array>;
  /** By node name, for layers whose weights share values. */
  readonly codebooks?: ReadonlyMap<string, Int8Array>;
  readonly biasCorrection: boolean;
  /** Which activations have a grid for each channel: those where it pays when absent, or all that can. */
  readonly channelGrids?: 'all';
  /** The network's input arrives as raw bytes on this scale; undefined: its calibrated range. */
  readonly input?: Quant;
  /** The ranges of each channel of tensors with a grid for each. Absent: as `channelsApart` finds them. */
  readonly byChannel?: ReadonlyMap<string, readonly Range[]>;
  /** Tensors of 16 bits. */
  readonly wide?: { readonly has: (tensor: string) => boolean };
  /** Takes what has no integers; absent: it is thrown. The graph that is then made is not to be compiled. */
  readonly refused?: (node: Node, why: string) => void;
}

/**
 * The pass from float numbers to integers.
 * @throws InputError naming the nodes that have no integer form
 */
export function quantize(calibration: Calibration, options: QuantizeOptions): Pass<'float', 'int8'> {
  return {
    name: 'quantize',
    doc: 'integer operators; per layer the error is bounded by the steps of its weights and activations',
    run: (graph) => quantizeGraph(graph, calibration, options),
  };
}

function quantizeGraph(
  graph: Graph<'float'>,
  calibration: Calibration,
  options: QuantizeOptions,
): Graph<'int8'> {
  const quants = new Map<string, Quant>();
  const byChannel = options.byChannel ?? channelsApart(graph, calibration, options);
  const rangeOf = storedRanges(graph, calibration, { ...options, byChannel });
  const bitsFor = (name: string): 16 | undefined => (options.wide?.has(name) ? 16 : undefined);
  const outputBits = (name: string) => (bitsFor(name) === 16 ? { outputBits: 16 as const } : {});
  for (const input of graph.inputs)
    if (isStored(graph, input))
      quants.set(
        input,
        givenGrid(graph, input) ??
          options.input ??
          wideGridOf(graph, input) ??
          quantOf(rangeOf(input), bitsFor(input)),
      );
  const gridOf = (name: string, i: number, node: Node, scale: ScaleContext<unknown>): Quant => {
    const given = givenGrid(graph, name);
    if (given !== undefined) return served(node, scale, i, given);
    const own = { ...scale, range: rangeOf(name), ...outputBits(name) };
    return wideGridOf(graph, name) ?? node.op.outputQuant?.(own, i) ?? quantOf(own.range, bitsFor(name));
  };
  const integersOf = (node: Node): Node => {
    requireReads(graph, node);
    const made = node.outputs.find((name) => name !== '') ?? '';
    const scale: ScaleContext<unknown> = {
      ...viewOf(graph, node),
      mode: options.mode,
      ...weightsFor(node, options),
      inputQuants: node.inputs.map((name) => quants.get(name)),
      range: rangeOf(made),
      ...outputBits(made),
    };
    const inputMean = meanFor(node, calibration, options);
    const ranges = byChannel.get(made);
    const onChannels = quantizedOnChannels({ graph, node, scale, ranges, inputMean });
    if (onChannels !== undefined) {
      quants.set(made, onChannels.quant);
      return { ...node, ...(node.op.alias ? {} : { quantized: onChannels.quantized }) };
    }
    const outputQuants = node.outputs.map((name, i) =>
      isStored(graph, name) ? gridOf(name, i, node, scale) : undefined,
    );
    node.outputs.forEach((name, i) => {
      const quant = outputQuants[i];
      if (quant !== undefined) quants.set(name, quant);
    });
    const outputQuant = outputQuants.find((quant) => quant !== undefined) ?? itself;
    const insideRange = calibration.insideRanges.get(node.name);
    return quantizeNode(node, { ...scale, outputQuant, outputQuants, inputMean, insideRange });
  };
  const nodes = graph.nodes.map((node) =>
    locate(`node '${node.name}'`, () => {
      if (staysFloat(graph, node)) return node;
      try {
        return integersOf(node);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        if (options.refused === undefined) throw withFloatAdvice(error, node);
        options.refused(node, error.complaint.found);
        for (const name of node.outputs) if (isStored(graph, name)) quants.set(name, quantOf(rangeOf(name)));
        return node;
      }
    }),
  );
  const tensors = new Map(
    [...graph.tensors].map(([name, info]): [string, TensorInfo<'int8'>] => {
      const quant = quants.get(name);
      return [name, quant === undefined ? info : { ...info, quant }];
    }),
  );
  return { ...graph, stage: 'int8', tensors, nodes };
}

/** Tensors that are not stored in 8 bits on one grid. */
interface StoredApart {
  readonly wide?: { readonly has: (tensor: string) => boolean };
  readonly byChannel?: { readonly has: (tensor: string) => boolean };
}

/** The ranges of each channel, by the tensors that have a grid for each, of those without 16 bits. @param bits of one grid for all */
export const channelsApart = (
  graph: Graph<'float'>,
  calibration: Calibration,
  options: Pick<QuantizeOptions, 'mode' | 'weightSteps' | 'codebooks' | 'channelGrids' | 'wide'>,
  bits?: 16,
): ReadonlyMap<string, readonly Range[]> =>
  channelRanges(graph, calibration, {
    isFixed: (name) => isFixed(name, options),
    isWide: (name) => options.wide?.has(name) === true || givenGrid(graph, name) !== undefined,
    all: options.channelGrids === 'all',
    bits,
  });

/** By tensor: the range of its grid. @param wide those of 16 bits */
export function storedRanges(
  graph: Graph<'float'>,
  { ranges }: Pick<Calibration, 'ranges'>,
  { wide = new Set(), byChannel = new Set() }: StoredApart = {},
): (name: string) => Range {
  return (name) => {
    const whole = joinedIn(graph, name, byChannel);
    const range = throughReaders(graph, whole, ranges, wide);
    const joined =
      whole !== name ||
      joins(
        graph,
        graph.nodes.find(({ outputs }) => outputs.includes(name)),
      );
    return withCheapZero(holding(range, [...heldBeside(graph, name), ...(joined ? [0] : [])]));
  };
}

/** Whether it moves elements of several activations into one tensor; indices are none of them. */
const joins = (graph: Graph<'float'>, node: Node | undefined): boolean =>
  node?.op.anyZeroPoint === 'moves' &&
  node.inputs
    .map((name) => graph.tensors.get(name))
    .filter((info) => info?.dtype === 'float32' && !info.constant).length > 1;

/**
 * The tensor whose range this one takes: where nothing but a concatenation reads it, that of the whole. Its maker
 * then rounds once, onto the grid of the whole, and bytes are moved as they are.
 */
function joinedIn(graph: Graph<'float'>, name: string, byChannel: { has(name: string): boolean }): string {
  const reader = onlyReader(graph, name);
  if (reader?.op.anyZeroPoint !== 'moves') return name;
  const made = at(reader.outputs, 0);
  // There each branch keeps its own grid.
  if (byChannel.has(made)) return name;
  const whole = joinedIn(graph, made, byChannel);
  return whole !== made || joins(graph, reader) ? whole : name;
}

const givenGrid = (graph: Graph<'float'>, name: string): Quant | undefined => graph.tensors.get(name)?.grid;

/** The grid that the file gives an output. @throws InputError where the node's integers cannot be on it */
function served({ op }: Node, scale: ScaleContext<unknown>, output: number, given: Quant): Quant {
  if (given.bits === 16) return served16(op, scale, output, given);
  const own = op.outputQuant?.({ ...scale, range: rangeOfGrid(given) }, output);
  if (own === undefined || op.servesFile?.(scale) === true || isNearGrid(own, given)) return given;
  throw new InputError({
    found: `a grid of step ${given.scale} and zero point ${given.zeroPoint} with --requant ${scale.mode}`,
    supported: `${op.kind} here onto step ${own.scale}, zero point ${own.zeroPoint}`,
    todo:
      op.servesFile !== undefined
        ? 'compile with --requant ort-float'
        : 'leave this operator in float32 when quantizing',
  });
}

/** Of 16 bits every grid is served that is no finer than the node's sums. */
function served16(op: Node['op'], scale: ScaleContext<unknown>, output: number, given: Quant): Quant {
  const range = { lo: -given.scale, hi: given.scale };
  const finest = op.outputQuant?.({ ...scale, range, outputBits: 16 }, output).scale ?? 0;
  if (op.alias === true || (op.sixteen !== undefined && finest <= given.scale * (1 + 1e-6))) return given;
  throw new InputError({
    found: `a grid of 16 bits of step ${given.scale}`,
    supported: op.sixteen === undefined ? `${op.kind} onto 8 bits` : `here steps of ${finest} or more`,
    todo: 'quantize this activation to 8 bits, or leave it in float32',
  });
}

/** @throws InputError for an operator that reads 16 bits and has no kernel for them */
function requireReads(graph: Graph<'float'>, { op, inputs }: Node): void {
  const wide = inputs.find((name) => givenGrid(graph, name)?.bits === 16);
  if (wide === undefined || op.alias === true || op.sixteen === 'both') return;
  throw new InputError({
    found: `tensor '${wide}', of 16 bits in the model`,
    supported: `${op.kind} of 8 bits`,
    todo: 'quantize this activation to 8 bits',
  });
}

/** But for float64 rounding. */
const isNearGrid = (a: Quant, b: Quant): boolean =>
  Math.abs(a.scale / b.scale - 1) < 1e-6 && a.zeroPoint === b.zeroPoint;

/** Integers stand for themselves. */
const itself: Quant = { scale: 1, zeroPoint: 0 };

const isStored = ({ tensors }: Graph<'float'>, name: string): boolean => {
  const info = tensors.get(name);
  return info?.dtype === 'float32' && !info.real;
};

/**
 * The calibrated range, without what all readers are flat on: where a sigmoid is within half a step of 1, its input need not
 * be told from larger ones.
 */
function throughReaders(
  graph: Graph<'float'>,
  name: string,
  ranges: Calibration['ranges'],
  wide: NonNullable<QuantizeOptions['wide']>,
): Range {
  const rangeOf = (tensor: string): Range => must(ranges.get(tensor), `tensor '${tensor}' was calibrated`);
  const whole = rangeOf(name);
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(name));
  if (readers.length === 0 || graph.outputs.includes(name)) return whole;
  const bent = readers.map(({ op: { real, anyZeroPoint }, attrs, outputs }): Range => {
    if (real === undefined || anyZeroPoint !== 'computes') return whole;
    const made = at(outputs, 0);
    return steepRange((x) => real.value(attrs, x), whole, rangeOf(made), wide.has(made) ? 65535 : 255);
  });
  return { lo: Math.min(...bent.map(({ lo }) => lo)), hi: Math.max(...bent.map(({ hi }) => hi)) };
}

/** Values that a tensor's range must hold besides those that it took: 0, unless no operator needs it, and padding. */
function heldBeside(graph: Graph<'float'>, name: string): readonly number[] {
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
  const free = maker === undefined || maker.op.anyZeroPoint !== undefined;
  return [...(free ? [] : [0]), ...neededBy(graph, name)];
}

/** What the readers of a tensor need it to hold. */
function neededBy(graph: Graph<'float'>, name: string): readonly number[] {
  return graph.nodes.flatMap((node): readonly number[] => {
    const { op, inputs, outputs } = node;
    if (!inputs.includes(name)) return [];
    switch (op.anyZeroPoint) {
      case 'computes':
        return channelsOf(graph, node).columns?.padding?.values ?? [];
      case 'moves':
        return outputs.flatMap((output) => neededBy(graph, output));
      case undefined:
        return [0];
      default:
        return op.anyZeroPoint satisfies never;
    }
  });
}

export const bitsOf = (bits: ByLayer<WeightBits>, node: string): WeightBits =>
  typeof bits === 'number' ? bits : (bits.get(node) ?? 8);

/** Whether the layer's weights lie on grids already, which gains of its columns would leave; and rounding as others do. */
const isFixed = (
  name: string,
  { mode, weightSteps, codebooks }: Pick<QuantizeOptions, 'mode' | 'weightSteps' | 'codebooks'>,
): boolean =>
  mode === 'tfl-double' ||
  mode === 'ort-float' ||
  weightSteps?.has(name) === true ||
  codebooks?.has(name) === true;

function weightsFor(
  { name }: Node,
  { weightBits, weightSteps, codebooks }: QuantizeOptions,
): Pick<ScaleContext<unknown>, 'weightBits' | 'weightSteps' | 'codebook'> {
  const steps = weightSteps?.get(name);
  const codebook = codebooks?.get(name);
  return {
    weightBits: codebook === undefined ? bitsOf(weightBits, name) : 8,
    ...(steps === undefined ? {} : { weightSteps: steps }),
    ...(codebook === undefined ? {} : { codebook }),
  };
}

function quantizeNode(node: Node, context: QuantizeContext<unknown>): Node {
  if (node.op.quantize !== undefined) return { ...node, quantized: node.op.quantize(context) };
  if (node.op.alias) return node;
  throw new InputError({ found: `no int8 form of ${node.op.kind}` });
}

function withFloatAdvice({ complaint }: InputError, { name }: Node): InputError {
  const leave = `leave it in float32 with --float ${name}`;
  return new InputError({
    ...complaint,
    todo: complaint.todo === undefined ? leave : `${complaint.todo}, or ${leave}`,
  });
}

const meanFor = (node: Node, calibration: Calibration, options: QuantizeOptions): Float64Array | undefined =>
  options.biasCorrection ? calibration.means.get(at(node.inputs, 0)) : undefined;
