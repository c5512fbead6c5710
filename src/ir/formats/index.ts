/** Every format's walk. */
import type { StoredWeights } from '../kernel.ts';
import { bitmapWalk } from './bitmap.ts';
import { blockWalk } from './block.ts';
import { csrWalk } from './csr.ts';
import { denseWalk } from './dense.ts';
import type { WeightFormat, WeightLayout } from './format.ts';
import { relWalk } from './rel.ts';
import type { RowsOfWeights, Walk } from './walk.ts';

/** @throws DefectError for weights that the format cannot hold: `fits` says so before. */
export function walkOf(rows: RowsOfWeights, format: WeightFormat): Walk {
  switch (format.kind) {
    case 'dense':
      return denseWalk(rows, format);
    case 'csr':
      return csrWalk(rows, format);
    case 'rel':
      return relWalk(rows, format);
    case 'block':
      return blockWalk(rows, format);
    case 'bitmap':
      return bitmapWalk(rows, format);
    default:
      return format satisfies never;
  }
}

/** What the tables of a walk are called and hold. */
export function storedAs({ name, layout, codebook }: RowsOfWeights, format: WeightFormat): StoredWeights {
  const counts = { csr: '_counts', rel: '_counts', block: '_counts', bitmap: '_masks', dense: undefined }[
    format.kind
  ];
  const book = codebook !== undefined && 'bits' in format && format.bits === 4;
  return {
    format,
    layout,
    stream: `${name}_weights`,
    ...(counts === undefined ? {} : { counts: name + counts }),
    ...(book ? { codebook: `${name}_codebook` } : {}),
  };
}

/** Whether weights of at most `largest` in size, laid out like this, can be stored in a format. */
export function fits(layout: WeightLayout, largest: number, format: WeightFormat, coded: boolean): boolean {
  if (format.kind === 'block')
    return layout.pieces === 1 && layout.run >= format.width && (format.segmented || layout.segments === 1);
  if (coded && format.bits === 4) return true;
  return largest < 2 ** (format.bits - 1);
}
