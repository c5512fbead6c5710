/**
 * Weights of fewer than 8 bits, and weights that share values: layer by layer, what was fitted to the reference
 * network's sums on the inputs that the layers before, already rounded, really give, is rounded to the nearest plane.
 */
import { at } from '../../base/errors.ts';
import { largestSize } from '../../base/extremes.ts';
import { type Graph, inputName, type Node } from '../../ir/graph/graph.ts';
import { type CodebookSize, largestWeight, type RequantMode, type WeightBits } from '../../ir/graph/op.ts';
import { fileRowsOf } from '../../ir/integers/file-mac.ts';
import { type FittedRow, sweep } from '../fit/layer-by-layer.ts';
import { type MacLayer, macLayers } from '../fit/layers.ts';
import { attention, targetsOf } from '../fit/reference.ts';
import { Shared } from '../fit/shared.ts';
import { entry, lastKept, meanDiagonal, type Symmetric } from '../fit/symmetric.ts';
import { type Codebook, type SharedRow, shareWeights } from './codebook.ts';
import { codebookGrid, uniformGrid } from './levels.ts';
import { type Rounded, type RoundingNorm, roundingNorm, roundRow } from './nearest-plane.ts';

/** The grids of the weights, and the inputs on which the sums should be preserved. */
export interface RoundOptions {
  /** Bits of the weights of a node; 8 leaves them to the quantization pass, which rounds to nearest. */
  readonly bitsOf: (node: string) => WeightBits;
  /** For nodes whose weights share values, the number of values; their bits do not count. Absent: of none. */
  readonly codebookOf?: (node: string) => CodebookSize | undefined;
  /** Inputs of the network as `calibrate` takes them; no labels. */
  readonly samples: readonly Float32Array[];
  /** The network whose sums are to be kept: the one before pruning, with the same layers. */
  readonly reference?: Graph<'float'>;
  /** What the reference's pruning has found out about it; with the same samples. */
  readonly shared?: Shared;
  /** Default 1. */
  readonly seed?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** A network whose weights lie on grids. */
export interface RoundedWeights {
  /** Weights of fewer than 8 bits, and shared ones, are on grids. Zeros stay zeros. */
  readonly graph: Graph<'float'>;
  /** By node: the real value of one step, per output channel; 0 for rows of zeros. */
  readonly weightSteps: ReadonlyMap<string, Float64Array>;
  /** By node: the integers, ascending, of which every weight is one times its step. */
  readonly codebooks: ReadonlyMap<string, Int8Array>;
}

/** Whether a layer's weights are integers of its file that so few bits hold: those stay. */
export function holdsIntegers({ tensors }: Graph<'float'>, { inputs }: Node, bits: WeightBits): boolean {
  const weight = tensors.get(inputName({ inputs }, 1))?.constant;
  const rows = weight && fileRowsOf(weight, undefined);
  return rows !== undefined && largestSize(rows.numbers) <= largestWeight(bits);
}

/**
 * Whether any layer has fewer than 8 bits. Not for steps that are powers of two: those are chosen when quantizing,
 * and a grid chosen before would be rounded twice.
 */
export const needsRounding = (
  graph: Graph<'float'>,
  { bitsOf, codebookOf }: Pick<RoundOptions, 'bitsOf' | 'codebookOf'>,
  mode: RequantMode,
): boolean =>
  mode !== 'pow2' &&
  macLayers(graph).some(({ node }) => {
    const bits = bitsOf(node.name);
    return codebookOf?.(node.name) !== undefined || (bits < 8 && !holdsIntegers(graph, node, bits));
  });

/**
 * How much weights of `size` terms are drawn to what they were. With few columns of inputs the best fit to those is
 * far from the best fit to others, so that it grows with the terms per column. LeNet-5, 4 bits, 512 samples, relative
 * squared error of the outputs on other training digits: 0.00132 without the second term when fitting, 0.00089 with
 * a tenth of it, 0.00087 with it, 0.00090 with three times of it.
 */
const fittingDamping = (size: number, columns: number): number => 1e-3 + size / columns;
export const roundingDamping = (size: number, columns: number): number => 1e-2 + (0.1 * size) / columns;

/**
 * Rounds weights to grids of few bits, one after the other, with the rest fitted to compensate for each.
 * @param graph fused; pruned or not.
 */
export function roundWeights(graph: Graph<'float'>, options: RoundOptions): RoundedWeights {
  const steps = new Map<string, Float64Array>();
  const codebooks = new Map<string, Int8Array>();
  const { seed = 1, shared = new Shared() } = options;
  const measure = () =>
    targetsOf(options.reference ?? graph, options.samples, {
      seed,
      ...attention,
      onProgress: (done, total) => options.onProgress?.('rounding weights', done, total),
    });
  const targets = shared.targets(seed, measure);
  const rounded = sweep(graph, targets, options.samples, {
    damping: fittingDamping,
    stays({ node }) {
      const bits = options.bitsOf(node.name);
      return bits < 8 && options.codebookOf?.(node.name) === undefined && holdsIntegers(graph, node, bits);
    },
    unfitted(layer) {
      const size = options.codebookOf?.(layer.node.name);
      if (size === undefined) return layer;
      const { weights, codebook } = sharedAsTheyAre(layer, size);
      steps.set(layer.node.name, codebook.steps);
      codebooks.set(layer.node.name, codebook.values);
      return { weights, bias: layer.bias };
    },
    finish(layer, fittedRow) {
      const { name } = layer.node;
      const [size, bits] = [options.codebookOf?.(name), options.bitsOf(name)];
      if (size === undefined && bits >= 8) return (_row, { w }) => w;
      const found = new Float64Array(layer.rows);
      steps.set(name, found);
      if (size === undefined)
        return rounder(found, (norm, w) => roundRow(norm, w, uniformGrid(largestWeight(bits))));
      const codebook = sharedBy(layer, fittedRow, size);
      codebooks.set(name, codebook.values);
      const grid = codebookGrid(codebook.values);
      return rounder(found, (norm, w, row) => roundRow(norm, w, grid, stepsNear(codebook, row)));
    },
  });
  return { graph: rounded, weightSteps: steps, codebooks };
}

/** Rounds rows one after the other and notes their steps; what rows share is made once. */
function rounder(
  steps: Float64Array,
  round: (norm: RoundingNorm, w: Float64Array, row: number) => Rounded,
): (row: number, fitted: FittedRow) => Float64Array {
  // All rows of a layer have as many columns.
  const normOf = lastKept((hessian, columns: number) =>
    roundingNorm(hessian, roundingDamping(hessian.size, columns)),
  );
  return (row, { system: { hessian }, w, columns }) => {
    const made = round(normOf(hessian, columns), w, row);
    steps[row] = made.step;
    return made.row;
  };
}

/** The codebook of a layer whose rows fit best; 0 is in it where a weight is 0. */
function sharedBy(layer: MacLayer, fittedRow: (row: number) => FittedRow, size: CodebookSize): Codebook {
  const rows = Array.from({ length: layer.rows }, (_, row): SharedRow => {
    const { system, w, columns } = fittedRow(row);
    return { w: w.subarray(1), importance: importanceOf(system.hessian, columns) };
  });
  return shareWeights(rows, size, layer.weights.includes(0));
}

/** Of a layer too large for Hessians: every weight counts the same, and goes to its nearest value. */
function sharedAsTheyAre(
  { rows, terms, weights }: MacLayer,
  size: CodebookSize,
): { readonly weights: Float64Array; readonly codebook: Codebook } {
  const importance = new Float64Array(terms).fill(1);
  const own = Array.from({ length: rows }, (_, row): SharedRow => {
    return { w: weights.subarray(row * terms, (row + 1) * terms), importance };
  });
  const codebook = shareWeights(own, size, weights.includes(0));
  const grid = codebookGrid(codebook.values);
  const shared = weights.map((w, i) => {
    const step = at(codebook.steps, Math.floor(i / terms));
    return w === 0 ? 0 : step * grid.nearest(w / step);
  });
  return { weights: shared, codebook };
}

/** What the square of an error of each weight costs by itself: the diagonal of the damped Hessian. */
function importanceOf(hessian: Symmetric, columns: number): Float64Array {
  const damping = roundingDamping(hessian.size, columns) * (meanDiagonal(hessian, 1) || 1);
  return Float64Array.from({ length: hessian.size - 1 }, (_, i) => entry(hessian, i + 1, i + 1) + damping);
}

/** Relative to the step that the weights share best one by one. */
const nearby = [0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2];

const stepsNear = ({ steps }: Codebook, row: number): readonly number[] =>
  nearby.map((factor) => factor * at(steps, row));
