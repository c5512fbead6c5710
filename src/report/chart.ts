/** Static SVG, without a browser: Observable Plot on linkedom's document. Both are loaded when first asked for. */
import type * as PlotModule from '@observablehq/plot';
import type { Program } from '../program/program.ts';
import { formatCount } from '../text/numbers.ts';
import { type Html, trusted } from './markup.ts';

type Plot = typeof PlotModule;
type Draw = (plot: Plot) => PlotModule.PlotOptions;

/** Colours that differ in lightness too, and stand on white and on near black. */
export const hues = {
  blue: '#4269d0',
  orange: '#e08a00',
  red: '#d1403f',
  teal: '#3a9a8c',
  purple: '#8a5cc2',
  brown: '#8c6d4f',
  slate: '#5f87a8',
  pink: '#b0588f',
  olive: '#7d8f2b',
} as const;

/** One meaning each on the whole page. Red: a limit, and what lies beyond it. */
export const colours = {
  limit: hues.red,
  reused: hues.orange,
  activation: hues.teal,
  scratch: hues.brown,
  weights: hues.blue,
  constants: hues.blue,
  indices: hues.purple,
  biases: hues.brown,
  requantization: hues.slate,
  code: hues.orange,
} as const;

/** Of series that have names only: targets, builds, ways to measure. */
export const seriesColours: readonly string[] = [
  hues.slate,
  hues.pink,
  hues.olive,
  hues.purple,
  hues.teal,
  hues.brown,
  hues.blue,
  hues.orange,
];

/** Of a wide picture, in its own units; pages scale it. */
export const wide = 680;

export type Charts = (draw: Draw) => Html;

export async function charts(): Promise<Charts> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return (draw) => {
    const options = { style: { background: 'transparent', fontSize: '11px' }, ...draw(plot), document };
    const drawn = plot.plot(options as PlotModule.PlotOptions);
    return trusted('outerHTML' in drawn ? String(drawn.outerHTML) : '');
  };
}

/** `240k`, for axes. */
export const shortCount = (n: number): string => {
  if (n >= 1e6) return `${Number((n / 1e6).toPrecision(3))}M`;
  return n >= 1e4 ? `${Number((n / 1e3).toPrecision(3))}k` : formatCount(n);
};

export const names = ({ steps }: Program): readonly string[] => steps.map(({ kernel }) => kernel.name);

/** Long names of layers do not fit beside an axis. */
export const leftFor = (labels: readonly string[]): number =>
  Math.min(160, 24 + 7 * Math.max(...labels.map((label) => label.length)));
