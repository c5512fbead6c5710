/**
 * Fine-tuning of a network in this tool, from its float form on: `FINETUNE='{"sparsity":0.97}' npm run
 * bench:finetune`. FINETUNE holds options of `finetune` in JSON, and besides: `net`; `threads`; `start`, a share
 * of the weights that is removed by magnitude before; `bits`, weight bits by node name; `final`, for the one
 * judgement on the test images at the end. Choices are made on 5,000 training images that are held out.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'vitest';
import { type Layer, networkOf } from '../src/compress/gradient/network.ts';
import { accuracy } from '../src/compress/train/classify.ts';
import { finetune } from '../src/compress/train/finetune.ts';
import { onThreads } from '../src/compress/train/node-threads.ts';
import type { FinetuneOptions, TrainingData } from '../src/compress/train/options.ts';
import { readLabels } from '../src/data/node-files.ts';
import type { Prepared } from '../src/data/prepare.ts';
import type { Graph } from '../src/ir/graph/graph.ts';
import type { WeightBits } from '../src/ir/graph/op.ts';
import { calibrate } from '../src/passes/calibrate.ts';
import { canonicalize } from '../src/passes/canonicalize.ts';
import { foldBatchNorm } from '../src/passes/fold-batch-norm.ts';
import { fuse } from '../src/passes/fuse.ts';
import { quantize } from '../src/passes/quantize.ts';
import { assemble } from '../src/plan/assemble.ts';
import { decodeOutput, encodeInput } from '../src/program/values.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { formatPercent } from '../src/text/numbers.ts';
import { labelsOf, modelOf, nets, root, samplesOf, shared } from './models.ts';
import { markdown } from './page.ts';

interface Settings extends FinetuneOptions {
  readonly net?: string;
  readonly threads?: number;
  readonly start?: number;
  readonly bits?: Readonly<Record<string, WeightBits>>;
  readonly final?: boolean;
}

const {
  net: name = 'lenet5',
  threads,
  start = 0,
  bits,
  final,
  ...given
} = JSON.parse(process.env.FINETUNE ?? '{}') as Settings;
const options: FinetuneOptions = {
  batch: 64,
  shift: 2,
  weightBits: 4,
  pruneEvery: 20,
  ...given,
  epochs: given.epochs ?? 6,
  ...(bits === undefined ? {} : { weightBits: new Map(Object.entries(bits)) }),
};
const net = nets.find((n) => n.name === name)!;

type Labelled = Required<TrainingData>;

function labelled(prepared: Prepared, labels: Int32Array, from: number, to: number): Labelled {
  return {
    count: to - from,
    input: (i) => prepared.real(from + i),
    label: (i) => labels[from + i]!,
  };
}

function trainingData(): { readonly train: Labelled; readonly held: Labelled } {
  const all = samplesOf(net, 'train');
  const labels = all.labels ?? readLabels(path.join(shared, `data/${net.data}/train-labels-idx1-ubyte.gz`));
  const border = all.count - Math.min(5000, Math.floor(all.count / 10));
  return { train: labelled(all, labels, 0, border), held: labelled(all, labels, border, all.count) };
}

function withoutSmallest(graph: Graph<'float'>, share: number): Graph<'float'> {
  const layers = networkOf(graph).layers.map(({ weight }) => weight);
  const sizes = layers.flatMap((weight) => [...graph.tensors.get(weight)!.constant!.data].map(Math.abs));
  const limit = sizes.sort((a, b) => a - b)[Math.floor(share * sizes.length)]!;
  const tensors = new Map(graph.tensors);
  for (const weight of layers) {
    const info = tensors.get(weight)!;
    const data = Float32Array.from(info.constant!.data, (w) => (Math.abs(w) < limit ? 0 : w));
    tensors.set(weight, { ...info, constant: { ...info.constant!, data } });
  }
  return { ...graph, tensors };
}

interface Stored {
  readonly nonzeros: number;
  readonly rows: number;
  readonly format: string;
  readonly bytes: number;
}

/**
 * Bytes of a layer: a bitmap, or per nonzero its value and a distance of 4 to 8 bits (longer ones take entries
 * of their own) with a count for each row; and 3 bytes of bias and scale for each row that is not empty.
 */
function storedBytes(
  { rows, termsPerRow }: Layer,
  weights: ArrayLike<number>,
  valueBits: number,
  widths: readonly number[],
): Stored {
  const entries = new Map(widths.map((width) => [width, 0]));
  let [nonzeros, used] = [0, 0];
  for (let row = 0; row < rows; row++) {
    let gap = 0;
    const before = nonzeros;
    for (let i = row * termsPerRow; i < (row + 1) * termsPerRow; i++) {
      if (weights[i] === 0) {
        gap++;
        continue;
      }
      nonzeros++;
      for (const [width, n] of entries) entries.set(width, n + 1 + Math.floor(gap / 2 ** width));
      gap = 0;
    }
    if (nonzeros > before) used++;
  }
  const bitmap = { format: 'bitmap', size: (rows * termsPerRow + nonzeros * valueBits) / 8 };
  const runs = [...entries].map(([width, n]) => ({
    format: `${width} + ${valueBits} bits`,
    size: (n * (width + valueBits)) / 8 + rows,
  }));
  const best = [bitmap, ...runs].reduce((a, b) => (b.size < a.size ? b : a));
  return { nonzeros, rows: used, format: best.format, bytes: Math.ceil(best.size) + 3 * used };
}

function bitsOf(layer: Layer): number {
  const { weightBits } = options;
  return typeof weightBits === 'number' ? weightBits : (weightBits?.get(layer.node) ?? 8);
}

/** Top-1 of the integer program of the fused graph. */
function int8Accuracy(graph: Graph<'float'>, train: Labelled, judged: Labelled): number {
  const step = train.count / 512;
  const inputs = Array.from({ length: 512 }, (_, i) => train.input(Math.floor(i * step)));
  const weightBits = typeof options.weightBits === 'number' ? options.weightBits : 8;
  const calibration = calibrate(graph, inputs, 'minmax');
  const integers = quantize(calibration, { mode: 'single', weightBits, biasCorrection: true }).run(graph);
  const { program } = assemble(integers, { name: net.name, strategy: 'overlap' });
  const simulator = createSimulator(program, { mode: 'fast' });
  let right = 0;
  for (let i = 0; i < judged.count; i++) {
    const { output } = simulator.run(encodeInput(program, judged.input(i)));
    const answer = decodeOutput(program, output);
    right += Number([...answer].indexOf(Math.max(...answer)) === judged.label(i));
  }
  return right / judged.count;
}

function testData(): Labelled {
  const judged = samplesOf(net, 'test');
  return labelled(judged, labelsOf(judged), 0, judged.count);
}

test('fine-tuning', async () => {
  const teacher = fuse.run(foldBatchNorm.run(canonicalize.run(modelOf(net))));
  const { train, held } = trainingData();
  const student = start > 0 ? withoutSmallest(teacher, start) : teacher;
  const worker = pathToFileURL(path.join(root, 'dist/compress/train/node-worker.js'));
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  let epoch = 0;
  const { graph } = await finetune(
    student,
    teacher,
    train,
    {
      ...options,
      onProgress(p) {
        if (p.epoch === epoch) return;
        epoch = p.epoch;
        process.stderr.write(
          `epoch ${epoch}, sparsity ${formatPercent(p.sparsity)}, ${p.secondsLeft.toFixed(0)} s left\n`,
        );
      },
    },
    onThreads(threads, worker),
  );
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  const { layers } = networkOf(graph);
  const storedWith = (widths: readonly number[]): Stored[] =>
    layers.map((layer) =>
      storedBytes(layer, graph.tensors.get(layer.weight)!.constant!.data, bitsOf(layer), widths),
    );
  const stored = storedWith([4, 5, 6, 7, 8]);
  const sum = (of: (s: Stored) => number, over = stored): string =>
    String(over.reduce((n, s) => n + of(s), 0));
  const rows = stored.map((s, l) => [
    layers[l]!.node,
    String(s.nonzeros),
    `${s.rows} of ${layers[l]!.rows}`,
    s.format,
    String(s.bytes),
  ]);
  rows.push(['all', sum((s) => s.nonzeros), sum((s) => s.rows), '', sum((s) => s.bytes)]);
  const judgements = [
    `with distances of 4 or 8 bits only: ${sum((s) => s.bytes, storedWith([4, 8]))} bytes`,
    `held-out images: ${formatPercent(accuracy(teacher, held))} before, ${formatPercent(accuracy(graph, held))} after`,
    `${seconds.toFixed(0)} s, ${((used.user + used.system) / 1e6).toFixed(0)} s of processor time`,
  ];
  if (final) {
    const judged = testData();
    judgements.push(
      `test images: float ${formatPercent(accuracy(teacher, judged))} before, ${formatPercent(accuracy(graph, judged))} after, int8 program ${formatPercent(int8Accuracy(graph, train, judged))}`,
    );
  }
  const head = ['layer', 'nonzeros', 'rows in use', 'format', 'bytes'];
  console.log(
    [JSON.stringify(JSON.parse(process.env.FINETUNE ?? '{}')), markdown(head, rows), ...judgements].join(
      '\n',
    ),
  );
});
