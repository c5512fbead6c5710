/** Instructions against sparsity as a picture: a panel for each target, a line for each format. */
import { charts, hues } from '../src/report/chart.ts';

/** One format of one layer on one target. */
export interface Curve {
  readonly target: string;
  readonly format: string;
  /** Instructions of the same layer with dense weights, counted. */
  readonly dense: number;
  /** Share of weights that are left in percent, and instructions: modelled. */
  readonly points: readonly Point[];
  /** The same, counted. */
  readonly exact: readonly Point[];
}

export type Point = readonly [density: number, instructions: number];

/** The density at which the line through the points reaches `limit`; undefined where it does not. */
export function crossingAt(points: readonly Point[], limit: number): number | undefined {
  const above = points.findIndex(([, y]) => y > limit);
  const [before, after] = [points[above - 1], points[above]];
  if (before === undefined || after === undefined) return undefined;
  return before[0] + ((after[0] - before[0]) * (limit - before[1])) / (after[1] - before[1]);
}

interface Mark {
  readonly name: string;
  readonly sparsity: number;
  readonly thousands: number;
}

const mark =
  (name: string) =>
  ([density, instructions]: Point): Mark => ({
    name,
    sparsity: 100 - density,
    thousands: instructions / 1000,
  });

const width = 800;
const panelHeight = 270;
const margins = { left: 150, right: 56, top: 34, bottom: 34 };
const dense = 'dense8';

/** Labels beside the lines' left ends, in their order and at least a line of text apart. */
function labelsOf(ends: readonly Mark[], top: number): readonly (Mark & { readonly at: number })[] {
  const gap = (top * 15) / (panelHeight - margins.top - margins.bottom);
  const sorted = ends.toSorted((a, b) => b.thousands - a.thousands);
  const highest = top + gap;
  const down: number[] = [];
  for (const { thousands } of sorted) down.push(Math.min(thousands, (down.at(-1) ?? highest + gap) - gap));
  // What was pushed down too far as a whole moves up by half of it.
  const shift = sorted.reduce((sum, { thousands }, i) => sum + thousands - (down[i] ?? 0), 0) / sorted.length;
  const room = Math.min(shift, highest - (down[0] ?? 0));
  return sorted.map((end, i) => ({ ...end, at: (down[i] ?? 0) + room }));
}

interface PanelOptions {
  readonly target: string;
  readonly last: boolean;
}

const palette: readonly string[] = Object.values(hues);

function panel(curves: readonly Curve[], { target, last }: PanelOptions, draw: Draw): string {
  const reference = (curves[0]?.dense ?? 0) / 1000;
  const modelled = curves.flatMap(({ format, points }) => points.map(mark(format)));
  const top = 1.06 * Math.max(reference, ...modelled.map(({ thousands }) => thousands));
  const crossings = curves.flatMap((c) => {
    const at = crossingAt(c.points, c.dense);
    return at === undefined ? [] : [mark(c.format)([at, c.dense])];
  });
  const ends = [
    ...modelled.filter(({ sparsity }) => sparsity === 0),
    { name: dense, sparsity: 0, thousands: reference },
  ];
  const labels = labelsOf(ends, top);
  const names = curves.map(({ format }) => format);
  const colour = (d: Mark): string => palette[names.indexOf(d.name)] ?? 'currentColor';
  return draw((plot) => ({
    width,
    height: panelHeight,
    marginLeft: margins.left,
    marginRight: margins.right,
    marginTop: margins.top,
    marginBottom: margins.bottom + (last ? 12 : 0),
    style: { fontSize: '13px' },
    x: { domain: [0, 96], label: null, ticks: [0, 10, 20, 30, 40, 50, 60, 70, 80, 90] },
    y: { domain: [0, top], label: null },
    marks: [
      plot.gridY({ ticks: 5, stroke: 'currentColor', strokeOpacity: 0.12 }),
      plot.axisY({
        anchor: 'right',
        label: 'thousand instructions',
        ticks: 5,
        labelArrow: 'none',
        labelOffset: 52,
      }),
      plot.axisX({
        label: last ? 'sparsity: share of the weights that are zero, in percent' : null,
        labelAnchor: 'center',
        labelArrow: 'none',
      }),
      plot.ruleY([0]),
      plot.ruleY([reference], { stroke: 'currentColor', strokeWidth: 1.5, strokeDasharray: '6 4' }),
      plot.line(modelled, { x: 'sparsity', y: 'thousands', z: 'name', stroke: colour, strokeWidth: 2 }),
      plot.dot(
        curves.flatMap(({ format, exact }) => exact.map(mark(format))),
        { x: 'sparsity', y: 'thousands', stroke: colour, r: 4 },
      ),
      plot.dot(crossings, { x: 'sparsity', y: 'thousands', fill: colour, r: 4.5 }),
      plot.link(labels, {
        x1: 0,
        x2: -2.6,
        y1: 'thousands',
        y2: 'at',
        stroke: colour,
        strokeWidth: 1,
      }),
      plot.text(labels, { x: -3, y: 'at', text: 'name', textAnchor: 'end', fill: colour, fontWeight: 600 }),
      plot.text([target], { frameAnchor: 'top', dy: -26, fontSize: 15, fontWeight: 600 }),
    ],
  }));
}

type Draw = (plot: Parameters<Awaited<ReturnType<typeof charts>>>[0]) => string;

/** A picture of its own, on white or, where the reader's system is dark, near black. */
const sheet = `<style>
  .sheet { color: #1f2328; font-family: system-ui, sans-serif; }
  .paper { fill: #ffffff; }
  @media (prefers-color-scheme: dark) { .sheet { color: #e6edf3; } .paper { fill: #0d1117; } }
</style>`;

/** SVG, 800 px wide: the panels one below the other. */
export async function breakEvenSvg(title: string, curves: readonly Curve[]): Promise<string> {
  const chart = await charts();
  const draw: Draw = (plot) => chart(plot).html;
  const targets = [...new Set(curves.map(({ target }) => target))];
  const head = 36;
  const panels = targets.map((target, i) => {
    const own = curves.filter((c) => c.target === target);
    const y = head + i * panelHeight;
    const svg = panel(own, { target, last: i === targets.length - 1 }, draw);
    // Plot's own style is for figures inside of a page.
    const plain = svg.replace(/<style>.*?<\/style>/s, '');
    return plain.replace(/<svg ([^>]*)>/, `<svg y="${y}" $1><title>${target}</title>`);
  });
  const height = head + panelHeight * targets.length + 12;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="sheet" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${title}</title>`,
    sheet,
    '<rect class="paper" width="100%" height="100%"/>',
    `<text x="${width / 2}" y="25" text-anchor="middle" font-size="16" font-weight="600" fill="currentColor">${title}</text>`,
    ...panels,
    '</svg>',
    '',
  ].join('\n');
}
