/**
 * Recurrent layers: one step after the other, one unit after the other, the sums of all of a unit's gates together. The
 * states lie in scratch. What a sum is ended with and what gates are made of is the arithmetic's.
 */
import { at } from '../../../base/errors.ts';
import { unrollOf } from '../../formats/dense.ts';
import type { SumEnd } from '../../integers/state-rows.ts';
import {
  accumulate,
  add,
  advance,
  constant,
  copy,
  float,
  int,
  load,
  local,
  loop,
  mul,
  pointer,
  store,
  sub,
  times,
  variable,
} from '../../kernel/builders.ts';
import {
  type Elem,
  type Expr,
  type Kernel,
  type Param,
  type Stmt,
  scalarOf,
  type Table,
} from '../../kernel/kernel.ts';
import { typeOf } from '../../kernel/walk.ts';
import type { Cell, RecurrentAttrs, Sizes } from '../common/recurrent-cells.ts';

/** Declares a local with a value, and is that local. */
export type Hold = (name: string, value: Expr) => Expr;

/** What the states are before the first step. */
export type Start =
  | { readonly kind: 'zero' }
  /** As states are stored. */
  | { readonly kind: 'constant'; readonly table: Table }
  /** An input of the kernel, and what is stored of each of its elements. */
  | { readonly kind: 'given'; readonly elem: Elem; readonly value: (x: Expr) => Expr };

/** An output of the kernel: what is stored there of an element of the states. */
export interface Given {
  readonly elem: Elem;
  readonly value: (x: Expr) => Expr;
}

/** How numbers are stored, and what is made of them. `Expr`s given are locals or loads. */
export interface CellArithmetic {
  readonly x: Elem;
  readonly weight: Elem;
  readonly state: Elem;
  readonly cell: Elem;
  /** Of a GRU: its states are kept in full in the cells, which the states follow. */
  readonly wide: boolean;
  /** Rows of gates times units, as ONNX orders them. */
  readonly ofX: Int8Array | Float32Array;
  readonly ofState: Int8Array | Float32Array;
  /** The end of sums over x or over the states; entry i of tables is row order[i]. */
  end(prefix: string, of: 'x' | 'state', order: readonly number[]): SumEnd;
  /** A sum that a gate is made of, of its two halves and more. */
  joined(...parts: readonly Expr[]): Expr;
  sigmoid(hold: Hold, stem: string, sum: Expr): Expr;
  tanh(hold: Hold, stem: string, sum: Expr): Expr;
  relu(sum: Expr): Expr;
  /** What a state can hold of a number. */
  limited(x: Expr): Expr;
  /** A cell as a sum. */
  ofCell(cell: Expr): Expr;
  /** gate times a state or sum. */
  gated(gate: Expr, x: Expr): Expr;
  /** forget cell + input candidate */
  cellOf(hold: Hold, forget: Expr, cell: Expr, input: Expr, candidate: Expr): Expr;
  /** update state + (1 - update) candidate */
  mixed(update: Expr, state: Expr, candidate: Expr): Expr;
  /** The state that a wide one is. */
  narrow(cell: Expr): Expr;
  /** What a gate's peephole (input, output, forget) adds; undefined: there are none. */
  readonly peephole: ((unit: Expr, gate: number, cell: Expr) => Expr) | undefined;
  readonly tables: readonly Table[];
}

export interface Recurrent {
  readonly name: string;
  readonly doc: readonly string[];
  readonly cell: Cell;
  readonly attrs: RecurrentAttrs;
  readonly sizes: Sizes;
  readonly arithmetic: CellArithmetic;
  readonly starts: { readonly state: Start; readonly cell: Start };
  /** Those that are read: every step's state, the last one, the last cell. */
  readonly all?: Given | undefined;
  readonly last?: Given | undefined;
  readonly lastCell?: Given | undefined;
}

/** Gates whose sums are made in one loop over the units, of x and of some state. */
interface Phase {
  readonly suffix: string;
  readonly gates: readonly number[];
  readonly from: 'state' | 'kept';
}

interface Code {
  readonly body: readonly Stmt[];
  readonly tables: readonly Table[];
}

/** Statements that a part of a kernel is made of, in order. */
class Lines {
  readonly statements: Stmt[] = [];
  readonly hold: Hold = (name, value) => {
    this.statements.push(constant(name, value));
    return local(name, typeOf(value));
  };

  store(to: string, elem: Elem, index: Expr, value: Expr): void {
    this.statements.push(store(to, elem, index, value));
  }
}

/** Weights in the order of use: unit, term, gate. `order` names their rows by unit and gate. */
function interleaved<T extends Int8Array | Float32Array>(
  weights: T,
  order: readonly number[],
  gates: number,
  terms: number,
): T {
  return weights.slice(0, order.length * terms).map((_, i) => {
    const [unit, rest] = [Math.floor(i / (terms * gates)), i % (terms * gates)];
    const [term, gate] = [Math.floor(rest / gates), rest % gates];
    return at(weights, at(order, unit * gates + gate) * terms + term);
  }) as T;
}

const rowsOf = ({ gates }: Phase, hidden: number): readonly number[] =>
  Array.from({ length: hidden * gates.length }, (_, i) => {
    const gate = at(gates, i % gates.length);
    return gate * hidden + Math.floor(i / gates.length);
  });

/** Terms of each pass of a loop, so that a pass is about four products. */
const passOf = (terms: number, gates: number): number => unrollOf(terms, Math.max(1, Math.floor(4 / gates)));

/** One half of the sums of a phase: over x, or over a state. */
interface Half {
  readonly of: 'x' | 'state';
  /** Of its tables. */
  readonly prefix: string;
  readonly from: string;
  readonly elem: Elem;
  readonly terms: number;
  readonly weights: Int8Array | Float32Array;
}

function halvesOf({ name, arithmetic, sizes }: Recurrent, { suffix, from }: Phase): readonly Half[] {
  const { x, state, ofX, ofState } = arithmetic;
  const { inputs, hidden } = sizes;
  return [
    {
      of: 'x',
      prefix: `${name}${suffix}`,
      from: 'x',
      elem: x,
      terms: inputs,
      weights: ofX,
    },
    {
      of: 'state',
      prefix: `${name}${suffix}_state`,
      from,
      elem: state,
      terms: hidden,
      weights: ofState,
    },
  ];
}

/** What a phase says before its loop, and its sums within. */
interface Sums {
  readonly before: readonly Stmt[];
  readonly body: readonly Stmt[];
  readonly tables: readonly Table[];
  /** The sum over x, and over the state, of one of its gates: locals. */
  readonly x: (gate: number) => Expr;
  readonly state: (gate: number) => Expr;
}

function sumsOf(r: Recurrent, phase: Phase, unit: Expr): Sums {
  const halves = halvesOf(r, phase).map((half) => halfSums(r, phase, half, unit));
  const sum = (which: number) => (gate: number) => at(halves, which).value(gate);
  return {
    before: halves.flatMap(({ before }) => before),
    body: halves.flatMap(({ body }) => body),
    tables: halves.flatMap(({ tables }) => tables),
    x: sum(0),
    state: sum(1),
  };
}

function halfSums({ arithmetic, sizes }: Recurrent, phase: Phase, half: Half, unit: Expr) {
  const { gates, suffix } = phase;
  const { of, prefix, from, elem, terms } = half;
  const [scalar, lanes] = [scalarOf(elem), gates.length];
  const order = rowsOf(phase, sizes.hidden);
  const end = arithmetic.end(prefix, of, order);
  const weights: Table = {
    name: `${prefix}_weights`,
    elem: arithmetic.weight,
    data: interleaved(half.weights, order, lanes, terms),
    rowLength: lanes * terms,
    says: `Unit by unit: the weights of its ${lanes} gates in turns, for each of ${terms} inputs (of x, or of the state).`,
  };
  const pointerName = `w_${of}${suffix}`;
  const lane = (g: number): string => `${of}_sum${at(gates, g)}`;
  const row = (g: number): Expr => add(mul(unit, lanes), g);
  const pass = passOf(terms, lanes);
  const body: readonly Stmt[] = [
    ...times(lanes, (g) => variable(lane(g), load(end.bias.name, end.bias.elem, row(g)))),
    ...loop(
      `${of}_term${suffix}`,
      terms,
      (i) => [
        ...times(pass, (k) => {
          const name = `${of}_${k}${suffix}`;
          const weight = (g: number): Expr => load(pointerName, arithmetic.weight, k * lanes + g);
          return [
            constant(name, load(from, elem, add(i, k))),
            ...times(lanes, (g) => accumulate(lane(g), mul(local(name, scalar), weight(g)))),
          ];
        }).flat(),
        ...advance(pointerName, pass * lanes),
      ],
      { step: pass },
    ),
    ...times(lanes, (g) => constant(`${of}${at(gates, g)}`, end.value(local(lane(g), scalar), row(g)))),
  ];
  return {
    before: [pointer(pointerName, weights.name, arithmetic.weight, 0, { mutable: true })],
    body,
    tables: [weights, end.bias, ...end.tables],
    value: (gate: number): Expr => local(`${of}${gate}`, scalar),
  };
}

/** A loop over the units in which the sums of a phase are made, and something of them. */
function phaseOf(r: Recurrent, phase: Phase, use: (lines: Lines, unit: Expr, sums: Sums) => void): Code {
  const tables: Table[] = [];
  const before: Stmt[] = [];
  const units = loop(`unit${phase.suffix}`, r.sizes.hidden, (unit) => {
    const sums = sumsOf(r, phase, unit);
    tables.push(...sums.tables);
    before.push(...sums.before);
    const lines = new Lines();
    use(lines, unit, sums);
    return [...sums.body, ...lines.statements];
  });
  return { tables, body: [...before, ...units] };
}

function lstmStep(r: Recurrent): Code {
  const { arithmetic: a } = r;
  return phaseOf(r, { suffix: '', gates: [0, 1, 2, 3], from: 'state' }, (lines, unit, { x, state }) => {
    const { hold } = lines;
    const sum = (gate: number, peep?: number, seen?: Expr): Expr =>
      peep === undefined || seen === undefined || a.peephole === undefined
        ? a.joined(x(gate), state(gate))
        : a.joined(x(gate), state(gate), a.peephole(unit, peep, seen));
    const old = hold('old_cell', load('cells', a.cell, unit));
    const input = a.sigmoid(hold, 'input', sum(0, 0, old));
    const forget = a.sigmoid(hold, 'forget', sum(2, 2, old));
    const candidate = a.tanh(hold, 'candidate', sum(3));
    const cell = hold('cell', a.cellOf(hold, forget, old, input, candidate));
    lines.store('cells', a.cell, unit, cell);
    const output = a.sigmoid(hold, 'output', sum(1, 1, cell));
    const seen = a.tanh(hold, 'seen', a.ofCell(cell));
    lines.store('next', a.state, unit, a.limited(a.gated(output, seen)));
  });
}

/** The update gate's mixture of a state and a candidate, stored. */
function mixture(r: Recurrent, lines: Lines, unit: Expr, update: Expr, sum: Expr): void {
  const { arithmetic: a } = r;
  const candidate = lines.hold('fresh', a.limited(a.tanh(lines.hold, 'candidate', sum)));
  const [array, elem] = fullState(r);
  const old = lines.hold('old', load(array, elem, unit));
  lines.store(a.wide ? 'cells' : 'next', elem, unit, a.mixed(update, old, candidate));
}

function gruStep(r: Recurrent): Code {
  const { arithmetic: a, attrs } = r;
  const gate = (lines: Lines, { x, state }: Sums, g: number, name: string): Expr =>
    a.sigmoid(lines.hold, name, a.joined(x(g), state(g)));
  if (attrs.resetsAfter)
    return phaseOf(r, { suffix: '', gates: [0, 1, 2], from: 'state' }, (lines, unit, sums) => {
      const [update, reset] = [gate(lines, sums, 0, 'update'), gate(lines, sums, 1, 'reset')];
      mixture(r, lines, unit, update, a.joined(sums.x(2), a.gated(reset, a.limited(sums.state(2)))));
    });
  const gates = phaseOf(r, { suffix: '', gates: [0, 1], from: 'state' }, (lines, unit, sums) => {
    const [update, reset] = [gate(lines, sums, 0, 'update'), gate(lines, sums, 1, 'reset')];
    lines.store('updates', gateElem(a), unit, update);
    lines.store('kept', a.state, unit, a.gated(reset, load('state', a.state, unit)));
  });
  const rest = phaseOf(r, { suffix: '_candidate', gates: [2], from: 'kept' }, (lines, unit, sums) => {
    const update = lines.hold('updated', load('updates', gateElem(a), unit));
    mixture(r, lines, unit, update, a.joined(sums.x(2), sums.state(2)));
  });
  return { tables: [...gates.tables, ...rest.tables], body: [...gates.body, ...rest.body] };
}

/** Gates are 0 to 1 in steps of 2^-15, 1 included. */
const gateElem = ({ state }: CellArithmetic): Elem => (state === 'f32' ? 'f32' : 'u16');

function rnnStep(r: Recurrent): Code {
  const { arithmetic: a, attrs } = r;
  return phaseOf(r, { suffix: '', gates: [0], from: 'state' }, (lines, unit, { x, state }) => {
    const sum = lines.hold('sum', a.joined(x(0), state(0)));
    lines.store('next', a.state, unit, attrs.relu ? a.relu(sum) : a.limited(a.tanh(lines.hold, 'made', sum)));
  });
}

function stepOf(r: Recurrent): Code {
  switch (r.cell) {
    case 'lstm':
      return lstmStep(r);
    case 'gru':
      return gruStep(r);
    case 'rnn':
      return rnnStep(r);
    default:
      return r.cell satisfies never;
  }
}

/** Whether the states are kept in full in the cells. */
const isWide = ({ cell, arithmetic }: Recurrent): boolean => cell === 'gru' && arithmetic.wide;

/** Where the states lie in full. */
const fullState = (r: Recurrent): readonly [string, Elem] =>
  isWide(r) ? ['cells', r.arithmetic.cell] : ['state', r.arithmetic.state];

const hasCells = (r: Recurrent): boolean => r.cell === 'lstm' || isWide(r);

/** The next states become the states. */
function taken(r: Recurrent): readonly Stmt[] {
  const { arithmetic: a, sizes } = r;
  if (!isWide(r)) return [copy(a.state, ['state', 0], ['next', 0], sizes.hidden)];
  return loop('taken', sizes.hidden, (u) => [store('state', a.state, u, a.narrow(load('cells', a.cell, u)))]);
}

/** What a state's element is before the first step. */
function startOf(start: Start, from: string, zero: Expr, index: Expr): Expr {
  switch (start.kind) {
    case 'zero':
      return zero;
    case 'constant':
      return load(start.table.name, start.table.elem, index);
    case 'given':
      return start.value(load(from, start.elem, index));
    default:
      return start satisfies never;
  }
}

/** Sample by sample: the states before the first step. */
function begin(r: Recurrent, first: Expr): readonly Stmt[] {
  const { arithmetic: a, sizes, starts, cell } = r;
  const zero = a.state === 'f32' ? float(0) : int(0);
  const state = (u: Expr): Expr => startOf(starts.state, 'state_in', zero, add(first, u));
  return loop('first', sizes.hidden, (u) => {
    if (isWide(r))
      return [
        store('cells', a.cell, u, state(u)),
        store('state', a.state, u, a.narrow(load('cells', a.cell, u))),
      ];
    const cellOf = startOf(starts.cell, 'cell_in', zero, add(first, u));
    return [
      store('state', a.state, u, state(u)),
      ...(cell === 'lstm' ? [store('cells', a.cell, u, cellOf)] : []),
    ];
  });
}

/** Elements of the states in an output, from `first` on. */
function give(
  given: Given | undefined,
  [to, from, elem]: readonly [to: string, from: string, elem: Elem],
  first: Expr,
  hidden: number,
): readonly Stmt[] {
  if (given === undefined) return [];
  return loop(`${to}_unit`, hidden, (u) => [
    store(to, given.elem, add(first, u), given.value(load(from, elem, u))),
  ]);
}

/** All steps of a sample. */
function sampleOf(r: Recurrent, step: Code, sample: Expr): readonly Stmt[] {
  const { arithmetic: a, attrs, sizes } = r;
  const { steps, batch, inputs, hidden } = sizes;
  const first = mul(sample, hidden);
  return [
    ...begin(r, first),
    ...loop('step', steps, (i) => {
      const time = attrs.backward ? sub(steps - 1, i) : i;
      const row = attrs.batchFirst ? add(mul(sample, steps), time) : add(mul(time, batch), sample);
      return [
        pointer('x', 'in', a.x, mul(row, inputs)),
        ...step.body,
        ...taken(r),
        ...give(r.all, ['out', 'state', a.state], mul(row, hidden), hidden),
      ];
    }),
    ...give(r.last, ['state_out', ...fullState(r)], first, hidden),
    ...give(r.lastCell, ['cell_out', 'cells', a.cell], first, hidden),
  ];
}

/** Parameters in the order of the node's inputs and outputs, then scratch. */
function paramsOf(r: Recurrent): readonly Param[] {
  const { arithmetic: a, attrs, sizes, starts, cell } = r;
  const { steps, batch, inputs, hidden } = sizes;
  const param = (name: string, role: Param['role'], elem: Elem, length: number): Param => ({
    name,
    role,
    elem,
    length,
  });
  const read = (name: string, start: Start): readonly Param[] =>
    start.kind === 'given' ? [param(name, 'in', start.elem, batch * hidden)] : [];
  const made = (name: string, given: Given | undefined, length: number): readonly Param[] =>
    given === undefined ? [] : [param(name, 'out', given.elem, length)];
  const scratch = (name: string, elem: Elem): Param => param(name, 'scratch', elem, hidden);
  const resetsBefore = cell === 'gru' && !attrs.resetsAfter;
  return [
    param('in', 'in', a.x, steps * batch * inputs),
    ...read('state_in', starts.state),
    ...read('cell_in', starts.cell),
    ...made('out', r.all, steps * batch * hidden),
    ...made('state_out', r.last, batch * hidden),
    ...made('cell_out', r.lastCell, batch * hidden),
    scratch('state', a.state),
    ...(isWide(r) ? [] : [scratch('next', a.state)]),
    ...(hasCells(r) ? [scratch('cells', a.cell)] : []),
    ...(resetsBefore ? [scratch('updates', gateElem(a)), scratch('kept', a.state)] : []),
  ];
}

export function recurrent(r: Recurrent): Kernel {
  const { batch, steps, inputs, hidden, gates } = r.sizes;
  const step = stepOf(r);
  const constants = [r.starts.state, r.starts.cell].flatMap((start) =>
    start.kind === 'constant' ? [start.table] : [],
  );
  return {
    name: r.name,
    doc: r.doc,
    params: paramsOf(r),
    tables: [...step.tables, ...r.arithmetic.tables, ...constants],
    body: loop('sample', batch, (sample) => sampleOf(r, step, sample)),
    macs: batch * steps * gates * hidden * (inputs + hidden),
  };
}
