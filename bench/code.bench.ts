/**
 * Fits the weights of src/cost/size.ts to the machine code of a spread of kernels, and writes them there and
 * into docs/sparse.md, with the error that is left.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'vitest';
import { bestCentres } from '../src/compress/round/k-means.ts';
import { codeFeatures, codeParts } from '../src/cost/size-features.ts';
import { gccFlags } from '../src/emit/flags.ts';
import { formFlags } from '../src/emit/instruction-sets.ts';
import { emitC } from '../src/emit/package.ts';
import { isCoded } from '../src/ir/formats/codes.ts';
import type { Graph, Node } from '../src/ir/graph/graph.ts';
import type { QuantizedMac } from '../src/ir/integers/mac.ts';
import { formatName, type WeightFormat } from '../src/ir/kernel/weight-format.ts';
import type { Program } from '../src/program/program.ts';
import { compileC99, functionsOf } from '../src/targets/link.ts';
import { inFolder, writeAll } from '../src/targets/native.ts';
import { type TargetName, targets } from '../src/targets/targets.ts';
import { leastSquares } from './least-squares.ts';
import { nets, root } from './models.ts';
import { markdown, writeSection } from './page.ts';
import { lanesOf, lenet, programFrom, prunedGraph, stored } from './pruned.ts';

const chips = ['cortex-m0', 'cortex-m3', 'cortex-m4', 'rv32imc'] as const satisfies readonly TargetName[];
const optimizations = ['-Os', '-O3'] as const;

const gathers = (bits: 8 | 4): readonly WeightFormat[] =>
  (['csr', 'rel'] as const).flatMap((kind) =>
    ([1, 2, 4] as const).map((unroll) => ({ kind, bits, unroll, segmented: unroll === 2 }) as const),
  );
const formatsOf: Readonly<Record<8 | 4 | 2, readonly WeightFormat[]>> = {
  8: [
    { kind: 'dense', bits: 8 },
    ...gathers(8),
    { kind: 'block', width: 2, unroll: 1, segmented: true },
    { kind: 'block', width: 4, unroll: 2, segmented: true },
    { kind: 'bitmap', bits: 8 },
  ],
  4: [{ kind: 'dense', bits: 4 }, ...gathers(4), { kind: 'bitmap', bits: 4 }],
  2: [
    { kind: 'dense', bits: 2 },
    { kind: 'bitmap', bits: 2 },
  ],
};

/** Weights to the nearest of a codebook of `size`. */
function shared(graph: Graph<'int8'>, size: 16 | 4): Graph<'int8'> {
  const nodes = graph.nodes.map((node): Node => {
    const mac = node.quantized as QuantizedMac | undefined;
    if (mac?.weights === undefined) return node;
    const values = Float64Array.from(mac.weights);
    const codebook = bestCentres({ values, weights: values.map(() => 1) }, size, true);
    const weights = mac.weights.map((w) =>
      codebook.reduce((best, v) => (Math.abs(v - w) < Math.abs(best - w) ? v : best)),
    );
    return { ...node, quantized: { ...mac, weights, codebook } };
  });
  return { ...graph, nodes };
}

interface Subject {
  readonly what: string;
  readonly program: Program;
}

function subjects(): Subject[] {
  const sizes: readonly (8 | 4 | 2)[] = [8, 4, 2];
  const modes = [
    { mode: 'compact', percents: [35, 23, 16, 35, 83], every: 1 },
    { mode: 'single', percents: [75, 41, 10, 26, 72], every: 3 },
  ] as const;
  const found = modes.flatMap(({ mode, percents, every }) =>
    sizes.flatMap((bits) => {
      const uniform = prunedGraph(lenet, { percents, bits, mode });
      const coded =
        bits === 8 ? undefined : shared(prunedGraph(lenet, { percents, mode }), bits === 4 ? 16 : 4);
      return formatsOf[bits]
        .filter((_, i) => i % every === 0)
        .flatMap((format, i) => {
          const lanes = i % 2 === 0 ? 4 : 8;
          const made = (graph: Graph<'int8'>, kind: string): Subject => ({
            what: `LeNet-5 ${mode} ${formatName(format, kind !== '')} ${lanes}`,
            program: programFrom(lanesOf(stored(graph, [format, format, format, format, format]), lanes)),
          });
          const book = coded?.nodes.map((n) => (n.quantized as QuantizedMac | undefined)?.codebook)[0];
          const both = coded !== undefined && 'bits' in format && isCoded(format.bits, book);
          return [made(uniform, ''), ...(both && i % 2 === 0 ? [made(coded, 'coded')] : [])];
        });
    }),
  );
  const others = nets.slice(1).map((net) => ({
    what: net.title,
    program: programFrom(prunedGraph(net, { percents: [] })),
  }));
  return [...found, ...others];
}

const cache = path.join(tmpdir(), 'thimble-code-sizes');

/** Bytes by function, remembered by the C text. */
async function sizesOf(
  program: Program,
  target: TargetName,
  opt: string,
): Promise<ReadonlyMap<string, number>> {
  const files = emitC(program, { command: 'bench', version: '0', hash: '', golden: [] });
  const text = `${target} ${opt} plain ${[...files].filter(([name]) => name.endsWith('.c')).join('')}`;
  const file = path.join(cache, createHash('sha256').update(text).digest('hex'));
  if (existsSync(file)) return new Map(JSON.parse(readFileSync(file, 'utf8')) as [string, number][]);
  const sizes = await inFolder(async (folder) => {
    await writeAll(folder, [...files]);
    const build = { target: targets[target], folder, opt, sanitize: false };
    // The model is of plain C.
    await compileC99(
      build,
      [`${program.name}.c`],
      ['-o', 'net.o', ...gccFlags(program), ...formFlags(program, 'plain')],
    );
    return functionsOf(build, 'net.o');
  });
  mkdirSync(cache, { recursive: true });
  writeFileSync(file, JSON.stringify([...sizes]));
  return sizes;
}

interface Sample {
  readonly what: string;
  readonly parts: Float64Array;
  readonly bytes: number;
}

async function samplesOn(target: TargetName, opt: string, all: readonly Subject[]): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const { what, program } of all) {
    const sizes = await sizesOf(program, target, opt);
    for (const { kernel } of program.steps) {
      const bytes = sizes.get(`${program.name}_${kernel.name}`);
      if (bytes === undefined) throw new Error(`${what}: no code of ${kernel.name}`);
      samples.push({ what: `${what} ${kernel.name}`, parts: codeParts(kernel), bytes });
    }
  }
  return samples;
}

const predicted = ({ parts }: Sample, weights: Float64Array): number =>
  parts.reduce((sum, x, f) => sum + x * (weights[f] as number), 0);
const errorOf = (s: Sample, weights: Float64Array): number => Math.abs(predicted(s, weights) / s.bytes - 1);

function tableText(all: ReadonlyMap<string, Float64Array>): string {
  const rows = [...all].map(([name, weights]) => {
    const cells = codeFeatures.map((f, i) => `    ${f}: ${weights[i]},`);
    return `  '${name}': {\n${cells.join('\n')}\n  },`;
  });
  return [
    '/** Bytes of machine code per operation, fitted by bench/code.bench.ts, which writes this file. */',
    "import type { CodeFeature } from './size-features.ts';",
    '',
    'export const fittedCode = {',
    ...rows,
    '} as const satisfies Record<string, Readonly<Record<CodeFeature, number>>>;',
    '',
  ].join('\n');
}

test('code model', async () => {
  const all = subjects();
  const fitted = new Map<string, Float64Array>();
  const report: string[][] = [];
  for (const target of chips)
    for (const opt of optimizations) {
      const samples = await samplesOn(target, opt, all);
      const rows = samples.map(({ parts, bytes }) => ({ row: parts, value: bytes }));
      const weights = leastSquares(rows, codeFeatures.length).map((w) => Math.round(w * 100) / 100);
      fitted.set(`${target} ${opt}`, weights);
      const errors = samples.map((s) => errorOf(s, weights)).sort((a, b) => a - b);
      const share = (q: number): string =>
        `${((errors[Math.floor(q * (errors.length - 1))] as number) * 100).toFixed(1)} %`;
      const worst = samples.reduce((a, b) => (errorOf(b, weights) > errorOf(a, weights) ? b : a));
      const sizes = samples.map(({ bytes }) => bytes).sort((a, b) => a - b);
      report.push([
        `${target} ${opt}`,
        String(samples.length),
        `${sizes[0]} to ${sizes.at(-1)}`,
        share(0.5),
        share(0.9),
        share(1),
        worst.what,
      ]);
      console.log(report.at(-1)?.join(' | '));
      for (const s of samples.filter((s) => errorOf(s, weights) > 0.3))
        console.log(`    ${s.what}: ${s.bytes}, model ${Math.round(predicted(s, weights))}`);
      console.log(codeFeatures.map((f, i) => `${f} ${weights[i]}`).join(', '));
    }
  if (process.env.CODE_TRY !== undefined) return;
  writeFileSync(path.join(root, 'src/cost/fitted-size.ts'), tableText(fitted));
  const head = ['target', 'kernels', 'bytes', 'median error', '90 % below', 'largest', 'which'];
  writeSection('code', markdown(head, report), 'sparse.md');
});
