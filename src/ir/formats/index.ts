/** Every format's expansion. */
import { largestCode } from '../../base/extremes.ts';
import type { RowSum, StoredWeights } from '../kernel/kernel.ts';
import type { WeightFormat, WeightLayout } from '../kernel/weight-format.ts';
import { bitmapExpansion } from './bitmap.ts';
import { blockExpansion } from './block.ts';
import { isCoded } from './codes.ts';
import { csrExpansion } from './csr.ts';
import { denseExpansion } from './dense.ts';
import type { Expansion, RowsOfWeights } from './expansion.ts';
import { relExpansion } from './rel.ts';

/** @throws DefectError for weights that the format cannot hold: `fits` says so before. */
export function expansionOf(rows: RowsOfWeights, format: WeightFormat): Expansion {
  switch (format.kind) {
    case 'dense':
      return denseExpansion(rows, format);
    case 'csr':
      return csrExpansion(rows, format);
    case 'rel':
      return relExpansion(rows, format);
    case 'block':
      return blockExpansion(rows, format);
    case 'bitmap':
      return bitmapExpansion(rows, format);
    default:
      return format satisfies never;
  }
}

/** What the tables of an expansion are called and hold. */
export function storedAs(
  { name, layout, codebook, scales, terms }: RowsOfWeights,
  format: WeightFormat,
  sums: readonly RowSum[],
): StoredWeights {
  const counts = { csr: '_counts', rel: '_counts', block: '_counts', bitmap: '_masks', dense: undefined }[
    format.kind
  ];
  const book = 'bits' in format && isCoded(format.bits, codebook);
  return {
    format,
    layout,
    stream: `${name}_weights`,
    ...(counts === undefined ? {} : { counts: name + counts }),
    ...(book ? { codebook: `${name}_codebook` } : {}),
    ...(scales === undefined ? {} : { scales }),
    ...(terms === undefined ? {} : { terms }),
    sums,
  };
}

/**
 * Whether weights of at most `largest` in size (by `largestCode`), laid out like this, can be stored in a format. One that bridges
 * distances by entries of value 0 needs 0 in the codebook.
 */
export function fits(
  layout: WeightLayout,
  largest: number,
  format: WeightFormat,
  codebook: Int8Array | undefined,
): boolean {
  if (format.kind === 'block')
    return layout.pieces === 1 && layout.run >= format.width && (format.segmented || layout.segments === 1);
  if (isCoded(format.bits, codebook))
    return format.kind === 'dense' || format.kind === 'bitmap' || codebook.includes(0);
  return largest < 2 ** (format.bits - 1);
}

const unrolls = [1, 2, 4] as const;

/** Rows of a window are only counted apart where there is more than one. */
const segmentations = ({ segments }: WeightLayout): readonly boolean[] =>
  segments > 1 ? [false, true] : [false];

const gathers = (layout: WeightLayout): readonly WeightFormat[] =>
  segmentations(layout).flatMap((segmented) =>
    unrolls.flatMap((unroll): WeightFormat[] => [
      ...(['csr', 'rel'] as const).flatMap((kind) =>
        ([8, 4] as const).map((bits): WeightFormat => ({ kind, bits, unroll, segmented })),
      ),
      ...([2, 4] as const).map((width): WeightFormat => ({ kind: 'block', width, unroll, segmented })),
    ]),
  );

/** Every format that can hold these weights; `dense8` first. */
export function candidatesFor(
  layout: WeightLayout,
  { weights, codebook }: { readonly weights: Int8Array; readonly codebook?: Int8Array },
): readonly WeightFormat[] {
  const largest = largestCode(weights);
  const dense = ([8, 4, 2] as const).map((bits): WeightFormat => ({ kind: 'dense', bits }));
  const bitmaps = ([8, 4, 2] as const).map((bits): WeightFormat => ({ kind: 'bitmap', bits }));
  return [...dense, ...gathers(layout), ...bitmaps].filter((format) =>
    fits(layout, largest, format, codebook),
  );
}
