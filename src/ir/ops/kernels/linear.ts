/**
 * Fully connected layers. Dense weights: a few outputs at a time, so that one load of an input serves them all.
 * All other formats: one output after the other, whose weights say which inputs to load.
 */

import { at } from '../../../base/errors.ts';
import { type ValueCode, valueCode } from '../../formats/codes.ts';
import { packRuns, unpackRun, unrollOf } from '../../formats/dense.ts';
import type { RowsOfWeights, RowUse } from '../../formats/expansion.ts';
import { expansionOf, storedAs } from '../../formats/index.ts';
import type { Arithmetic } from '../../integers/mac.ts';
import {
  accumulate,
  add,
  advance,
  constant,
  int,
  load,
  local,
  loop,
  mul,
  pointer,
  store,
  times,
  variable,
} from '../../kernel/builders.ts';
import type { Expr, Kernel, RowSum, Stmt, Table } from '../../kernel/kernel.ts';
import type { WeightFormat, WeightLayout } from '../../kernel/weight-format.ts';
import { formula } from './doc.ts';

export interface Linear {
  readonly name: string;
  readonly doc: readonly string[];
  readonly inputs: number;
  readonly outputs: number;
  /** In words: the order of the inputs. */
  readonly terms: string;
  /** Its weights are outputs x inputs, both in the order of memory. */
  readonly arithmetic: Arithmetic;
}

const lane = (i: number): string => `acc${i}`;

/** Outputs accumulated together: a divisor of their number if there is one, at most five (registers). */
function lanesOf(outputs: number): number {
  const divisor = unrollOf(outputs, 5);
  return divisor > 1 || outputs < 4 ? divisor : 4;
}

function layoutOf(l: Linear, lanes: number): WeightLayout {
  const one = { segments: 1, segmentStride: l.inputs, pieces: 1, pieceStride: l.inputs };
  return { rows: l.outputs, ...one, run: l.inputs, lanes };
}

function rowsOf(l: Linear, lanes: number): RowsOfWeights {
  const { weights, weightElem, codebook, scales } = l.arithmetic;
  const book = codebook === undefined ? {} : { codebook };
  return {
    name: l.name,
    layout: layoutOf(l, lanes),
    values: weights,
    elem: weightElem,
    ...book,
    ...(scales === undefined ? {} : { scales }),
    terms: l.terms,
  };
}

interface Code {
  readonly tables: readonly Table[];
  readonly body: readonly Stmt[];
  readonly sums: readonly RowSum[];
}

const sumOf = (local: string, row: Expr): RowSum => ({ local, row, from: 'in', first: int(0) });

export function linear(l: Linear): Kernel {
  const { elem, outElem, format, bias, tables } = l.arithmetic;
  const lanes = format.kind === 'dense' ? lanesOf(l.outputs) : 1;
  const rows = rowsOf(l, lanes);
  const code = format.kind === 'dense' ? interleaved(l, rows, format.bits) : byRows(l, rows, format);
  return {
    name: l.name,
    doc: [
      ...l.doc,
      `sum = ${bias.name}[o] + inputs * weights of output o.`,
      ...formula('out', l.arithmetic.finish(local('sum', l.arithmetic.accumulator), local('o'))),
    ],
    params: [
      { name: 'in', role: 'in', elem, length: l.inputs },
      { name: 'out', role: 'out', elem: outElem, length: l.outputs },
    ],
    tables: [...code.tables, bias, ...tables],
    body: code.body,
    macs: l.inputs * l.outputs,
    ...(l.arithmetic.weightElem === 'i8' ? { weights: storedAs(rows, format, code.sums) } : {}),
  };
}

/** One row of weights per output. */
function byRows(l: Linear, rows: RowsOfWeights, format: WeightFormat): Code {
  const { bias, accumulator, finish, elem, outElem } = l.arithmetic;
  const walk = expansionOf(rows, format);
  const sum = local(lane(0), accumulator);
  let weights = 0;
  const use: RowUse = {
    from: (offset) => pointer('px', 'in', elem, offset, { mutable: true }),
    use(weight, at) {
      const name = `w${weights++}`;
      const product = mul(load('px', elem, at), local(name, accumulator));
      return [constant(name, weight), accumulate(lane(0), product)];
    },
  };
  const body = loop('o', l.outputs, (o) => [
    variable(lane(0), load(bias.name, bias.elem, o)),
    ...walk.row(use),
    store('out', outElem, o, finish(sum, o)),
  ]);
  const row = l.outputs === 1 ? int(0) : local('o');
  return { tables: walk.tables, body: [...walk.start, ...body], sums: [sumOf(lane(0), row)] };
}

/** Dense weights in blocks of `lanes` outputs: [block][byte of inputs][output of the block]. */
interface Blocks {
  readonly l: Linear;
  readonly lanes: number;
  readonly elem: Table['elem'];
  /** Inputs whose weights for one output share a byte. */
  readonly perByte: number;
  /** Absent: a byte (or float) is a weight. */
  readonly code?: ValueCode;
  readonly bits: 8 | 4 | 2;
}

function interleaved(l: Linear, rows: RowsOfWeights, bits: 8 | 4 | 2): Code {
  const { lanes } = rows.layout;
  const packed = bits !== 8 && rows.values instanceof Int8Array;
  const code = packed ? valueCode(l.name, bits, rows.codebook) : undefined;
  const elem = packed ? 'u8' : rows.elem;
  const b: Blocks = {
    l,
    lanes,
    elem,
    perByte: packed ? 8 / bits : 1,
    ...(code === undefined ? {} : { code }),
    bits,
  };
  const whole = Math.floor(l.outputs / lanes) * lanes;
  const rest = l.outputs - whole;
  const blocks: readonly Block[] = [
    { lanes, from: 0, to: whole, suffix: '' },
    ...(rest > 0 ? [{ lanes: rest, from: whole, to: l.outputs, suffix: '_rest' }] : []),
  ];
  return {
    tables: [weightTable(b, rows.values), ...(code?.tables ?? [])],
    body: [
      pointer('wt', `${l.name}_weights`, elem, 0, { mutable: true }),
      ...blocks.flatMap((part) => block(b, part)),
    ],
    sums: blocks.flatMap(blockSums),
  };
}

/** Weights (or bytes of them) from [output][input] to the order of use. */
function weightTable(b: Blocks, values: RowsOfWeights['values']): Table {
  const { l, lanes, bits, code } = b;
  const cells =
    code !== undefined && bits !== 8 && values instanceof Int8Array
      ? packRuns(values, l.inputs, bits, code.encode)
      : values;
  const perRow = cells.length / l.outputs;
  const data = cells.slice();
  let next = 0;
  for (let first = 0; first < l.outputs; first += lanes)
    for (let i = 0; i < perRow; i++)
      for (let o = first; o < Math.min(first + lanes, l.outputs); o++)
        data[next++] = at(cells, o * perRow + i);
  return {
    name: `${l.name}_weights`,
    elem: b.elem,
    data,
    rowLength: perRow * lanes,
    says: `${lanes} outputs at a time, in turns; order of an output's weights: ${l.terms}.`,
  };
}

/** Outputs `from` to `to`, `lanes` of them at a time; `suffix` keeps names apart. */
interface Block {
  readonly lanes: number;
  readonly from: number;
  readonly to: number;
  readonly suffix: string;
}

function block(b: Blocks, { lanes, from, to, suffix }: Block): readonly Stmt[] {
  const { bias, accumulator, finish, outElem } = b.l.arithmetic;
  const value = (i: number) => local(lane(i) + suffix, accumulator);
  return loop(
    `o${suffix}`,
    to,
    (o) => [
      ...times(lanes, (i) => variable(lane(i) + suffix, load(bias.name, bias.elem, add(o, i)))),
      ...products(b, lanes, suffix),
      ...times(lanes, (i) => store('out', outElem, add(o, i), finish(value(i), add(o, i)))),
    ],
    { from, step: lanes },
  );
}

function blockSums({ lanes, from, to, suffix }: Block): readonly RowSum[] {
  const o = to - from <= lanes ? int(from) : local(`o${suffix}`);
  return times(lanes, (i) => sumOf(lane(i) + suffix, add(o, i)));
}

/** The loop over the inputs, a few a pass. Inputs that fill no whole byte come last. */
function products(b: Blocks, lanes: number, suffix: string): readonly Stmt[] {
  const whole = b.l.inputs - (b.l.inputs % b.perByte);
  const unroll = b.perByte * unrollOf(whole / b.perByte, Math.max(1, 4 / b.perByte));
  const rest = b.l.inputs - whole;
  return [
    ...loop(`i${suffix}`, whole, (i) => pass(b, lanes, unroll, i, suffix), { step: unroll }),
    ...(rest > 0 ? pass(b, lanes, rest, whole, `${suffix}_last`) : []),
  ];
}

/** `count` inputs from `i` on, each times its weight for every lane. */
function pass(b: Blocks, lanes: number, count: number, i: Expr | number, tag: string): readonly Stmt[] {
  const { elem, accumulator } = b.l.arithmetic;
  const suffix = tag.replace('_last', '');
  const x = (u: number) => local(`x${u}${tag}`, accumulator);
  const add1 = (j: number, u: number, weight: Expr) => accumulate(lane(j) + suffix, mul(x(u), weight));
  const input = (u: number) => constant(`x${u}${tag}`, load('in', elem, add(i, u)));
  const moved = advance('wt', Math.ceil(count / b.perByte) * lanes);
  if (b.code === undefined)
    return [
      ...times(count, (u) => [
        input(u),
        ...times(lanes, (j) => add1(j, u, load('wt', b.elem, u * lanes + j))),
      ]).flat(),
      ...moved,
    ];
  return [...packedPass(b, lanes, count, tag, input, add1), ...moved];
}

/** Bytes one after the other: the inputs of a byte are loaded once for all lanes. */
function packedPass(
  b: Blocks,
  lanes: number,
  count: number,
  tag: string,
  input: (u: number) => Stmt,
  add1: (lane: number, u: number, weight: Expr) => Stmt,
): readonly Stmt[] {
  const { code, bits, perByte } = b;
  if (code === undefined || bits === 8) return [];
  return times(Math.ceil(count / perByte), (byte) => {
    const inputs = times(Math.min(perByte, count - byte * perByte), (u) => byte * perByte + u);
    const ofLane = (j: number) => {
      const { bytes, values } = unpackRun(inputs.length, byte * lanes + j, bits, code, `_${byte}_${j}${tag}`);
      return [...bytes, ...values.map((value, u) => add1(j, at(inputs, u), value))];
    };
    return [...inputs.map(input), ...times(lanes, ofLane).flat()];
  }).flat();
}
