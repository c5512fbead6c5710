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
  assign,
  constant,
  load,
  local,
  loop,
  mul,
  pointer,
  times,
  variable,
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
  if (isLine(sum) && sum.type !== 'f32') return inputs(t);
  if (t.bits !== undefined)
    throw new DefectError(`'${sum.stored.stream}': windows of packed weights in turns`);
  return windows(sum);
}

/** Whether all rows are summed over the same neighbouring inputs. */
const isLine = ({ sums, stored: { layout } }: Turns['sum']): boolean =>
  layout.segments * layout.pieces === 1 && sums.every(({ row, offset }, i) => row === i && offset === 0);

/** The runs of a window. */
function windows(sum: Turns['sum']): readonly Stmt[] {
  const { from, elem, first, skip, suffix } = sum;
  const { segments, segmentStride, pieces, pieceStride, run } = sum.stored.layout;
  const unroll = isLine(sum) ? unrollOf(run, 4) : passOf(run, 1);
  const px = `px${suffix}`;
  const piece = (offset: Expr): readonly Stmt[] => [
    pointer(px, from, elem, add(first, skip, offset), { mutable: true }),
    ...loop(`i${suffix}`, run / unroll, () => [
      ...windowPass(sum, unroll),
      ...advance(px, run > unroll ? unroll : 0),
    ]),
  ];
  return loop(`ky${suffix}`, segments, (ky) =>
    loop(`kx${suffix}`, pieces, (kx) => piece(add(mul(ky, segmentStride), mul(kx, pieceStride)))),
  );
}

/** Where `count` inputs of each place lie, from the first place's first one on; places may share some. */
const inputPlaces = ({ sums }: Turns['sum'], count: number): readonly number[] =>
  [...new Set(sums.flatMap(({ offset }) => times(count, (u) => offset + u)))].sort((a, b) => a - b);

/** Those of the last block may be fewer than in others. */
const rowsIn = ({ sums }: Turns['sum']): number => 1 + Math.max(...sums.map(({ row }) => row));

/** What else a chip with 32 registers of floats has in them: a product, and what is loaded meanwhile. */
const otherRegisters = 3;

/** So many inputs of each place are loaded together as registers have room for. */
function inputsTogether(sum: Turns['sum'], count: number): number {
  const free = 32 - otherRegisters - sum.sums.length - rowsIn(sum);
  return times(count, (i) => count - i).find((n) => inputPlaces(sum, n).length <= free) ?? 1;
}

/**
 * `count` inputs of every place times their weights of every row. Neighbours in memory are loaded one after the other,
 * into the same locals each time: `src/emit/c/neighbour-loads.ts` has one instruction for them.
 */
function windowPass(sum: Turns['sum'], count: number): readonly Stmt[] {
  const { sums, elem, type, stored, suffix } = sum;
  const rows = rowsIn(sum);
  const together = inputsTogether(sum, count);
  const places = inputPlaces(sum, together);
  const x = (place: number): string => `x${places.indexOf(place)}${suffix}`;
  const w = (row: number): string => `w${row}${suffix}`;
  const set = (isFirst: boolean, name: string, value: Expr): Stmt =>
    isFirst ? variable(name, value) : assign(name, value);
  const inputsFrom = (u: number): readonly Stmt[] =>
    inputPlaces(sum, Math.min(together, count - u)).map((place) =>
      set(u === 0, x(place), load(`px${suffix}`, elem, place + u)),
    );
  return times(count, (u) => [
    ...(u % together === 0 ? inputsFrom(u) : []),
    ...times(rows, (row) => set(u === 0, w(row), load('wt', stored.elem, row))),
    ...advance('wt', rows),
    ...sums.map((one) =>
      accumulate(one.local, mul(local(x(one.offset + (u % together)), type), local(w(one.row), type))),
    ),
  ]).flat();
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
