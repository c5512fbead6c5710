/**
 * Fits the weights of src/cost/speed.ts to exact instruction counts of a spread of kernels, and writes them there
 * and into docs/sparse.md, with the error that is left.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, test } from 'vitest';
import { operationsOf } from '../src/cost/counts.ts';
import { fitted } from '../src/cost/fitted-speed.ts';
import { type Feature, features } from '../src/cost/speed-features.ts';
import type { Graph } from '../src/ir/graph/graph.ts';
import type { InstructionSet } from '../src/ir/kernel/primitive.ts';
import { formatName, type WeightFormat } from '../src/ir/kernel/weight-format.ts';
import { packed } from '../src/lower/packed.ts';
import { variantsOf } from '../src/lower/variants.ts';
import type { Program } from '../src/program/program.ts';
import type { TargetName } from '../src/targets/targets.ts';
import { leastSquares } from './least-squares.ts';
import { nets, root } from './models.ts';
import { markdown, writeSection } from './page.ts';
import { lanesOf, lenet, measured, programFrom, prunedGraph, stored } from './pruned.ts';

/** What is fitted: plain C on a chip, or kernels in the form for its instructions. */
const models = [
  { model: 'cortex-m0', target: 'cortex-m0' },
  { model: 'cortex-m3', target: 'cortex-m3' },
  { model: 'cortex-m4', target: 'cortex-m4' },
  { model: 'cortex-m4 dsp', target: 'cortex-m4', set: 'dsp' },
  { model: 'cortex-m55', target: 'cortex-m55' },
  { model: 'cortex-m55 mve', target: 'cortex-m55', set: 'mve' },
  { model: 'rv32imc', target: 'rv32imc' },
] as const satisfies readonly Model[];

interface Model {
  readonly model: string;
  readonly target: TargetName;
  readonly set?: InstructionSet;
}

interface Sample {
  readonly what: string;
  readonly operations: Float64Array;
  readonly instructions: number;
}

const gather = (kind: 'csr' | 'rel', bits: 8 | 4, unroll: 1 | 2 | 4, segmented: boolean): WeightFormat => ({
  kind,
  bits,
  unroll,
  segmented,
});

const eightBit: readonly WeightFormat[] = [
  { kind: 'dense', bits: 8 },
  gather('csr', 8, 1, false),
  gather('csr', 8, 2, false),
  gather('csr', 8, 4, false),
  gather('csr', 8, 1, true),
  gather('csr', 8, 2, true),
  gather('rel', 8, 1, true),
  gather('rel', 8, 2, false),
  { kind: 'block', width: 2, unroll: 1, segmented: true },
  { kind: 'bitmap', bits: 8 },
];
const fourBit: readonly WeightFormat[] = [
  { kind: 'dense', bits: 4 },
  gather('csr', 4, 1, false),
  gather('csr', 4, 2, true),
  gather('rel', 4, 1, true),
  gather('rel', 4, 2, true),
  gather('rel', 4, 4, false),
  { kind: 'bitmap', bits: 4 },
];

/** How a network is pruned and requantized, and how many of the formats it is stored in, with larger tiles too. */
const variants = [
  { percents: [35, 23, 16, 35, 83], mode: 'compact', formats: 99, wide: 4 },
  { percents: [35, 23, 16, 35, 83], mode: 'single', formats: 2, wide: 0 },
  { percents: [70, 50, 7, 15, 40], mode: 'compact', formats: 4, wide: 0 },
] as const;

function lenetVariants(): { readonly what: string; readonly program: Program }[] {
  return variants.flatMap(({ percents, mode, formats, wide }) =>
    ([8, 4] as const).flatMap((bits) => {
      const graph = prunedGraph(lenet, { percents, bits, mode });
      return (bits === 8 ? eightBit : fourBit).slice(0, formats).flatMap((format, i) => {
        const made = stored(graph, [format, format, format, format, format]);
        return (i < wide ? ([4, 8] as const) : ([4] as const)).map((lanes) => ({
          what: `LeNet-5 ${percents.join('/')} ${mode} ${lanes} ${formatName(format)}`,
          program: programFrom(lanesOf(made, lanes)),
        }));
      });
    }),
  );
}

/** Dense weights, two rows a product, in the shapes that a chip has. */
const packedVariants = (programs: ReturnType<typeof denseVariants>, pixels: number): typeof programs =>
  [5, 8].flatMap((terms) =>
    programs.map(({ what, program }) => ({
      what: `${what} ${pixels}/2/${terms}`,
      program: {
        ...program,
        steps: program.steps.map((step) => ({
          ...step,
          kernel: packed(step.kernel, { pixels, pairs: 2, terms }) ?? step.kernel,
        })),
      },
    })),
  );

const denseVariants = (): { readonly what: string; readonly program: Program }[] =>
  nets.map((net) => ({
    what: net.title,
    program: programFrom(prunedGraph(net, { percents: [] }) as Graph<'int8'>),
  }));

/** Dense networks as they are made for each aim. */
async function samplesOfForms(target: TargetName, set: InstructionSet): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const { what, program: whole } of denseVariants())
    for (const aim of set === 'dsp' ? (['speed', 'balanced', 'tables'] as const) : (['balanced'] as const)) {
      const program = aim === 'balanced' ? whole : { ...whole, aim };
      const variants = new Map(
        [...variantsOf(program)].flatMap(([kernel, forms]) => {
          const own = forms.filter((form) => form.set === set);
          return own.length === 0 ? [] : [[kernel, own] as const];
        }),
      );
      const { perStep } = await measured(program, target, variants);
      program.steps.forEach(({ kernel }, i) => {
        const form = variants.get(kernel)?.[0]?.kernel;
        if (form !== undefined)
          samples.push({
            what: `${what} ${aim} ${kernel.name}`,
            operations: Float64Array.from(operationsOf(form)),
            instructions: perStep[i] as number,
          });
      });
    }
  return samples;
}

async function samplesOn(target: TargetName, programs: ReturnType<typeof denseVariants>): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const { what, program } of programs) {
    const { perStep } = await measured(program, target);
    program.steps.forEach(({ kernel }, i) => {
      samples.push({
        what: `${what} ${kernel.name}`,
        operations: Float64Array.from(operationsOf(kernel)),
        instructions: perStep[i] as number,
      });
    });
  }
  return samples;
}

const predicted = (s: Sample, weights: Float64Array): number =>
  s.operations.reduce((sum, x, f) => sum + x * (weights[f] as number), 0);

const errorOf = (s: Sample, weights: Float64Array): number =>
  Math.abs(predicted(s, weights) / s.instructions - 1);

const rounded = (weights: Float64Array): Float64Array => weights.map((w) => Math.round(w * 100) / 100);

function tableText(all: ReadonlyMap<string, Readonly<Record<Feature, number>>>): string {
  const rows = [...all].map(([model, weights]) => {
    const cells = features.map((f) => `    ${f}: ${weights[f]},`);
    return `  ${/-/.test(model) ? `'${model}'` : model}: {\n${cells.join('\n')}\n  },`;
  });
  return [
    '/** Instructions per operation, fitted to exact counts by bench/cost.bench.ts, which writes this file. */',
    "import type { Feature } from './speed-features.ts';",
    '',
    'export const fitted = {',
    ...rows,
    '} as const satisfies Record<string, Readonly<Record<Feature, number>>>;',
    '',
  ].join('\n');
}

const all = new Map<string, Readonly<Record<Feature, number>>>(Object.entries(fitted));
const report: string[][] = [];

test.each(models)('cost model $model', async (model: Model) => {
  const dense = denseVariants();
  const shapes = packedVariants(dense, model.target === 'cortex-m0' ? 1 : 2);
  const programs = [...lenetVariants(), ...dense, ...shapes];
  const found =
    model.set === undefined
      ? await samplesOn(model.target, programs)
      : await samplesOfForms(model.target, model.set);
  const samples = found.filter((s) => s.instructions > 500);
  const rows = samples.map((s) => ({ row: s.operations, value: s.instructions }));
  const weights = rounded(leastSquares(rows, features.length));
  all.set(
    model.model,
    Object.fromEntries(features.map((f, i) => [f, weights[i]])) as Record<Feature, number>,
  );
  const errors = samples.map((s) => errorOf(s, weights)).sort((a, b) => a - b);
  const share = (q: number): string =>
    `${((errors[Math.floor(q * (errors.length - 1))] as number) * 100).toFixed(1)} %`;
  const worst = samples.reduce((a, b) => (errorOf(b, weights) > errorOf(a, weights) ? b : a));
  report.push([model.model, String(samples.length), share(0.5), share(0.9), share(1), worst.what]);
  console.log(report.at(-1)?.join(' | '));
  const bad = samples.filter((s) => errorOf(s, weights) > 0.15);
  for (const s of bad.slice(0, 40))
    console.log(`    ${s.what}: ${s.instructions}, model ${Math.round(predicted(s, weights))}`);
  console.log(features.map((f, i) => `${f} ${weights[i]}`).join(', '));
});

/** Models that were left out (`-t`) keep their weights. */
afterAll(() => {
  writeFileSync(path.join(root, 'src/cost/fitted-speed.ts'), tableText(all));
  if (report.length < models.length) return;
  writeSection(
    'cost',
    markdown(['model', 'kernels', 'median error', '90 % below', 'largest', 'which'], report),
    'sparse.md',
  );
});
