/**
 * Codebooks against uniform grids: size, speed and top-1 on test images of LeNet-5 and CIFAR net. Pruning and
 * rounding see training images only. CODEBOOKS=lenet5 or cifarnet makes one table.
 */
import { test } from 'vitest';
import { calibrationOf } from '../src/cli/flags/calibrate.ts';
import { type Compiled, type CompileOptions, compileFused, front } from '../src/compile.ts';
import { totalsOf } from '../src/program/summary.ts';
import { arrangeInput } from '../src/program/values.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { formatPercent } from '../src/text/numbers.ts';
import { wilson } from '../src/text/wilson.ts';
import { labelsOf, modelOf, type Net, nets, samplesOf } from './models.ts';
import { count, markdown, writeSection } from './page.ts';
import { measured } from './pruned.ts';

const chips = ['cortex-m4', 'cortex-m0', 'rv32imc'] as const;

const grids: readonly (readonly [string, Partial<CompileOptions>])[] = [
  ['8 bits', {}],
  ['4 bits', { weightBits: 4 }],
  ['codebook of 16', { codebook: 16 }],
  ['2 bits', { weightBits: 2 }],
  ['codebook of 4', { codebook: 4 }],
];

function top1({ program }: Compiled, net: Net): string {
  const images = samplesOf(net, 'test');
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

async function row(compiled: Compiled, net: Net, what: readonly string[]): Promise<string[]> {
  const runs = [];
  for (const chip of chips) runs.push(await measured(compiled.program, chip));
  const shared = compiled.formats!.filter(({ codebook }) => codebook !== undefined).length;
  return [
    ...what,
    count(totalsOf(compiled.program).tableBytes),
    count(runs[0]!.code),
    ...runs.map(({ total }) => count(total)),
    top1(compiled, net),
    shared === 0 ? '' : `${shared} of ${compiled.formats!.length}`,
  ];
}

const head = [
  'weights gone',
  'values',
  'constants B',
  'code B (M4)',
  'M4',
  'M0',
  'rv32imc',
  'top-1 (95 % interval)',
  'layers stored as indices',
];

const plans = [
  { net: nets[0]!, samples: 1000, sparsities: [0, 0.85, 0.9] },
  { net: nets[1]!, samples: 512, sparsities: [0, 0.8] },
];
const wanted = process.env.CODEBOOKS;

test.each(plans.filter(({ net }) => wanted === undefined || wanted === net.name))(
  'codebooks of $net.name',
  async ({ net, samples, sparsities }) => {
    const train = samplesOf(net, 'train');
    const options: CompileOptions = {
      name: net.name,
      arith: 'int8',
      requant: 'compact',
      calibration: calibrationOf(train, samples),
      formats: { objective: 'flash', target: 'cortex-m4' },
    };
    const made = front(modelOf(net), options);
    const rows: string[][] = [];
    for (const sparsity of sparsities)
      for (const [name, more] of grids) {
        const prune = { method: 'obs', sparsity, price: 'weights', seed: 1 } as const;
        const compiled = compileFused(made, { ...options, ...more, ...(sparsity > 0 ? { prune } : {}) });
        rows.push(await row(compiled, net, [formatPercent(sparsity), name]));
        console.log(rows.at(-1)!.join(' | '));
        writeSection(net.name, markdown(head, rows), 'codebooks.md');
      }
  },
);
