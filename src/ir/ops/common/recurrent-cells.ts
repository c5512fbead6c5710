/** Recurrent layers of one direction: their attributes, shapes, and what they compute, in float64. */
import { at, atOr0, complain, holds, must } from '../../../base/errors.ts';
import type { InputType } from '../../graph/op.ts';
import type { Shape, Tensor, TensorType } from '../../tensor.ts';
import { required, requireFloats, requireShape } from './inputs.ts';
import { rounded } from './round.ts';

export type Cell = 'lstm' | 'gru' | 'rnn';

/** Rows of weights per unit, in ONNX's order: input, output, forget, cell; update, reset, candidate; one. */
export const gatesOf: Readonly<Record<Cell, number>> = { lstm: 4, gru: 3, rnn: 1 };

export interface RecurrentAttrs {
  /** Samples are axis 0 and steps axis 1; otherwise the other way around. */
  readonly batchFirst: boolean;
  /** From the last step to the first. */
  readonly backward: boolean;
  /** GRU: the reset gate multiplies what the weights made of the state, not the state (linear_before_reset). */
  readonly resetsAfter: boolean;
  /** RNN: max(0, x) in place of the hyperbolic tangent. */
  readonly relu: boolean;
}

/** Its inputs by place: x, the weights of x and of the state, both biases, states to begin with, peepholes. */
export const places = { x: 0, w: 1, r: 2, b: 3, h: 4, c: 5, p: 6 } as const;

export interface Sizes {
  readonly steps: number;
  readonly batch: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly gates: number;
}

type Types = readonly (InputType | undefined)[];

export function sizesOf(cell: Cell, { batchFirst }: RecurrentAttrs, inputs: Types): Sizes {
  const [x, r] = [required(inputs, places.x, 'X').shape, required(inputs, places.r, 'R').shape];
  if (x.length !== 3) throw complain(`X of ${x.length} axes`, 'steps, samples and features');
  const [first, second, features] = [at(x, 0), at(x, 1), at(x, 2)];
  const [steps, batch] = batchFirst ? [second, first] : [first, second];
  return { steps, batch, inputs: features, hidden: must(r.at(-1), 'R is a matrix'), gates: gatesOf[cell] };
}

/** The state's shape: of one direction. */
const stateShape = ({ batchFirst }: RecurrentAttrs, { batch, hidden }: Sizes): Shape =>
  batchFirst ? [batch, 1, hidden] : [1, batch, hidden];

/** The types of all states, of the last one, and of LSTM's last cell. */
export function recurrentTypes(cell: Cell, attrs: RecurrentAttrs, inputs: Types): readonly TensorType[] {
  requireFloats(inputs);
  const sizes = sizesOf(cell, attrs, inputs);
  const { steps, batch, hidden, gates } = sizes;
  const rows = gates * hidden;
  const state = stateShape(attrs, sizes);
  const wanted: Readonly<Record<Exclude<keyof typeof places, 'x'>, Shape>> = {
    w: [1, rows, sizes.inputs],
    r: [1, rows, hidden],
    b: [1, 2 * rows],
    h: state,
    c: state,
    p: [1, 3 * hidden],
  };
  for (const [name, shape] of Object.entries(wanted)) {
    const found = inputs[places[name as keyof typeof wanted]];
    if (found !== undefined) requireShape(found.shape, shape, name.toUpperCase());
  }
  const { dtype } = required(inputs, places.x, 'X');
  const all = attrs.batchFirst ? [batch, steps, 1, hidden] : [steps, 1, batch, hidden];
  return [all, state, ...(cell === 'lstm' ? [state] : [])].map((shape) => ({ dtype, shape }));
}

/** Where each step of a sample begins in x and y, in elements of rows, in the order of time. */
export function rowOf({ batchFirst, backward }: RecurrentAttrs, { steps, batch }: Sizes) {
  return (sample: number, step: number): number => {
    const time = backward ? steps - 1 - step : step;
    return batchFirst ? sample * steps + time : time * batch + sample;
  };
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

type Values = ArrayLike<number>;

/** bias[row] + the product of a row of weights and a vector; read unchecked. */
function product(weights: Values, row: number, x: Values, from: number, count: number): number {
  const first = row * count;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += (weights[first + i] as number) * (x[from + i] as number);
  return sum;
}

/** What a cell reads of a step: sums of a row over x and over a state, each with its bias. */
interface Sums {
  readonly ofX: (row: number) => number;
  readonly ofState: (row: number, state: Values) => number;
}

interface States {
  readonly h: Float64Array;
  readonly c: Float64Array;
}

type StepRule = (sums: Sums, states: States, peepholes: Values | undefined) => States;

const lstmStep: StepRule = ({ ofX, ofState }, { h, c }, p) => {
  const hidden = h.length;
  const pre = (gate: number, u: number): number => ofX(gate * hidden + u) + ofState(gate * hidden + u, h);
  const peep = (gate: number, u: number, cell: number): number => atOr0(p, gate * hidden + u) * cell;
  const cells = c.map((old, u) => {
    const [input, forget] = [sigmoid(pre(0, u) + peep(0, u, old)), sigmoid(pre(2, u) + peep(2, u, old))];
    return forget * old + input * Math.tanh(pre(3, u));
  });
  return { c: cells, h: cells.map((cell, u) => sigmoid(pre(1, u) + peep(1, u, cell)) * Math.tanh(cell)) };
};

const gruStep =
  (resetsAfter: boolean): StepRule =>
  ({ ofX, ofState }, { h, c }) => {
    const hidden = h.length;
    const gate = (g: number, u: number): number => sigmoid(ofX(g * hidden + u) + ofState(g * hidden + u, h));
    const reset = h.map((_, u) => gate(1, u));
    const kept = h.map((state, u) => state * at(reset, u));
    const next = h.map((state, u) => {
      const row = 2 * hidden + u;
      const past = resetsAfter ? at(reset, u) * ofState(row, h) : ofState(row, kept);
      const update = gate(0, u);
      return (1 - update) * Math.tanh(ofX(row) + past) + update * state;
    });
    return { h: next, c };
  };

const rnnStep =
  (relu: boolean): StepRule =>
  ({ ofX, ofState }, { h, c }) => {
    const pre = h.map((_, u) => ofX(u) + ofState(u, h));
    return { h: pre.map(relu ? (x) => Math.max(0, x) : Math.tanh), c };
  };

function stepOf(cell: Cell, { resetsAfter, relu }: RecurrentAttrs): StepRule {
  switch (cell) {
    case 'lstm':
      return lstmStep;
    case 'gru':
      return gruStep(resetsAfter);
    case 'rnn':
      return rnnStep(relu);
    default:
      return cell satisfies never;
  }
}

/** Outputs as `recurrentTypes`, and for `CanonicalOp.inside` the least and largest cell (LSTM) or state of each unit. */
export function recurrentReference(
  cell: Cell,
  attrs: RecurrentAttrs,
  inputs: readonly (Tensor | undefined)[],
): readonly Tensor[] {
  const types = recurrentTypes(cell, attrs, inputs);
  const sizes = sizesOf(cell, attrs, inputs);
  const { steps, batch, hidden } = sizes;
  const all = new Float64Array(steps * batch * hidden);
  const inside = new Float64Array(2 * hidden);
  const [last, lastCell] = [new Float64Array(batch * hidden), new Float64Array(batch * hidden)];
  const step = stepOf(cell, attrs);
  const row = rowOf(attrs, sizes);
  const startOf = (place: number, sample: number): Float64Array => {
    const given = inputs[place]?.data;
    return Float64Array.from({ length: hidden }, (_, u) => atOr0(given, sample * hidden + u));
  };
  for (let sample = 0; sample < batch; sample++) {
    let states = { h: startOf(places.h, sample), c: startOf(places.c, sample) };
    for (let t = 0; t < steps; t++) {
      states = step(sumsOf(inputs, sizes, row(sample, t)), states, inputs[places.p]?.data);
      all.set(states.h, row(sample, t) * hidden);
      (cell === 'lstm' ? states.c : states.h).forEach((value, u) => {
        inside[2 * u] = Math.min(at(inside, 2 * u), value);
        inside[2 * u + 1] = Math.max(at(inside, 2 * u + 1), value);
      });
    }
    last.set(states.h, sample * hidden);
    lastCell.set(states.c, sample * hidden);
  }
  const made = [all, last, lastCell].slice(0, types.length);
  return [
    ...made.map((values, i) => rounded(at(types, i).dtype, at(types, i).shape, values)),
    rounded(at(types, 0).dtype, [1, hidden, 2], inside),
  ];
}

function sumsOf(inputs: readonly (Tensor | undefined)[], sizes: Sizes, row: number): Sums {
  const [x, w, r] = [places.x, places.w, places.r].map((place) => required(inputs, place, 'X, W, R').data);
  if (x === undefined || w === undefined || r === undefined) throw complain('no weights');
  const { inputs: features, hidden, gates } = sizes;
  const rows = gates * hidden;
  holds(x, (row + 1) * features);
  holds(w, rows * features);
  holds(r, rows * hidden);
  const b = inputs[places.b]?.data;
  return {
    ofX: (i) => atOr0(b, i) + product(w, i, x, row * features, features),
    ofState: (i, state) => atOr0(b, rows + i) + product(r, i, state, 0, hidden),
  };
}
