/** The weights while they learn: what the forward pass sees of them, and how gradients move them. */
import { at, holds, InputError, must } from '../../base/errors.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import type { WeightBits } from '../../ir/graph/op.ts';
import type { Layer, Network, Terms } from '../gradient/network.ts';
import { moveOne, type Pace, paceOf } from './adam.ts';
import { prune } from './keep.ts';
import {
  type Active,
  activeOf,
  fitSteps,
  gridOf,
  keptCount,
  type LayerState,
  layerStateOf,
  weightCount,
} from './layer-state.ts';
import { coarsestStep, onGrid, stepSlope } from './learned-step.ts';
import type { Settings } from './options.ts';
import { rateAt, sparsityAt } from './schedule.ts';
import { layoutOf, type Region, type Shared } from './shard.ts';
import { removeUseless } from './useless.ts';

function bitsFor(layers: readonly Layer[], { weightBits }: Settings): (WeightBits | undefined)[] {
  if (weightBits === null) return layers.map(() => undefined);
  if (typeof weightBits === 'number') return layers.map(() => weightBits);
  const unknown = Object.keys(weightBits).find((name) => layers.every(({ node }) => node !== name));
  if (unknown !== undefined)
    throw new InputError({
      where: 'option weightBits',
      found: `node '${unknown}'`,
      supported: layers.map(({ node }) => node).join(', '),
      todo: 'name convolutions and linear layers of the network',
    });
  return layers.map(({ node }) => weightBits[node]);
}

export class Learner {
  readonly network: Network;
  readonly layers: readonly LayerState[];
  sparsity = 0;
  readonly #graph: Graph<'float'>;
  readonly #settings: Settings;
  readonly #steps: number;
  readonly #shared: Shared;
  readonly #regions: readonly Region[];
  readonly #firstSparsity: number;
  /** Undefined when the threads have to be told which weights take part. */
  #active: readonly Active[] | undefined;
  #rounding: boolean;
  /** Per layer and row: the step of this forward pass. */
  readonly #rowSteps: readonly Float64Array[];
  readonly #gradient: Float32Array;

  constructor(graph: Graph<'float'>, network: Network, settings: Settings, steps: number, shared: Shared) {
    const bits = bitsFor(network.layers, settings);
    this.#graph = graph;
    this.network = network;
    this.layers = network.layers.map((layer, i) => layerStateOf(graph, layer, bits[i]));
    this.#settings = settings;
    this.#steps = steps;
    this.#shared = shared;
    this.#regions = layoutOf(network).regions;
    this.#rowSteps = network.layers.map(({ rows }) => new Float64Array(rows));
    this.#gradient = new Float32Array(shared.values.length);
    this.#rounding = false;
    this.#count();
    this.#firstSparsity = this.sparsity;
    this.#requireSparsity();
  }

  /** After the state was read from a checkpoint made before `step`. */
  resume(step: number): void {
    this.#active = undefined;
    this.#rounding = step > 0 && this.#rounds(step - 1);
    this.#count();
  }

  #requireSparsity(): void {
    const { sparsity } = this.#settings;
    if (sparsity === null || sparsity >= this.#firstSparsity - 1e-9) return;
    throw new InputError({
      where: 'option sparsity',
      found: `${sparsity} for a network that has ${this.#firstSparsity.toFixed(4)} already`,
      supported: 'the same sparsity or more',
      todo: 'omit sparsity to keep the present zeros',
    });
  }

  #count(): void {
    this.sparsity = 1 - keptCount(this.layers) / weightCount(this.layers);
  }

  #rounds(step: number): boolean {
    return step >= Math.floor(this.#settings.roundFrom * this.#steps);
  }

  /** The step before which weights are pruned for the last time. */
  get #lastPruning(): number {
    return Math.min(this.#steps - 1, Math.ceil(this.#settings.pruneEnd * this.#steps));
  }

  /** Prunes and rounds what is due at `step`, and writes the weights for its forward pass. */
  prepare(step: number, setTerms: (terms: readonly Terms[]) => void): void {
    this.#prune(step);
    if (!this.#rounding && this.#rounds(step)) {
      this.layers.forEach(fitSteps);
      this.#rounding = true;
    }
    if (this.#active === undefined) {
      const used = this.#growing(step) ? 'allowed' : 'kept';
      this.#active = this.layers.map((layer) => activeOf(layer, layer[used]));
      setTerms(this.#active.map(({ terms }) => terms));
    }
    this.#write(this.#active);
  }

  /** While pruned weights may come back, they learn too. */
  #growing(step: number): boolean {
    const { sparsity, regrow } = this.#settings;
    return sparsity !== null && regrow && step < this.#lastPruning;
  }

  #prune(step: number): void {
    const { sparsity, pruneBegin, pruneEvery, importance, price, regrow } = this.#settings;
    if (sparsity === null || step === 0) return;
    const span = { begin: pruneBegin * this.#steps, end: this.#lastPruning };
    const last = step === span.end;
    if (!last && (step < span.begin || step > span.end || step % pruneEvery !== 0)) return;
    const target = sparsityAt(step, this.#firstSparsity, sparsity, span);
    const count = Math.round((1 - target) * weightCount(this.layers));
    const prices = typeof price === 'string' ? price : new Map(price);
    prune(this.layers, count, { importance, price: prices, regrow });
    const died = removeUseless(this.#graph, this.network, this.layers);
    this.#count();
    // While weights may grow back all of them stay in the lists, and the lists stay as they are.
    if (last || !regrow || died) this.#active = undefined;
  }

  #write(active: readonly Active[]): void {
    const { values } = this.#shared;
    this.layers.forEach((layer, l) => {
      const { positions, terms } = at(active, l);
      const region = at(this.#regions, l);
      this.#setRowSteps(layer, l);
      this.#writeWeights(layer, l, positions, terms.rowStarts, region.weights);
      values.set(layer.bias.value, region.bias);
    });
  }

  /** Rows that round: the learned step, but no coarser than the quantizer can find again. */
  #setRowSteps({ layer, weight, kept, logStep, bits }: LayerState, l: number): void {
    const steps = at(this.#rowSteps, l);
    if (bits === undefined || !this.#rounding) return;
    const grid = gridOf(bits);
    for (let row = 0; row < layer.rows; row++) {
      let largest = 0;
      for (let i = row * layer.termsPerRow; i < (row + 1) * layer.termsPerRow; i++)
        if (kept[i] === 1) largest = Math.max(largest, Math.abs(at(weight.value, i)));
      const step = Math.exp(at(logStep.value, row));
      steps[row] = largest === 0 ? 1 : Math.min(step, coarsestStep(largest, grid));
    }
  }

  #writeWeights(
    { weight, kept, bits }: LayerState,
    l: number,
    positions: Int32Array,
    rowStarts: Int32Array,
    to: number,
  ): void {
    const { values } = this.#shared;
    const steps = at(this.#rowSteps, l);
    const grid = bits === undefined || !this.#rounding ? undefined : gridOf(bits);
    for (let row = 0; row + 1 < rowStarts.length; row++) {
      const step = at(steps, row);
      for (let k = at(rowStarts, row); k < at(rowStarts, row + 1); k++) {
        const i = at(positions, k);
        const w = at(weight.value, i);
        values[to + k] = kept[i] === 0 ? 0 : grid === undefined ? w : onGrid(w, step, grid);
      }
    }
  }

  /** Moves everything by the gradients of `step`. */
  learn(step: number): void {
    const { learningRate, warmup } = this.#settings;
    const pace = paceOf(rateAt((step + 0.5) / this.#steps, learningRate, warmup), step + 1);
    const active = must(this.#active, 'a step was prepared');
    this.layers.forEach((layer, l) => {
      const { positions, terms } = at(active, l);
      const region = at(this.#regions, l);
      this.#sum(region.weights, positions.length);
      this.#sum(region.bias, layer.bias.value.length);
      this.#move(layer, l, positions, terms.rowStarts, region.weights, pace);
      if (layer.layer.bias === '') return;
      for (let row = 0; row < layer.bias.value.length; row++)
        if (layer.dead[row] === 0) moveOne(layer.bias, row, at(this.#gradient, region.bias + row), pace);
    });
  }

  /** The shards' gradients, in the order of the shards, whichever thread computed them. */
  #sum(from: number, count: number): void {
    const into = this.#gradient;
    into.fill(0, from, from + count);
    holds(into, from + count);
    for (const gradient of this.#shared.gradients) {
      holds(gradient, from + count);
      for (let i = from; i < from + count; i++) into[i] = (into[i] as number) + (gradient[i] as number);
    }
  }

  #move(
    { weight, kept, logStep, bits }: LayerState,
    l: number,
    positions: Int32Array,
    rowStarts: Int32Array,
    from: number,
    pace: Pace,
  ): void {
    const grid = bits === undefined || !this.#rounding ? undefined : gridOf(bits);
    const steps = at(this.#rowSteps, l);
    for (let row = 0; row + 1 < rowStarts.length; row++) {
      const step = at(steps, row);
      let slope = 0;
      for (let k = at(rowStarts, row); k < at(rowStarts, row + 1); k++) {
        const i = at(positions, k);
        const gradient = at(this.#gradient, from + k);
        if (grid !== undefined && kept[i] === 1)
          slope += gradient * stepSlope(at(weight.value, i), step, grid);
        moveOne(weight, i, gradient, pace);
      }
      if (grid !== undefined) moveOne(logStep, row, slope * step, pace);
    }
  }

  /** The learned tensors by name, as the next forward pass would see them. */
  *constants(): Generator<readonly [name: string, data: Float32Array]> {
    const active = this.layers.map((layer) => activeOf(layer, layer.kept));
    this.#write(active);
    for (const [l, { layer, bias }] of this.layers.entries()) {
      const { positions } = at(active, l);
      const from = at(this.#regions, l).weights;
      const data = new Float32Array(layer.rows * layer.termsPerRow);
      positions.forEach((i, k) => {
        data[i] = at(this.#shared.values, from + k);
      });
      yield [layer.weight, data];
      if (layer.bias !== '') yield [layer.bias, bias.value.slice()];
    }
  }
}
