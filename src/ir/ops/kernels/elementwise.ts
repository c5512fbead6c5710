/** Element by element: what several operands give, each element on its own. */
import { at, must } from '../../../base/errors.ts';
import { type Axis, loopsOf } from '../../geometry/strides.ts';

import { freshIn } from '../../graph/graph.ts';
import type { Hold } from '../../graph/op.ts';
import { clampFloat } from '../../integers/mac.ts';
import type { Clamp } from '../../integers/row-clamp.ts';
import { add, constant, int, load, local, loop, mul, store, times } from '../../kernel/builders.ts';
import { type Elem, type Expr, type Kernel, type Stmt, scalarOf, type Table } from '../../kernel/kernel.ts';
import { typeOf } from '../../kernel/walk.ts';
import { formula } from './doc.ts';

export interface Elementwise {
  readonly name: string;
  readonly doc: readonly string[];
  /** Of the output, and of the operands that do not say otherwise. */
  readonly elem: Elem;
  readonly operands: readonly Operand[];
  /** Of the output. */
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

/** What is read of each element: an array, and where in it, by position of the output's memory. */
export interface Operand {
  readonly length: number;
  readonly at: Int32Array;
  /** Absent: that of the output. */
  readonly elem?: Elem;
  /** Of a constant, in place of a parameter. */
  readonly table?: Table;
}

/** One input is called `in`, several `a`, `b`. */
const inputNames = (n: number): readonly string[] =>
  n === 1 ? ['in'] : times(n, (i) => String.fromCharCode(97 + i));

const counters = 'ijklmnop';

/** The body in loops over axes, with the positions of the output and of each list. */
function nested(
  axes: readonly Axis[],
  body: (at: readonly Expr[]) => readonly Stmt[],
  from: readonly Expr[],
  depth = 0,
): readonly Stmt[] {
  const [axis] = axes;
  if (axis === undefined) return body(from);
  return loop(counters.charAt(depth), axis.size, (i) => {
    const moved = from.map((position, k) => add(position, mul(i, at(axis.strides, k))));
    return nested(axes.slice(1), body, moved, depth + 1);
  });
}

/** The same for all elements: nothing is broadcast, and all lie in one order. */
export const inOneOrder = (count: number): Operand => ({
  length: count,
  at: Int32Array.from({ length: count }, (_, i) => i),
});

/** Which element of each operand belongs to an element of the output. */
function placesWords(
  names: readonly string[],
  lists: readonly Int32Array[],
  axes: readonly Axis[],
): readonly string[] {
  const operands = names
    .slice(1)
    .map((name, k) => `x${k} of ${name}`)
    .join(', ');
  if (axes.length < 2 && axes.every(({ strides }) => strides.every((n) => n === 1)))
    return [`Element by element in the order of memory: ${operands}.`];
  const each = names.map((name, k) => {
    const steps = axes.map(({ strides }) => at(strides, k));
    return `${name} from ${at(at(lists, k), 0)} by ${steps.join(', ')}`;
  });
  const sizes = axes.map(({ size }) => size).join(', ');
  return [`Element by element in loops of ${sizes || 1}: ${each.join('; ')}; ${operands}.`];
}

/** What is computed once, then what is stored. */
const holds = (statements: readonly Stmt[], value: Expr): readonly string[] =>
  statements.length > 8
    ? []
    : [
        ...statements.flatMap((s) => (s.kind === 'let' ? formula(s.name, s.value) : [])),
        ...formula('out', value),
      ];

export function elementwise(e: Elementwise): Kernel {
  const isActivation = ({ table }: Operand): boolean => table === undefined;
  const names = inputNames(e.operands.filter(isActivation).length).values();
  const operands = e.operands.map((operand) => ({
    ...operand,
    name: operand.table?.name ?? must(names.next().value, 'a name for each'),
    elem: operand.table?.elem ?? operand.elem ?? e.elem,
  }));
  const values = operands.map(({ elem }, k) => local(`x${k}`, scalarOf(elem)));
  const { statements, hold } = holder();
  const value = e.value(values, hold);
  const lists = [inOneOrder(e.count), ...operands].map((operand) => operand.at);
  const axes = loopsOf(lists);
  const body = ([to = int(0), ...from]: readonly Expr[]) => [
    ...operands.map(({ name, elem }, k) => constant(`x${k}`, load(name, elem, at(from, k)))),
    ...statements,
    store('out', e.elem, to, value),
  ];
  return {
    name: e.name,
    doc: [
      ...e.doc,
      ...placesWords(['out', ...operands.map(({ name }) => name)], lists, axes),
      ...holds(statements, value),
    ],
    params: [
      ...operands
        .filter(isActivation)
        .map(({ name, elem, length }) => ({ name, role: 'in', elem, length }) as const),
      { name: 'out', role: 'out', elem: e.elem, length: e.count },
    ],
    tables: [...operands.flatMap(({ table }) => table ?? []), ...(e.tables ?? [])],
    body: nested(
      axes,
      body,
      lists.map((list) => int(at(list, 0))),
    ),
    macs: 0,
  };
}

export const floatSumValue =
  (clamp: Clamp | undefined) =>
  (inputs: readonly Expr[]): Expr =>
    clampFloat(add(...inputs), clamp);
