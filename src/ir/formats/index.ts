/** Every format: its tables, and the statements of its rows. */
import { DefectError } from '../../base/errors.ts';
import { largestCode } from '../../base/extremes.ts';
import { accumulate, add, constant, load, local, mul, pointer } from '../kernel/builders.ts';
import type { Expr, RowSum, RowTerm, Stmt, StoredRows, StoredWeights, Table } from '../kernel/kernel.ts';
import { takesAll } from '../kernel/walk.ts';
import {
  type BlockFormat,
  dense8,
  type GatherFormat,
  type WeightFormat,
  type WeightLayout,
} from '../kernel/weight-format.ts';
import { bitmapExpansion, bitmapTables } from './bitmap.ts';
import { blockUnit } from './block.ts';
import { isCoded } from './codes.ts';
import { csrUnit } from './csr.ts';
import { denseExpansion, denseTables, straightExpansion } from './dense.ts';
import type { Expansion, RowsOfWeights } from './expansion.ts';
import { gatherExpansion, gatherTables, type UnitCode } from './nonzeros.ts';
import { partOfRow, type SumOfRow } from './parts.ts';
import { relUnit } from './rel.ts';
import { turnsRow, turnsStart, turnsTables } from './turns.ts';

/** How a row is walked: see `StoredRows`. */
type Walk = StoredRows['walk'];

/** @throws DefectError for weights that the format cannot hold: `fits` says so before. */
function tablesOf(rows: RowsOfWeights, format: WeightFormat, walk: Walk): readonly Table[] {
  switch (format.kind) {
    case 'dense':
      return walk === 'turns' ? turnsTables(rows, format) : denseTables(rows, format);
    case 'bitmap':
      return bitmapTables(rows, format);
    case 'csr':
    case 'rel':
    case 'block':
      return gatherTables(rows, unitOf(rows.layout, format), format);
    default:
      return format satisfies never;
  }
}

function unitOf(layout: WeightLayout, format: GatherFormat | BlockFormat): UnitCode {
  if (format.kind !== 'block') return format.kind === 'csr' ? csrUnit(format) : relUnit(format);
  if (!hasBlocks(layout, format))
    throw new DefectError(`blocks of ${format.width} in stretches of ${layout.run}`);
  return blockUnit(format);
}

function expansionOf(stored: StoredRows): Expansion {
  const { format } = stored;
  switch (format.kind) {
    case 'dense':
      return stored.walk === 'straight' ? straightExpansion(stored) : denseExpansion(stored, format);
    case 'bitmap':
      return bitmapExpansion(stored, format);
    case 'csr':
    case 'rel':
    case 'block':
      return gatherExpansion(stored, unitOf(stored.layout, format), format);
    default:
      return format satisfies never;
  }
}

/** Rows of weights as tables, and what they are to statements. */
export interface RowStore {
  /** The weights' table first. */
  readonly tables: readonly Table[];
  readonly stored: StoredRows;
}

const countNames = { csr: '_counts', rel: '_counts', block: '_counts', bitmap: '_masks', dense: undefined };

/**
 * Stores rows of weights.
 * @param walk how their sums are expanded; other than `runs` for dense weights only
 * @throws DefectError for weights that the format cannot hold: `fits` says so before
 */
export function storeRows(rows: RowsOfWeights, format: WeightFormat, walk: Walk = 'runs'): RowStore {
  const { name, layout, elem, codebook } = rows;
  if (walk !== 'runs' && format.kind !== 'dense')
    throw new DefectError(`${name}: '${walk}' is for dense weights`);
  const tables = tablesOf(rows, format, walk);
  const counts = countNames[format.kind];
  const counter = tables.find((table) => counts !== undefined && table.name === name + counts);
  const stored: StoredRows = {
    format,
    layout,
    elem,
    stream: `${name}_weights`,
    ...(counter === undefined
      ? {}
      : { counts: counter.name, countElem: counter.elem === 'u16' ? 'u16' : 'u8' }),
    ...('bits' in format && isCoded(format.bits, codebook) ? { codebook: `${name}_codebook` } : {}),
    walk,
  };
  return { tables, stored };
}

/** The statement in front of the first row. */
export function startRows(stored: StoredRows): Stmt {
  const { format } = stored;
  const isTurns = stored.walk === 'turns' && format.kind === 'dense';
  const body = isTurns ? turnsStart(stored, format) : expansionOf(stored).start;
  return { kind: 'startRows', stored, body };
}

/** The statement of the next row, or rows in turns, with its expansion. */
export const rowSum = (sum: SumOfRow): RowSum => ({ ...sum, kind: 'rowSum', body: rowOf(sum) });

function rowOf(sum: SumOfRow): readonly Stmt[] {
  if (!takesAll(sum)) return partOfRow(sum);
  return sum.stored.walk === 'turns' ? turnsRow(sum) : expandedRow(sum);
}

/** One weight serves all sums. */
function expandedRow({ stored, from, elem, first, skip, type, sums, suffix }: SumOfRow) {
  let weights = 0;
  return expansionOf(stored).row({
    from: (offset) => pointer('px', from, elem, add(first, add(skip, offset)), { mutable: true }),
    use(weight, at) {
      const name = `w${weights++}${suffix}`;
      const product = ({ offset }: RowTerm): Expr => mul(load('px', elem, offset + at), local(name, type));
      return [constant(name, weight), ...sums.map((sum) => accumulate(sum.local, product(sum)))];
    },
  });
}

/** What the description of stored weights says besides. */
export const weightsOf = (stored: StoredRows, { scales, terms }: RowsOfWeights): StoredWeights => ({
  ...stored,
  ...(scales === undefined ? {} : { scales }),
  ...(terms === undefined ? {} : { terms }),
});

const hasBlocks = (layout: WeightLayout, { width, segmented }: BlockFormat): boolean =>
  layout.pieces === 1 && layout.run >= width && (segmented || layout.segments === 1);

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
  if (format.kind === 'block') return hasBlocks(layout, format);
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
  const rolled: WeightFormat = { ...dense8, rolled: true };
  const bitmaps = ([8, 4, 2] as const).map((bits): WeightFormat => ({ kind: 'bitmap', bits }));
  return [...dense, rolled, ...gathers(layout), ...bitmaps].filter((format) =>
    fits(layout, largest, format, codebook),
  );
}
