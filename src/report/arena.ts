import type { Program } from '../program/program.ts';
import { formatBytes, formatCount } from '../text/numbers.ts';
import { type Charts, colours, names, shortCount, wide } from './chart.ts';
import { type ArenaRect, arenaRects, type Overlap, overlapsOf } from './facts.ts';
import { dataTable, type Html } from './markup.ts';
import type { Section } from './page.ts';

const kinds = ['activation', 'scratch', 'written over what was read'] as const;
const kindColours = [colours.activation, colours.scratch, colours.reused];

const box = { marginLeft: 52, marginRight: 12, height: 340 } as const;
const characterWidth = 6;

/** A buffer's name where it fits into its first layer's part of the rectangle; cut names would say nothing. */
export function labelOf(
  rect: ArenaRect,
  { arenaBytes, steps }: Pick<Program, 'arenaBytes' | 'steps'>,
): string {
  const column = (wide - box.marginLeft - box.marginRight) / steps.length;
  const height = ((rect.to - rect.from) / arenaBytes) * (box.height - 60);
  return height >= 16 && rect.name.length * characterWidth + 4 <= column ? rect.name : '';
}

/** The input's stands higher: it begins with the first layer's output, and often lies in the same bytes. */
const labelHeight = ({ from, to }: ArenaRect, index: number): number =>
  from + (to - from) * (index === 0 ? 0.8 : 0.4);

const sides = { x1: 'first', x2: (d: ArenaRect) => d.last + 1, y1: 'from', y2: 'to' } as const;

/** A column of the picture per layer; many names stand aslant. */
function layerAxis(kernels: readonly string[]) {
  const crowded = kernels.length > 7;
  const longest = Math.max(...kernels.map((kernel) => kernel.length));
  return {
    marginBottom: crowded ? 24 + 4.6 * longest : 28,
    x: {
      domain: [0, kernels.length],
      ticks: kernels.map((_, i) => i + 0.5),
      tickFormat: (x: number) => kernels[Math.floor(x)] ?? '',
      tickRotate: crowded ? -45 : 0,
      tickSize: 0,
      label: null,
    },
  };
}

const arenaChart = (
  program: Program,
  rects: readonly ArenaRect[],
  overlaps: readonly Overlap[],
  lowerBound: number,
  charts: Charts,
): Html =>
  charts((plot) => ({
    width: wide,
    ...box,
    ...layerAxis(names(program)),
    color: { legend: true, domain: [...kinds], range: kindColours },
    y: { domain: [0, program.arenaBytes], label: 'byte of the arena', grid: true, tickFormat: shortCount },
    marks: [
      plot.rect(rects, {
        ...sides,
        fill: (r: ArenaRect) => (r.scratch ? kinds[1] : kinds[0]),
        fillOpacity: 0.3,
        stroke: 'currentColor',
        strokeOpacity: 0.7,
        inset: 1.5,
        title: 'name',
      }),
      plot.rect(overlaps, { ...sides, fill: () => kinds[2], fillOpacity: 0.4, inset: 1.5 }),
      plot.ruleY([lowerBound], { stroke: colours.limit, strokeWidth: 1.5, strokeDasharray: '6 4' }),
      plot.text(rects, {
        x: (r: ArenaRect) => r.first + 0.5,
        y: labelHeight,
        text: (r: ArenaRect) => labelOf(r, program),
        fill: 'currentColor',
      }),
    ],
  }));

function bufferTable(
  kernels: readonly string[],
  rects: readonly ArenaRect[],
  overlaps: readonly Overlap[],
): Html {
  const partners = (name: string): string =>
    overlaps
      .filter((o) => o.name === name || o.over === name)
      .map((o) => `${o.name === name ? o.over : o.name} (${formatBytes(o.to - o.from)})`)
      .join(', ');
  const layer = (step: number): string => kernels[step] ?? 'the caller';
  return dataTable(
    [
      { head: 'buffer', cell: (r) => r.name, text: true },
      { head: 'bytes', cell: (r) => formatCount(r.to - r.from) },
      { head: 'from', cell: (r) => formatCount(r.from) },
      { head: 'to', cell: (r) => formatCount(r.to - 1) },
      { head: 'from layer', cell: (r) => layer(r.first), text: true },
      { head: 'to layer', cell: (r) => layer(r.last), text: true },
      { head: 'shares bytes with', cell: (r) => partners(r.name), text: true },
    ],
    rects,
  );
}

/** The dashed line: no plan takes less. */
export function arena(program: Program, lowerBound: number, charts: Charts): Section {
  const rects = arenaRects(program);
  const overlaps = overlapsOf(rects);
  return {
    title: 'The arena over time',
    caption: `Every activation and scratch buffer: bytes upwards, layers to the right. Where two buffers have the same bytes while a layer runs, it writes over what it has read. The dashed line is the lower bound of every plan, ${formatBytes(lowerBound)}; this one takes ${formatBytes(program.arenaBytes)}.`,
    chart: arenaChart(program, rects, overlaps, lowerBound, charts),
    table: bufferTable(names(program), rects, overlaps),
  };
}
