/** Element by element: what several operands of one shape give, each element on its own. */

import { freshIn } from '../../graph/graph.ts';
import type { Hold } from '../../graph/op.ts';
import { clampFloat } from '../../integers/mac.ts';
import type { Clamp } from '../../integers/row-clamp.ts';
import { add, constant, load, local, loop, store, times } from '../../kernel/builders.ts';
import type { Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import { typeOf } from '../../kernel/walk.ts';

export interface Elementwise {
  readonly name: string;
  readonly doc: readonly string[];
  readonly elem: 'u8' | 'f32';
  readonly inputs: number;
  readonly count: number;
  /** Absent: none. */
  readonly tables?: readonly Table[];
  readonly value: (inputs: readonly Expr[], hold: Hold) => Expr;
}

/** What is computed of each element before its value. */
export interface Held {
  readonly statements: Stmt[];
  readonly hold: Hold;
}

export function holder(): Held {
  const statements: Stmt[] = [];
  const taken = new Set<string>();
  const hold: Hold = (stem, value) => {
    const name = freshIn(taken, stem);
    taken.add(name);
    const held = constant(name, value);
    statements.push(held);
    return local(name, typeOf(value));
  };
  return { statements, hold };
}

/** One input is called `in`, several `a`, `b`. */
const inputNames = (n: number): readonly string[] =>
  n === 1 ? ['in'] : times(n, (i) => String.fromCharCode(97 + i));

export function elementwise(e: Elementwise): Kernel {
  const names = inputNames(e.inputs);
  const values = names.map((_, k) => local(`x${k}`, e.elem === 'f32' ? 'f32' : 'i32'));
  const { statements, hold } = holder();
  const value = e.value(values, hold);
  return {
    name: e.name,
    doc: e.doc,
    params: [
      ...names.map((name) => ({ name, role: 'in', elem: e.elem, length: e.count }) as const),
      { name: 'out', role: 'out', elem: e.elem, length: e.count },
    ],
    tables: e.tables ?? [],
    body: loop('i', e.count, (i) => [
      ...names.map((name, k) => constant(`x${k}`, load(name, e.elem, i))),
      ...statements,
      store('out', e.elem, i, value),
    ]),
    macs: 0,
  };
}

export const floatSumValue =
  (clamp: Clamp | undefined) =>
  (inputs: readonly Expr[]): Expr =>
    clampFloat(add(...inputs), clamp);
