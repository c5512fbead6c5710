/** A comparison of layers, as text. */

import { formatCount } from '../text/numbers.ts';
import { table, wrapped } from '../text/table.ts';
import type { Diff, LayerDiff } from './compare.ts';
import type { Coordinates } from './measures.ts';
import { type Coverage, coverageOf } from './verdict.ts';

const right = { align: 'right' } as const;

const decibels = (x: number): string => (x === Infinity ? 'same' : `${x.toFixed(1)} dB`);
const short = (x: number): string => (x === 0 ? '0' : Number(x.toPrecision(3)).toString());

/** Never 100 % unless all are the same. */
function equalText(equal: number, elements: number): string {
  if (equal === elements) return '100 %';
  return `${Math.min(99.99, (100 * equal) / elements).toFixed(2)} %`;
}

/** `[2, 0, 14] 17 there 18` */
const placeText = ({ at, ours, theirs, stored }: Coordinates, exact: boolean): string => {
  const [a, b] = exact && stored !== undefined ? stored : [ours, theirs];
  return `[${at.join(', ')}] ${short(a)}, there ${short(b)}`;
};

function rowOf(layer: LayerDiff): readonly string[] {
  const { measures: m, checksums, scale } = layer;
  const mark = layer.wrong ? 'X' : '';
  if (checksums !== undefined && m === undefined) {
    const { compared, different } = checksums;
    return [
      mark,
      layer.kernel,
      '',
      '',
      '',
      '',
      different === 0 ? 'checksums agree' : `${different} of ${compared} checksums differ`,
    ];
  }
  if (m === undefined) return [mark, layer.kernel, '', '', '', '', layer.note ?? ''];
  const steps = scale === undefined || scale === 0 ? short(m.maxError) : (m.maxError / scale).toFixed(1);
  return [
    mark,
    layer.kernel,
    equalText(m.equal, m.elements),
    decibels(m.sqnr),
    steps,
    m.clipped === 0 ? '' : `${((100 * m.clipped) / m.elements).toFixed(2)} %`,
    m.worst === undefined ? '' : placeText(m.worst, layer.exact),
  ];
}

/** A line per layer. `steps`: the largest difference in quantization steps (real units in float32 programs). */
export const diffTable = ({ layers }: Diff, width?: number): string =>
  table(
    [
      { head: '' },
      { head: 'layer' },
      { head: 'equal', ...right },
      { head: 'SQNR', ...right },
      { head: 'max steps', ...right },
      { head: 'clipped', ...right },
      { head: 'worst element' },
    ],
    layers.map(rowOf),
    width,
  );

/** `conv1, conv2, add1 and 3 more` */
function someOf(names: readonly string[], shown = 8): string {
  if (names.length <= shown + 1) return names.join(', ');
  return `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`;
}

/** What was not compared, by reason: a line for each. Empty where everything was. */
export function notComparedText({ layers, inferences }: Diff, width?: number): string {
  const byReason = new Map<string, string[]>();
  for (const { kernel, step, gaps } of layers)
    for (const { kind, why, inferences: count } of step < 0 ? [] : gaps) {
      const where = count === inferences ? kernel : `${kernel} (in ${count} of ${inferences} inferences)`;
      const reason = why === kind ? kind : `${kind}: ${why}`;
      byReason.set(reason, [...(byReason.get(reason) ?? []), where]);
    }
  const lines = [...byReason].map(([reason, kernels]) => wrapped(`${reason}: ${someOf(kernels)}.`, width));
  return lines.length === 0 ? '' : `Not compared:\n${lines.map((line) => indented(line)).join('\n')}`;
}

const indented = (text: string): string => text.replaceAll(/^/gm, '  ');

/** `3 of 14 layers were not compared, 2 only in some inferences` */
function leftOutText({ layers, notCompared, partly }: Coverage): string {
  const none = `${notCompared} of ${layers} layers ${notCompared === 1 ? 'was' : 'were'} not compared`;
  if (partly === 0) return none;
  const some = `${partly} of ${layers} layers only in some inferences`;
  return notCompared === 0 ? `${some} compared` : `${none}, ${some}`;
}

function nothingWrongText(found: Diff, them: string, width?: number): string {
  const coverage = coverageOf(found);
  const { layers, compared, notCompared } = coverage;
  if (layers > 0 && compared === layers) return `No layer is wrong, compared with ${them}.`;
  if (notCompared === layers)
    return wrapped(
      `Nothing is known: ${notCompared} of ${layers} layers were not compared with ${them}.`,
      width,
    );
  return wrapped(`No compared layer is wrong; ${leftOutText(coverage)} with ${them}.`, width);
}

/** Where all bytes are the same and the real numbers are not near each other. */
function belowStepText({ measures, scale, exact }: LayerDiff): readonly string[] {
  if (exact || scale === undefined || measures === undefined || measures.equal < measures.elements) return [];
  return [
    `  each is stored as the other side's would be: what is lost is below half a step of ${short(scale)}`,
  ];
}

function firstWrongText(found: Diff, first: LayerDiff, them: string, width?: number): string {
  const { measures: m, kernel, origin, tensor, unchecked } = first;
  const nodes = origin.length > 0 ? ` (${origin.join(' ')})` : '';
  const fed = found.mode === 'isolated' ? `, fed with what ${them} read` : ', run from the input on';
  const or = unchecked.length === 0 ? '' : `, or ${someOf(unchecked)} before it, which could not be compared`;
  const head = wrapped(`The first wrong layer is ${kernel}${nodes}${fed}${or}.`, width);
  const coverage = coverageOf(found);
  const rest = coverage.compared === coverage.layers ? [] : [wrapped(`${leftOutText(coverage)}.`, width)];
  if (m === undefined) return [head, ...rest].join('\n');
  const count = `${formatCount(m.elements - m.equal)} of ${formatCount(m.elements)} elements of ${tensor} differ`;
  const [at, worst] = [m.first, m.worst];
  const lines = [
    head,
    `  ${count}`,
    ...belowStepText(first),
    `  mean error ${short(m.meanError)}, largest ${short(m.maxError)}, cosine ${m.cosine.toFixed(6)}`,
    ...(at === undefined ? [] : [`  first differing element ${placeText(at, first.exact)}`]),
    ...(worst === undefined ? [] : [`  worst element           ${placeText(worst, first.exact)}`]),
    ...rest,
  ];
  return lines.join('\n');
}

/** More of the first wrong layer, or that there is none among those that were compared. */
export const verdictText = (found: Diff, them: string, width?: number): string =>
  found.first === undefined
    ? nothingWrongText(found, them, width)
    : firstWrongText(found, found.first, them, width);
