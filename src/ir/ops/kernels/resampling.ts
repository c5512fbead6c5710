/** Each element from a few neighbours along some axes, with weights that are an axis' own. */
import { at, must } from '../../../base/errors.ts';
import { largestOf } from '../../../base/extremes.ts';
import { add, constant, int, load, local, loop, mul, store, times } from '../../kernel/builders.ts';
import type { Elem, Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import { memoryStrides } from '../../kernel/memory-order.ts';
import type { StoredTensor } from '../../kernel/stored.ts';
import { countOf } from '../../tensor.ts';

/** An axis as stored: weights as integers where elements are bytes. */
export interface StoredTaps {
  readonly axis: number;
  readonly taps: number;
  readonly first: readonly number[];
  readonly weights: readonly number[];
}

export interface Resampling {
  readonly name: string;
  readonly doc: readonly string[];
  readonly elem: Elem;
  readonly input: StoredTensor;
  readonly output: StoredTensor;
  readonly axes: readonly StoredTaps[];
  /** The stored value of the weighted sum. */
  readonly finish: (sum: Expr) => Expr;
}

/** An axis of the output, its loop, and what it is in memory. */
interface Walk {
  readonly axis: number;
  readonly size: number;
  readonly near: number;
  readonly far: number;
}

/** In the order of the output's memory, so that stores ascend. */
function walksOf({ input, output, axes }: Resampling): readonly Walk[] {
  const [near, far] = [input, output].map((place) => must(memoryStrides(place), 'a stride for each axis'));
  return output.shape
    .map((size, axis) => ({ axis, size, near: at(near ?? [], axis), far: at(far ?? [], axis) }))
    .filter(({ axis, size }) => size > 1 || axes.some((own) => own.axis === axis))
    .sort((a, b) => b.far - a.far);
}

const numbers = (name: string, data: readonly number[]): Table => ({
  name,
  elem: largestOf(data) < 256 ? 'u8' : 'u16',
  data,
  says: 'The first tap of each output.',
});

interface AxisTables {
  readonly first: Table;
  /** Absent for one neighbour of weight 1. */
  readonly weights?: Table;
}

function tablesOf({ name, elem }: Resampling, { axis, taps, first, weights }: StoredTaps): AxisTables {
  const found = numbers(`${name}_first${axis}`, first);
  if (taps === 1) return { first: found };
  const kind = elem === 'f32' ? 'f32' : 'i16';
  return {
    first: found,
    weights: {
      name: `${name}_weights${axis}`,
      elem: kind,
      data: weights,
      says: `Weights of the ${taps} taps of each output.`,
    },
  };
}

const weightName = (axis: number, tap: number): string => `w${axis}_${tap}`;

/** Sums from the last resampled axis to the first, each of the sums of the next. */
function weighted(r: Resampling, strides: readonly number[], offset: Expr, done = 0): Expr {
  const own = r.axes[done];
  if (own === undefined) return load('in', r.elem, offset);
  const tap = (k: number): Expr => weighted(r, strides, add(offset, k * at(strides, own.axis)), done + 1);
  if (own.taps === 1) return tap(0);
  const type = r.elem === 'f32' ? 'f32' : 'i32';
  const terms = times(own.taps, (k) => mul(tap(k), local(weightName(own.axis, k), type)));
  return terms.reduce((sum, term) => add(sum, term));
}

/** Loops over the output; where an axis is resampled, its neighbours' place and weights are looked up once. */
export function resampling(r: Resampling): Kernel {
  const { name, elem, input, output } = r;
  const strides = must(memoryStrides(input), 'a stride for each axis');
  const tables = r.axes.map((axis) => ({ taps: axis, ...tablesOf(r, axis) }));
  const walks = walksOf(r);
  const nest = (depth: number, from: Expr, to: Expr): readonly Stmt[] => {
    const walk = walks[depth];
    if (walk === undefined) return [store('out', elem, to, r.finish(weighted(r, strides, from)))];
    const { axis, size, near, far } = walk;
    const own = tables.find(({ taps }) => taps.axis === axis);
    return loop(`i${axis}`, size, (i) => {
      const target = add(to, mul(i, far));
      if (own === undefined) return nest(depth + 1, add(from, mul(i, near)), target);
      const { taps, first, weights } = own;
      const place = `at${axis}`;
      return [
        constant(place, add(from, mul(load(first.name, first.elem, i), near))),
        ...(weights === undefined
          ? []
          : times(taps.taps, (k) =>
              constant(weightName(axis, k), load(weights.name, weights.elem, add(mul(i, taps.taps), k))),
            )),
        ...nest(depth + 1, local(place), target),
      ];
    });
  };
  return {
    name,
    doc: r.doc,
    params: [
      { name: 'in', role: 'in', elem, length: countOf(input.shape) },
      { name: 'out', role: 'out', elem, length: countOf(output.shape) },
    ],
    tables: tables.flatMap(({ first, weights }) => (weights === undefined ? [first] : [first, weights])),
    body: nest(0, int(0), int(0)),
    macs: 0,
  };
}
