/** Each picture of a report with the same numbers as a table. */
import type { Program } from '../program/program.ts';
import { formatBytes, formatCount, formatPercent } from '../text/numbers.ts';
import { type Charts, colours, leftFor, names, seriesColours, shortCount, wide } from './chart.ts';
import { flashKinds, flashParts } from './facts.ts';
import { dataTable } from './markup.ts';
import type { Section } from './page.ts';
import type { SweptBuild } from './swept-build.ts';

export function flash(program: Program, charts: Charts): Section {
  const parts = flashParts(program);
  const kernels = names(program).filter((name) => parts.some(({ kernel }) => kernel === name));
  const of = (kernel: string, kind: string): number =>
    parts.find((p) => p.kernel === kernel && p.kind === kind)?.bytes ?? 0;
  const chart = charts((plot) => ({
    width: wide,
    height: 76 + 26 * kernels.length,
    marginLeft: leftFor(kernels),
    marginBottom: 44,
    color: { legend: true, domain: [...flashKinds], range: flashKinds.map((kind) => colours[kind]) },
    x: { label: 'bytes', grid: true, tickFormat: shortCount },
    y: { domain: kernels, label: null },
    marks: [plot.barX(parts, { x: 'bytes', y: 'kernel', fill: 'kind', inset: 1 }), plot.ruleX([0])],
  }));
  return {
    title: 'Constants by layer',
    caption:
      'What lies in flash besides code. In sparse formats the distances between weights are part of the weights.',
    chart,
    table: dataTable(
      [
        { head: 'layer', cell: (k) => k, text: true },
        ...flashKinds.map((kind) => ({ head: kind, cell: (k: string) => formatCount(of(k, kind)) })),
        { head: 'bytes', cell: (k) => formatCount(flashKinds.reduce((sum, kind) => sum + of(k, kind), 0)) },
      ],
      kernels,
    ),
  };
}

/** A layer's error: in decibels of real units. */
export interface LayerSqnr {
  readonly kernel: string;
  readonly isolated: number;
  readonly cumulative: number;
  readonly clipped: number;
}

const usual = {
  int8: '8 bits give 35 to 50, 4 bits 20 to 30; what was pruned counts as error too.',
  float32: 'float32 gives over 100: only the order of rounding differs.',
} as const;

export function errors(
  rows: readonly LayerSqnr[],
  { arith }: Pick<Program, 'arith'>,
  samples: number,
  charts: Charts,
): Section {
  // The same numbers have no end of decibels: their bars are as long as the longest.
  const decibelsOf = rows.flatMap(({ isolated, cumulative }) => [isolated, cumulative]);
  const longest = Math.max(1, ...decibelsOf.filter(Number.isFinite));
  const finite = (x: number): number => Math.min(longest, x);
  const bars = rows.flatMap(({ kernel, isolated, cumulative }) => [
    { kernel, kind: 'this layer alone', sqnr: finite(isolated) },
    { kernel, kind: 'with all before it', sqnr: finite(cumulative) },
  ]);
  const kinds = ['this layer alone', 'with all before it'];
  const kernels = rows.map(({ kernel }) => kernel);
  const decibels = (x: number): string => (Number.isFinite(x) ? x.toFixed(1) : 'same');
  return {
    title: 'Error by layer',
    caption: `Signal to error against the float model, in decibels, over ${samples} inputs: more is better. ${usual[arith]}`,
    chart: charts((plot) => ({
      width: wide,
      height: 76 + 2 * 16 * kernels.length,
      marginLeft: leftFor(kernels),
      marginBottom: 44,
      color: { legend: true, domain: kinds, range: seriesColours },
      fy: { domain: kernels, label: null, padding: 0.2 },
      y: { domain: kinds, axis: null },
      x: { label: 'SQNR in dB', grid: true },
      marks: [
        plot.barX(bars, { x: 'sqnr', y: 'kind', fy: 'kernel', fill: 'kind' }),
        plot.axisFy({ anchor: 'left', textAnchor: 'end', dx: -8 }),
        plot.ruleX([0]),
      ],
    })),
    table: dataTable(
      [
        { head: 'layer', cell: (r) => r.kernel, text: true },
        { head: 'alone, dB', cell: (r) => decibels(r.isolated) },
        { head: 'with all before, dB', cell: (r) => decibels(r.cumulative) },
        { head: 'clipped', cell: (r) => formatPercent(r.clipped) },
      ],
      rows,
    ),
  };
}

const gridOf = ({ weightBits, codebook }: SweptBuild): string =>
  typeof codebook === 'number' ? `${codebook} values` : `${weightBits} bits`;

/** Of these, those that no smaller build beats in loss: by size, losing less and less. */
export function smallest(builds: readonly SweptBuild[]): readonly SweptBuild[] {
  let least = Number.POSITIVE_INFINITY;
  return builds
    .toSorted((a, b) => a.flashBytes - b.flashBytes || a.loss - b.loss)
    .filter(({ loss }) => {
      const better = loss < least;
      if (better) least = loss;
      return better;
    });
}

export function pareto(builds: readonly SweptBuild[], target: string, charts: Charts): Section {
  const grids = [...new Set(builds.map(gridOf))];
  return {
    title: 'Size against accuracy',
    caption:
      'Every build of a sweep. Filled: no other build beats it in flash, RAM, instructions and loss at once. The line: the least loss for each size.',
    chart: charts((plot) => ({
      width: wide,
      height: 340,
      marginLeft: 60,
      marginBottom: 44,
      color: { legend: true, domain: grids, range: seriesColours },
      x: { type: 'log', label: 'bytes of constants', grid: true, ticks: 6, tickFormat: shortCount },
      y: { label: 'points lost on held-out samples', grid: true, reverse: true },
      marks: [
        plot.line(smallest(builds), { x: 'flashBytes', y: 'loss', curve: 'step-after', strokeOpacity: 0.35 }),
        plot.dot(builds, {
          x: 'flashBytes',
          y: 'loss',
          stroke: gridOf,
          fill: (b: SweptBuild) => (b.pareto ? gridOf(b) : 'none'),
          r: 5,
        }),
      ],
    })),
    table: dataTable(
      [
        { head: 'zeros', cell: (b) => formatPercent(b.sparsity) },
        { head: 'weights', cell: gridOf, text: true },
        { head: 'constants', cell: (b) => formatBytes(b.flashBytes) },
        { head: 'RAM', cell: (b) => formatBytes(b.ramBytes) },
        { head: `instructions, ${target}`, cell: (b) => formatCount(b.instructions) },
        { head: 'points lost', cell: (b) => b.loss.toFixed(2) },
        { head: 'unbeaten', cell: (b) => (b.pareto ? 'yes' : ''), text: true },
      ],
      builds.toSorted((a, b) => b.flashBytes - a.flashBytes),
    ),
  };
}
