/** Recurrent cells in float32, each operation rounded. */
import { at } from '../../../base/errors.ts';
import {
  add,
  call,
  compare,
  div,
  float,
  load,
  maximum,
  minimum,
  mul,
  select,
  sub,
} from '../../kernel/builders.ts';
import type { Expr, Table } from '../../kernel/kernel.ts';
import type { CellArithmetic, Hold } from './recurrence.ts';

export interface FloatCell {
  readonly name: string;
  readonly ofX: Float32Array;
  readonly ofState: Float32Array;
  /** Of the sums over x, then of those over the states; absent: 0. */
  readonly bias: Float32Array | undefined;
  readonly peepholes: Float32Array | undefined;
}

const negative = (x: Expr): Expr => sub(float(0), x);
const atLeast0 = (x: Expr): Expr => compare('ge', x, float(0));

/** With e = e^-|x|, which is at most 1: 1 / (1 + e) for x >= 0, else e / (1 + e). */
function sigmoid(hold: Hold, stem: string, sum: Expr): Expr {
  const x = hold(`${stem}_sum`, sum);
  const e = hold(`${stem}_e`, call('exp_f32', 'f32', minimum(x, negative(x))));
  return hold(stem, div(select(atLeast0(x), float(1), e), add(e, float(1))));
}

/** With e = e^-2|x|: (1 - e) / (1 + e) for x >= 0, and its negative. */
function tanh(hold: Hold, stem: string, sum: Expr): Expr {
  const x = hold(`${stem}_sum`, sum);
  const e = hold(`${stem}_e`, call('exp_f32', 'f32', mul(minimum(x, negative(x)), float(2))));
  return hold(stem, div(select(atLeast0(x), sub(float(1), e), sub(e, float(1))), add(e, float(1))));
}

export function floatCell({ name, ofX, ofState, bias, peepholes }: FloatCell): CellArithmetic {
  const rows = (bias?.length ?? 0) / 2;
  const peephole: Table | undefined = peepholes && { name: `${name}_peephole`, elem: 'f32', data: peepholes };
  const hidden = (peepholes?.length ?? 0) / 3;
  return {
    x: 'f32',
    weight: 'f32',
    state: 'f32',
    cell: 'f32',
    wide: false,
    ofX,
    ofState,
    end(prefix, of, order) {
      const first = of === 'x' ? 0 : rows;
      const data = Float32Array.from(order, (row) => (bias === undefined ? 0 : at(bias, first + row)));
      return { bias: { name: `${prefix}_bias`, elem: 'f32', data }, tables: [], value: (sum) => sum };
    },
    joined: (...parts) => parts.reduce((a, b) => add(a, b)),
    sigmoid,
    tanh,
    limited: (x) => x,
    relu: (sum) => maximum(sum, float(0)),
    ofCell: (cell) => cell,
    gated: (gate, x) => mul(gate, x),
    cellOf: (_hold, forget, cell, input, candidate) => add(mul(forget, cell), mul(input, candidate)),
    mixed: (update, state, candidate) => add(mul(sub(float(1), update), candidate), mul(update, state)),
    narrow: (cell) => cell,
    peephole:
      peephole && ((unit, gate, cell) => mul(load(peephole.name, 'f32', add(unit, gate * hidden)), cell)),
    tables: peephole === undefined ? [] : [peephole],
  };
}
