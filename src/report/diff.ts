/** A comparison of layers, as text. */
import type { Diff, LayerDiff } from '../diff/compare.ts';
import type { Place } from '../diff/measure.ts';
import { formatCount } from './numbers.ts';
import { table, wrapped } from './table.ts';

const right = { align: 'right' } as const;

const decibels = (x: number): string => (x === Infinity ? 'same' : `${x.toFixed(1)} dB`);
const short = (x: number): string => (x === 0 ? '0' : Number(x.toPrecision(3)).toString());

/** Never 100 % unless all are the same. */
function equalText(equal: number, elements: number): string {
  if (equal === elements) return '100 %';
  return `${Math.min(99.99, (100 * equal) / elements).toFixed(2)} %`;
}

/** `[2, 0, 14] 17 there 18` */
const placeText = ({ at, ours, theirs, stored }: Place, exact: boolean): string => {
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

/** More of the first wrong layer, or that there is none. */
export function firstWrongText({ first, mode }: Diff, them: string, width?: number): string {
  if (first === undefined) return `No layer is wrong, compared with ${them}.`;
  const { measures: m, kernel, origin, tensor } = first;
  const nodes = origin.length > 0 ? ` (${origin.join(' ')})` : '';
  const fed = mode === 'isolated' ? `, fed with what ${them} read` : ', run from the input on';
  const head = wrapped(`The first wrong layer is ${kernel}${nodes}${fed}.`, width);
  if (m === undefined) return head;
  const count = `${formatCount(m.elements - m.equal)} of ${formatCount(m.elements)} elements of ${tensor} differ`;
  const [at, worst] = [m.first, m.worst];
  const lines = [
    head,
    `  ${count}`,
    `  mean error ${short(m.meanError)}, largest ${short(m.maxError)}, cosine ${m.cosine.toFixed(6)}`,
    ...(at === undefined ? [] : [`  first differing element ${placeText(at, first.exact)}`]),
    ...(worst === undefined ? [] : [`  worst element           ${placeText(worst, first.exact)}`]),
  ];
  return lines.join('\n');
}
