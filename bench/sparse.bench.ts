/**
 * Pruned LeNet-5 on chips, exactly counted, and where storing less begins to pay, by the cost model and exactly:
 * the tables and curves of docs/sparse.md. `-t break-even` draws the curves alone.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'vitest';
import { certify } from '../src/artifact/certify.ts';
import { type CostTarget, modelledInstructions, tableBytesOf } from '../src/cost/speed.ts';
import type { Graph } from '../src/ir/graph/graph.ts';
import { formatName, type WeightFormat } from '../src/ir/kernel/weight-format.ts';
import { chooseFormats } from '../src/passes/choose-formats.ts';
import type { FormatObjective } from '../src/passes/format-objective.ts';
import { breakEvenSvg, type Curve, crossingAt, type Point } from './break-even.ts';
import { root } from './models.ts';
import { count, markdown, writeSection } from './page.ts';
import { flashPriced, lenet, macPriced, measured, programFrom, prunedGraph, stored } from './pruned.ts';

const targets = ['cortex-m0', 'cortex-m4', 'rv32imc'] as const satisfies readonly CostTarget[];
const percent = (x: number, digits = 0): string => `${(100 * x).toFixed(digits)} %`;

const chosenText = (graph: Graph<'int8'>): string =>
  graph.nodes
    .flatMap(({ quantized }) => {
      const q = quantized as { readonly format?: WeightFormat; readonly lanes?: number } | undefined;
      return q?.format === undefined ? [] : [formatName(q.format) + (q.lanes === 8 ? ' (8)' : '')];
    })
    .join(', ');

/** Speed: chosen for each target, counted exactly, beside the same weights stored densely. */
async function speed(): Promise<void> {
  const graph = prunedGraph(lenet, { percents: macPriced, mode: 'compact' });
  const rows: string[][] = [];
  for (const target of targets) {
    const dense = await measured(programFrom(graph), target);
    for (const objective of [
      'speed',
      'flash',
      'tables',
      { flashBytes: 24_500 },
    ] as const satisfies FormatObjective[]) {
      const made = chooseFormats(graph, { objective, target });
      const program = programFrom(made.graph);
      const exact = await measured(program, target);
      const name = typeof objective === 'string' ? objective : `${count(objective.flashBytes)} B`;
      rows.push([
        `${target}, ${name}`,
        chosenText(made.graph),
        count(dense.total),
        count(exact.total),
        percent(exact.total / dense.total),
        percent(made.total.instructions / exact.total - 1, 1),
        count(made.total.bytes),
        count(exact.code),
      ]);
    }
  }
  const head = ['objective', 'formats, layer by layer', 'dense', 'chosen', 'of dense', 'model off by'];
  writeSection('speed', markdown([...head, 'constants B', 'code B'], rows), 'sparse.md');
}

/** Flash: 4-bit weights. */
async function flash(): Promise<void> {
  const rows: string[][] = [];
  const layers: string[][] = [];
  for (const [bits, objective] of [
    [8, 'flash'],
    [8, 'tables'],
    [4, 'flash'],
    [4, 'tables'],
    [4, 'speed'],
  ] as const) {
    const graph = prunedGraph(lenet, { percents: flashPriced, bits, mode: 'compact' });
    const made = chooseFormats(graph, { objective, target: 'cortex-m4' });
    const program = programFrom(made.graph);
    const exact = await Promise.all(targets.map((target) => measured(program, target)));
    const { totals, holds, layers: certified } = certify(program, made.graph);
    if (!holds) throw new Error('the certificate does not hold');
    const what = `${bits} bits, ${objective}`;
    const counts = exact.map(({ total }) => count(total));
    rows.push([
      what,
      chosenText(made.graph),
      count(totals.tableBytes),
      count(totals.weightBytes),
      count(totals.floorBytes),
      count(exact[targets.indexOf('cortex-m4')]!.code),
      ...counts,
    ]);
    for (const l of certified)
      layers.push([
        `${what}: ${l.kernel}`,
        l.format,
        percent(l.density, 1),
        String(l.bits),
        count(l.weightBytes),
        count(l.floorBytes),
        percent(l.weightBytes / l.floorBytes - 1),
        count(l.tableBytes),
        l.sqnr.toFixed(1),
      ]);
  }
  const head = [
    'weights',
    'formats, layer by layer',
    'constants B',
    'of weights B',
    'floor B',
    'code B (M4)',
    ...targets,
  ];
  writeSection('flash', markdown(head, rows), 'sparse.md');
  const of = [
    'layer',
    'format',
    'density',
    'bits',
    'weights B',
    'floor B',
    'above',
    'all tables B',
    'SQNR dB',
  ];
  writeSection('certificate', markdown(of, layers), 'sparse.md');
}

const curves: readonly WeightFormat[] = [
  { kind: 'csr', bits: 8, unroll: 1, segmented: false },
  { kind: 'csr', bits: 8, unroll: 4, segmented: false },
  { kind: 'rel', bits: 8, unroll: 1, segmented: true },
  { kind: 'block', width: 2, unroll: 1, segmented: true },
  { kind: 'bitmap', bits: 8 },
];
const densities = [5, 10, 20, 30, 40, 50, 60, 80, 100];
/** Of LeNet-5's steps. */
const layersDrawn = [
  { title: 'conv2, 5x5, 6 -> 16, pooled', picture: 'conv2', step: 1 },
  { title: 'linear1, 400 -> 120', picture: 'linear1', step: 2 },
];

/** Where the line through the points reaches `limit`, in words. */
function crossing(points: readonly Point[], limit: number): string {
  const at = crossingAt(points, limit);
  if (at !== undefined) return `${at.toFixed(0)} %`;
  const last = points.at(-1)?.[0] ?? 0;
  if ((points[0]?.[1] ?? 0) > limit) return 'never';
  return last === 100 ? 'always' : `more than ${last} %`;
}

interface Drawn extends Curve {
  readonly layer: string;
  /** Of all tables, at each density, and with dense weights. */
  readonly bytes: readonly Point[];
  readonly denseBytes: number;
}

async function curvesOf({ title, step }: (typeof layersDrawn)[number]): Promise<readonly Drawn[]> {
  const graphs = densities.map((d) => prunedGraph(lenet, { percents: Array(5).fill(d), mode: 'compact' }));
  const whole = programFrom(graphs.at(-1)!);
  const denseBytes = tableBytesOf(whole.steps[step]!.kernel);
  const drawn: Drawn[] = [];
  for (const target of targets) {
    const dense = (await measured(whole, target)).perStep[step]!;
    for (const format of curves) {
      const kernels = graphs.map((g) => programFrom(stored(g, Array(5).fill(format))).steps[step]!.kernel);
      drawn.push({
        layer: title,
        target,
        format: formatName(format),
        dense,
        points: densities.map((d, i) => [d, modelledInstructions(kernels[i]!, target)]),
        exact: await exactly(graphs, format, target, step),
        bytes: densities.map((d, i) => [d, tableBytesOf(kernels[i]!)]),
        denseBytes,
      });
    }
  }
  return drawn;
}

const evenRow = ({ layer, target, format, dense, points, exact, bytes, denseBytes }: Drawn): string[] => [
  `${layer}, ${target}`,
  format,
  crossing(points, dense),
  exact.length === 0 ? '' : crossing(exact, dense),
  crossing(bytes, denseBytes),
];

function curveRow({ layer, target, format, dense, points, exact }: Drawn): string[] {
  const cells = points.map(([density, n]) => {
    const found = exact.find(([d]) => d === density);
    return `${(n / 1000).toFixed(0)}${found === undefined ? '' : ` (${(found[1] / 1000).toFixed(0)})`}`;
  });
  return [`${layer}, ${target}`, format, (dense / 1000).toFixed(0), ...cells];
}

async function breakEven(): Promise<void> {
  const all: Drawn[] = [];
  for (const layer of layersDrawn) {
    const drawn = await curvesOf(layer);
    const picture = path.join(root, 'docs/images', `break-even-${layer.picture}.svg`);
    writeFileSync(picture, await breakEvenSvg(`${layer.title}, 8-bit weights`, drawn));
    all.push(...drawn);
  }
  const head = ['layer, target', 'format', 'dense8', ...densities.map((d) => `${d} %`)];
  writeSection('curves', markdown(head, all.map(curveRow)), 'sparse.md');
  const evenHead = [
    'layer, target',
    'format',
    'faster below (model)',
    'faster below (exact)',
    'smaller below',
  ];
  writeSection('break-even', markdown(evenHead, all.map(evenRow)), 'sparse.md');
}

/** Some points of the first two curves, counted. */
async function exactly(
  graphs: readonly Graph<'int8'>[],
  format: WeightFormat,
  target: CostTarget,
  step: number,
): Promise<readonly Point[]> {
  if (format.kind !== 'csr') return [];
  const points: Point[] = [];
  for (const [i, density] of densities.entries()) {
    if (![10, 20, 40, 60].includes(density)) continue;
    const { perStep } = await measured(programFrom(stored(graphs[i]!, Array(5).fill(format))), target);
    points.push([density, perStep[step]!]);
  }
  return points;
}

test('speed', speed);
test('flash', flash);
test('break-even', breakEven);
