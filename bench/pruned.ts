/** LeNet-5 with its smallest weights cut off, layer by layer: the instruction counts do not depend on accuracy. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Prepared } from '../src/data/prepare.ts';
import { emitC } from '../src/emit/package.ts';
import type { Graph, Node } from '../src/ir/graph/graph.ts';
import type { RequantMode, WeightBits } from '../src/ir/graph/op.ts';
import type { QuantizedMac } from '../src/ir/integers/mac.ts';
import type { WeightFormat } from '../src/ir/kernel/weight-format.ts';
import type { Tensor } from '../src/ir/tensor.ts';
import { calibrate } from '../src/passes/calibrate.ts';
import { canonicalize } from '../src/passes/canonicalize.ts';
import { foldBatchNorm } from '../src/passes/fold-batch-norm.ts';
import { fuse } from '../src/passes/fuse.ts';
import { normalizeInput } from '../src/passes/normalize-input.ts';
import { quantize } from '../src/passes/quantize.ts';
import { assemble } from '../src/plan/assemble.ts';
import type { Program } from '../src/program/program.ts';
import type { Variants } from '../src/program/variants.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { runNative } from '../src/targets/native.ts';
import type { TargetName } from '../src/targets/targets.ts';
import { modelOf, type Net, nets, samplesOf } from './models.ts';

/** ALGORITHMS: densities in percent of conv1, conv2, fc1, fc2, fc3. */
export const macPriced = [35, 23, 16, 35, 83] as const;
export const flashPriced = [75, 41, 10, 26, 72] as const;

export const lenet = nets[0] as Net;

/** Keeps the largest `percent` of a tensor's numbers. */
function cut(tensor: Tensor, percent: number): Tensor {
  const kept = Math.round((tensor.data.length * percent) / 100);
  const order = Array.from(tensor.data.keys()).sort(
    (a, b) => Math.abs(tensor.data[b] as number) - Math.abs(tensor.data[a] as number),
  );
  const data = Float32Array.from(tensor.data);
  for (const i of order.slice(kept)) data[i] = 0;
  return { dtype: 'float32', shape: tensor.shape, data };
}

const hasWeights = (node: Node): boolean => node.op.kind === 'conv' || node.op.kind === 'linear';

/** The weights of the n-th convolution or linear layer keep the n-th percentage. */
function pruned(graph: Graph<'float'>, percents: readonly number[]): Graph<'float'> {
  const tensors = new Map(graph.tensors);
  graph.nodes.filter(hasWeights).forEach((node, i) => {
    const name = node.inputs[1] ?? '';
    const info = tensors.get(name);
    if (info?.constant !== undefined)
      tensors.set(name, { ...info, constant: cut(info.constant, percents[i] ?? 100) });
  });
  return { ...graph, tensors };
}

export interface PrunedOptions {
  readonly percents: readonly number[];
  readonly bits?: WeightBits;
  readonly mode?: RequantMode;
}

const loaded = new Map<string, Prepared>();
function trainOf(net: Net): Prepared {
  const train = loaded.get(net.name) ?? samplesOf(net, 'train');
  loaded.set(net.name, train);
  return train;
}

/** Calibrated on 8 images. */
export function prunedGraph(net: Net, { percents, bits = 8, mode = 'single' }: PrunedOptions): Graph<'int8'> {
  const train = trainOf(net);
  const raw = train.pixels?.normalization;
  const at = (i: number): number => Math.floor((i * train.count) / 8);
  const inputs = Array.from({ length: 8 }, (_, i) => train.real(at(i)));
  const stored = inputs.map((x, i) => train.pixels?.raw(at(i)) ?? x);
  const canonical = canonicalize.run(modelOf(net));
  const normalized = raw === undefined ? canonical : normalizeInput(raw).run(canonical);
  const graph = pruned(fuse.run(foldBatchNorm.run(normalized)), percents);
  const calibration = calibrate(
    graph,
    stored.map((x) => Float32Array.from(x ?? [])),
    'minmax',
  );
  const input = raw === undefined ? {} : { input: { scale: 1, zeroPoint: 0 } };
  return quantize(calibration, { mode, weightBits: bits, biasCorrection: true, ...input }).run(graph);
}

/** The n-th convolution or linear layer is stored in the n-th format; undefined: as it is. */
export function stored(graph: Graph<'int8'>, formats: readonly (WeightFormat | undefined)[]): Graph<'int8'> {
  let next = 0;
  const nodes = graph.nodes.map((node): Node => {
    if (!hasWeights(node)) return node;
    const format = formats[next++];
    if (format === undefined) return node;
    return { ...node, quantized: { ...(node.quantized as QuantizedMac), format } };
  });
  return { ...graph, nodes };
}

export const programFrom = (graph: Graph<'int8'>, name = 'net'): Program =>
  assemble(graph, { name, strategy: 'overlap' }).program;

export interface Measured {
  readonly total: number;
  readonly perStep: readonly number[];
  readonly code: number;
  readonly constants: number;
}

const cache = path.join(tmpdir(), 'thimble-counts');

/**
 * One inference on a chip under QEMU, remembered by the C text: counts are exact, so they stay true.
 * @throws when its output is not the simulator's.
 */
export async function measured(
  program: Program,
  target: TargetName,
  variants: Variants = new Map(),
): Promise<Measured> {
  const files = emitC(program, { command: 'bench', version: '0', hash: '', golden: [], variants });
  const text = `${target} ${variants.size === 0 ? 'plain ' : ''}${[...files].filter(([name]) => name.endsWith('.c')).join('')}`;
  const file = path.join(cache, createHash('sha256').update(text).digest('hex'));
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Measured;
  // Without forms for the chip: models of cost are of plain C.
  const options = variants.size === 0 ? ({ form: 'plain' } as const) : {};
  const found = await run(program, files, target, options);
  mkdirSync(cache, { recursive: true });
  writeFileSync(file, JSON.stringify(found));
  return found;
}

async function run(
  program: Program,
  files: ReadonlyMap<string, string>,
  target: TargetName,
  options: { readonly form?: 'plain' },
): Promise<Measured> {
  const input = program.slots[program.inputs[0]!.slot];
  const bytes = Uint8Array.from({ length: input?.length ?? 0 }, (_, i) => (i * 37 + (i >> 3)) & 255);
  const result = await runNative(program, files, target, [bytes], options);
  if (result.kind !== 'ran' || result.measures?.instructions === undefined)
    throw new Error(`${target}: not measured`);
  const expected = createSimulator(program, { mode: 'fast' }).run(bytes).output;
  if (Buffer.compare(expected, result.outcomes[0]?.output ?? new Uint8Array()) !== 0)
    throw new Error(`${target}: another output than the simulator's`);
  const { instructions, sections } = result.measures;
  return { ...instructions, code: sections.code, constants: sections.constants };
}

/** Convolutions accumulate so many sums at a time. */
export const lanesOf = (graph: Graph<'int8'>, lanes: 4 | 8): Graph<'int8'> => ({
  ...graph,
  nodes: graph.nodes.map((node) =>
    node.op.kind === 'conv' ? { ...node, quantized: { ...(node.quantized as object), lanes } } : node,
  ),
});
