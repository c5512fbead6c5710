/** Each layer as least-squares problems: rows of weights that share a Hessian. */
import { at } from '../../base/errors.ts';
import type { MacLayer } from './layers.ts';
import type { Symmetric } from './symmetric.ts';

/**
 * The inverse of a Hessian takes K^3 multiplications and a trace another K^3 / 6 per row. Longer rows are cut
 * into parts that do not compensate for each other's losses.
 */
const longestPart = 1024;

/** Where in a layer a problem lies: rows of one group, and some of their terms. */
export interface Region {
  readonly layer: MacLayer;
  readonly group: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly firstTerm: number;
  readonly terms: number;
}

export interface Problem extends Region {
  /** Of the terms behind a constant 1 (index 0), which the bias multiplies: the mean over samples of s x xT. */
  readonly hessian: Symmetric;
  /** Per row of the region: its share of what the squared error of the rows costs the network's outputs. */
  readonly importance: Float64Array;
}

/** One region for each group of channels and each part of at most `longest` terms. */
export function regionsOf(layer: MacLayer, longest = longestPart): readonly Region[] {
  const rows = layer.rows / layer.groups;
  const parts = Math.ceil(layer.terms / longest);
  const size = Math.ceil(layer.terms / parts);
  return Array.from({ length: layer.groups * parts }, (_, i) => {
    const [group, firstTerm] = [Math.floor(i / parts), (i % parts) * size];
    const terms = Math.min(size, layer.terms - firstTerm);
    return { layer, group, firstRow: group * rows, rows, firstTerm, terms };
  });
}

/** The weights of a row in the region, behind the row's bias, which belongs to the first part. */
export function augmentedRow({ layer, firstRow, firstTerm, terms }: Region, row: number): Float64Array {
  const made = new Float64Array(terms + 1);
  made[0] = firstTerm === 0 ? at(layer.bias, firstRow + row) : 0;
  const from = (firstRow + row) * layer.terms + firstTerm;
  made.set(layer.weights.subarray(from, from + terms), 1);
  return made;
}

/**
 * The Hessian with `damping` times the mean of its diagonal added to every weight, and a trace of its own to the
 * bias: never singular, whatever unit the input has. Dead inputs get the mean, too.
 */
export function damped({ size, data }: Symmetric, damping: number): Symmetric {
  const made = data.slice();
  let trace = 0;
  for (let i = 1; i < size; i++) trace += at(data, i * size + i);
  const constant = at(data, 0) > 0 ? at(data, 0) : 1;
  const mean = trace > 0 ? trace / (size - 1) : constant;
  made[0] = constant * (1 + 1e-6);
  for (let i = 1; i < size; i++) made[i * size + i] = at(made, i * size + i) + damping * mean;
  return { size, data: made };
}
