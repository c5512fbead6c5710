/** What a build costs on chips: as counted where compilers and emulators are, else as modelled. */
import type { Program } from '../../ir/program.ts';
import { type CostTarget, costTargets } from '../../passes/cost/model.ts';
import type { MeasuredTarget } from '../measured.ts';
import { formatBytes, formatCount } from '../numbers.ts';
import { leftFor, names, shortCount } from './axes.ts';
import { type Charts, colours, seriesColours, wide } from './chart.ts';
import { instructionCounts } from './facts.ts';
import { type Column, dataTable } from './markup.ts';
import type { Section } from './page.ts';

/** Instructions of one inference, by layer, on one chip. */
export interface CostSeries {
  readonly target: string;
  readonly how: 'counted' | 'modelled';
  readonly byKernel: ReadonlyMap<string, number>;
  readonly total: number;
}

const shownTargets: readonly CostTarget[] = ['cortex-m0', 'cortex-m4', 'rv32imc'];
const isModelled = (target: string): target is CostTarget =>
  (costTargets as readonly string[]).includes(target);

function modelled(program: Program, target: CostTarget): CostSeries {
  const counts = instructionCounts(program, [target]);
  return {
    target,
    how: 'modelled',
    byKernel: new Map(counts.map(({ kernel, instructions }) => [kernel, instructions])),
    total: counts.reduce((sum, { instructions }) => sum + instructions, 0),
  };
}

/** Of each target that was asked for: counted, and modelled where there is a model. Without any: three, modelled. */
export function costSeries(program: Program, measured: readonly MeasuredTarget[]): readonly CostSeries[] {
  const series = measured.flatMap(({ target, layers, instructions }): CostSeries[] => [
    ...(layers === undefined || instructions === undefined
      ? []
      : [
          {
            target,
            how: 'counted' as const,
            byKernel: new Map(layers.map((layer) => [layer.kernel, layer.instructions])),
            total: instructions,
          },
        ]),
    ...(isModelled(target) ? [modelled(program, target)] : []),
  ]);
  return series.length > 0 ? series : shownTargets.map((target) => modelled(program, target));
}

const nameOf = ({ target, how }: CostSeries): string => `${target}, ${how}`;

const counting =
  'Counted: executed under QEMU, gcc -O3, on the first input, a layer at a time with a hook between them; the hook stands in the way of a few optimizations, so the layers may differ a little from the whole in the last line, which is counted without it.';
const modelling =
  'Modelled: for gcc -O3, by a model that is fitted to exact counts under QEMU; docs/sparse.md has its error.';

/** What is counted and what is modelled. */
function captionOf(series: readonly CostSeries[]): string {
  const has = (wanted: CostSeries['how']): boolean => series.some(({ how }) => how === wanted);
  if (!has('counted')) return `${modelling} With --targets, \`thimble report\` counts them.`;
  return has('modelled') ? `${counting} ${modelling} The picture has what was counted.` : counting;
}

/** Of a target that was counted, its model is in the table only. */
const drawn = (series: readonly CostSeries[]): readonly CostSeries[] =>
  series.filter(
    ({ target, how }) =>
      how === 'counted' || !series.some((other) => other.how === 'counted' && other.target === target),
  );

export function instructions(program: Program, measured: readonly MeasuredTarget[], charts: Charts): Section {
  const series = costSeries(program, measured);
  const shown = drawn(series);
  const kernels = names(program);
  const domain = shown.map(nameOf);
  const bars = shown.flatMap((one) =>
    kernels.map((kernel) => ({ kernel, series: nameOf(one), instructions: one.byKernel.get(kernel) ?? 0 })),
  );
  const chart = charts((plot) => ({
    width: wide,
    height: 76 + Math.max(24, 14 * shown.length) * kernels.length,
    marginLeft: leftFor(kernels),
    marginBottom: 44,
    color: { legend: true, domain, range: seriesColours },
    fy: { domain: kernels, label: null, padding: 0.2 },
    y: { domain, axis: null },
    x: { label: 'instructions of one inference', grid: true, tickFormat: shortCount },
    marks: [
      plot.barX(bars, { x: 'instructions', y: 'series', fy: 'kernel', fill: 'series' }),
      plot.axisFy({ anchor: 'left', textAnchor: 'end', dx: -8 }),
      plot.ruleX([0]),
    ],
  }));
  const macs = (k: string): number => program.steps.find(({ kernel }) => kernel.name === k)?.kernel.macs ?? 0;
  const columns: readonly Column<string>[] = [
    { head: 'layer', cell: (k) => k, text: true },
    { head: 'MAC', cell: (k) => formatCount(macs(k)) },
    ...series.map((one) => ({
      head: nameOf(one),
      cell: (k: string) => formatCount(one.byKernel.get(k) ?? 0),
    })),
  ];
  const totals = [kernels.reduce((sum, k) => sum + macs(k), 0), ...series.map(({ total }) => total)];
  return {
    title: 'Instructions by layer',
    caption: captionOf(series),
    chart,
    table: dataTable(columns, kernels, ['one inference', ...totals.map(formatCount)]),
  };
}

const statusText = ({ status, bytesCompared }: MeasuredTarget): string =>
  status === 'equal' ? `equal, ${formatCount(bytesCompared)} bytes` : status;

/** What each target's row says, and that a model stands in for what is missing. */
function noteOf({ target, instructions, status, note = '' }: MeasuredTarget): string {
  const model = status !== 'equal' && instructions === undefined && isModelled(target);
  return [note, model ? 'its instructions are modelled instead' : ''].filter((s) => s !== '').join('; ');
}

const optional = <T>(x: T | undefined, format: (x: T) => string): string =>
  x === undefined ? '' : format(x);

/** Code, stack and the comparison of every target that was asked for; absent when none was. */
export function targets(measured: readonly MeasuredTarget[], charts: Charts): Section | undefined {
  if (measured.length === 0) return undefined;
  const sizes = measured.flatMap(({ target, sizes = [] }) =>
    sizes.flatMap(({ opt, code, constants }) => [
      { row: `${target} ${opt}`, kind: 'code', bytes: code },
      { row: `${target} ${opt}`, kind: 'constants', bytes: constants },
    ]),
  );
  const rows = [...new Set(sizes.map(({ row }) => row))];
  const code = (m: MeasuredTarget, wanted: string): string =>
    optional(
      m.sizes?.find(({ opt }) => opt === wanted),
      (size) => formatBytes(size.code),
    );
  const notes = measured.some((m) => noteOf(m) !== '');
  const columns: readonly Column<MeasuredTarget>[] = [
    { head: 'target', cell: (m) => m.target, text: true },
    { head: 'against the simulator', cell: statusText, text: true },
    { head: 'instructions', cell: (m) => optional(m.instructions, formatCount) },
    { head: 'stack', cell: (m) => optional(m.stackBytes, formatBytes) },
    { head: 'code, -O3', cell: (m) => code(m, '-O3') },
    { head: 'code, -Os', cell: (m) => code(m, '-Os') },
    { head: 'constants', cell: (m) => optional(m.sizes?.[0], (size) => formatBytes(size.constants)) },
    ...(notes ? [{ head: 'note', cell: noteOf, text: true }] : []),
  ];
  return {
    title: 'On targets',
    caption:
      'Measured: this C, compiled and run, every byte of the arena compared with the simulator after every kernel. Code and constants are those of the object file, gcc -O3 as it was run, and -Os; stack is what one call takes at -O3. The host is compiled with sanitizers and counts nothing.',
    ...(rows.length === 0
      ? {}
      : {
          chart: charts((plot) => ({
            width: wide,
            height: 76 + 22 * rows.length,
            marginLeft: leftFor(rows),
            marginBottom: 44,
            color: { legend: true, domain: ['constants', 'code'], range: [colours.constants, colours.code] },
            x: { label: 'bytes of flash', grid: true, tickFormat: shortCount },
            y: { domain: rows, label: null },
            marks: [
              plot.barX(sizes, {
                x: 'bytes',
                y: 'row',
                fill: 'kind',
                order: ['constants', 'code'],
                inset: 1,
              }),
              plot.ruleX([0]),
            ],
          })),
        }),
    table: dataTable(columns, measured),
  };
}
