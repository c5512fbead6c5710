/**
 * Fully connected layers. Dense weights: a few outputs at a time, so that one load of an input serves them all.
 * All other formats: one output after the other, whose weights say which inputs to load.
 */

import { unrollOf } from '../../formats/dense.ts';
import type { RowsOfWeights } from '../../formats/expansion.ts';
import { rowSum, startRows, storeRows, weightsOf } from '../../formats/index.ts';
import type { Arithmetic } from '../../integers/mac.ts';
import { add, int, load, local, loop, store, times, variable } from '../../kernel/builders.ts';
import type { Kernel, Stmt, StoredRows } from '../../kernel/kernel.ts';
import type { WeightLayout } from '../../kernel/weight-format.ts';
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

export function linear(l: Linear): Kernel {
  const { elem, outElem, format, bias, tables } = l.arithmetic;
  const isDense = format.kind === 'dense';
  const rows = rowsOf(l, isDense ? lanesOf(l.outputs) : 1);
  const held = storeRows(rows, format, isDense ? 'turns' : 'runs');
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
    tables: [...held.tables, bias, ...tables],
    body: [startRows(held.stored), ...blocksOf(l, held.stored).flatMap((b) => block(l, held.stored, b))],
    macs: l.inputs * l.outputs,
    ...(l.arithmetic.weightElem === 'i8' ? { weights: weightsOf(held.stored, rows) } : {}),
  };
}

/** Outputs `from` to `to`, `lanes` of them at a time; `suffix` keeps names apart. */
interface Block {
  readonly lanes: number;
  readonly from: number;
  readonly to: number;
  readonly suffix: string;
}

function blocksOf({ outputs }: Linear, { layout: { lanes } }: StoredRows): readonly Block[] {
  const whole = Math.floor(outputs / lanes) * lanes;
  const rest = outputs - whole;
  return [
    { lanes, from: 0, to: whole, suffix: '' },
    ...(rest > 0 ? [{ lanes: rest, from: whole, to: outputs, suffix: '_rest' }] : []),
  ];
}

function block(l: Linear, stored: StoredRows, { lanes, from, to, suffix }: Block): readonly Stmt[] {
  const { bias, accumulator, finish, elem, outElem } = l.arithmetic;
  const name = (i: number): string => lane(i) + suffix;
  const input = { from: 'in', elem, first: int(0), skip: int(0), type: accumulator };
  return loop(
    `o${suffix}`,
    to,
    (o) => [
      ...times(lanes, (i) => variable(name(i), load(bias.name, bias.elem, add(o, i)))),
      rowSum({
        stored,
        row: o,
        ...input,
        sums: times(lanes, (i) => ({ local: name(i), row: i, offset: 0 })),
        suffix,
      }),
      ...times(lanes, (i) =>
        store('out', outElem, add(o, i), finish(local(name(i), accumulator), add(o, i))),
      ),
    ],
    { from, step: lanes },
  );
}
