/**
 * LeNet-5 pruned and rounded without training or labels: top-1 on the test digits. One section of docs/pruning.md
 * for each price.
 *
 * PRUNING_SCORE=holdout scores on 5,000 training digits that pruning did not see, and writes nothing: what options
 * and constants were chosen by.
 */
import { test } from 'vitest';
import { indexOfLargest } from '../src/base/extremes.ts';
import { macLayers } from '../src/compress/fit/layers.ts';
import { Shared } from '../src/compress/fit/shared.ts';
import { type PruneOptions, prune } from '../src/compress/prune/prune.ts';
import { roundWeights } from '../src/compress/round/round-weights.ts';
import { readLabels } from '../src/data/node-files.ts';
import { evaluate } from '../src/ir/graph/evaluate.ts';
import type { Graph } from '../src/ir/graph/graph.ts';
import type { WeightBits } from '../src/ir/graph/op.ts';
import { floats } from '../src/ir/tensor.ts';
import { calibrate } from '../src/passes/calibrate.ts';
import { canonicalize } from '../src/passes/canonicalize.ts';
import { fuse } from '../src/passes/fuse.ts';
import { quantize } from '../src/passes/quantize.ts';
import { assemble } from '../src/plan/assemble.ts';
import { decodeOutput, encodeInput } from '../src/program/values.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { labelsOf, modelOf, nets, samplesOf, shared as sharedFolder } from './models.ts';
import { count, markdown, writeSection } from './page.ts';

const lenet = nets[0]!;
const holdout = process.env.PRUNING_SCORE === 'holdout';
const listOf = <N extends number>(name: string, standard: string): N[] =>
  (process.env[name] ?? standard).split(',').map((text) => Number(text) as N);
const sparsities = listOf('PRUNING_SPARSITY', '0.8,0.85,0.9,0.92,0.95');
const bits = listOf<WeightBits>('PRUNING_BITS', '8,4');

interface Scored {
  readonly images: readonly Float32Array[];
  readonly labels: Int32Array;
}

const train = samplesOf(lenet, 'train');
const samples = Array.from({ length: 1024 }, (_, i) => train.real(i));
const fused = fuse.run(canonicalize.run(modelOf(lenet)));

function scoredDigits(): Scored {
  if (holdout) {
    const labels = readLabels(`${sharedFolder}/data/mnist/train-labels-idx1-ubyte.gz`).slice(50_000, 55_000);
    return { images: Array.from(labels, (_, i) => train.real(50_000 + i)), labels };
  }
  const digits = samplesOf(lenet, 'test');
  return { images: Array.from({ length: digits.count }, (_, i) => digits.real(i)), labels: labelsOf(digits) };
}

function top1({ images, labels }: Scored, run: (image: Float32Array) => Float32Array): number {
  const hits = images.reduce((sum, image, i) => sum + Number(indexOfLargest(run(image)) === labels[i]), 0);
  return (100 * hits) / images.length;
}

function floatTop1(graph: Graph<'float'>, scored: Scored): number {
  const input = graph.inputs[0] ?? '';
  return top1(scored, (image) => {
    const [output] = evaluate(graph, new Map([[input, floats([1, 1, 32, 32], image)]])).values();
    return Float32Array.from(output!.data);
  });
}

function integerTop1(pruned: Graph<'float'>, weightBits: WeightBits, { scored, shared }: Common): number {
  const { graph, weightSteps } =
    weightBits === 8
      ? { graph: pruned, weightSteps: new Map() }
      : roundWeights(pruned, { bitsOf: () => weightBits, samples, reference: fused, shared });
  const calibration = calibrate(graph, samples, 'minmax');
  const options = { mode: 'single', weightBits, weightSteps, biasCorrection: true } as const;
  const { program } = assemble(quantize(calibration, options).run(graph), {
    name: 'net',
    strategy: 'overlap',
  });
  const simulator = createSimulator(program, { mode: 'fast' });
  return top1(scored, (image) => decodeOutput(program, simulator.run(encodeInput(program, image)).output));
}

/** Of all rows of a price. */
interface Common {
  readonly price: 'weights' | 'macs';
  readonly scored: Scored;
  readonly base: number;
  readonly shared: Shared;
}

function row(sparsity: number, common: Common): readonly string[] {
  const { price, scored, base, shared } = common;
  const options: PruneOptions = { method: 'obs', sparsity, price, samples };
  const { graph, layers } = prune(fused, options, shared);
  const uses = macLayers(fused).map(({ positions }) => positions);
  const macs = layers.reduce((sum, { kept }, i) => sum + kept * (uses[i] ?? 1), 0);
  const dense = layers.reduce((sum, { weights }, i) => sum + weights * (uses[i] ?? 1), 0);
  const shown = (top: number): string => `${top.toFixed(2)} (${(top - base).toFixed(2)})`;
  const cells = [
    `${(100 * sparsity).toFixed(0)} %`,
    shown(floatTop1(graph, scored)),
    ...bits.map((b) => shown(integerTop1(graph, b, common))),
    count(layers.reduce((sum, { kept }) => sum + kept, 0)),
    `${count(macs)} (1/${(dense / macs).toFixed(2)})`,
    layers.map(({ density }) => (100 * density).toFixed(0)).join(' / '),
  ];
  console.log(price, cells.join(' | '));
  return cells;
}

const prices = (process.env.PRUNING_PRICE ?? 'weights,macs').split(',') as ('weights' | 'macs')[];

test.each(prices)('pruning priced by %s', (price) => {
  const scored = scoredDigits();
  const base = floatTop1(fused, scored);
  const head = [
    'sparsity',
    'float',
    ...bits.map((b) => `${b} bit`),
    'weights',
    'MAC',
    'density of each layer, %',
  ];
  const common = { price, scored, base, shared: new Shared() };
  const rows = sparsities.map((sparsity) => row(sparsity, common));
  const title = `Float, all weights: ${base.toFixed(2)} % of ${count(scored.images.length)} images.`;
  if (!holdout) writeSection(`pruned for ${price}`, `${title}\n\n${markdown(head, rows)}`, 'pruning.md');
});
