/** New weights and biases for given masks, and graphs that hold them. */
import { at, must } from '../../base/errors.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { constantOf, freshName, withConstants } from '../../passes/rewrite.ts';
import type { MacLayer } from './layers.ts';
import { augmentedRow, type Problem, type Region } from './problems.ts';
import { reconstruct } from './reconstruct.ts';

/** What a layer computes with: rows x terms, and one bias per row. */
export interface Weights {
  readonly weights: Float64Array;
  readonly bias: Float64Array;
}

export type AllWeights = ReadonlyMap<MacLayer, Weights>;

const refitDamping = 1e-3;

/** The columns (0 is the bias) of a row of the region that its mask keeps. */
export function keptColumns(
  { layer, firstRow, firstTerm, terms }: Region,
  mask: Uint8Array,
  row: number,
): number[] {
  const from = (firstRow + row) * layer.terms + firstTerm;
  const kept = [0];
  for (let i = 0; i < terms; i++) if (mask[from + i] === 1) kept.push(i + 1);
  return kept;
}

/** Writes a row back, adding its bias to what other parts of the row brought. */
export function putRow(
  { layer, firstRow, firstTerm }: Region,
  into: Weights,
  row: number,
  w: Float64Array,
): void {
  const index = firstRow + row;
  into.weights.set(w.subarray(1), index * layer.terms + firstTerm);
  into.bias[index] = at(into.bias, index) + at(w, 0);
}

export const emptyWeights = (layer: MacLayer): Weights => ({
  weights: new Float64Array(layer.weights.length),
  bias: new Float64Array(layer.rows),
});

type Refit = (layers: readonly MacLayer[], problems: readonly Problem[], masks: Masks) => AllWeights;

/** Weights made row by row, of a row's bias and weights and its columns that are kept. */
const byRow =
  (made: (problem: Problem, w: Float64Array, kept: readonly number[]) => Float64Array): Refit =>
  (layers, problems, masks) => {
    const all = new Map(layers.map((layer) => [layer, emptyWeights(layer)]));
    for (const problem of problems) {
      const into = must(all.get(problem.layer), 'every problem belongs to a layer');
      const mask = must(masks.get(problem.layer), 'every layer has a mask');
      for (let row = 0; row < problem.rows; row++)
        putRow(
          problem,
          into,
          row,
          made(problem, augmentedRow(problem, row), keptColumns(problem, mask, row)),
        );
    }
    return all;
  };

/** Each row's kept weights and bias, refitted to the row's own sums by least squares. */
export const refitted = byRow(({ hessian }, w, kept) =>
  kept.length === w.length ? w : reconstruct(hessian, w, kept, refitDamping),
);

/** Zeros put in, other weights left as they were; the bias makes up for the mean of what is gone. */
export const masked = byRow(({ hessian: { data, size } }, w, kept) => {
  const stays = new Set(kept);
  for (let i = 1; i < size; i++) {
    if (stays.has(i)) continue;
    if (at(data, 0) > 0) w[0] = at(w, 0) + (at(w, i) * at(data, i * size)) / at(data, 0);
    w[i] = 0;
  }
  return w;
});

/** The graph with other weights and biases in the given layers; shapes stay. */
export function withWeights(graph: Graph<'float'>, all: AllWeights): Graph<'float'> {
  let current = graph;
  for (const [layer, made] of all) current = withLayer(current, layer, made);
  return current;
}

function withLayer(graph: Graph<'float'>, { node, rows }: MacLayer, made: Weights): Graph<'float'> {
  const old = must(graph.tensors.get(at(node.inputs, 1))?.constant, 'a layer has weights');
  const weight = freshName(graph, `${node.name}.fitted.weight`);
  const bias = freshName(graph, `${node.name}.fitted.bias`);
  const inputs = [at(node.inputs, 0), weight, bias];
  const nodes = graph.nodes.map((n) => (n.name === node.name ? { ...n, inputs } : n));
  return withConstants(
    { ...graph, nodes },
    new Map([
      [weight, constantOf(old.shape, Float32Array.from(made.weights))],
      [bias, constantOf([rows], Float32Array.from(made.bias))],
    ]),
  );
}

/** 1 where a weight stays; rows x terms of the layer. */
export type Masks = ReadonlyMap<MacLayer, Uint8Array>;
