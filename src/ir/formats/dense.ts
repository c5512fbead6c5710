/** Every weight is stored: 1, 2 or 4 of them to a byte, each stretch of neighbours beginning at a byte. */
import { at } from '../../base/errors.ts';
import { add, advance, constant, load, local, loop, mul, pointer, times } from '../kernel/builders.ts';
import type { Expr, Stmt, StoredRows, Table } from '../kernel/kernel.ts';
import { type DenseFormat, segmentOffsets, termsOf } from '../kernel/weight-format.ts';
import { above, type Decode, decodeOf, valueCode } from './codes.ts';
import type { Expansion, RowsOfWeights, RowUse } from './expansion.ts';

/** The largest divisor of `run` up to `most`, so that an unrolled loop has no remainder. */
export function unrollOf(run: number, most: number): number {
  for (let u = Math.min(run, most); u > 1; u--) if (run % u === 0) return u;
  return 1;
}

/** Stretches of `run` values, each packed into whole bytes. */
export function packRuns(
  values: Int8Array,
  run: number,
  bits: 4 | 2,
  encode: (value: number) => number,
): Uint8Array {
  const perByte = 8 / bits;
  const runBytes = Math.ceil(run / perByte);
  const bytes = new Uint8Array((values.length / run) * runBytes);
  values.forEach((value, i) => {
    const byte = Math.floor(i / run) * runBytes + Math.floor((i % run) / perByte);
    bytes[byte] = at(bytes, byte) | (encode(value) << (((i % run) % perByte) * bits));
  });
  return bytes;
}

/** `count` values that lie in consecutive bytes from `wt[at]` on. */
export function unpackRun(
  count: number,
  at: number,
  bits: 4 | 2,
  decode: Decode,
  tag = '',
): { readonly bytes: readonly Stmt[]; readonly values: readonly Expr[] } {
  const perByte = 8 / bits;
  const byte = (i: number) => `byte${Math.floor(i / perByte)}${tag}`;
  return {
    bytes: times(Math.ceil(count / perByte), (b) => constant(`byte${b}${tag}`, load('wt', 'u8', at + b))),
    values: times(count, (i) => decode(above(local(byte(i)), (i % perByte) * bits))),
  };
}

/** `tag` keeps the names of locals apart. */
type Steps = (count: number, use: RowUse, tag: string) => readonly Stmt[];

/** Walks a run, a few values a pass; `perPass` divides the part of the run that the loop covers. */
function runOf(run: number, perPass: number, bytesOf: (n: number) => number, steps: Steps, use: RowUse) {
  const whole = Math.floor(run / perPass);
  const rest = run - whole * perPass;
  return [
    ...loop('i', whole, () => [
      ...steps(perPass, use, ''),
      ...advance('px', whole > 1 || rest > 0 ? perPass : 0),
      ...advance('wt', bytesOf(perPass)),
    ]),
    ...(rest > 0 ? [...steps(rest, use, '_rest'), ...advance('wt', bytesOf(rest))] : []),
  ];
}

/** One row after the other. */
export function denseTables(rows: RowsOfWeights, { bits }: DenseFormat): readonly Table[] {
  const { name, layout, values, elem } = rows;
  const table = `${name}_weights`;
  if (bits === 8 || !(values instanceof Int8Array))
    return [{ name: table, elem, data: values, rowLength: termsOf(layout), ...termsWords(rows) }];
  const { tables, encode } = valueCode(name, bits, rows.codebook);
  return [{ name: table, elem: 'u8', data: packRuns(values, layout.run, bits, encode) }, ...tables];
}

/** Bits of a weight that shares its byte with others; undefined: each is a number of its own. */
export const packedBits = ({ elem }: StoredRows, { bits }: DenseFormat): 4 | 2 | undefined =>
  bits === 8 || elem !== 'i8' ? undefined : bits;

export function denseExpansion(stored: StoredRows, format: DenseFormat): Expansion {
  const { segments, segmentStride, pieces, pieceStride, run } = stored.layout;
  const bits = packedBits(stored, format);
  const elem = bits === undefined ? stored.elem : 'u8';
  const steps: Steps = (count, use, tag) =>
    bits === undefined
      ? plainSteps(count, use, stored.elem)
      : packedSteps(count, use, bits, decodeOf(stored, bits), tag);
  const bytesOf = (n: number): number => (bits === undefined ? n : Math.ceil((n * bits) / 8));
  const piece = (offset: Expr, use: RowUse): readonly Stmt[] => [
    use.from(offset),
    ...runOf(run, format.rolled ? 1 : passOf(run, bits === undefined ? 1 : 8 / bits), bytesOf, steps, use),
  ];
  return {
    start: [pointer('wt', stored.stream, elem, 0, { mutable: true })],
    row: (use) =>
      loop('ky', segments, (ky) =>
        loop('kx', pieces, (kx) => piece(add(mul(ky, segmentStride), mul(kx, pieceStride)), use)),
      ),
  };
}

/** Values of one pass: all of a short run, else a divisor of it, in whole bytes. */
export function passOf(run: number, perByte: number): number {
  if (run <= 8) return run;
  return perByte === 1
    ? unrollOf(run, 6)
    : perByte * unrollOf(Math.floor(run / perByte), perByte === 2 ? 3 : 2);
}

const plainSteps = (count: number, { use }: RowUse, elem: RowsOfWeights['elem']): readonly Stmt[] =>
  times(count, (i) => use(load('wt', elem, i), i)).flat();

function packedSteps(
  count: number,
  { use }: RowUse,
  bits: 4 | 2,
  decode: Decode,
  tag: string,
): readonly Stmt[] {
  const { bytes, values } = unpackRun(count, 0, bits, decode, tag);
  return [...bytes, ...values.flatMap((value, i) => use(value, i))];
}

const termsWords = ({ terms }: RowsOfWeights): Pick<Table, 'says'> =>
  terms === undefined ? {} : { says: `Output by output; order of an output's weights: ${terms}.` };

/** All terms of a row in one straight line of code, 8 bits each. */
export function straightExpansion({ layout, elem, stream }: StoredRows): Expansion {
  const offsets = segmentOffsets(layout);
  const at = times(layout.segments, (s) => offsets.map((o) => s * layout.segmentStride + o)).flat();
  return {
    start: [pointer('wt', stream, elem, 0, { mutable: true })],
    row: ({ from, use }) => [
      from(0),
      ...at.flatMap((offset, i) => use(load('wt', elem, i), offset)),
      ...advance('wt', at.length),
    ],
  };
}
