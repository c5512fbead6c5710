/** A recipe through the compiler's passes, one by one, with everything in between kept. */

import { needsRounding, roundWeights } from '../../src/compress/round/round-weights.ts';
import { fits } from '../../src/ir/formats/index.ts';
import { verifyGraph } from '../../src/ir/graph/check.ts';
import type { Graph, Node, Stage } from '../../src/ir/graph/graph.ts';
import type { WeightBits } from '../../src/ir/graph/op.ts';
import type { Requant } from '../../src/ir/integers/requant.ts';
import type { Quant } from '../../src/ir/kernel/stored.ts';
import { dense8, formatName } from '../../src/ir/kernel/weight-format.ts';
import { countOf } from '../../src/ir/tensor.ts';
import { wideTensors } from '../../src/passes/activation-bits.ts';
import { type Calibration, calibrate } from '../../src/passes/calibrate.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { dropDeadChannels } from '../../src/passes/channels/drop-dead-channels.ts';
import { foldBatchNorm, foldBatchNormFor } from '../../src/passes/fold-batch-norm.ts';
import { foldTables } from '../../src/passes/fold-tables.ts';
import { fuse } from '../../src/passes/fuse.ts';
import { normalizeInput } from '../../src/passes/normalize-input.ts';
import { quantize, storedRanges } from '../../src/passes/quantize.ts';
import { settleConstants } from '../../src/passes/settle-constants.ts';
import { settleImages } from '../../src/passes/settle-images.ts';
import { settleOrders } from '../../src/passes/settle-orders.ts';
import type { PlanStrategy } from '../../src/plan/addresses.ts';
import { type Assembled, assemble } from '../../src/plan/assemble.ts';
import { channelsLast } from '../../src/plan/orders.ts';
import type { Normalization, Program } from '../../src/program/program.ts';
import { arrangeInput, encodeInput } from '../../src/program/values.ts';
import { Draw } from './draw.ts';
import { networkOf, samplesOf } from './networks.ts';
import type { Recipe } from './recipes.ts';

export interface FloatStages {
  readonly imported: Graph<'imported'>;
  readonly canonical: Graph<'float'>;
  readonly normalization: Normalization | undefined;
  /** With the normalization of raw input in front, where the recipe wants that. */
  readonly normalized: Graph<'float'>;
  readonly folded: Graph<'float'>;
  readonly fused: Graph<'float'>;
  readonly settled: Graph<'float'>;
  /** What the fused graph is calibrated with: stored bytes of raw networks. */
  readonly samples: readonly Float32Array[];
}

export interface IntegerStages extends FloatStages {
  readonly calibration: Calibration;
  readonly integers: Graph<'int8'>;
}

export const verified = <G extends Graph<Stage>>(graph: G): G => {
  verifyGraph(graph as Parameters<typeof verifyGraph>[0]);
  return graph;
};

export const sampleCount = 3;

/** An input with channels last has one for all channels. */
function normalizationOf(recipe: Recipe, graph: Graph<'float'>): Normalization | undefined {
  if (recipe.raw === 'no') return undefined;
  const draw = new Draw(recipe.seed + 7);
  const count = recipe.raw === 'one' || channelsLast(graph) !== undefined ? 1 : recipe.input[0]!;
  return {
    mean: Array.from({ length: count }, () => draw.between(0, 160)),
    std: Array.from({ length: count }, () => draw.between(10, 90)),
  };
}

/** Raw input is only known to integer programs. */
export function floatStages(recipe: Recipe): FloatStages {
  const imported = verified(networkOf(recipe));
  const canonical = verified(canonicalize.run(imported));
  const normalization = recipe.arith === 'int8' ? normalizationOf(recipe, canonical) : undefined;
  const normalized =
    normalization === undefined ? canonical : verified(normalizeInput(normalization).run(canonical));
  const fold = normalization === undefined ? foldBatchNorm : foldBatchNormFor({ lo: 0, hi: 255 });
  const folded = verified(fold.run(normalized));
  const fused = verified(fuse.run(folded));
  const settled = verified(settleImages.run(fused));
  const samples = samplesOf(recipe, sampleCount).map((x) =>
    normalization === undefined ? x : x.map(Math.round),
  );
  return { imported, canonical, normalization, normalized, folded, fused, settled, samples };
}

const rawQuant: Quant = { scale: 1, zeroPoint: 0 };

/** Few bits are rounded with gradients, which not all operators have. */
export const bitsFor = ({ bits }: Recipe, { settled }: FloatStages): WeightBits =>
  settled.nodes.some(({ op }) => op.gradient === 'none') ? 8 : bits;

export function integerStages(recipe: Recipe): IntegerStages {
  const stages = floatStages(recipe);
  const bits = bitsFor(recipe, stages);
  const bitsOf = () => bits;
  const constants = verified(settleConstants(stages.samples).run(stages.settled));
  const live = verified(dropDeadChannels.run(constants));
  const { graph: rounded, weightSteps } = needsRounding(live, { bitsOf }, recipe.mode)
    ? roundWeights(live, { bitsOf, samples: stages.samples })
    : { graph: live, weightSteps: new Map() };
  const fused = verified(settleOrders.run(verified(rounded)));
  const calibration = calibrate(fused, stages.samples, recipe.method);
  const rangeOf = storedRanges(fused, calibration);
  const wide = wideTensors(
    { graph: fused, rangeOf, byChannel: new Map(), alone: calibration.alone, fixedInput: true },
    stages.samples,
    recipe.wide === true ? 16 : 8,
  );
  const pass = quantize(calibration, {
    wide,
    mode: recipe.mode,
    weightBits: bits,
    weightSteps,
    biasCorrection: recipe.correction,
    ...(stages.normalization === undefined ? {} : { input: rawQuant }),
    ...(recipe.seed % 3 === 0 ? { channelGrids: 'all' } : {}),
  });
  const integers = tweaked(recipe, verified(pass.run(fused)));
  return { ...stages, fused, calibration, integers: verified(stored(recipe, integers)) };
}

/** With the recipe's weight format in every layer that it fits. */
function stored({ format }: Recipe, graph: Graph<'int8'>): Graph<'int8'> {
  if (formatName(format) === formatName(dense8)) return graph;
  const { program } = assemble(graph, { name: 'dense', strategy: 'separate' });
  const layouts = program.steps.flatMap(({ kernel }) => kernel.weights?.layout ?? []);
  let next = 0;
  const nodes = graph.nodes.map((node): Node => {
    const q = node.quantized as Partial<Integers> | undefined;
    if (q?.weights === undefined) return node;
    const layout = layouts[next++]!;
    const largest = q.weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    return fits(layout, largest, format, undefined) ? { ...node, quantized: { ...q, format } } : node;
  });
  if (next !== layouts.length) throw new Error('layers and kernels with weights do not pair up');
  return { ...graph, nodes };
}

interface Integers {
  readonly requant: Requant;
  readonly bias: Int32Array;
  readonly weights: Int8Array;
  readonly up?: number;
}

/** Other integers of the same form, which the kernels must serve just as well. */
function tweaked(recipe: Recipe, graph: Graph<'int8'>): Graph<'int8'> {
  if (recipe.tweak === 'none') return graph;
  const draw = new Draw(recipe.seed + 13);
  const change = recipe.tweak === 'ties' ? withTies : withExtremes;
  const nodes = graph.nodes.map((node): Node => {
    const q = node.quantized as Partial<Integers> | undefined;
    // Compact multipliers have 8 bits, and products that must stay in int32.
    if (q?.requant === undefined || q.bias === undefined || q.requant.mode === 'compact') return node;
    // Sums that are shifted up leave the extremes no room.
    if (q.up !== undefined) return node;
    return { ...node, quantized: { ...q, ...change(q as Integers, draw) } };
  });
  return { ...graph, nodes };
}

/** Scales of exact powers of two, with which every 2^shift-th accumulator lies halfway. */
function withTies({ requant, bias }: Integers, draw: Draw): Partial<Integers> {
  if (requant.mode === 'compact') return {};
  const shift = requant.shift.map(() => draw.int(1, 9));
  return {
    bias: bias.map((b, c) => b + draw.int(-1, 1) * 2 ** Math.max(0, shift[c]! - 1)),
    requant: {
      mode: requant.mode,
      multiplier: requant.multiplier.map(() => 2 ** 30),
      shift,
      scale: Float32Array.from(shift, (s) => 2 ** -(s + 1)),
    },
  };
}

/** Multipliers and shifts at the ends of their ranges, biases up to what the quantizer allows. */
function withExtremes({ requant, bias }: Integers, draw: Draw): Partial<Integers> {
  // Its multipliers are tied to the sums that a layer can have.
  if (requant.mode === 'compact') return {};
  const pick = (...choices: readonly number[]): number => choices[draw.int(0, choices.length - 1)]!;
  const shift = requant.shift.map(() =>
    requant.mode === 'pow2' ? pick(1, 2, 9, 30) : pick(0, 1, 2, 3, 7, 30),
  );
  const multiplier = requant.multiplier.map(() => pick(1, 2 ** 30, 2 ** 30 + 1, 2 ** 31 - 1));
  return {
    bias: bias.map((b) => (draw.unit() < 0.3 ? draw.int(-(2 ** 28), 2 ** 28) : b)),
    requant: {
      mode: requant.mode,
      multiplier,
      shift,
      scale: Float32Array.from(multiplier, (m, c) => m * 2 ** -31 * 2 ** -shift[c]!),
    },
  };
}

export function assembled(
  graph: Graph<'float'> | Graph<'int8'>,
  name: string,
  strategy: PlanStrategy,
  normalization?: Normalization,
): Assembled {
  return assemble(graph, {
    name,
    strategy,
    ...(normalization === undefined ? {} : { rawInput: normalization }),
  });
}

/** Stored bytes, row-major, for an integer network: all zeros, all ones, and noise. */
export function byteInputs(recipe: Recipe): Uint8Array[] {
  const count = countOf(recipe.input);
  const draw = new Draw(recipe.seed + 3);
  return [draw.bytes(count), new Uint8Array(count).fill(draw.unit() < 0.5 ? 0 : 255)];
}

export interface Built {
  readonly program: Program;
  /** Of the input slot, in its order. */
  readonly inputs: readonly Uint8Array[];
}

/** The program that the recipe asks for, with inputs to run it on. */
export function built(recipe: Recipe, name: string, plan = recipe.plan): Built {
  if (recipe.arith === 'float32') {
    const { settled: whole, samples } = floatStages(recipe);
    const fused = verified(settleOrders.run(verified(dropDeadChannels.run(whole))));
    const { program } = assembled(fused, name, plan);
    return { program, inputs: samples.slice(0, 2).map((x) => encodeInput(program, x)) };
  }
  const { integers, normalization } = integerStages(recipe);
  const { program } = assembled(foldTables.run(integers), name, plan, normalization);
  return { program, inputs: byteInputs(recipe).map((bytes) => arrangeInput(program, bytes)) };
}
