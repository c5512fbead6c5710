/** Each picture of a report with the same numbers as a table. */
import type { Program } from '../../ir/program.ts';
import { formatBytes, formatCount, formatPercent } from '../numbers.ts';
import { leftFor, names, shortCount } from './axes.ts';
import { type Charts, palette } from './chart.ts';
import {
  type ActivationLayer,
  arenaRects,
  flashKinds,
  flashParts,
  type StoredLayer,
  storedLayers,
} from './facts.ts';
import { dataTable, type Html, html } from './markup.ts';
import type { Section } from './page.ts';

export function arena(program: Program, lowerBound: number, charts: Charts): Section {
  const rects = arenaRects(program);
  const kernels = names(program);
  const chart = charts((plot) => ({
    width: 1000,
    height: 420,
    marginLeft: 70,
    marginBottom: kernels.length > 8 ? 80 : 36,
    color: { type: 'categorical', range: palette },
    x: {
      domain: [0, kernels.length],
      ticks: kernels.map((_, i) => i + 0.5),
      tickFormat: (at: number) => kernels[Math.floor(at)] ?? '',
      tickRotate: kernels.length > 8 ? -45 : 0,
      tickSize: 0,
      label: null,
    },
    y: { domain: [0, program.arenaBytes], label: 'byte of the arena', grid: true, tickFormat: formatCount },
    marks: [
      plot.rect(rects, {
        x1: 'first',
        x2: (d: { last: number }) => d.last + 1,
        y1: 'from',
        y2: 'to',
        fill: (_: unknown, i: number) => String(i % palette.length),
        fillOpacity: 0.45,
        stroke: 'currentColor',
        strokeOpacity: 0.7,
        inset: 1.5,
        title: 'name',
      }),
      plot.ruleY([lowerBound], { stroke: palette[2] ?? 'red', strokeWidth: 1.5, strokeDasharray: '6 4' }),
    ],
  }));
  const ends = (step: number): string => kernels[step] ?? 'the caller';
  return {
    title: 'The arena over time',
    caption: `Every activation and scratch buffer: bytes upwards, layers to the right. Where two overlap, a layer writes over what it has read. The dashed line is the lower bound of every plan, ${formatBytes(lowerBound)}; this one takes ${formatBytes(program.arenaBytes)}.`,
    chart,
    table: dataTable(
      [
        { head: 'buffer', cell: (r) => r.name, text: true },
        { head: 'bytes', cell: (r) => formatCount(r.to - r.from) },
        { head: 'from', cell: (r) => formatCount(r.from) },
        { head: 'to', cell: (r) => formatCount(r.to - 1) },
        { head: 'from layer', cell: (r) => ends(r.first), text: true },
        { head: 'to layer', cell: (r) => ends(r.last), text: true },
      ],
      rects,
    ),
  };
}

export function flash(program: Program, charts: Charts): Section {
  const parts = flashParts(program);
  const kernels = names(program).filter((name) => parts.some(({ kernel }) => kernel === name));
  const of = (kernel: string, kind: string): number =>
    parts.find((p) => p.kernel === kernel && p.kind === kind)?.bytes ?? 0;
  const chart = charts((plot) => ({
    width: 1000,
    height: 76 + 26 * kernels.length,
    marginLeft: leftFor(kernels),
    marginBottom: 44,
    color: { legend: true, domain: [...flashKinds], range: palette },
    x: { label: 'bytes', grid: true, tickFormat: formatCount },
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

function histogram({ kernel, counts }: StoredLayer, charts: Charts): Html {
  const shown = counts.filter(({ value }) => value !== 0);
  const chart = charts((plot) => ({
    width: 260,
    height: 110,
    marginLeft: 34,
    marginBottom: 24,
    x: { domain: [-128, 128], label: null, ticks: [-127, 0, 127] },
    y: { label: null, ticks: 3, tickFormat: shortCount },
    marks: [
      plot.rectY(shown, {
        x1: (d: { value: number }) => d.value - 0.5,
        x2: (d: { value: number }) => d.value + 0.5,
        y: 'count',
        fill: palette[0] ?? 'blue',
      }),
      plot.ruleY([0]),
    ],
  }));
  return html`<div><h3>${kernel}</h3>${chart}</div>`;
}

/** Absent in float32 programs. */
export function weights(
  program: Program,
  charts: Charts,
  why: (kernel: string) => string,
): Section | undefined {
  const layers = storedLayers(program);
  if (layers.length === 0) return undefined;
  const reasons = layers.some(({ kernel }) => why(kernel) !== '');
  return {
    title: 'Weights',
    caption: 'How often each integer is stored, zeros left out; and how each layer is stored.',
    chart: html`<div class="small">${layers.map((layer) => histogram(layer, charts))}</div>`,
    table: dataTable(
      [
        { head: 'layer', cell: (l) => l.kernel, text: true },
        { head: 'stored as', cell: (l) => l.format, text: true },
        { head: 'weights', cell: (l) => formatCount(l.weights) },
        { head: 'nonzero', cell: (l) => formatPercent(l.nonzeros / l.weights) },
        { head: 'values', cell: (l) => formatCount(l.counts.length) },
        ...(reasons ? [{ head: 'why', cell: (l: StoredLayer) => why(l.kernel), text: true }] : []),
      ],
      layers,
    ),
  };
}

const realText = (x: number): string => Number(x.toPrecision(3)).toString();

function byteHistogram({ kernel, counts }: ActivationLayer, charts: Charts): Html {
  // Zeros after ReLU would dwarf everything else.
  const shown = counts
    .map((count, value) => ({ value, count }))
    .filter(({ value, count }) => value > 0 && count > 0);
  const chart = charts((plot) => ({
    width: 260,
    height: 110,
    marginLeft: 34,
    marginBottom: 24,
    x: { domain: [0, 256], label: null, ticks: [0, 128, 255] },
    y: { label: null, ticks: 3, tickFormat: shortCount },
    marks: [
      plot.rectY(shown, {
        x1: 'value',
        x2: (d: { value: number }) => d.value + 1,
        y: 'count',
        fill: (d: { value: number }) => (d.value === 255 ? (palette[2] ?? 'red') : (palette[3] ?? 'green')),
      }),
      plot.ruleY([0]),
    ],
  }));
  return html`<div><h3>${kernel}</h3>${chart}</div>`;
}

/** What layers put out, over some inputs. */
export function activations(layers: readonly ActivationLayer[], samples: number, charts: Charts): Section {
  const total = ({ counts }: ActivationLayer): number => counts.reduce((a, b) => a + b, 0);
  const shareAt = (l: ActivationLayer, byte: number): string =>
    formatPercent((l.counts[byte] ?? 0) / total(l));
  return {
    title: 'Activations',
    caption: `How often each stored byte is put out, over ${samples} inputs, byte 0 left out; in red what lies at 255, where larger numbers are cut off.`,
    chart: html`<div class="small">${layers.map((layer) => byteHistogram(layer, charts))}</div>`,
    table: dataTable(
      [
        { head: 'layer', cell: (l) => l.kernel, text: true },
        { head: 'step', cell: (l) => realText(l.scale) },
        { head: 'from', cell: (l) => realText(-l.zeroPoint * l.scale) },
        { head: 'to', cell: (l) => realText((255 - l.zeroPoint) * l.scale) },
        { head: 'at byte 0', cell: (l) => shareAt(l, 0) },
        { head: 'at byte 255', cell: (l) => shareAt(l, 255) },
      ],
      layers,
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

export function errors(rows: readonly LayerSqnr[], samples: number, charts: Charts): Section {
  const finite = (x: number): number => Math.min(120, x);
  const bars = rows.flatMap(({ kernel, isolated, cumulative }) => [
    { kernel, kind: 'this layer alone', sqnr: finite(isolated) },
    { kernel, kind: 'with all before it', sqnr: finite(cumulative) },
  ]);
  const kinds = ['this layer alone', 'with all before it'];
  const kernels = rows.map(({ kernel }) => kernel);
  const decibels = (x: number): string => (Number.isFinite(x) ? x.toFixed(1) : 'same');
  return {
    title: 'Error by layer',
    caption: `Signal to error against the float model, in decibels, over ${samples} inputs: more is better. 8 bits give 35 to 50, 4 bits 20 to 30.`,
    chart: charts((plot) => ({
      width: 1000,
      height: 76 + 2 * 16 * kernels.length,
      marginLeft: leftFor(kernels),
      marginBottom: 44,
      color: { legend: true, domain: kinds, range: palette },
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

/** What `sweep.json` has of each build. */
export interface SweptBuild {
  readonly sparsity: number;
  readonly weightBits: number;
  readonly flashBytes: number;
  readonly ramBytes: number;
  readonly instructions: number;
  readonly right: number;
  readonly loss: number;
  readonly pareto: boolean;
}

export function pareto(builds: readonly SweptBuild[], target: string, charts: Charts): Section {
  const best = builds.filter((b) => b.pareto).toSorted((a, b) => a.flashBytes - b.flashBytes);
  const grids = [...new Set(builds.map(({ weightBits }) => `${weightBits} bits`))];
  return {
    title: 'Size against accuracy',
    caption:
      'Every build of a sweep. Filled: no other build beats it in flash, RAM, instructions and loss at once.',
    chart: charts((plot) => ({
      width: 1000,
      height: 400,
      marginLeft: 60,
      color: { legend: true, domain: grids, range: palette },
      x: { type: 'log', label: 'bytes of constants', grid: true, tickFormat: formatCount },
      y: { label: 'points lost on held-out samples', grid: true, reverse: true },
      marks: [
        plot.line(best, { x: 'flashBytes', y: 'loss', strokeOpacity: 0.35 }),
        plot.dot(builds, {
          x: 'flashBytes',
          y: 'loss',
          stroke: (b: SweptBuild) => `${b.weightBits} bits`,
          fill: (b: SweptBuild) => (b.pareto ? `${b.weightBits} bits` : 'none'),
          r: 5,
        }),
      ],
    })),
    table: dataTable(
      [
        { head: 'zeros', cell: (b) => formatPercent(b.sparsity) },
        { head: 'bits', cell: (b) => String(b.weightBits) },
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
