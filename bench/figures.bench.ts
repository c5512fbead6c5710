/**
 * Instructions, code, constants and RAM of every network as `thimble compile` makes it, on five chips: written into
 * docs/benchmarks.md, held to test/figures.json, and recorded there with `--update`.
 */
import { test } from 'vitest';
import { must } from '../src/base/errors.ts';
import { indexOfLargest } from '../src/base/extremes.ts';
import { calibrationOf } from '../src/cli/flags/calibrate.ts';
import type { Compiled } from '../src/compile.ts';
import { arrangeInput } from '../src/program/values.ts';
import { inference } from '../src/runtime/engines.ts';
import {
  expectRecorded,
  type Figures,
  figuresOf,
  modelledFor,
  type Objective,
  objectives,
  optionsFor,
  optOf,
} from '../test/support/figures.ts';
import { compiledOf, labelsOf, type Net, nets, samplesOf } from './models.ts';
import { count, markdown, writeSection } from './page.ts';

const chips = ['cortex-m0', 'cortex-m3', 'cortex-m4', 'cortex-m55', 'rv32imc'] as const;
type Chip = (typeof chips)[number];

/** Millions of instructions of CMSIS-NN, in the order of `chips`. */
const cmsis: Readonly<Record<string, readonly number[]>> = {
  lenet5: [4.743, 2.549, 2.151, 0.714, 3.106],
  cifarnet: [49.46, 21.51, 15.29, 2.529, 34.34],
  resnet8: [97.51, 41.75, 29.85, 4.802, 65.28],
  dscnn: [28.99, 10.54, 7.839, 1.778, 16.24],
};

/** Millions of instructions of float32 on a Cortex-M4F: onnx2c ea045cc, emx-onnx-cgen 0952ecc. */
const floats: Readonly<Record<string, readonly [number, number]>> = {
  lenet5: [2.271, 2.328],
  cifarnet: [56.59, 36.65],
  resnet8: [129.4, 108.8],
};

const lenet = must(nets[0], 'LeNet-5');
const found = new Map<string, Figures>();
const figureOf = (net: string, build: string, chip: Chip): Figures =>
  must(found.get(`${net} ${build} ${chip}`), 'it was measured');

async function find({ name }: Net, build: string, chip: Chip, compiled: Compiled): Promise<void> {
  found.set(`${name} ${build} ${chip}`, await figuresOf(compiled, chip, optOf(build)));
  console.log(`${name} ${build} ${chip}`, JSON.stringify(figureOf(name, build, chip)));
}

/** Chips that share the options of a build share the build. */
async function measure(net: Net, objective: Objective, on: readonly Chip[]): Promise<void> {
  const made = new Map<string, Compiled>();
  for (const chip of on) {
    const options = optionsFor(objective, modelledFor(chip));
    const key = JSON.stringify(options);
    const compiled = made.get(key) ?? compiledOf(net, options);
    made.set(key, compiled);
    await find(net, objective, chip, compiled);
  }
}

/** The options of `thimble compile` for few instructions at most 0.2 point below the float network. */
const prunedFlags = '--sparsity 0.86 --optimize speed --target rv32imc --requant compact';
const prunedBuild = (): Compiled =>
  compiledOf(lenet, {
    ...optionsFor('speed', 'rv32imc'),
    calibration: calibrationOf(samplesOf(lenet, 'train'), 1000),
    requant: 'compact',
    prune: { method: 'obs', sparsity: 0.86, price: 'macs', seed: 1 },
  });

/** In percent of 10,000 test digits. */
function top1({ program }: Compiled): number {
  const images = samplesOf(lenet, 'test');
  const labels = labelsOf(images);
  const run = inference(program);
  let hits = 0;
  for (let i = 0; i < images.count; i++) {
    const { output } = run(arrangeInput(program, must(images.pixels, 'digits are pixels').raw(i)));
    hits += Number(indexOfLargest(output) === labels[i]);
  }
  return (100 * hits) / images.count;
}

/** What the float network has right, in percent: see the table of accuracy. */
const floatTop1 = 99.35;

async function measurePruned(): Promise<string> {
  const compiled = prunedBuild();
  for (const chip of ['cortex-m0', 'cortex-m4', 'rv32imc'] as const)
    await find(lenet, 'pruned', chip, compiled);
  const share = top1(compiled);
  if (floatTop1 - share > 0.2) throw new Error(`pruning lost ${(floatTop1 - share).toFixed(2)} points`);
  return `${share.toFixed(2)} %`;
}

/** Three digits. */
const millions = (n: number): string => (n >= 100 ? n.toFixed(0) : n.toPrecision(3));
const inMillions = ({ instructions }: Figures): string => millions(instructions / 1e6);

function int8Table(): string {
  const rows = nets.flatMap(({ name, title }) => [
    [`**${title}**`, ...chips.map((chip) => `**${inMillions(figureOf(name, 'default', chip))}**`)],
    ['CMSIS-NN', ...must(cmsis[name], 'it was measured').map(millions)],
  ]);
  return markdown(['dense int8', 'M0', 'M3', 'M4', 'M55', 'RV32IMC'], rows);
}

function prunedTable(top: string): string {
  const on = (chip: Chip): string => inMillions(figureOf(lenet.name, 'pruned', chip));
  const row = ['LeNet-5', `\`${prunedFlags}\``, on('cortex-m0'), on('cortex-m4'), on('rv32imc'), top];
  return markdown(['pruned int8', 'options', 'M0', 'M4', 'RV32IMC', 'top-1 (float: 99.35 %)'], [row]);
}

function floatTable(): string {
  const rows = nets.map(({ name, title }) => [
    title,
    `**${inMillions(figureOf(name, 'float32', 'cortex-m4'))}**`,
    ...(floats[name] ?? [undefined, undefined]).map((n) => (n === undefined ? '' : millions(n))),
  ]);
  return markdown(['float32', 'M4 with FPU', 'onnx2c', 'emx-onnx-cgen'], rows);
}

function objectivesTable(): string {
  const rows = nets.flatMap(({ name, title }) =>
    objectives.map((objective) => {
      const on = (chip: Chip): Figures => figureOf(name, objective, chip);
      const { constants, ram } = on('cortex-m4');
      return [
        `${title}, ${objective}`,
        ...(['cortex-m0', 'cortex-m4', 'rv32imc'] as const).flatMap((chip) => [
          inMillions(on(chip)),
          count(on(chip).code),
        ]),
        count(constants),
        count(ram),
      ];
    }),
  );
  const head = ['M0', 'code B', 'M4', 'code B', 'RV32IMC', 'code B', 'constants B (M4)', 'RAM B (M4)'];
  return markdown(['build', ...head], rows);
}

test('figures', async () => {
  for (const net of nets) {
    await measure(net, 'default', chips);
    await find(net, 'float32', 'cortex-m4', compiledOf(net, { arith: 'float32' }));
  }
  const top = await measurePruned();
  writeSection('instructions', [int8Table(), prunedTable(top), floatTable()].join('\n\n'));
  for (const net of nets)
    for (const objective of objectives)
      if (objective !== 'default')
        await measure(net, objective, ['cortex-m0', 'cortex-m4', 'cortex-m55', 'rv32imc']);
  writeSection('objectives', objectivesTable());
  await expectRecorded(Object.fromEntries(found), 'all');
});
