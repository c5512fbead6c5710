/**
 * Whole builds of LeNet-5: constants, code, RAM, stack, instructions and top-1 of one and the same build in each
 * row, with every byte compared on every chip. BUILDS=name,name runs some of them and replaces their rows.
 */
import path from 'node:path';
import { test } from 'vitest';
import { artifactOf, loadArtifact } from '../src/artifact/make.ts';
import { type VerifyRow, verifyArtifact } from '../src/artifact/node-verify.ts';
import { calibrationOf } from '../src/cli/flags/calibrate.ts';
import { trainedBuild } from '../src/cli/flags/finetune.ts';
import { type Compiled, type CompileOptions, compile } from '../src/compile.ts';
import { onThreads } from '../src/compress/train/node-threads.ts';
import { readLabels } from '../src/data/node-files.ts';
import { totalsOf } from '../src/program/summary.ts';
import { arrangeInput } from '../src/program/values.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { chips, type TargetName } from '../src/targets/targets.ts';
import { formatPercent } from '../src/text/numbers.ts';
import { wilson } from '../src/text/wilson.ts';
import { labelsOf, modelBytes, modelOf, nets, samplesOf, shared } from './models.ts';
import { count, markdown, standingRows, writeSection } from './page.ts';

const lenet = nets[0]!;
const train = samplesOf(lenet, 'train');

interface Build {
  readonly name: string;
  /** The options of the command line that make it. */
  readonly flags: string;
  readonly options: Partial<CompileOptions>;
  readonly finetune?: { readonly epochs: number; readonly sparsity: number; readonly bits: 8 | 4 | 2 };
}

const prune = (sparsity: number, price: 'weights' | 'macs') =>
  ({ method: 'obs', sparsity, price, seed: 1 }) as const;
const flash = { objective: 'flash', target: 'cortex-m4' } as const;
const tables = { objective: 'tables', target: 'cortex-m4' } as const;
const speed = (target: 'cortex-m4' | 'cortex-m0' | 'rv32imc') => ({ objective: 'speed', target }) as const;

const builds: readonly Build[] = [
  { name: 'dense', flags: '', options: {} },
  {
    name: 'pruned for speed',
    flags: '--sparsity 0.86 --optimize speed --target rv32imc --requant compact',
    options: { requant: 'compact', prune: prune(0.86, 'macs'), formats: speed('rv32imc') },
  },
  {
    name: 'pruned',
    flags: '--sparsity 0.85 --weight-bits 4 --requant compact',
    options: { requant: 'compact', weightBits: 4, prune: prune(0.85, 'weights'), formats: flash },
  },
  {
    name: 'pruned for constants',
    flags: '--sparsity 0.85 --weight-bits 4 --optimize tables --requant compact',
    options: { requant: 'compact', weightBits: 4, prune: prune(0.85, 'weights'), formats: tables },
  },
  {
    name: 'pruned harder',
    flags: '--sparsity 0.9 --weight-bits 4 --requant compact',
    options: { requant: 'compact', weightBits: 4, prune: prune(0.9, 'weights'), formats: flash },
  },
  {
    name: 'trained',
    flags: '--finetune 10 --sparsity 0.92 --weight-bits 4 --optimize tables --requant compact',
    options: { requant: 'compact', weightBits: 4, formats: tables },
    finetune: { epochs: 10, sparsity: 0.92, bits: 4 },
  },
  {
    name: 'trained smaller',
    flags: '--finetune 10 --sparsity 0.945 --weight-bits 4 --optimize tables --requant compact',
    options: { requant: 'compact', weightBits: 4, formats: tables },
    finetune: { epochs: 10, sparsity: 0.945, bits: 4 },
  },
  {
    name: 'trained smallest',
    flags: '--finetune 12 --sparsity 0.963 --weight-bits 4 --optimize tables --requant compact',
    options: { requant: 'compact', weightBits: 4, formats: tables },
    finetune: { epochs: 12, sparsity: 0.963, bits: 4 },
  },
];

function trainingOptions(b: Build): CompileOptions {
  return { name: 'lenet5', arith: 'int8', calibration: calibrationOf(train, 1000), ...b.options };
}

async function built(b: Build): Promise<Compiled> {
  const options = trainingOptions(b);
  if (b.finetune === undefined) return compile(modelOf(lenet), options);
  const labels = readLabels(path.join(shared, 'data/mnist/train-labels-idx1-ubyte.gz'));
  const data = {
    count: train.count,
    input: (i: number) => Float32Array.from(train.pixels!.raw(i)),
    label: (i: number) => labels[i]!,
  };
  const { epochs, sparsity, bits } = b.finetune;
  const flags = {
    sparsity,
    weightBits: bits,
    finetune: epochs,
    prune: 'obs',
    pattern: 'none',
    target: 'cortex-m4',
    heldOut: 0,
    seed: 1,
  } as const;
  const runner = onThreads(2, workers);
  return trainedBuild(modelOf(lenet), options, flags, {
    data,
    keeping: undefined,
    onProgress: () => undefined,
    runner,
  });
}

const workers = new URL('../dist/compress/train/node-worker.js', import.meta.url);

async function measured(compiled: Compiled): Promise<readonly VerifyRow[]> {
  const made = { command: 'bench', version: '0', model: modelBytes(lenet), preprocessing: {} };
  const files = artifactOf(compiled, made);
  const bytes = new Map([...files].map(([name, text]) => [name, new TextEncoder().encode(text)]));
  const targets: readonly TargetName[] = ['host-gcc', 'host-clang', ...chips];
  const inputs = compiled.examples.slice(0, 2);
  return (await verifyArtifact(loadArtifact(bytes), { inputs, targets, opt: '-O3' })).rows;
}

function top1({ program }: Compiled): string {
  const images = samplesOf(lenet, 'test');
  const labels = labelsOf(images);
  const simulator = createSimulator(program, { mode: 'fast' });
  let hits = 0;
  for (let i = 0; i < images.count; i++) {
    const { output } = simulator.run(arrangeInput(program, images.pixels!.raw(i)));
    hits += Number(output.indexOf(Math.max(...output)) === labels[i]);
  }
  const { share, low, high } = wilson({ hits, total: images.count });
  return `${formatPercent(share)} (${formatPercent(low)} to ${formatPercent(high)})`;
}

async function row(b: Build): Promise<readonly string[]> {
  const started = performance.now();
  const compiled = await built(b);
  const seconds = Math.round((performance.now() - started) / 1000);
  const rows = await measured(compiled);
  const on = (target: string): VerifyRow | undefined => rows.find((r) => r.target === target);
  const instructions = (target: string): string => count(on(target)?.instructions ?? 0);
  const m4 = on('cortex-m4')?.measures;
  const wrong = rows.filter((r) => r.status !== 'equal').map((r) => `${r.target}: ${r.status}`);
  const { tableBytes, arenaBytes } = totalsOf(compiled.program);
  return [
    b.name,
    `\`${b.flags || '(none)'}\``,
    count(tableBytes),
    `${(246_824 / tableBytes).toFixed(1)}x`,
    count(m4?.sections.code ?? 0),
    count(arenaBytes),
    `${(283_296 / (tableBytes + arenaBytes)).toFixed(1)}x`,
    count(m4?.stackBytes ?? 0),
    instructions('cortex-m4'),
    instructions('cortex-m0'),
    instructions('rv32imc'),
    top1(compiled),
    wrong.length === 0 ? `0 on ${new Set(rows.map(({ target }) => target)).size} targets` : wrong.join(', '),
    String(seconds),
  ];
}

const head = [
  'build',
  'options of compile',
  'constants B',
  'of 246,824 B',
  'code B (M4)',
  'RAM B',
  'of 283,296 B with constants',
  'stack B (M4)',
  'M4',
  'M0',
  'rv32imc',
  'top-1, 10,000 digits (95 % interval)',
  'wrong bytes',
  'seconds to build',
];

const wanted = process.env.BUILDS?.split(',');

test('builds', async () => {
  for (const b of builds.filter(({ name }) => wanted?.includes(name) ?? true)) {
    const rows = standingRows('builds').set(b.name, await row(b));
    const ordered = builds.flatMap(({ name }) => (rows.has(name) ? [rows.get(name)!] : []));
    writeSection('builds', markdown(head, ordered));
  }
});
