/** How weights and activations are spread, with the scale that was chosen for them and what it cuts off. */

import type { Manifest } from '../artifact/manifest.ts';
import { at } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { formatCount, formatPercent } from '../text/numbers.ts';
import { type Charts, colours, shortCount } from './chart.ts';
import {
  type ActivationLayer,
  type Bins,
  type FloatLayer,
  rangeOf,
  type StoredLayer,
  storedLayers,
} from './facts.ts';
import { type Column, dataTable, type Html, html } from './markup.ts';
import type { Section } from './page.ts';

export const realText = (x: number): string => Number(x.toPrecision(3)).toString();

/** A share that is not 0 does not read as 0. */
function shareText(share: number): string {
  if (share === 0) return '0 %';
  return share < 0.00005 ? '< 0.01 %' : formatPercent(share);
}

/** For the narrow axes of small pictures. */
const tinyCount = (n: number): string =>
  n >= 1000 && n < 1e4 ? `${Number((n / 1e3).toPrecision(2))}k` : shortCount(n);

interface Histogram {
  readonly title: string;
  /** The scale, and what is cut off, in words. */
  readonly note: string;
  readonly bars: readonly {
    readonly from: number;
    readonly to: number;
    readonly count: number;
    readonly beyond?: boolean;
  }[];
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  readonly colour: string;
  /** Dashed: the ends of what is stored. */
  readonly ends: readonly number[];
}

function draw({ title, note, bars, domain, ticks, colour, ends }: Histogram, charts: Charts): Html {
  const chart = charts((plot) => ({
    width: 250,
    height: 120,
    marginLeft: 36,
    marginRight: 16,
    marginTop: 10,
    marginBottom: 24,
    x: { domain: [...domain], label: null, ticks: [...ticks], tickFormat: realText },
    y: { label: null, ticks: 3, tickFormat: tinyCount },
    marks: [
      plot.rectY(bars, {
        x1: 'from',
        x2: 'to',
        y: 'count',
        fill: (bar: Histogram['bars'][number]) => (bar.beyond ? colours.limit : colour),
      }),
      plot.ruleX(ends, { stroke: colours.limit, strokeDasharray: '4 3' }),
      plot.ruleY([0]),
    ],
  }));
  return html`<div><h3>${title}</h3><p>${note}</p>${chart}</div>`;
}

type Grid = Manifest['layers'][number]['weights'];

const stepText = ({ smallestStep, largestStep }: NonNullable<Grid>): string =>
  smallestStep === largestStep
    ? realText(smallestStep)
    : `${realText(smallestStep)} to ${realText(largestStep)}`;

function weightHistogram({ kernel, counts }: StoredLayer, grid: Grid, charts: Charts): Html {
  const largest = Math.max(1, ...counts.map(({ value }) => Math.abs(value)));
  const edge = [1, 7, 127].find((most) => most >= largest) ?? 127;
  const note = grid === undefined ? '' : `step ${stepText(grid)}; ${shareText(grid.clipped)} cut off`;
  return draw(
    {
      title: kernel,
      note,
      bars: counts
        .filter(({ value }) => value !== 0)
        .map(({ value, count }) => ({ from: value - 0.5, to: value + 0.5, count })),
      domain: [-edge - 0.5, edge + 0.5],
      ticks: [-edge, 0, edge],
      colour: colours.weights,
      ends: [-edge - 0.5, edge + 0.5],
    },
    charts,
  );
}

/** Absent in float32 programs. */
export function weights(program: Program, layers: Manifest['layers'], charts: Charts): Section | undefined {
  const stored = storedLayers(program);
  if (stored.length === 0) return undefined;
  const of = (kernel: string) => layers.find((layer) => layer.kernel === kernel);
  const [reasons, grids] = [
    layers.some(({ why }) => why !== undefined),
    layers.some(({ weights }) => weights !== undefined),
  ];
  const gridCell =
    (cell: (grid: NonNullable<Grid>) => string) =>
    ({ kernel }: StoredLayer): string => {
      const grid = of(kernel)?.weights;
      return grid === undefined ? '' : cell(grid);
    };
  return {
    title: 'Weights',
    caption:
      'How often each integer is stored, zeros left out; and how each layer is stored. A step is the real value of 1, chosen for each output channel; cut off are weights of the given model, of those kept, that lie beyond the largest integer (dashed).',
    chart: html`<div class="small">${stored.map((layer) => weightHistogram(layer, of(layer.kernel)?.weights, charts))}</div>`,
    table: dataTable(
      [
        { head: 'layer', cell: (l) => l.kernel, text: true },
        { head: 'stored as', cell: (l) => l.format, text: true },
        { head: 'weights', cell: (l) => formatCount(l.weights) },
        { head: 'nonzero', cell: (l) => formatPercent(l.nonzeros / l.weights) },
        { head: 'values', cell: (l) => formatCount(l.counts.length) },
        ...(grids
          ? [
              { head: 'step', cell: gridCell(stepText) },
              { head: 'cut off', cell: gridCell(({ clipped }) => shareText(clipped)) },
            ]
          : []),
        ...(reasons ? [{ head: 'why', cell: (l: StoredLayer) => of(l.kernel)?.why ?? '', text: true }] : []),
      ],
      stored,
    ),
  };
}

/** A bin is beyond what is stored when all of it is. */
const barsOf = ({ from, width, counts }: Bins, [least, most]: readonly [number, number]): Histogram['bars'] =>
  counts.flatMap((count, i) => {
    const [low, high] = [from + i * width, from + (i + 1) * width];
    const beyond = high <= least + width / 1e6 || low >= most - width / 1e6;
    return count === 0 ? [] : [{ from: low, to: high, count, beyond }];
  });

/** The bytes themselves, at what they stand for: the last (and a first that is not 0) may be cut off. */
const byteBars = ({ counts, scale, zeroPoint }: ActivationLayer): Histogram['bars'] =>
  counts.flatMap((count, byte) => {
    const [from, to] = [(byte - zeroPoint - 0.5) * scale, (byte - zeroPoint + 0.5) * scale];
    const beyond = byte === 255 || (byte === 0 && zeroPoint > 0);
    return count === 0 || byte === zeroPoint ? [] : [{ from, to, count, beyond }];
  });

function activationHistogram(layer: ActivationLayer, float: FloatLayer | undefined, charts: Charts): Html {
  const range = rangeOf(layer);
  const cut = float === undefined ? '' : `; ${shareText(float.below + float.above)} cut off`;
  const bars = float === undefined ? byteBars(layer) : barsOf(float.bins, range);
  const low = Math.min(range[0] - layer.scale / 2, float?.bins.from ?? 0);
  const end = float === undefined ? 0 : float.bins.from + float.bins.width * float.bins.counts.length;
  return draw(
    {
      title: layer.kernel,
      note: `step ${realText(layer.scale)}; stores ${realText(range[0])} to ${realText(range[1])}${cut}`,
      bars,
      domain: [low, Math.max(range[1] + layer.scale / 2, end)],
      ticks: range[0] < 0 ? [range[0], 0, range[1]] : [0, range[1] / 2, range[1]],
      colour: colours.activation,
      ends: range,
    },
    charts,
  );
}

/**
 * What layers put out, over some inputs.
 * @param floats what the float model computes there: drawn instead of the bytes, and what is cut off counted
 */
export function activations(
  layers: readonly ActivationLayer[],
  floats: readonly FloatLayer[],
  samples: number,
  charts: Charts,
): Section {
  const of = (kernel: string) => floats.find((layer) => layer.kernel === kernel);
  const total = ({ counts }: ActivationLayer): number => counts.reduce((a, b) => a + b, 0);
  const shareAt = (l: ActivationLayer, byte: number): string => shareText(at(l.counts, byte) / total(l));
  const floatCell =
    (cell: (float: FloatLayer) => string) =>
    (l: ActivationLayer): string => {
      const float = of(l.kernel);
      return float === undefined ? '' : cell(float);
    };
  const cuts: readonly Column<ActivationLayer>[] =
    floats.length === 0
      ? []
      : [
          { head: 'cut off below', cell: floatCell(({ below }) => shareText(below)) },
          { head: 'cut off above', cell: floatCell(({ above }) => shareText(above)) },
        ];
  const drawn =
    floats.length === 0
      ? 'How often each stored number is put out; in red the last bytes, where what is larger (or smaller) is cut off.'
      : 'What the float model computes, in its own units. Dashed: the range that the chosen step can store; in red what lies beyond it and is cut off.';
  return {
    title: 'Activations',
    caption: `${drawn} Over ${samples} inputs, zeros left out.`,
    chart: html`<div class="small">${layers.map((layer) => activationHistogram(layer, of(layer.kernel), charts))}</div>`,
    table: dataTable(
      [
        { head: 'layer', cell: (l) => l.kernel, text: true },
        { head: 'step', cell: (l) => realText(l.scale) },
        { head: 'from', cell: (l) => realText(rangeOf(l)[0]) },
        { head: 'to', cell: (l) => realText(rangeOf(l)[1]) },
        { head: 'at byte 0', cell: (l) => shareAt(l, 0) },
        { head: 'at byte 255', cell: (l) => shareAt(l, 255) },
        ...cuts,
      ],
      layers,
    ),
  };
}
