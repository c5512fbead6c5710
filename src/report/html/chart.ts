/** Static SVG, without a browser: Observable Plot on linkedom's document. Both are loaded when first asked for. */
import type * as PlotModule from '@observablehq/plot';
import { type Html, trusted } from './markup.ts';

type Plot = typeof PlotModule;
type Draw = (plot: Plot) => PlotModule.PlotOptions;

/** Colours that differ in lightness too, and stand on white and on near black. */
export const palette = [
  '#4269d0',
  '#e08a00',
  '#d1403f',
  '#3a9a8c',
  '#8a5cc2',
  '#8c6d4f',
  '#5f87a8',
  '#b0588f',
];

export type Charts = (draw: Draw) => Html;

export async function charts(): Promise<Charts> {
  const [plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return (draw) => {
    const options = { style: { background: 'transparent', fontSize: '12px' }, ...draw(plot), document };
    const drawn = plot.plot(options as PlotModule.PlotOptions);
    return trusted((drawn as unknown as { readonly outerHTML: string }).outerHTML);
  };
}
