/** The laws of the whole compiler, each a function of one recipe that throws where the law is broken. */

import { type CompileOptions, compile } from '../../src/compile.ts';
import { emitC } from '../../src/emit/package.ts';
import { type Graph, is, type Node } from '../../src/ir/graph/graph.ts';
import { elemBytes } from '../../src/ir/kernel/kernel.ts';
import { dense8 } from '../../src/ir/kernel/weight-format.ts';
import { avgPool } from '../../src/ir/ops/avg-pool.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { mean, sum } from '../../src/ir/ops/reductions.ts';
import { countOf, type Tensor } from '../../src/ir/tensor.ts';
import { foldTables } from '../../src/passes/fold-tables.ts';
import { settleOrders } from '../../src/passes/settle-orders.ts';
import type { PlanStrategy } from '../../src/plan/addresses.ts';
import type { Outcome, Program } from '../../src/program/program.ts';
import { arrangeInput, decodePort, decodeSlot, encodeInput } from '../../src/program/values.ts';
import { oracle } from '../oracles/network.ts';
import { channelsLaw } from './channel-laws.ts';
import { constantsOf, f64, map, plus, type Values, valuesOf } from './float64.ts';
import { factsOf, outputSlot, requireProved, requireSound, rowMajor, simulated } from './kernel-laws.ts';
import { networkOf, samplesOf } from './networks.ts';
import {
  assembled,
  bitsFor,
  built,
  byteInputs,
  floatStages,
  integerStages,
  sampleCount,
  verified,
} from './pipeline.ts';
import { idealOf, quantizationBound, realOf } from './quantization.ts';
import type { Recipe } from './recipes.ts';
import { beyond, gamma, isFunction, nodeError, requireWithin, roundingBounds, zeros } from './rounding.ts';

export type Law = (recipe: Recipe) => void;

const int8 = (recipe: Recipe): Recipe => ({ ...recipe, arith: 'int8' });
const float32 = (recipe: Recipe): Recipe => ({ ...recipe, arith: 'float32' });

/** One of four has 16 bits wherever its operators can. */
const widened = (recipe: Recipe): Recipe => ({ ...recipe, wide: recipe.seed % 4 === 0 });

const normsIn = (graph: Graph<'float'>): number =>
  graph.nodes.filter((n) => n.op.kind === 'batchNorm').length;

/** ONNX operators and canonical ones compute the same sums, in another order at most: float64's own noise. */
const canonicalizeLaw: Law = (recipe) => {
  const { imported, canonical, samples } = floatStages(float32(recipe));
  for (const sample of samples) {
    const after = valuesOf(canonical, sample);
    requireWithin(valuesOf(imported, sample), after, bounded(canonical, after));
  }
};

/** Tensors that only the graph before has are not compared. */
function bounded(graph: Graph<'float'>, values: Values): Values {
  return roundingBounds(graph, values, () => 2 ** -40);
}

/** Stored bytes s after the pass give what (s - mean) / std gave before it; mean and std^2 are float32. */
const normalizeLaw: Law = (recipe) => {
  const { canonical, normalized, normalization, samples } = floatStages(int8(recipe));
  if (normalization === undefined) return;
  const { mean, std } = normalization;
  const at = normalized.nodes.findIndex(({ name }) => canonical.nodes.every((node) => node.name !== name));
  const made = normalized.nodes[at]!;
  const storedNames = [...canonical.inputs, ...normalized.nodes.slice(0, at).flatMap((n) => n.outputs)];
  for (const stored of samples) {
    const plane = stored.length / mean.length;
    const real = Array.from(stored, (s, i) => {
      const c = Math.floor(i / plane);
      return (s - mean[c]!) / std[c]!;
    });
    const after = valuesOf(normalized, stored);
    const before = new Map(valuesOf(canonical, real));
    const bounds = roundingBounds(normalized, after, (node) => (node === made ? gamma(3) : 0));
    // The normalized numbers have a new name; what comes before them are stored ones.
    before.set(made.outputs[0]!, before.get(made.inputs[0]!)!);
    for (const name of storedNames) before.delete(name);
    requireWithin(before, after, bounds);
  }
};

/** Each weight and bias is rounded once for each batch norm folded into it. */
const foldLaw: Law = (recipe) => {
  const { normalized, folded, samples } = floatStages(int8(recipe));
  const unit = gamma(2 + normsIn(normalized));
  for (const sample of samples) {
    const before = valuesOf(normalized, sample);
    const bounds = roundingBounds(normalized, before, () => unit);
    requireWithin(valuesOf(folded, sample), before, bounds);
  }
};

const addsConstant = (graph: Graph<'float'>) => (node: Node) =>
  node.op.kind === 'add' && node.inputs.some((name) => graph.tensors.get(name)?.constant !== undefined);

/** Nothing is rounded but the sums of biases: without any, every number stays exactly what it was. */
const fuseLaw: Law = (recipe) => {
  const { folded, fused, samples } = floatStages(int8(recipe));
  const adds = folded.nodes.filter(addsConstant(folded)).length;
  for (const sample of samples) {
    const before = valuesOf(folded, sample);
    if (adds > 0)
      requireWithin(
        valuesOf(fused, sample),
        before,
        roundingBounds(folded, before, () => gamma(1 + adds)),
      );
    else requireEqual(before, known(before, valuesOf(fused, sample)));
    if (!fused.outputs.every((name) => before.has(name))) throw new Error('an output was lost');
  }
};

/** Without the tensors that a pass brought. */
const known = (before: Values, after: Values): Values =>
  new Map([...after].filter(([name]) => before.has(name)));

/** Exactly the same numbers; only tensors between the layer and its image are other ones. */
const settleLaw: Law = (recipe) => {
  const { fused, settled, samples } = floatStages(int8(recipe));
  for (const sample of samples) {
    const [before, after] = [valuesOf(fused, sample), valuesOf(settled, sample)];
    requireEqual(before, known(before, after));
    if (!settled.outputs.every((name) => after.has(name))) throw new Error('an output was lost');
  }
};

function requireEqual(a: Values, b: Values): void {
  for (const [name, { data }] of b) {
    const other = a.get(name)!.data;
    const i = data.findIndex((x: number, k: number) => x !== other[k]);
    if (i >= 0) throw new Error(`tensor '${name}', element ${i}: ${other[i]} became ${data[i]}`);
  }
}

/** One operator at a time, on the integer model's own inputs. */
const quantizeLaw: Law = (recipe) => {
  const stages = integerStages({ ...int8(recipe), tweak: 'none' });
  const graph = stages.integers;
  for (const input of byteInputs(recipe)) {
    const stored = oracle(graph, input);
    for (const node of graph.nodes) {
      const from = node.inputs.flatMap((name) => {
        const bytes = stored.get(name);
        return bytes === undefined ? [] : [realOf(graph, name, bytes)];
      });
      const [output] = node.outputs;
      const [got, ideal] = [realOf(graph, output!, stored.get(output!)!), idealOf(graph, node, from)];
      const bound = map(quantizationBound(stages, node, from), (b) => b * (1 + 1e-7) + 1e-12 * (1 + b));
      const found = beyond(output!, got, ideal, bound);
      if (found !== undefined) throw new Error(`node '${node.name}' (${node.op.kind}): ${found}`);
    }
  }
};

/** What the input's bytes stand for is stored as these bytes. */
function requireThereAndBack(program: Program, input: Uint8Array): void {
  const real = decodePort(program, program.inputs[0]!.slot, input);
  const again = encodeInput(program, real);
  const at = input.findIndex((byte, i) => byte !== again[i]);
  if (at >= 0)
    throw new Error(`byte ${at} of the input, ${input[at]}, stands for a number stored as ${again[at]}`);
}

/** The plan that reuses most memory, and in turn one of the two that reuse less. */
const plansFor = ({ seed }: Recipe): readonly PlanStrategy[] => [
  'overlap',
  seed % 2 === 0 ? 'disjoint' : 'separate',
];

/** Every tensor holds the integer model's bytes, whatever the plan; no run traps; every site is proved. */
const assemblyLaw: Law = (recipe) => {
  const { integers: apart, normalization } = integerStages(widened(int8(recipe)));
  const integers = verified(foldTables.run(apart));
  const logical = byteInputs(recipe);
  const wanted = logical.map((bytes) => oracle(integers, bytes));
  for (const strategy of plansFor(recipe)) {
    const { program } = assembled(integers, `net_${strategy}`, strategy, normalization);
    const facts = factsOf(program);
    requireProved(program, facts);
    const inputs = logical.map((bytes) => arrangeInput(program, bytes));
    for (const input of inputs) requireThereAndBack(program, input);
    simulated(program, inputs, facts).forEach(({ arenas }, i) => {
      arenas.forEach((arena, step) => {
        requireTensor(program, integers, step, arena, wanted[i]!);
      });
    });
  }
};

export function requireTensor(
  program: Program,
  graph: Graph<'int8'>,
  step: number,
  arena: Uint8Array,
  wanted: ReturnType<typeof oracle>,
): void {
  const slot = outputSlot(program, step);
  // A reshape or transpose at the end renames the output's memory.
  const name = slot === program.slots[program.outputs[0]!.slot] ? graph.outputs[0]! : slot.name;
  const [got, bytes] = [rowMajor(slot, arena), wanted.get(name)!];
  const i = bytes.findIndex((byte, k) => byte !== got[k]);
  if (i < 0 && got.length === bytes.length) return;
  const { kernel } = program.steps[step]!;
  throw new Error(
    `${program.name}, step ${step}, ${kernel.name}: tensor '${name}', element ${i} is ${got[i]}, the integer model has ${bytes[i]}`,
  );
}

/** What is proved of locals and stores holds in every run; the tree-walking evaluator has the same bytes. */
const soundnessLaw: Law = (recipe) => {
  const { program, inputs } = built(widened(recipe), 'net');
  requireSound(program, inputs, factsOf(program));
};

const emptyInfo = { command: '', version: '', hash: '', golden: [] } as const;

const filesOf = (program: Program): string => JSON.stringify([...emitC(program, emptyInfo)]);

export function optionsOf(recipe: Recipe): CompileOptions {
  const stages = floatStages(recipe);
  const { normalization } = stages;
  const real = samplesOf(recipe, sampleCount);
  const inputs =
    normalization === undefined
      ? real
      : real.map((x) => {
          const plane = x.length / normalization.mean.length;
          return x.map((s, i) => {
            const c = Math.floor(i / plane);
            return (Math.round(s) - normalization.mean[c]!) / normalization.std[c]!;
          });
        });
  return {
    name: 'net',
    arith: recipe.arith,
    requant: recipe.mode,
    calibrationMethod: recipe.method,
    weightBits: bitsFor(recipe, stages),
    activationBits: 8,
    biasCorrection: recipe.correction,
    plan: recipe.plan,
    calibration: { inputs, ...(normalization === undefined ? {} : { raw: normalization }) },
  };
}

/** The same network and options give the same C again, by compile() or by the passes run one by one. */
const deterministicLaw: Law = (recipe) => {
  // Of a third of the seeds `built` has grids per channel wherever they can be; compile() has them where they pay.
  const seed = recipe.seed % 3 === 0 ? recipe.seed + 1 : recipe.seed;
  const one = { ...recipe, seed, tweak: 'none', format: dense8 } as const;
  const { program } = compile(networkOf(one), optionsOf(one));
  // Grids per channel of the input are chosen before the passes.
  const again =
    program.inputGrids === undefined ? built(one, 'net') : compile(networkOf(one), optionsOf(one));
  if (filesOf(program) !== filesOf(again.program)) throw new Error('made twice, the C differs');
};

/** Float32 kernels, one at a time on their own inputs, stay within the rounding of their sums. */
const float32Law: Law = (recipe) => {
  const { settled, samples } = floatStages(float32(recipe));
  const fused = settleOrders.run(settled);
  const input = fused.inputs[0]!;
  const { program } = assembled(fused, 'net', recipe.plan);
  const encoded = samples.slice(0, 2).map((x) => encodeInput(program, x));
  simulated(program, encoded, factsOf(program)).forEach((outcome, i) => {
    const values = observedFloats(program, fused.outputs[0]!, outcome);
    values.set(input, f64(fused.tensors.get(input)!.shape, samples[i]!));
    const errors = new Map<string, Tensor>();
    for (const node of fused.nodes) requireFloat(fused, node, values, errors);
  });
};

/** Every tensor that has a place of its own, by name. */
function observedFloats(program: Program, output: string, outcome: Outcome): Map<string, Tensor> {
  const last = program.slots[program.outputs[0]!.slot]!;
  const values = new Map([[output, f64(last.shape, decodeSlot(last, outcome.output))]]);
  outcome.arenas.forEach((arena, step) => {
    const slot = outputSlot(program, step);
    const bytes = arena.subarray(slot.address, slot.address + elemBytes[slot.elem] * slot.length);
    if (slot !== last) values.set(slot.name, f64(slot.shape, decodeSlot(slot, bytes)));
  });
  return values;
}

/** What an operator's own approximation may add: polynomials of exponentials, and divisions of values near 1. */
function ownRounding(node: Node, x: Tensor, ideal: Tensor): Tensor {
  if (node.op.kind === 'softmax') return softmaxRounding(x, ideal);
  return isFunction(node) ? map(ideal, () => 2 ** -20) : zeros(ideal);
}

/** A product near 0 loses up to half of float32's smallest number, however small it is. */
const underflow = (graph: Graph<'float'>, node: Node, ideal: Tensor): Tensor =>
  map(ideal, () => termsOf(graph, node) * 2 ** -150);

/** What is only renamed memory gets the value that it stands for, with its error; everything else is compared. */
function requireFloat(
  graph: Graph<'float'>,
  node: Node,
  values: Map<string, Tensor>,
  errors: Map<string, Tensor>,
): void {
  const constants = constantsOf(graph, node);
  const inputs = node.inputs.map((name, i) => constants[i] ?? values.get(name)!);
  const moved = node.inputs.map((name, i) =>
    constants[i] === undefined ? (errors.get(name) ?? zeros(inputs[i]!)) : undefined,
  );
  const [output] = node.outputs;
  const ideal = node.op.reference(node.attrs, inputs)[0]!;
  const error = nodeError(
    { node, inputs, moved, result: ideal, padError: undefined },
    gamma(termsOf(graph, node)),
  );
  const bound = plus(plus(error, ownRounding(node, inputs[0]!, ideal)), underflow(graph, node, ideal));
  const got = values.get(output!);
  if (got === undefined) {
    values.set(output!, ideal);
    errors.set(output!, bound);
    return;
  }
  const found = beyond(output!, got, ideal, bound);
  if (found !== undefined) throw new Error(`float32, node '${node.name}' (${node.op.kind}): ${found}`);
}

/** Roundings of one output: a product and a sum for each term, and the end. */
function termsOf(graph: Graph<'float'>, node: Node): number {
  if (is(node, conv) || is(node, linear)) {
    const { shape } = constantsOf(graph, node)[1]!;
    return countOf(shape) / shape[0]! + 3;
  }
  if (is(node, avgPool)) return node.attrs.kernel.reduce((n, k) => n * k, 3);
  if (is(node, mean) || is(node, sum)) {
    const { shape } = graph.tensors.get(node.inputs[0]!)!;
    return node.attrs.axes.reduce((n, axis) => n * shape[axis]!, 3);
  }
  return 3;
}

/** e^x is within 2^-20 of itself, x within u |x|; then n sums and a division; what underflows is below 2^-125. */
function softmaxRounding(x: Tensor, p: Tensor): Tensor {
  const spread = Math.min(200, 2 * Math.max(...Array.from(x.data, Math.abs)));
  const relative = 2 * (2 ** -20 + spread * 2 ** -24) + gamma(x.data.length + 3);
  return map(p, (share) => share * relative * 1.01 + 2 ** -120);
}

export const laws = {
  canonicalize: canonicalizeLaw,
  'normalize-input': normalizeLaw,
  'fold-batch-norm': foldLaw,
  fuse: fuseLaw,
  'settle-images': settleLaw,
  channels: channelsLaw,
  quantize: quantizeLaw,
  assembly: assemblyLaw,
  soundness: soundnessLaw,
  determinism: deterministicLaw,
  float32: float32Law,
} as const satisfies Record<string, Law>;

export type LawName = keyof typeof laws;
export const lawNames = Object.keys(laws) as readonly LawName[];
