/** What a build costs on chips: as counted where compilers and emulators are, else as modelled. */

import { must } from '../base/errors.ts';
import { formText } from '../cost/forms.ts';
import { type CostTarget, costTargets } from '../cost/speed.ts';
import type { MeasuredTarget } from '../program/measured.ts';
import type { Program } from '../program/program.ts';
import { cyclesText, formatBytes, formatCount, formatHertz, millisecondsText } from '../text/numbers.ts';
import { type Charts, colours, leftFor, names, seriesColours, shortCount, wide } from './chart.ts';
import { instructionCounts } from './facts.ts';
import { type Column, dataTable, type Html } from './markup.ts';
import type { Section } from './page.ts';

/** Instructions of one inference, or its cycles, by layer, on one chip. */
export interface CostSeries {
  readonly target: string;
  readonly how: 'counted' | 'modelled' | 'cycles' | 'cycles, modelled';
  readonly byKernel: ReadonlyMap<string, number>;
  readonly total: number;
}

const shownTargets: readonly CostTarget[] = ['cortex-m0', 'cortex-m4', 'cortex-m55', 'rv32imc'];
/** The model is fitted to int8 code; of float32's it would tell half, or a tenth on chips without an FPU. */
const isModelled = ({ arith }: Program, target: string): target is CostTarget =>
  arith === 'int8' && (costTargets as readonly string[]).includes(target);

function modelled(program: Program, target: CostTarget): CostSeries {
  const counts = instructionCounts(program, [target]);
  return {
    target,
    how: 'modelled',
    byKernel: new Map(counts.map(({ kernel, instructions }) => [kernel, instructions])),
    total: counts.reduce((sum, { instructions }) => sum + instructions, 0),
  };
}

/** What was counted of a target in one unit, if it was. */
function seriesOf(
  { target, layers = [], ...one }: MeasuredTarget,
  unit: 'instructions' | 'cycles',
  how: CostSeries['how'],
): readonly CostSeries[] {
  const total = one[unit];
  if (total === undefined) return [];
  const counts = layers.flatMap((layer) => {
    const count = layer[unit];
    return count === undefined ? [] : [[layer.kernel, count] as const];
  });
  return [{ target, how, byKernel: new Map(counts), total }];
}

/** Of each target that was asked for: counted, and modelled where there is a model. Without any: four, modelled. */
export function costSeries(program: Program, measured: readonly MeasuredTarget[]): readonly CostSeries[] {
  const series = measured.flatMap((one): CostSeries[] => [
    ...seriesOf(one, 'instructions', 'counted'),
    ...seriesOf(one, 'cycles', one.cyclesBy === 'model' ? 'cycles, modelled' : 'cycles'),
    ...(isModelled(program, one.target) ? [modelled(program, one.target)] : []),
  ]);
  return series.length > 0
    ? series
    : shownTargets.filter((t) => isModelled(program, t)).map((target) => modelled(program, target));
}

const nameOf = ({ target, how }: CostSeries): string => `${target}, ${how}`;

const counting =
  'Counted: executed under QEMU, gcc -O3, with DSP instructions where the chip has them, on the first input, a layer at a time with a hook between them; the hook stands in the way of a few optimizations, so the layers may differ a little from the whole in the last line, which is counted without it.';
const modelling =
  'Modelled: the form that the chip runs, for gcc -O3, by a model that is fitted to exact counts under QEMU; docs/sparse.md has its error.';

const cycling =
  'Cycles: on AVR as simavr takes them; modelled ones from the executed instructions by the tables of Arm’s manuals, with memory that never waits (docs/verification.md).';

/** What is counted and what is modelled. */
function captionOf(series: readonly CostSeries[]): string {
  const has = (wanted: CostSeries['how']): boolean => series.some(({ how }) => how === wanted);
  if (series.length === 0)
    return 'Not known: there is no model of float32 code. With --targets, `thimble report` counts them.';
  const timing = has('cycles') || has('cycles, modelled') ? ` ${cycling}` : '';
  if (!has('counted') && timing === '') return `${modelling} With --targets, \`thimble report\` counts them.`;
  const counted = has('counted') ? counting : '';
  const picture = has('counted') ? ' The picture has what was counted.' : '';
  return `${counted}${timing}${has('modelled') ? ` ${modelling}${picture}` : ''}`.trim();
}

/** Of a target that was counted, its model is in the table only; so are cycles, which another axis would need. */
const drawn = (series: readonly CostSeries[]): readonly CostSeries[] =>
  series.filter(
    ({ target, how }) =>
      how === 'counted' ||
      (how === 'modelled' && !series.some((other) => other.how === 'counted' && other.target === target)),
  );

function instructionChart(shown: readonly CostSeries[], kernels: readonly string[], charts: Charts): Html {
  const domain = shown.map(nameOf);
  const bars = shown.flatMap((one) =>
    kernels.map((kernel) => ({ kernel, series: nameOf(one), instructions: one.byKernel.get(kernel) ?? 0 })),
  );
  return charts((plot) => ({
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
}

/** What a chip runs of each layer, beside its modelled instructions. */
function formColumn(program: Program, { target, how }: CostSeries): readonly Column<string>[] {
  if (how !== 'modelled' || !isModelled(program, target)) return [];
  const forms = new Map(
    program.steps.map(({ kernel }) => [kernel.name, formText(kernel, target, program.aim)]),
  );
  return [{ head: `${target}, form`, cell: (k) => must(forms.get(k), 'a layer'), text: true }];
}

export function instructions(program: Program, measured: readonly MeasuredTarget[], charts: Charts): Section {
  const series = costSeries(program, measured);
  const shown = drawn(series);
  const kernels = names(program);
  const macs = (k: string): number => program.steps.find(({ kernel }) => kernel.name === k)?.kernel.macs ?? 0;
  const columns: readonly Column<string>[] = [
    { head: 'layer', cell: (k) => k, text: true },
    { head: 'MAC', cell: (k) => formatCount(macs(k)) },
    ...series.map((one) => ({
      head: nameOf(one),
      cell: (k: string) => formatCount(one.byKernel.get(k) ?? 0),
    })),
    ...series.flatMap((one) => formColumn(program, one)),
  ];
  const totals = [kernels.reduce((sum, k) => sum + macs(k), 0), ...series.map(({ total }) => total)];
  return {
    title: 'Instructions by layer',
    caption: captionOf(series),
    ...(shown.length === 0 ? {} : { chart: instructionChart(shown, kernels, charts) }),
    table: dataTable(columns, kernels, ['one inference', ...totals.map(formatCount)]),
  };
}

const statusText = ({ status, bytesCompared }: MeasuredTarget): string =>
  status === 'equal' ? `equal, ${formatCount(bytesCompared)} bytes` : status;

/** What each target's row says, and that a model stands in for what is missing. */
function noteOf(program: Program, { target, instructions, status, note = '' }: MeasuredTarget): string {
  const model = status !== 'equal' && instructions === undefined && isModelled(program, target);
  return [note, model ? 'its instructions are modelled instead' : ''].filter((s) => s !== '').join('; ');
}

const optional = <T>(x: T | undefined, format: (x: T) => string): string =>
  x === undefined ? '' : format(x);

const codeAt = ({ sizes }: MeasuredTarget, wanted: string): string =>
  optional(
    sizes?.find(({ opt }) => opt === wanted),
    (size) => formatBytes(size.code),
  );

const timeColumns: readonly Column<MeasuredTarget>[] = [
  { head: 'cycles', cell: (m) => cyclesText(m) },
  { head: 'milliseconds', cell: (m) => millisecondsText(m) },
  { head: 'at', cell: (m) => optional(m.clockHz, formatHertz) },
];

function targetTable(program: Program, measured: readonly MeasuredTarget[]): Html {
  const note = (m: MeasuredTarget): string => noteOf(program, m);
  const columns: readonly Column<MeasuredTarget>[] = [
    { head: 'target', cell: (m) => m.target, text: true },
    { head: 'against the simulator', cell: statusText, text: true },
    { head: 'instructions', cell: (m) => optional(m.instructions, formatCount) },
    ...(measured.some(({ cycles }) => cycles !== undefined) ? timeColumns : []),
    { head: 'stack', cell: (m) => optional(m.stackBytes, formatBytes) },
    { head: 'code, -O3', cell: (m) => codeAt(m, '-O3') },
    { head: 'code, -Os', cell: (m) => codeAt(m, '-Os') },
    { head: 'constants', cell: (m) => optional(m.sizes?.[0], (size) => formatBytes(size.constants)) },
    ...(measured.some((m) => note(m) !== '') ? [{ head: 'note', cell: note, text: true }] : []),
  ];
  return dataTable(columns, measured);
}

/** Flash by target and level of optimization; undefined where no size is known. */
function flashChart(measured: readonly MeasuredTarget[], charts: Charts): Html | undefined {
  const sizes = measured.flatMap(({ target, sizes = [] }) =>
    sizes.flatMap(({ opt, code, constants }) => [
      { row: `${target} ${opt}`, kind: 'code', bytes: code },
      { row: `${target} ${opt}`, kind: 'constants', bytes: constants },
    ]),
  );
  const rows = [...new Set(sizes.map(({ row }) => row))];
  if (rows.length === 0) return undefined;
  return charts((plot) => ({
    width: wide,
    height: 76 + 22 * rows.length,
    marginLeft: leftFor(rows),
    marginBottom: 44,
    color: { legend: true, domain: ['constants', 'code'], range: [colours.constants, colours.code] },
    x: { label: 'bytes of flash', grid: true, tickFormat: shortCount },
    y: { domain: rows, label: null },
    marks: [
      plot.barX(sizes, { x: 'bytes', y: 'row', fill: 'kind', order: ['constants', 'code'], inset: 1 }),
      plot.ruleX([0]),
    ],
  }));
}

/** Code, stack and the comparison of every target that was asked for; absent when none was. */
export function targets(
  program: Program,
  measured: readonly MeasuredTarget[],
  charts: Charts,
): Section | undefined {
  if (measured.length === 0) return undefined;
  const chart = flashChart(measured, charts);
  return {
    title: 'On targets',
    caption:
      'Measured: this C, compiled and run, every byte of the arena compared with the simulator after every kernel. Code and constants are those of the object file, gcc -O3 as it was run, and -Os; stack is what one call takes at -O3. The host is compiled with sanitizers and counts nothing.',
    ...(chart === undefined ? {} : { chart }),
    table: targetTable(program, measured),
  };
}
