/**
 * Dense weights of a few rows in turns, byte by byte: one load of an input serves all of them, and one load of a
 * weight all sums of its row. Blocks of `layout.lanes` rows lie one after the other: [block][byte of a row][row of
 * the block].
 */
import { at, DefectError } from '../../base/errors.ts';
import {
  accumulate,
  add,
  advance,
  constant,
  load,
  local,
  loop,
  mul,
  pointer,
  times,
} from '../kernel/builders.ts';
import type { Expr, RowSum, Stmt, StoredRows, Table } from '../kernel/kernel.ts';
import { type DenseFormat, termsOf } from '../kernel/weight-format.ts';
import { decodeOf, valueCode } from './codes.ts';
import { packedBits, packRuns, passOf, unpackRun, unrollOf } from './dense.ts';
import type { RowsOfWeights } from './expansion.ts';

/** Weights (or bytes of them) from [row][term] to the order of use. */
export function turnsTables(rows: RowsOfWeights, { bits }: DenseFormat): readonly Table[] {
  const { name, layout, values, elem } = rows;
  const table = { name: `${name}_weights`, says: turnsWords(rows) };
  if (bits === 8 || !(values instanceof Int8Array)) {
    const data = inTurns(values, layout.rows, layout.lanes);
    return [{ ...table, elem, data, rowLength: termsOf(layout) * layout.lanes }];
  }
  const { tables, encode } = valueCode(name, bits, rows.codebook);
  const data = inTurns(packRuns(values, layout.run, bits, encode), layout.rows, layout.lanes);
  return [{ ...table, elem: 'u8', data, rowLength: (data.length / layout.rows) * layout.lanes }, ...tables];
}

function turnsWords({ layout, terms }: RowsOfWeights): string {
  const order = terms === undefined ? '' : `; order of an output's weights: ${terms}`;
  return `${layout.lanes} outputs at a time, in turns${order}.`;
}

function inTurns<A extends RowsOfWeights['values'] | Uint8Array>(cells: A, rows: number, lanes: number): A {
  const perRow = cells.length / rows;
  const data = cells.slice() as A;
  let next = 0;
  for (let first = 0; first < rows; first += lanes)
    for (let i = 0; i < perRow; i++)
      for (let row = first; row < Math.min(first + lanes, rows); row++)
        data[next++] = at(cells, row * perRow + i);
  return data;
}

/** What of a sum the passes over its inputs need. */
interface Turns {
  readonly sum: Omit<RowSum, 'kind' | 'body'>;
  /** Absent: a number of the table is a weight. */
  readonly bits: 4 | 2 | undefined;
  /** Inputs whose weights for one row share a byte. */
  readonly perByte: number;
}

function turnsOf(sum: Turns['sum']): Turns {
  const { format, stream } = sum.stored;
  if (format.kind !== 'dense') throw new DefectError(`'${stream}': rows in turns are dense`);
  const bits = packedBits(sum.stored, format);
  return { sum, bits, perByte: bits === undefined ? 1 : 8 / bits };
}

export const turnsStart = (stored: StoredRows, format: DenseFormat): readonly Stmt[] => [
  pointer('wt', stored.stream, packedBits(stored, format) === undefined ? stored.elem : 'u8', 0, {
    mutable: true,
  }),
];

export function turnsRow(sum: Turns['sum']): readonly Stmt[] {
  const t = turnsOf(sum);
  const { segments, pieces } = sum.stored.layout;
  const isLine = segments * pieces === 1 && sum.sums.every(({ row, offset }, i) => row === i && offset === 0);
  if (isLine) return inputs(t);
  if (t.bits !== undefined)
    throw new DefectError(`'${sum.stored.stream}': windows of packed weights in turns`);
  return windows(t);
}

/** The runs of a window. */
function windows({ sum }: Turns): readonly Stmt[] {
  const { segments, segmentStride, pieces, pieceStride, run } = sum.stored.layout;
  const unroll = passOf(run, 1);
  const piece = (offset: Expr): readonly Stmt[] => [
    pointer('px', sum.from, sum.elem, add(sum.first, add(sum.skip, offset)), { mutable: true }),
    ...loop('i', run / unroll, () => [
      ...times(unroll, (u) => term(sum, u)).flat(),
      ...advance('px', run > unroll ? unroll : 0),
      ...advance('wt', unroll * sum.stored.layout.lanes),
    ]),
  ];
  return loop('ky', segments, (ky) =>
    loop('kx', pieces, (kx) => piece(add(mul(ky, segmentStride), mul(kx, pieceStride)))),
  );
}

/** Input `u` of every place times its weight of every row. */
function term({ sums, elem, type, stored }: Turns['sum'], u: number): readonly Stmt[] {
  const places = [...new Set(sums.map(({ offset }) => offset))];
  const rows = [...new Set(sums.map(({ row }) => row))];
  const x = (offset: number): string => `x${u}_${places.indexOf(offset)}`;
  const w = (row: number): string => `w${u}_${row}`;
  return [
    ...places.map((offset) => constant(x(offset), load('px', elem, offset + u))),
    ...rows.map((row) => constant(w(row), load('wt', stored.elem, u * stored.layout.lanes + row))),
    ...sums.map((one) => accumulate(one.local, mul(local(x(one.offset), type), local(w(one.row), type)))),
  ];
}

/** The loop over the inputs, a few a pass. Inputs that fill no whole byte come last. */
function inputs(t: Turns): readonly Stmt[] {
  const { sum } = t;
  const { run } = sum.stored.layout;
  const whole = run - (run % t.perByte);
  const unroll = t.perByte * unrollOf(whole / t.perByte, Math.max(1, 4 / t.perByte));
  const rest = run - whole;
  return [
    ...loop(`i${sum.suffix}`, whole, (i) => pass(t, unroll, i, sum.suffix), { step: unroll }),
    ...(rest > 0 ? pass(t, rest, whole, `${sum.suffix}_last`) : []),
  ];
}

/** `count` inputs from `i` on, each times its weight for every row. */
function pass(t: Turns, count: number, i: Expr | number, tag: string): readonly Stmt[] {
  const { from, elem, first, skip, type, sums, stored } = t.sum;
  const x = (u: number) => local(`x${u}${tag}`, type);
  const addTo = (j: number, u: number, weight: Expr) => accumulate(at(sums, j).local, mul(x(u), weight));
  const input = (u: number) => constant(`x${u}${tag}`, load(from, elem, add(first, skip, i, u)));
  const moved = advance('wt', Math.ceil(count / t.perByte) * sums.length);
  if (t.bits !== undefined) return [...packedPass(t, t.bits, count, tag, input, addTo), ...moved];
  return [
    ...times(count, (u) => [
      input(u),
      ...sums.map((_, j) => addTo(j, u, load('wt', stored.elem, u * sums.length + j))),
    ]).flat(),
    ...moved,
  ];
}

/** Bytes one after the other: the inputs of a byte are loaded once for all rows. */
function packedPass(
  { sum: { sums, stored }, perByte }: Turns,
  bits: 4 | 2,
  count: number,
  tag: string,
  input: (u: number) => Stmt,
  addTo: (row: number, u: number, weight: Expr) => Stmt,
): readonly Stmt[] {
  const decode = decodeOf(stored, bits);
  return times(Math.ceil(count / perByte), (byte) => {
    const inputs = times(Math.min(perByte, count - byte * perByte), (u) => byte * perByte + u);
    const ofRow = (j: number) => {
      const place = byte * sums.length + j;
      const { bytes, values } = unpackRun(inputs.length, place, bits, decode, `_${byte}_${j}${tag}`);
      return [...bytes, ...values.map((value, u) => addTo(j, at(inputs, u), value))];
    };
    return [...inputs.map(input), ...sums.flatMap((_, j) => ofRow(j))];
  }).flat();
}
