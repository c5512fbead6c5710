/** Fully connected layers, a few outputs at a time so that one load of an input serves them all. */
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
  store,
  times,
  variable,
} from '../build.ts';
import type { Kernel, Stmt, Table } from '../kernel.ts';
import type { Arithmetic } from '../mac.ts';
import { unrollOf } from './convolution.ts';

export interface Linear {
  readonly name: string;
  readonly doc: readonly string[];
  readonly inputs: number;
  readonly outputs: number;
  /** Its weights are outputs x inputs, both in the order of memory. */
  readonly arithmetic: Arithmetic;
}

const lane = (i: number): string => `acc${i}`;

/** Outputs accumulated together: a divisor of their number if there is one, at most five (registers). */
function lanesOf(outputs: number): number {
  const divisor = unrollOf(outputs, 5);
  return divisor > 1 || outputs < 4 ? divisor : 4;
}

export function linear(l: Linear): Kernel {
  const { elem } = l.arithmetic;
  const lanes = lanesOf(l.outputs);
  const whole = Math.floor(l.outputs / lanes) * lanes;
  const rest = l.outputs - whole;
  return {
    name: l.name,
    doc: l.doc,
    params: [
      { name: 'in', role: 'in', elem, length: l.inputs },
      { name: 'out', role: 'out', elem, length: l.outputs },
    ],
    tables: [weightTable(l, lanes), l.arithmetic.bias, ...l.arithmetic.tables],
    body: [
      pointer('wt', `${l.name}_weights`, l.arithmetic.weightElem, 0, { mutable: true }),
      ...block(l, lanes, 0, whole, ''),
      ...(rest > 0 ? block(l, rest, whole, l.outputs, '_rest') : []),
    ],
    macs: l.inputs * l.outputs,
  };
}

/** Weights from [output][input] to the order of use: [block of outputs][input][output of the block]. */
function weightTable(l: Linear, lanes: number): Table {
  const { weights, weightElem } = l.arithmetic;
  const data = weights.slice();
  let at = 0;
  for (let first = 0; first < l.outputs; first += lanes)
    for (let i = 0; i < l.inputs; i++)
      for (let o = first; o < Math.min(first + lanes, l.outputs); o++)
        data[at++] = weights[o * l.inputs + i] ?? 0;
  return { name: `${l.name}_weights`, elem: weightElem, data, rowLength: l.inputs * lanes };
}

/** Outputs `from` to `to`, `lanes` of them at a time; `suffix` keeps names apart. */
function block(l: Linear, lanes: number, from: number, to: number, suffix: string): readonly Stmt[] {
  const { bias, accumulator, finish, elem } = l.arithmetic;
  const value = (i: number) => local(lane(i) + suffix, accumulator);
  return loop(
    `o${suffix}`,
    to,
    (o) => [
      ...times(lanes, (i) => variable(lane(i) + suffix, load(bias.name, bias.elem, add(o, i)))),
      ...products(l, lanes, suffix),
      ...times(lanes, (i) => store('out', elem, add(o, i), finish(value(i), add(o, i)))),
    ],
    { from, step: lanes },
  );
}

/** The loop over the inputs, a few a pass. */
function products(l: Linear, lanes: number, suffix: string): readonly Stmt[] {
  const { weightElem, elem, accumulator } = l.arithmetic;
  const unroll = unrollOf(l.inputs, 4);
  return loop(
    `i${suffix}`,
    l.inputs,
    (i) => [
      ...times(unroll, (u) => [
        constant(`x${u}${suffix}`, load('in', elem, add(i, u))),
        ...times(lanes, (j) =>
          accumulate(
            lane(j) + suffix,
            mul(local(`x${u}${suffix}`, accumulator), load('wt', weightElem, u * lanes + j)),
          ),
        ),
      ]).flat(),
      ...advance('wt', unroll * lanes),
    ],
    { step: unroll },
  );
}
