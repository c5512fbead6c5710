/** Says in words how a kernel's tables hold its weights, so that a reader of the C can find each. */
import type { Kernel, StoredWeights, Table } from '../ir/kernel/kernel.ts';
import type { WeightFormat, WeightLayout } from '../ir/kernel/weight-format.ts';
import { cFloat } from './c/floats.ts';

const counted = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** Where the inputs of a row's terms lie. */
function rowWords({ rows, segments, segmentStride, pieces, pieceStride, run }: WeightLayout): string {
  const terms = counted(segments * pieces * run, 'weight');
  const places = [
    ...(segments > 1 ? [`${segments} rows of the window, ${segmentStride} input elements apart`] : []),
    ...(pieces > 1 ? [`${pieces} stretches of it, ${pieceStride} apart`] : []),
    ...(segments > 1 || pieces > 1 ? [`${counted(run, 'neighbour')} in each`] : ['one beside the other']),
  ];
  return `${counted(rows, 'output')} of ${terms}: ${places.join(', ')}.`;
}

const gather = 'an entry is the distance in input elements from the entry before (the first: from the start)';

const share = (bits: number): string =>
  bits === 8 ? 'a byte each' : `${bits} bits each, ${8 / bits} to a byte from the lowest bits up`;

/** In which order the numbers stand. */
function formatWords(format: WeightFormat, { lanes, rows }: WeightLayout): string {
  switch (format.kind) {
    case 'dense': {
      const block = Math.min(lanes, rows);
      const turns = block > 1 ? `; ${block} outputs at a time, byte by byte in turns` : ', output by output';
      const filled = format.bits === 8 ? '' : ', a run of neighbours filled up to whole bytes';
      return `Every weight, ${share(format.bits)}${filled}${turns}.`;
    }
    case 'bitmap':
      return `Weights that are not 0, ${share(format.bits)}; a bit of the table of counts says which they are.`;
    case 'csr':
      return format.bits === 8
        ? `Weights that are not 0: ${gather}, a byte, and the weight, a byte.`
        : `Weights that are not 0, two at a time: ${gather}; a byte has both weights, the first in its low half, then come both distances, a byte each.`;
    case 'rel':
      return format.bits === 8
        ? `Weights that are not 0, two at a time: ${gather}; a byte has both distances, the first in its low half, then come both weights, a byte each.`
        : `Weights that are not 0, a byte each: ${gather}, in its low half, and the weight in its high half.`;
    case 'block':
      return `Stretches of ${format.width} neighbours that are not all 0: ${gather}, a byte, then the weights, a byte each.`;
    default:
      return format satisfies never;
  }
}

const unitsPerCount = (format: WeightFormat): string =>
  'unroll' in format && format.unroll > 1 ? ` / ${format.unroll}` : '';

function countWords({ format, layout }: StoredWeights): string {
  if (format.kind === 'bitmap')
    return 'A bit for each weight, eight to a byte from the lowest bit up, a run of neighbours filled up to whole bytes: 1 where the weight is not 0.';
  const what = format.kind === 'csr' || format.kind === 'rel' ? 'entries' : 'stretches';
  const pair = (format.kind === 'rel' && format.bits === 8) || (format.kind === 'csr' && format.bits === 4);
  const of = 'segmented' in format && format.segmented && layout.segments > 1 ? ' and row of the window' : '';
  return `How many ${pair ? 'pairs of ' : ''}${what} each output${of} has${unitsPerCount(format)}.`;
}

/** What a weight stands for. */
function scaleWords({ scales, terms }: StoredWeights): readonly string[] {
  const order = terms === undefined ? [] : [`Order of an output's weights: ${terms}.`];
  if (scales === undefined)
    return [...order, 'An input or output has a scale per channel, and so have weights.'];
  const isOne = scales.every((scale) => scale === scales[0]);
  const list = (isOne ? scales.slice(0, 1) : scales).map(realText).join(', ');
  return [
    ...order,
    `real weight = scale * weight, zero point 0; ${isOne ? 'scale' : 'scales by output'}: ${list}.`,
  ];
}

/** A float32 number as a decimal that reads as the same. */
export const realText = (x: number): string => cFloat(Math.fround(x)).replace(/f$/, '');

/** Nodes of the model whose numbers these are. */
const originWords = (origin: readonly string[]): readonly string[] =>
  origin.length === 0 ? [] : [`From the model's ${origin.join(', ')}.`];

/** Paragraphs above one of a kernel's tables; none where its name says what it is. @param origin nodes of the model */
export function tableWords(
  { weights }: Kernel,
  table: Table,
  origin: readonly string[] = [],
): readonly string[] {
  if (weights === undefined || ![weights.counts, weights.codebook, weights.stream].includes(table.name))
    return table.says === undefined ? [] : [table.says];
  const { format, layout, stream, counts, codebook } = weights;
  if (table.name === counts) return [countWords(weights)];
  if (table.name === codebook) return ['What each code of the weights stands for.'];
  if (table.name !== stream) return [];
  const coded = codebook === undefined ? "in two's complement" : `the codes of table ${codebook}`;
  return [
    rowWords(layout),
    formatWords(format, layout),
    `Weights are integers, ${coded}.`,
    ...scaleWords(weights),
    ...originWords(origin),
  ];
}
