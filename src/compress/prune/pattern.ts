/** Which weights go together: single weights, at most n of every m in a row, or blocks. */
import { InputError } from '../../base/errors.ts';
import type { Region } from '../fit/problems.ts';
import type { TraceTask, Unit } from './removals.ts';

/**
 * `n` of every `m` neighbours of a row may stay, or whole blocks of `rows` output channels and `cols` neighbours
 * stay or go. Neighbours are so in memory: channels innermost.
 */
export type Pattern =
  | 'none'
  | { readonly n: number; readonly m: number }
  | { readonly block: readonly [rows: number, cols: number] };

/** @throws InputError for a pattern that is none. */
export function checkPattern(pattern: Pattern): void {
  if (pattern === 'none') return;
  const [numbers, fits] =
    'block' in pattern ? [pattern.block, true] : [[pattern.n, pattern.m], pattern.n <= pattern.m];
  if (fits && numbers.every((n) => Number.isInteger(n) && n >= 1 && n <= 64)) return;
  throw new InputError({
    where: 'pruning pattern',
    found: JSON.stringify(pattern),
    supported: "'none', {n, m} with 1 <= n <= m <= 64, {block: [rows, cols]} of 1 to 64",
    todo: 'e.g. { n: 2, m: 4 } or { block: [1, 4] }',
  });
}

/** Rows that lose the same weights. */
export const rowsTogether = (pattern: Pattern): number =>
  pattern !== 'none' && 'block' in pattern ? pattern.block[0] : 1;

/**
 * What a trace of one row (or block of rows) of the region removes at once, as columns of the region.
 * @param left the columns with weights that are not zero; 0 is the bias
 */
export function unitsOf(
  region: Region,
  pattern: Pattern,
  left: readonly number[],
): Pick<TraceTask, 'units' | 'quotas'> {
  const columns = columnsInMemory(region);
  const weights = new Set(left);
  const isLeft = (column: number): boolean => weights.has(column);
  if (pattern === 'none') return { units: columns.filter(isLeft).map((c) => [c]) };
  if ('block' in pattern)
    return {
      units: cut(columns, pattern.block[1])
        .map((unit) => unit.filter(isLeft))
        .filter((unit) => unit.length > 0),
    };
  const groups = cut(columns, pattern.m).map((group) => group.filter(isLeft));
  return {
    units: groups.flat().map((c) => [c]),
    quotas: {
      groups: Int32Array.from(groups.flatMap((group, g) => group.map(() => g))),
      left: Int32Array.from(groups, (group) => Math.max(0, group.length - pattern.n)),
    },
  };
}

/** The region's columns (0 is the bias, so terms begin at 1) in the order of memory. */
function columnsInMemory({ layer, firstTerm, terms }: Region): number[] {
  return Array.from(layer.memoryOrder)
    .map((term) => term - firstTerm + 1)
    .filter((column) => column >= 1 && column <= terms);
}

function cut(columns: readonly number[], size: number): Unit[] {
  return Array.from({ length: Math.ceil(columns.length / size) }, (_, i) =>
    columns.slice(i * size, (i + 1) * size),
  );
}
