/** The compiler: one readable list of passes, with the graph's rules checked after each. */

import { at, InputError, must } from './base/errors.ts';
import { mulberry32 } from './base/random.ts';
import { Shared } from './compress/fit/shared.ts';
import { type PruneOptions, prunePass } from './compress/prune/prune.ts';
import { sparsityOf } from './compress/prune/sparsity.ts';
import { checkCodebook, checkWeightBits, codebookOf } from './compress/round/check-weights.ts';
import { coarserSteps } from './compress/round/coarser-steps.ts';
import { needsRounding, type RoundedWeights, roundWeights } from './compress/round/round-weights.ts';
import { mayPack, withPacking } from './cost/packing.ts';
import { type Split, split } from './data/held-back.ts';
import { verifyGraph } from './ir/graph/check.ts';
import { type Graph, inputName, type Stage, staysFloat } from './ir/graph/graph.ts';
import type { ByLayer, CodebookSize, Range, RequantMode, WeightBits } from './ir/graph/op.ts';
import { dumpGraph } from './ir/graph/text.ts';
import { mayBeCut } from './ir/integers/file-mac.ts';
import type { Quant } from './ir/kernel/stored.ts';
import { countOf, sameShape, type Tensor } from './ir/tensor.ts';
import { type Agreement, agreementOf } from './judge/agreement.ts';
import type { Build, Judging } from './judge/build.ts';
import { type Roundings, roundingsOf } from './judge/roundings.ts';
import { type ActivationBits, betweenGrids, type WideReason, wideTensors } from './passes/activation-bits.ts';
import {
  type Calibration,
  type CalibrationMethod,
  calibrate,
  checkSamples,
  givenCalibration,
} from './passes/calibrate.ts';
import { canonicalize } from './passes/canonicalize.ts';
import { dropDeadChannels } from './passes/channels/drop-dead-channels.ts';
import {
  chooseFormats,
  type FormatChoices,
  type FormatOptions,
  hasPacked,
  isOpenGraph,
  type LayerChoice,
} from './passes/choose-formats.ts';
import { findAttention } from './passes/find-attention.ts';
import { requireFiniteGraph, requireFiniteRuns } from './passes/finite.ts';
import { askedFor, floatParts, keptIn, leftInFloat, type Reasons } from './passes/float-parts.ts';
import { foldBatchNorm, foldBatchNormFor } from './passes/fold-batch-norm.ts';
import { foldTables } from './passes/fold-tables.ts';
import { aimOf } from './passes/format-objective.ts';
import { fuse } from './passes/fuse.ts';
import { inputGrids } from './passes/input-grids.ts';
import { normalizeInput } from './passes/normalize-input.ts';
import type { Pass } from './passes/pass.ts';
import { bitsOf, channelsApart, type QuantizeOptions, quantize, storedRanges } from './passes/quantize.ts';
import type { Ranged } from './passes/rounding-noise.ts';
import { settleConstants } from './passes/settle-constants.ts';
import { isQuantized, settleGrids, sinkGrids } from './passes/settle-grids.ts';
import { settleImages } from './passes/settle-images.ts';
import { settleOrders, settlePorts } from './passes/settle-orders.ts';
import { shortenOutputs } from './passes/shorten-outputs.ts';
import type { MemoryPlan, PlanStrategy } from './plan/addresses.ts';
import { assemble } from './plan/assemble.ts';
import { showPlan } from './plan/text.ts';
import { pixelsOf, storedBy, unroundedBy } from './program/port.ts';
import type { Normalization, Program } from './program/program.ts';
import { encodeInput } from './program/values.ts';

/** The options of a compilation. Only `name` and `arith` are required; int8 also needs `calibration`. */
export interface CompileOptions {
  /** The prefix of all public names in the C: a C identifier. */
  readonly name: string;
  /** The arithmetic of the C. `int8` has activations of 8 bits, or 16 where they need them. */
  readonly arith: 'int8' | 'float32';
  /**
   * Inputs as the network computes with them (row-major, normalized; of several inputs all in one array, one after
   * the other in the model's order): needed for int8. With `raw`, the program
   * takes stored bytes of which these are the normalized form; an input with channels last can only have one mean
   * and one std for all of them. The build is judged by `heldBack`; where that is absent, by a tenth of `inputs` (at
   * most 64, none of fewer than 8), which then calibrates nothing.
   */
  readonly calibration?: {
    readonly inputs: readonly Float32Array[];
    readonly heldBack?: readonly Float32Array[];
    readonly raw?: Normalization;
  };
  /**
   * Int8: what stays float32 in the program. `nodes` by name, ONNX type or operator; with `auto` also those that have no
   * int8 form, which else are an error.
   */
  readonly float?: { readonly nodes?: readonly string[]; readonly auto?: boolean };
  /** How accumulators are rounded. Default `single`; docs/numerics.md. */
  readonly requant?: RequantMode;
  /** How ranges are chosen. Default `minmax`. */
  readonly calibrationMethod?: CalibrationMethod;
  /** Sets the least important weights to zero, before calibration; needs calibration inputs. */
  readonly prune?: Omit<PruneOptions, 'samples' | 'onProgress'>;
  /** For all layers, or by node name (8 for those without). Default 8. Below they are rounded to what fits best. */
  readonly weightBits?: ByLayer<WeightBits>;
  /**
   * So many values, chosen by k-means, for the weights of every layer, or of layers by node name: formats of 4 (or
   * 2) bits then store indices. Layers without a codebook have `weightBits`.
   */
  readonly codebook?: ByLayer<CodebookSize>;
  /** The weights are on grids of `weightBits` already, by training: they are not rounded again. */
  readonly rounded?: boolean;
  /** Whether biases compensate for the mean error of rounded weights. Default true. */
  readonly biasCorrection?: boolean;
  /** Which activations have 16 bits. Absent: `auto`. */
  readonly activationBits?: ActivationBits;
  /** How weights are stored: by objective, from candidates that are all built and weighed. Absent: one byte each; of
   * a model's file that has weights of 4 bits or fewer as by `zeros`.
   */
  readonly formats?: FormatOptions;
  /** How buffers share the arena. Default `overlap`; docs/memory.md. */
  readonly plan?: PlanStrategy;
  /**
   * The order of inputs and outputs in the C's memory. `memory`, the default: images as height, width, channel,
   * which costs nothing. `model`: row-major in the model's shape, by copies behind inputs and before outputs.
   */
  readonly portOrder?: 'memory' | 'model';
  /** Called after each pass with the deterministic text of what it made. */
  readonly onPass?: (pass: string, text: string) => void;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** Where the scales of activations came from, in tensors; the calibrated ones by name. */
export interface Scales {
  readonly file: number;
  readonly calibrated: readonly string[];
  /** Layers whose weights are not the integers of the file, by name. */
  readonly rounded: readonly string[];
  /** Layers whose sums onnxruntime itself may cut, on a CPU with AVX2 and without VNNI. */
  readonly cut: readonly string[];
}

const isRounded = (weight: Tensor | undefined): boolean =>
  weight !== undefined && weight.integers === undefined;

/** Of bytes times weights. */
function isCut(tensors: Graph<'int8'>['tensors'], [x = '', w = '']: readonly string[]): boolean {
  const weight = tensors.get(w)?.constant;
  return tensors.get(x)?.quant?.file !== undefined && weight !== undefined && mayBeCut(weight);
}

function scalesOf({ tensors, nodes }: Graph<'int8'>): Scales {
  const grids = [...tensors].filter(([, { quant }]) => quant !== undefined);
  // What normalizes pixels is no layer of the model.
  const rounded = nodes.filter(
    ({ op, inputs, origin }) =>
      op.rows !== undefined && origin.length > 0 && isRounded(tensors.get(inputs[1] ?? '')?.constant),
  );
  const calibrated = grids.filter(([, { grid }]) => grid === undefined);
  return {
    file: grids.length - calibrated.length,
    calibrated: calibrated.map(([name]) => name),
    rounded: rounded.map(({ name }) => name),
    cut: nodes
      .filter(({ op, inputs }) => op.rows !== undefined && isCut(tensors, inputs))
      .map(({ name }) => name),
  };
}

/** A program with everything that was computed during compilation. */
export interface Compiled extends Build {
  readonly plan: MemoryPlan;
  /** The float network of the program, before fusion: the reference for its outputs. */
  readonly floatGraph: Graph<'float'>;
  /** The agreement with the float network; absent for float32 programs, and during a search for builds. */
  readonly agreement?: Agreement;
  readonly requant: RequantMode;
  /** Of a quantized model: how many activations have the scales of its file, and how many calibrated ones. */
  readonly scales?: Scales;
  /** Of a quantized model with its own weights, where it was counted: what the requantization makes other than `ort-float`. */
  readonly roundings?: Roundings;
  /** The activations of 16 bits, where there are some. */
  readonly wide?: readonly WideReason[];
  /** The storage of each layer with weights, if formats were chosen. */
  readonly formats?: readonly LayerChoice[];
  /** Some inputs, as bytes of the inputs' slots: of the calibration where there was one, else random. */
  readonly examples: readonly Uint8Array[];
}

/** The names of the passes, in order; `onPass` is called with each that runs. */
export const passNames = [
  'import',
  canonicalize.name,
  'normalize-input',
  shortenOutputs.name,
  findAttention.name,
  'sink-grids',
  foldBatchNorm.name,
  fuse.name,
  'settle-grids',
  settleImages.name,
  'settle-constants',
  'prune',
  dropDeadChannels.name,
  'round-weights',
  'float-parts',
  settlePorts.name,
  settleOrders.name,
  'quantize',
  foldTables.name,
  'choose-formats',
  'assemble',
] as const;

/** What a stored byte can be. */
const storedRange: Range = { lo: 0, hi: 255 };

/** Stored bytes are their own unit; what they mean is in the first layer's weights. */
const rawQuant: Quant = { scale: 1, zeroPoint: 0 };

/** The part that all builds of one model share: the float network before and after fusion. */
export interface Front {
  readonly floatGraph: Graph<'float'>;
  readonly fused: Graph<'float'>;
  /** Set if each channel of the input has a separate grid: `fused` then takes stored numbers. */
  readonly grids?: readonly Quant[];
  /** The model's nodes that stay float32 in an int8 program. */
  readonly float?: Reasons;
}

/** The passes up to fusion. @throws InputError for networks that cannot be compiled. */
export function front(model: Graph<'imported'>, options: CompileOptions): Front {
  const step = stepper(options);
  step.show('import', model);
  const floatGraph = step.run(canonicalize, model);
  const raw = rawOf(options);
  const grids = raw === undefined ? gridsFor(floatGraph, options) : undefined;
  const stored = raw ?? (grids && normalizationBy(grids));
  const input = stored === undefined ? floatGraph : step.run(normalizeInput(stored), floatGraph);
  const images = step.run(settleImages, merged(input, options, step));
  const float = askedFor(model, options.arith === 'int8' ? (options.float?.nodes ?? []) : []);
  // Numbers of a quantized model's weights stay as they are.
  const samples = options.arith === 'int8' && options.calibration !== undefined && !isQuantized(floatGraph);
  const fused = samples
    ? step.run(settleConstants(calibrationInputs(options, grids).calibrating, keptIn(images, float)), images)
    : images;
  return {
    floatGraph,
    fused,
    ...(grids === undefined ? {} : { grids }),
    ...(float.size === 0 ? {} : { float }),
  };
}

/** Reduces the graph to as few nodes as possible; grids of a quantized model are then those of tensors. */
function merged(graph: Graph<'float'>, options: CompileOptions, step: Stepper): Graph<'float'> {
  const { arith, requant = 'single' } = options;
  const fold = rawOf(options) === undefined ? foldBatchNorm : foldBatchNormFor(storedRange);
  const found = step.run(findAttention, step.run(shortenOutputs, graph));
  const sunk = isQuantized(found) ? step.run(sinkGrids(requant), found) : found;
  const made = step.run(fuse, step.run(fold, sunk));
  return arith === 'int8' && isQuantized(made) ? step.run(settleGrids(requant), made) : made;
}

/** Grids per channel of the input, where its layers ask for them. */
function gridsFor(
  graph: Graph<'float'>,
  { arith, calibration }: CompileOptions,
): readonly Quant[] | undefined {
  if (arith === 'float32' || calibration === undefined || isQuantized(graph)) return undefined;
  checkSamples(calibration.inputs, graph);
  return inputGrids(fuse.run(foldBatchNorm.run(findAttention.run(graph))), partsOf(calibration).calibrating);
}

/** Real = scale (stored - zero point) = (stored - mean) / std. */
const normalizationBy = (grids: readonly Quant[]): Normalization => ({
  mean: grids.map(({ zeroPoint }) => zeroPoint),
  std: grids.map(({ scale }) => 1 / scale),
});

const rawOf = ({ arith, calibration }: CompileOptions): Normalization | undefined =>
  arith === 'int8' ? calibration?.raw : undefined;

/**
 * Compiles a model to a program: all passes, the memory plan, and for int8 the agreement with the float network.
 * @throws InputError for networks and options that cannot be compiled; it names the node. A DefectError is
 * thimble's own fault.
 */
export function compile(model: Graph<'imported'>, options: CompileOptions): Compiled {
  return withAgreement(compileFused(front(model, options), options));
}

/**
 * The passes after fusion.
 * @param network stands for `made.fused` in another training state: the same nodes with other weights.
 * @param shared with other builds of this network and these options, but for sparsity, bits and formats.
 */
export function compileFused(
  made: Front,
  options: CompileOptions,
  network = made.fused,
  shared = new Shared(),
): Compiled {
  const step = stepper(options);
  const isGiven = options.calibration === undefined && isPlain(options) && isQuantized(made.floatGraph);
  const needsInputs = (options.arith === 'int8' && !isGiven) || options.prune !== undefined;
  const judging = needsInputs ? calibrationInputs(options, made.grids) : noSamples;
  const inputs = judging.calibrating;
  const {
    graph: light,
    weightSteps,
    codebooks,
    pruned,
  } = compressed(network, inputs, options, { step, shared, float: made.float ?? new Map() });
  const mixed = withFloatParts(light, made, inputs, options, { step, isGiven });
  const ported = options.portOrder === 'model' ? step.run(settlePorts, mixed) : mixed;
  const graph = step.run(settleOrders, ported);
  const changed = options.prune !== undefined || network !== made.fused || weightSteps.size > 0;
  const common = {
    floatGraph: made.floatGraph,
    fused: graph,
    requant: options.requant ?? 'single',
    ...(changed ? { given: made.fused, sparsity: sparsityOf(made.fused, pruned, options.prune) } : {}),
  };
  if (options.arith === 'float32') {
    requireFiniteRuns(graph, exampleInputs(graph, options));
    return { ...common, ...assembled(graph, options, undefined) };
  }
  const calibration = isGiven
    ? givenCalibration(graph)
    : calibrate(graph, inputs, options.calibrationMethod ?? 'minmax', (done, total) =>
        options.onProgress?.('calibrating', done, total),
      );
  const given = { ...quantizeOptions(made, options), weightSteps, codebooks };
  const wide = isGiven
    ? betweenGrids(graph)
    : wideIn(graph, calibration, { given, inputs, bits: options.activationBits ?? 'auto' });
  const asked = { ...given, wide };
  const byChannel = channelsApart(graph, calibration, asked);
  const isOneGrid = (tensor: string): boolean => !byChannel.has(tensor) && !wide.has(tensor);
  const stored = isGiven ? { graph, weightSteps } : coarserFor(graph, { asked, inputs, options, isOneGrid });
  const pass = quantize(calibration, { ...asked, byChannel, weightSteps: stored.weightSteps });
  const integers = step.run(foldTables, step.run(pass, stored.graph));
  const chosen = formatsFor(integers, options);
  if (chosen !== undefined) step.show('choose-formats', chosen.graph);
  return {
    ...common,
    ...(wide.size === 0 ? {} : { wide: [...wide.values()] }),
    calibration,
    ...(isGiven ? {} : { judging }),
    ...(isQuantized(made.floatGraph) ? { scales: scalesOf(integers) } : {}),
    ...assembled(chosen?.graph ?? integers, options, made.grids),
    ...(chosen === undefined ? {} : { formats: chosen.layers }),
  };
}

/** By tensor, why it has 16 bits. */
function wideIn(
  graph: Graph<'float'>,
  calibration: Calibration,
  asked: {
    readonly given: QuantizeOptions;
    readonly inputs: Judging['calibrating'];
    readonly bits: ActivationBits;
  },
): ReturnType<typeof wideTensors> {
  const { given, inputs, bits } = asked;
  // What gains by grids of channels seldom needs 16 bits; what is to have 16 bits has no such grids.
  const apart = (other?: 16): Ranged['byChannel'] =>
    bits === 'auto' ? channelsApart(graph, calibration, given, other) : new Map();
  const ranged = (byChannel: Ranged['byChannel']): Ranged => ({
    graph,
    rangeOf: storedRanges(graph, calibration, { byChannel }),
    byChannel,
    alone: calibration.alone,
    fixedInput: given.input !== undefined,
  });
  return wideTensors(ranged(apart()), inputs, bits, ranged(apart(16)));
}

/**
 * Coarser steps for the weights of layers that kernels may multiply by two at once, where all are rounded one by one
 * otherwise.
 */
function coarserFor(
  graph: Graph<'float'>,
  {
    asked: { weightSteps = new Map() },
    inputs,
    options,
    isOneGrid,
  }: {
    readonly asked: QuantizeOptions;
    readonly inputs: Judging['calibrating'];
    readonly options: CompileOptions;
    readonly isOneGrid: (tensor: string) => boolean;
  },
): Pick<RoundedWeights, 'graph' | 'weightSteps'> {
  const { prune: wanted, rounded, formats, requant = 'single', biasCorrection = true } = options;
  const isOwn = wanted !== undefined || rounded === true || weightSteps.size > 0 || !biasCorrection;
  if (isOwn || requant !== 'single' || !mayPack(aimOf(formats?.objective ?? 'zeros')))
    return { graph, weightSteps };
  return coarserSteps(graph, {
    samples: inputs,
    mayChange: (node) =>
      !staysFloat(graph, node) &&
      isOneGrid(at(node.inputs, 0)) &&
      graph.tensors.get(inputName(node, 1))?.constant?.integers === undefined,
  });
}

const takesStored = ({ grids }: Front, options: CompileOptions): boolean =>
  rawOf(options) !== undefined || grids !== undefined;

const quantizeOptions = (made: Front, options: CompileOptions): QuantizeOptions => ({
  mode: options.requant ?? 'single',
  weightBits: options.weightBits ?? 8,
  biasCorrection: options.biasCorrection ?? true,
  ...(takesStored(made, options) ? { input: rawQuant } : {}),
});

/** With what is asked for in float32, and where that is asked for too, all that has no integers. */
function withFloatParts(
  graph: Graph<'float'>,
  made: Front,
  samples: readonly Float32Array[],
  options: CompileOptions,
  { step, isGiven }: { readonly step: Stepper; readonly isGiven: boolean },
): Graph<'float'> {
  if (options.arith === 'float32') return graph;
  const kept = new Map(keptIn(graph, made.float ?? new Map()));
  const add = (name: string, why: string): void => {
    if (!kept.has(name)) kept.set(name, why);
  };
  const withFloatParts = (from: Graph<'float'>): Graph<'float'> =>
    kept.size === 0 ? from : floatParts(kept, takesStored(made, options)).run(from);
  const stays16 = options.activationBits !== undefined && options.activationBits !== 'auto';
  if (isGiven && !stays16)
    for (const [name, why] of leftInFloat(graph, options.requant ?? 'single')) add(name, why);
  if (isGiven || options.float?.auto) {
    const trial = isGiven ? withFloatParts(graph) : graph;
    quantize(isGiven ? givenCalibration(trial) : calibrate(trial, samples, 'minmax'), {
      ...quantizeOptions(made, options),
      refused: (node, why) => add(node.name, `no int8 form: ${why}`),
    }).run(trial);
  }
  return kept.size === 0 ? graph : step.run(floatParts(kept, takesStored(made, options)), graph);
}
/** Whether weights stay as they are, so that no sample is needed for them. */
const isPlain = ({ prune, weightBits = 8, codebook }: CompileOptions): boolean =>
  prune === undefined && weightBits === 8 && codebook === undefined;

function formatsFor(graph: Graph<'int8'>, { formats }: CompileOptions): FormatChoices | undefined {
  const wanted = formats ?? (hasPacked(graph) ? asInFile : undefined);
  return wanted === undefined || (wanted.objective === 'zeros' && !isOpenGraph(graph))
    ? undefined
    : chooseFormats(graph, wanted);
}

const asInFile: FormatOptions = { objective: 'zeros', target: 'cortex-m4' };

/** Pruning and rounding to few bits, each where it is asked for. */
function compressed(
  fused: Graph<'float'>,
  samples: readonly Float32Array[],
  options: CompileOptions,
  { step, shared, float }: { readonly step: Stepper; readonly shared: Shared; readonly float: Reasons },
): RoundedWeights & { readonly pruned: Graph<'float'> } {
  const { prune: wanted, weightBits = 8, codebook, arith, requant = 'single', onProgress } = options;
  const done = options.rounded ?? false;
  checkWeightBits(weightBits, fused);
  checkCodebook(codebook, { weightBits, requant, rounded: done }, fused);
  const report = onProgress === undefined ? {} : { onProgress };
  const zeroed =
    wanted === undefined ? fused : step.run(prunePass({ ...wanted, ...report, samples }, shared), fused);
  const pruned = step.run(dropDeadChannels, zeroed);
  const kept = keptIn(pruned, float);
  const grids = {
    bitsOf: (node: string) => (kept.has(node) ? 8 : bitsOf(weightBits, node)),
    codebookOf: (node: string) => (kept.has(node) ? undefined : codebookOf(codebook, node)),
  };
  if (arith === 'float32' || done || !needsRounding(pruned, grids, requant))
    return { graph: pruned, weightSteps: new Map(), codebooks: new Map(), pruned };
  const reference = sameShapes(pruned, fused) ? fused : pruned;
  const known = reference === fused ? { shared } : {};
  const rounded = roundWeights(pruned, { ...grids, samples, reference, ...known, ...report });
  step.show('round-weights', rounded.graph);
  return { ...rounded, pruned };
}

/** Whether both graphs' tensors have the same shapes: no channel was removed from either. */
const sameShapes = (a: Graph<'float'>, b: Graph<'float'>): boolean =>
  a.nodes.every(({ outputs }) =>
    outputs.every((name) => sameShape(a.tensors.get(name)?.shape ?? [], b.tensors.get(name)?.shape ?? [])),
  );

/** How many inputs the self-test of the C runs. */
const exampleCount = 4;

/** Some of the calibration's, or else random ones of 0 to 1. */
function exampleInputs(
  graph: Compiled['assembled'],
  { calibration }: CompileOptions,
): readonly Float32Array[] {
  const inputs = calibration?.inputs ?? [];
  if (inputs.length > 0) return inputs.slice(0, exampleCount);
  const random = mulberry32(1);
  return Array.from({ length: exampleCount }, () => randomSample(graph, random));
}

/** Of all inputs, one after the other: real numbers in 0..1, integers that are 0 or 1, which index anything. */
const randomSample = ({ inputs, tensors }: Compiled['assembled'], random: () => number): Float32Array =>
  Float32Array.from(
    inputs.flatMap((input) => {
      const { dtype, shape } = must(tensors.get(input), 'an input has a type');
      const number = dtype === 'float32' ? random : () => Math.floor(2 * random());
      return Array.from({ length: countOf(shape) }, number);
    }),
  );

interface Stepper {
  run<A extends Stage, B extends Stage>(pass: Pass<A, B>, graph: Graph<A>): Graph<B>;
  show(name: string, graph: Graph<Stage>): void;
}

function stepper({ onPass }: CompileOptions): Stepper {
  const show = (name: string, graph: Graph<Stage>): void => {
    // One with obstacles is not whole; `canonicalize` says which they are.
    if (graph.obstacles === undefined || graph.obstacles.length === 0)
      verifyGraph(graph as Parameters<typeof verifyGraph>[0]);
    if (graph.stage === 'float') requireFiniteGraph(graph as Graph<'float'>, name);
    onPass?.(name, dumpGraph(graph as Parameters<typeof dumpGraph>[0]));
  };
  return {
    show,
    run(pass, graph) {
      const made = pass.run(graph);
      show(pass.name, made);
      return made;
    },
  };
}

function assembled(
  graph: Compiled['assembled'],
  options: CompileOptions,
  grids: readonly Quant[] | undefined,
): Pick<Compiled, 'program' | 'plan' | 'assembled' | 'examples'> {
  const raw = rawOf(options);
  const { program, plan } = assemble(graph, {
    name: options.name,
    strategy: options.plan ?? 'overlap',
    ...(raw === undefined ? {} : { rawInput: raw }),
    ...(grids === undefined ? {} : { inputGrids: grids }),
  });
  options.onPass?.('assemble', showPlan(program, plan));
  return {
    program: packedAs(program, options),
    plan,
    assembled: graph,
    examples: exampleInputs(graph, options).map((x) => encodeInput(program, x)),
  };
}

/** Tables do not grow where their bytes are to be few. */
function packedAs(assembled: Program, { arith, formats }: CompileOptions): Program {
  const aim = aimOf(formats?.objective ?? 'zeros');
  const program = aim === 'balanced' ? assembled : { ...assembled, aim };
  if (arith === 'float32' || !mayPack(aim)) return program;
  return withPacking(program, aim, formats?.target ?? 'cortex-m4');
}

const noSamples: Judging = { calibrating: [], samples: [], heldBack: false };

/** As the fused graph takes them. */
function calibrationInputs({ name, calibration, arith }: CompileOptions, grids: Front['grids']): Judging {
  if (calibration === undefined)
    throw new InputError({
      where: `network '${name}'`,
      found: `${arith === 'int8' ? 'int8' : 'pruning'} without calibration inputs`,
      supported: 'int8 and pruning with some hundred training inputs, or float32 of all weights without',
      todo: 'give training inputs with --calibrate FILE, or compile with --type float32',
    });
  const { inputs, raw } = calibration;
  if (arith === 'float32') return { ...noSamples, calibrating: inputs };
  const parts = partsOf(calibration);
  const pixels = (x: Float32Array): Float32Array => (raw === undefined ? x : pixelsOf(raw, x));
  return {
    calibrating: parts.calibrating.map((x) => (grids === undefined ? pixels(x) : storedBy(grids, x))),
    // Not rounded to their grids: what an input loses there is judged too.
    samples: parts.judging.map((x) => (grids === undefined ? pixels(x) : unroundedBy(grids, x))),
    heldBack: parts.heldBack,
  };
}

const partsOf = ({
  inputs,
  heldBack = [],
}: NonNullable<CompileOptions['calibration']>): Split<Float32Array> =>
  heldBack.length > 0 ? { calibrating: inputs, judging: heldBack, heldBack: true } : split(inputs);

/** The compiled program with its agreement, which is measured if it is missing. */
export function withAgreement(compiled: Compiled): Compiled {
  if (compiled.agreement !== undefined) return compiled;
  const agreement = agreementOf(compiled);
  return agreement === undefined ? compiled : { ...compiled, agreement };
}

/**
 * With what its requantization makes other than `ort-float`: of a quantized model with its own weights, in another mode.
 * Builds it again to compare, and runs both. Uncounted where `ort-float` cannot serve the model.
 * @param model and options of which it was compiled
 */
export function withRoundings(
  compiled: Compiled,
  model: Graph<'imported'>,
  options: CompileOptions,
): Compiled {
  const { scales, requant, given, program, judging } = compiled;
  if (scales === undefined || requant === 'ort-float' || given !== undefined) return compiled;
  const { onPass: _, onProgress: __, ...quiet } = options;
  const asked: CompileOptions = { ...quiet, requant: 'ort-float' };
  try {
    const exact = compileFused(front(model, asked), asked);
    return { ...compiled, roundings: roundingsOf(program, exact.program, judging?.samples ?? []) };
  } catch (error) {
    if (error instanceof InputError) return compiled;
    throw error;
  }
}
