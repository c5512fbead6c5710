/** `report.md` of an artifact: what was built, in numbers that a person reads. */

import type { Distance } from '../base/distance.ts';
import type { FloatPart } from '../ir/graph/graph.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import { formatName } from '../ir/kernel/weight-format.ts';
import type { Agreement } from '../judge/agreement.ts';
import type { LayerError } from '../judge/layer-errors.ts';
import { differenceText, type Roundings, roundingsText } from '../judge/roundings.ts';
import { agreementText, samplesText, storedText, warningText } from '../judge/text.ts';
import { decibelText } from '../judge/warnings/warning.ts';
import { type WideReason, wideText } from '../passes/activation-bits.ts';
import type { LayerChoice } from '../passes/choose-formats.ts';
import type { MemoryPlan } from '../plan/addresses.ts';
import type { Program } from '../program/program.ts';
import { floatPartText, floatText, portOrderText, stepsOf, totalsOf } from '../program/summary.ts';
import type { Facts, KernelFacts } from '../prove/prove.ts';
import type { Judgement } from '../search/search.ts';
import { formatBytes, formatCount, formatPercent } from '../text/numbers.ts';
import { formatShare } from '../text/wilson.ts';
import type { Certificate } from './certify.ts';
import { isPrinted, type ProvedForm } from './variants.ts';

export interface Report {
  readonly program: Program;
  readonly plan: MemoryPlan;
  readonly facts: Facts;
  /** The forms that C has of the program's kernels. */
  readonly forms: readonly ProvedForm[];
  /** Of int8 programs. */
  readonly agreement: Agreement | undefined;
  /** Of the stored weights; absent in float32 programs. */
  readonly certificate: Certificate | undefined;
  readonly accuracy: Judgement | undefined;
  /** Why each layer is stored as it is, where that was chosen. */
  readonly formats: readonly LayerChoice[];
  /** Which activations have 16 bits, and why. */
  readonly wide: readonly WideReason[];
  /** Of int8 programs: what stays float32. */
  readonly floatParts: readonly FloatPart[];
  /** Of a quantized model, what its requantization makes other than ort-float. */
  readonly roundings: Roundings | undefined;
  /** Who made it, from what; a line each. */
  readonly origin: readonly string[];
}

/** A Markdown table; the first two columns are text, the rest numbers. */
function grid(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i < 2 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** The widest proved range of the locals that are summed up. */
function bounds(facts: KernelFacts | undefined): string {
  const sums = [...(facts?.ranges ?? [])].filter(([name]) => name.startsWith('acc'));
  if (sums.length === 0) return '';
  const lo = Math.min(...sums.map(([, r]) => r.lo));
  const hi = Math.max(...sums.map(([, r]) => r.hi));
  return `${formatCount(lo)} .. ${formatCount(hi)}`;
}

const distanceCells = (d: Distance | undefined): readonly string[] =>
  d === undefined ? ['', ''] : [decibelText(d.sqnr), d.worst.toPrecision(3)];

function layers({ program, facts, agreement, roundings }: Report): string {
  const errors = agreement?.layers ?? [];
  const changed = errors.some(({ given }) => given !== undefined);
  const rows = stepsOf(program).map((step, i) => {
    const error = errors[i];
    const kernel = program.steps[i]?.kernel;
    return [
      step.name,
      step.origin.join(' '),
      step.outputShape.join('x'),
      formatCount(step.macs),
      formatBytes(step.tableBytes),
      kernel === undefined ? '' : bounds(facts.get(kernel)),
      ...(changed ? distanceCells(error?.given) : []),
      ...distanceCells(error),
      ...(roundings === undefined ? [] : [offCell(roundings, step.name)]),
    ];
  });
  const distances = changed
    ? ['SQNR, given model', 'worst', 'SQNR, stored weights', 'worst']
    : ['SQNR', 'worst'];
  const head = [
    'kernel',
    'computes',
    'output',
    'MAC',
    'tables',
    'accumulator, all inputs',
    ...distances,
    ...(roundings === undefined ? [] : ['off ort-float']),
  ];
  return grid(head, rows);
}

function offCell({ layers }: Roundings, kernel: string): string {
  const found = layers.find(({ name }) => name === kernel);
  return found === undefined ? '' : differenceText(found);
}

/** What the distances are from. */
function distanceNote(errors: readonly LayerError[]): string {
  if (errors.length === 0) return '';
  const own =
    'SQNR and worst: against the float network in its own units, the signal about its mean, over the samples compared, errors of earlier layers included.';
  if (errors.every(({ given }) => given === undefined)) return `\n${own}\n`;
  return `\n${own} Given model: the one that was compiled, with its own weights. Stored weights: the float network with the weights as they were pruned, rounded or trained, so that only 8-bit arithmetic is left of the error.\n`;
}

/** What the tables hold, decoded again without the encoders and compared weight by weight. */
function weights({ certificate }: Report): string {
  if (certificate === undefined) return '';
  const rows = certificate.layers.map((l) => [
    l.kernel,
    l.format,
    formatCount(l.weights),
    formatPercent(l.density),
    String(l.bits),
    formatBytes(l.weightBytes),
    formatBytes(Math.ceil(l.floorBytes)),
    formatBytes(l.tableBytes),
    Number.isFinite(l.sqnr) ? `${l.sqnr.toFixed(1)} dB` : 'exact',
  ]);
  const head = [
    'kernel',
    'stored as',
    'weights',
    'nonzero',
    'bits',
    'weights',
    'entropy floor',
    'all tables',
    'SQNR',
  ];
  const note =
    "Every weight was decoded from the tables again, by code that shares nothing with the encoders, and is the integer model's. SQNR: of the weights, against the float weights that were rounded.";
  return `## Weights\n\n${grid(head, rows)}\n\n${note}\n\n`;
}

/** Top-1, or how often the build answers as the float model does. */
function accuracyLine({ accuracy, program }: Report): string {
  if (accuracy === undefined) return '';
  const { samples: total, labelled, float, compiled } = accuracy;
  const share = (hits: number): string => formatShare({ hits, total });
  if (!labelled) return `\n- same answer as the float network on held-out samples: ${share(compiled)}`;
  return `\n- top-1 on held-out samples: float ${share(float)}, ${program.arith} ${share(compiled)}`;
}

function portOrderLine({ program }: Report): string {
  const text = portOrderText(program);
  return text === undefined ? '' : `\n- ${text}`;
}

function reasons({ formats }: Report): string {
  if (formats.length === 0) return '';
  const line = (c: LayerChoice): string => `- ${c.node}, ${formatName(c.chosen.format)}: ${c.why}`;
  return `Why each layer is stored as it is (tables are counted; code, at -Os, and instructions, at -O3, are modelled):\n\n${formats.map(line).join('\n')}\n\n`;
}

function memory({ program, plan }: Report): string {
  const rows = program.slots
    .toSorted((a, b) => a.address - b.address || a.firstStep - b.firstStep)
    .map((s) => [
      s.name,
      s.shape.join('x'),
      String(s.address),
      String(s.address + s.length * elemBytes[s.elem]),
      String(s.firstStep),
      String(s.lastStep),
    ]);
  const verdict =
    plan.arenaBytes === plan.lowerBound
      ? 'no plan is smaller'
      : `lower bound ${formatBytes(plan.lowerBound)}`;
  const head = ['buffer', 'shape', 'from', 'to', 'written by step', 'last read by'];
  return `${formatBytes(plan.arenaBytes)} (${plan.strategy}; ${verdict}).\n\n${grid(head, rows)}`;
}

function proofs(report: Report): string {
  const { program, facts, forms } = report;
  const open = program.steps.flatMap(({ kernel }) =>
    (facts.get(kernel)?.unproven ?? []).map(({ why }) => `- ${kernel.name}: ${why}`),
  );
  const packed = forms
    .filter(({ form }) => form === 'packed')
    .flatMap(({ kernel, unproven }) => unproven.map((why) => `- ${kernel}, two weights a product: ${why}`));
  const all = [...open, ...packed];
  if (all.length === 0)
    return `For every input: no overflow, no index out of bounds, no bits lost in a store, no bad shift.${formProofs(report)}`;
  return `Not proven for every input, and checked by the simulator at run time instead:\n\n${all.join('\n')}${formProofs(report)}`;
}

const formNames: Readonly<Record<ProvedForm['form'], string>> = {
  packed: 'two weights a product',
  v6m: 'Armv6-M',
  rv32: 'RV32I',
  dsp: 'DSP instructions',
  mve: 'Helium',
};

/** Of the forms of kernels: what each one has of its own was proved too, or the C has not got it. */
function formProofs({ forms }: Report): string {
  const names = Object.entries(formNames).flatMap(([form, name]) => {
    const proved = forms.filter((one) => one.form === form && one.unproven.length === 0);
    return proved.length === 0 ? [] : [`- ${name}: ${proved.map(({ kernel }) => kernel).join(', ')}`];
  });
  const left = forms
    .filter((one) => !isPrinted(one))
    .map(({ kernel, form, unproven }) => `- ${kernel}, ${formNames[form]}: ${unproven.join('; ')}`);
  return [
    ...(names.length === 0
      ? []
      : [
          `The same holds of these forms of kernels, with the tables that the C has for them:`,
          names.join('\n'),
        ]),
    ...(left.length === 0 ? [] : ['Not proven, and left out of the C:', left.join('\n')]),
  ]
    .map((part) => `\n\n${part}`)
    .join('');
}

function agreementLines({ agreement, wide }: Report): string {
  if (agreement === undefined) return '';
  const lines = [samplesText(agreement), wideText(wide), agreementText(agreement), storedText(agreement)];
  return lines.map((line) => (line === undefined ? '' : `\n- ${line}`)).join('');
}

function warningSection(agreement: Agreement | undefined): string {
  const warnings = agreement?.warnings ?? [];
  if (warnings.length === 0) return '';
  return `\n## Warnings\n\n${warnings.map((w) => `- ${w.kind}: ${warningText(w)}`).join('\n')}\n`;
}

const roundingLine = ({ roundings }: Report): string =>
  roundings === undefined ? '' : `\n- ${roundingsText(roundings)}`;

const floatLines = ({ program, floatParts }: Report): string =>
  floatParts.length === 0
    ? ''
    : [floatText(program), ...floatParts.map(floatPartText)].map((line) => `\n- ${line}`).join('');

export function reportText(report: Report): string {
  const { program, agreement } = report;
  const { macs, tableBytes, arenaBytes } = totalsOf(program);
  return `# ${program.name}

${report.origin.map((line) => `- ${line}`).join('\n')}
- ${program.arith}, ${formatCount(macs)} MAC, tables ${formatBytes(tableBytes)}, arena ${formatBytes(arenaBytes)}${portOrderLine(report)}${floatLines(report)}${roundingLine(report)}${agreementLines(report)}${accuracyLine(report)}
${warningSection(agreement)}
## Layers

${layers(report)}
${distanceNote(agreement?.layers ?? [])}
${weights(report)}${reasons(report)}## Memory

${memory(report)}

## Proofs

${proofs(report)}
`;
}
