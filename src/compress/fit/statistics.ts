/**
 * What the samples say about each layer: the Hessian of its inputs, and how much each row matters to the
 * network's outputs.
 *
 * With the outputs' squared error as the loss, a change dW of one layer costs E |J dW x|^2, J the derivative of
 * the outputs by the layer's sums. For random v of +-1, E (vT J)^2 = diag JT J: one back-propagation of v gives
 * an unbiased square of the gradient for every row and position (as in K-FAC, Martens and Grosse 2015, with the
 * identity as the outputs' Hessian). Rows keep their mean square; positions weigh the columns of the shared
 * Hessian, so that what a max-pool drops or a ReLU cuts off counts little.
 */

import { at, holds, must } from '../../base/errors.ts';
import { mulberry32 } from '../../base/random.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { SampleRun } from '../gradient/sample-run.ts';
import type { MacLayer } from './layers.ts';
import { type Problem, type Region, regionsOf } from './problems.ts';
import { addOuter, type Symmetric, zeros } from './symmetric.ts';

export interface StatisticsOptions {
  readonly seed: number;
  /** Back-propagated directions per sample. */
  readonly projections: number;
  /** Between 0 (all positions of a row count the same) and 1 (by their squared gradients). */
  readonly focus: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Multiplications that the Hessians of one layer may take, over all samples: about a second. */
const hessianBudget = 6e8;

/** What is gathered for one region. */
interface Gathered {
  readonly region: Region;
  readonly uniform: Symmetric;
  readonly focused: Symmetric;
  /** Per row: sum of squared gradients over samples and positions. */
  readonly squares: Float64Array;
  readonly column: Float64Array;
  /** The share of positions that is looked at. */
  readonly share: number;
}

/** The problems of every layer, in the layers' order. */
export function statistics(
  graph: Graph<'float'>,
  layers: readonly MacLayer[],
  samples: readonly Float32Array[],
  options: StatisticsOptions,
): readonly Problem[] {
  const gathered = layers.map((layer) => regionsOf(layer).map((r) => emptyFor(r, samples.length)));
  const random = mulberry32(options.seed);
  const run = new SampleRun(graph);
  samples.forEach((sample, i) => {
    options.onProgress?.(i, samples.length);
    run.forward(sample);
    const squares = squaredGradients(run, options.projections, random);
    layers.forEach((layer, l) => {
      const columns = layer.columnsOf(run.value(layer.input));
      const weights = must(squares[l], 'as many as layers');
      for (const g of must(gathered[l], 'as many as layers'))
        gather(g, (column, position) => columns.fill(column, g.region.group, position), weights, random);
    });
  });
  return gathered.flat().map((g) => blended(g, samples.length, options.focus));
}

function emptyFor(region: Region, samples: number): Gathered {
  const size = region.terms + 1;
  const whole = (samples * region.layer.positions * region.layer.groups * size * size) / 2;
  return {
    region,
    uniform: zeros(size),
    focused: zeros(size),
    squares: new Float64Array(region.rows),
    column: new Float64Array(size),
    share: Math.min(1, hessianBudget / whole),
  };
}

/** By layer: the mean over directions of the squared gradient of each sum, rows x positions. */
export function squaredGradients(
  run: SampleRun,
  projections: number,
  random: () => number,
): readonly Float64Array[] {
  const squares = run.sums.map(({ length }) => new Float64Array(length));
  for (let p = 0; p < projections; p++) {
    const direction = Float64Array.from({ length: run.network.outputCount }, () => (random() < 0.5 ? -1 : 1));
    for (const [l, gradients] of run.backward(direction).entries()) {
      const sum = must(squares[l], 'as many as layers');
      holds(gradients, sum.length);
      for (let i = 0; i < sum.length; i++)
        sum[i] = (sum[i] as number) + (gradients[i] as number) ** 2 / projections;
    }
  }
  return squares;
}

function gather(
  g: Gathered,
  fill: (column: Float64Array, position: number) => void,
  squares: Float64Array,
  random: () => number,
): void {
  const { region, column, share } = g;
  const { layer, firstRow, firstTerm, rows, terms } = region;
  // Read unchecked below, like the gradients above: these loops see every sum of every sample.
  holds(squares, (firstRow + rows) * layer.positions);
  const whole = terms === layer.terms ? column : new Float64Array(layer.terms + 1);
  for (let position = 0; position < layer.positions; position++) {
    let weight = 0;
    for (let row = 0; row < rows; row++) {
      const square = squares[(firstRow + row) * layer.positions + position] as number;
      g.squares[row] = (g.squares[row] as number) + square;
      weight += square;
    }
    if (share < 1 && random() >= share) continue;
    fill(whole, position);
    if (whole !== column) column.set(whole.subarray(firstTerm + 1, firstTerm + 1 + terms), 1);
    column[0] = 1;
    addOuter(g.uniform, column, 1 / share);
    if (weight > 0) addOuter(g.focused, column, weight / share);
  }
}

/** Both Hessians on the scale of squared output error, mixed. */
function blended({ region, uniform, focused, squares }: Gathered, samples: number, focus: number): Problem {
  const total = squares.reduce((sum, s) => sum + s, 0);
  const perColumn = total > 0 ? total / (samples * region.layer.positions) : 1;
  const data = uniform.data.map(
    (u, i) => ((1 - focus) * perColumn * u + focus * at(focused.data, i)) / samples,
  );
  // Rows that never mattered count a millionth, so that their order is not arbitrary.
  const importance = squares.map((s) => (total > 0 ? s / total + 1e-6 / region.rows : 1 / region.rows));
  return { ...region, hessian: { size: uniform.size, data }, importance };
}
