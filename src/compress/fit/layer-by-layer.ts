/**
 * One sweep through a compressed network, layer by layer: each layer's weights are fitted anew to what the layer
 * computed in the reference network, on the inputs that the layers before it, already compressed, really give.
 */
import { at, must } from '../../base/errors.ts';
import { inputTensors } from '../../ir/graph/evaluate.ts';
import type { Graph, Node } from '../../ir/graph/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { type MacLayer, macLayers } from './layers.ts';
import { type Solver, solverOf } from './reconstruct.ts';
import type { LayerTargets, Targets } from './reference.ts';
import { type AllWeights, emptyWeights, type Weights, withWeights } from './refit.ts';
import { type RowSystem, rowSystems } from './row-systems.ts';
import { lastKept, type Symmetric } from './symmetric.ts';

/** A row's kept weights behind its bias, as they fit best, and the system that they solve. */
export interface FittedRow {
  readonly system: RowSystem;
  readonly w: Float64Array;
  /** Columns of inputs that the system is the sum over. */
  readonly columns: number;
}

/** What is made of each row of a layer. It is asked row by row, once all rows fit best. */
export type Finish = (
  layer: MacLayer,
  fitted: (row: number) => FittedRow,
) => (row: number, fitted: FittedRow) => Float64Array;

export interface SweepOptions {
  /**
   * Weights are drawn to what they were by this share of the mean of the system's diagonal: for a row of `size`
   * weights and so many columns of inputs.
   */
  readonly damping: (size: number, columns: number) => number;
  readonly finish?: Finish;
  /** What becomes of a layer that is too large for Hessians; it stays when absent. */
  readonly unfitted?: (layer: MacLayer) => Weights;
  /** Which layers stay as they are; none when absent. */
  readonly stays?: (layer: MacLayer) => boolean;
}

/**
 * @param graph compressed; weights that are zero stay zero
 * @param targets `targetsOf` the reference network, which has the same layers, on the same samples
 * @returns the graph with new weights and biases
 */
export function sweep(
  graph: Graph<'float'>,
  targets: LayerTargets,
  samples: readonly Float32Array[],
  options: SweepOptions,
): Graph<'float'> {
  const layers = macLayers(graph);
  const made = new Map<MacLayer, Weights>();
  const frontier = new Frontier(graph, samples);
  for (const node of graph.nodes) {
    const l = layers.findIndex((layer) => layer.node === node);
    const found = layers[l];
    const layer = found === undefined || options.stays?.(found) ? undefined : found;
    if (layer !== undefined)
      made.set(layer, fitted(layer, frontier.inputsOf(layer.input), must(targets[l], 'targets'), options));
    frontier.pass(node, layer === undefined ? new Map() : new Map([[layer, made.get(layer) ?? layer]]));
  }
  return withWeights(graph, made);
}

function fitted(
  layer: MacLayer,
  inputs: readonly Tensor[],
  targets: readonly Targets[],
  { damping, finish, unfitted }: SweepOptions,
): Weights {
  const systems = rowSystems(layer);
  if (systems === undefined) return unfitted?.(layer) ?? layer;
  const columns = targets.reduce((sum, { positions }) => sum + positions.length, 0);
  const column = new Float64Array(layer.terms + 1);
  inputs.forEach((input, i) => {
    const { positions, weights, sums } = must(targets[i], 'targets for every sample');
    const from = layer.columnsOf(input);
    for (let group = 0; group < layer.groups; group++)
      positions.forEach((position, p) => {
        from.fill(column, group, position);
        systems.add(group, column, weights, sums, p * layer.rows);
      });
  });
  const made = emptyWeights(layer);
  const solved: Float64Array[] = [];
  const solverFor = (hessian: Symmetric): Solver => solverOf(hessian, damping(hessian.size, columns));
  const lastSolver = lastKept(solverFor);
  // Rows of removed channels keep their bias only; they do not drive out what the rows around them share.
  const solver = (hessian: Symmetric): Solver => (hessian.size === 1 ? solverFor : lastSolver)(hessian);
  // Systems are asked for anew: those of large layers are only made when needed, and all would fill the memory.
  const fittedRow = (row: number): FittedRow => {
    const system = systems.system(row);
    const old = Float64Array.from(system.kept, (c) => weightAt(layer, row, c));
    solved[row] ??= solver(system.hessian).solve(system.right, old);
    return { system, w: solved[row], columns };
  };
  const finishRow = finish?.(layer, fittedRow) ?? ((_: number, { w }: FittedRow) => w);
  for (let row = 0; row < layer.rows; row++) {
    const fit = fittedRow(row);
    const final = finishRow(row, fit);
    fit.system.kept.forEach((c, i) => {
      if (c === 0) made.bias[row] = at(final, i);
      else made.weights[row * layer.terms + c - 1] = at(final, i);
    });
  }
  return made;
}

const weightAt = ({ bias, weights, terms }: MacLayer, row: number, column: number): number =>
  column === 0 ? at(bias, row) : at(weights, row * terms + column - 1);

/** The activations of all samples that are still to be read, one node after the other. */
class Frontier {
  readonly #graph: Graph<'float'>;
  readonly #values: Map<string, readonly Tensor[]>;

  constructor(graph: Graph<'float'>, samples: readonly Float32Array[]) {
    this.#graph = graph;
    const given = samples.map((sample) => inputTensors(graph, sample));
    this.#values = new Map(
      graph.inputs.map((name) => [name, given.map((inputs) => must(inputs.get(name), `input '${name}'`))]),
    );
  }

  inputsOf(name: string): readonly Tensor[] {
    return must(this.#values.get(name), `'${name}' is known`);
  }

  /** Runs the node on every sample, with new weights where it has some. */
  pass(node: Node, weights: AllWeights): void {
    const graph = weights.size === 0 ? this.#graph : withWeights(this.#graph, weights);
    const current = must(
      graph.nodes.find((n) => n.name === node.name),
      'the node is there',
    );
    const sources = current.inputs.map((name) => graph.tensors.get(name)?.constant ?? this.inputsOf(name));
    const activation = node.inputs.find((name) => this.#values.has(name));
    const count = this.inputsOf(must(activation, 'a node reads an activation')).length;
    const made = Array.from({ length: count }, (_, i) => {
      const inputs = sources.map((s) => ('data' in s ? s : must(s[i], 'a tensor for every sample')));
      return current.op.reference(current.attrs, inputs);
    });
    node.outputs.forEach((name, output) => {
      if (name === '') return;
      this.#values.set(
        name,
        made.map((tensors) => must(tensors[output], 'a node has its outputs')),
      );
    });
    this.#forget(node);
  }

  #forget(node: Node): void {
    const later = this.#graph.nodes.slice(this.#graph.nodes.findIndex((n) => n.name === node.name) + 1);
    for (const name of this.#values.keys())
      if (!later.some((n) => n.inputs.includes(name))) this.#values.delete(name);
  }
}
