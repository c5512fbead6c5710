/**
 * One step's gradient, cut into shards of 16 samples. The next free thread computes a shard; what comes out depends
 * on the shard alone, so that any number of threads gives the same bits.
 */
import { at, must } from '../../base/errors.ts';
import { lanes } from '../gradient/kernels.ts';
import { Engine } from '../gradient/machine.ts';
import type { FixedWeights, Network, Terms } from '../gradient/network.ts';
import { pictureOf, place } from './augment.ts';
import { Loss, type LossOptions } from './loss.ts';

/** What a thread needs, as plain data; the arrays of `shared` are seen by all threads. */
export interface ShardSetup {
  readonly student: Network;
  readonly teacher: Network;
  readonly teacherWeights: FixedWeights;
  readonly loss: LossOptions;
  readonly batch: number;
  readonly shared: Shared;
}

export interface Shared {
  /** Samples of this step and the next, one after the other. */
  readonly samples: readonly [Float32Array, Float32Array];
  /** Down and right in pixels, per sample. */
  readonly shifts: readonly [Int32Array, Int32Array];
  /** -1 for none. */
  readonly labels: readonly [Int32Array, Int32Array];
  /** All weights in use, then all biases, per layer: `layout` says where. */
  readonly values: Float32Array;
  /** Per shard, as `values`. */
  readonly gradients: readonly Float32Array[];
  /** Per shard: loss, answers that are the teacher's. */
  readonly results: Float64Array;
  /** The next shard that is not taken. */
  readonly next: Int32Array;
}

/** Where a layer's weights and biases begin in `values`. */
export interface Region {
  readonly weights: number;
  readonly bias: number;
}

export function layoutOf({ layers }: Network): {
  readonly regions: readonly Region[];
  readonly count: number;
} {
  let count = 0;
  const regions = layers.map(({ rows, termsPerRow }) => {
    const region = { weights: count, bias: count + rows * termsPerRow };
    count = region.bias + rows;
    return region;
  });
  return { regions, count };
}

/** @param memory `SharedArrayBuffer` when other threads are to see them */
export function sharedFor(
  student: Network,
  batch: number,
  memory: new (bytes: number) => ArrayBufferLike,
): Shared {
  const floats = (count: number): Float32Array => new Float32Array(new memory(4 * count));
  const ints = (count: number): Int32Array => new Int32Array(new memory(4 * count));
  const inputs = student.inputShape.reduce((n, size) => n * size, 1);
  const { count } = layoutOf(student);
  const shards = shardCount(batch);
  return {
    samples: [floats(batch * inputs), floats(batch * inputs)],
    shifts: [ints(2 * batch), ints(2 * batch)],
    labels: [ints(batch), ints(batch)],
    values: floats(count),
    gradients: Array.from({ length: shards }, () => floats(count)),
    results: new Float64Array(new memory(8 * 2 * shards)),
    next: ints(1),
  };
}

export const shardCount = (batch: number): number => Math.ceil(batch / lanes);

/** A network whose weights stay. */
export function fixedEngine(network: Network, weights: FixedWeights): Engine {
  const engine = new Engine(network, { learn: false });
  engine.layers.forEach((memory, i) => {
    const from = must(weights[i], 'weights for each layer');
    memory.weights.set(from.weights);
    memory.bias.set(from.bias);
  });
  return engine;
}

/** Computes shards; each thread has one. */
export class ShardWorker {
  readonly #setup: ShardSetup;
  readonly #student: Engine;
  readonly #teacher: Engine;
  readonly #loss: Loss;
  readonly #regions: readonly Region[];
  #counts: readonly number[];

  constructor(setup: ShardSetup) {
    this.#setup = setup;
    this.#student = new Engine(setup.student, { learn: true });
    this.#teacher = fixedEngine(setup.teacher, setup.teacherWeights);
    this.#loss = new Loss(setup.student.outputCount, setup.loss);
    this.#regions = layoutOf(setup.student).regions;
    this.#counts = setup.student.layers.map(({ rows, termsPerRow }) => rows * termsPerRow);
  }

  setTerms(terms: readonly Terms[]): void {
    terms.forEach((t, layer) => {
      this.#student.setTerms(layer, t);
    });
    this.#counts = terms.map(({ offsets }) => offsets.length);
  }

  /** Reads the weights of this step. */
  begin(): void {
    const { values } = this.#setup.shared;
    this.#student.layers.forEach((memory, i) => {
      const { weights, bias } = at(this.#regions, i);
      memory.weights.set(values.subarray(weights, weights + at(this.#counts, i)));
      memory.bias.set(values.subarray(bias, bias + memory.bias.length));
    });
  }

  /** The gradient of the samples of shard `shard` in half `half`, into its place. */
  run(shard: number, half: 0 | 1): void {
    const { batch, shared } = this.#setup;
    const first = shard * lanes;
    const count = Math.min(lanes, batch - first);
    this.#load(first, count, half);
    this.#teacher.input.set(this.#student.input);
    this.#teacher.forward();
    this.#student.forward();
    this.#student.clearGradients();
    const labels = shared.labels[half].subarray(first, first + count);
    const { outputGradients, output } = this.#student;
    this.#loss.group(outputGradients, output, this.#teacher.output, labels, 1 / batch);
    this.#student.backward();
    this.#store(shard);
  }

  #load(first: number, count: number, half: 0 | 1): void {
    const { shared, student } = this.#setup;
    const size = this.#student.input.length / lanes;
    const picture = pictureOf(student.inputShape);
    for (let i = 0; i < count; i++) {
      const sample = shared.samples[half].subarray((first + i) * size, (first + i + 1) * size);
      const pair = 2 * (first + i);
      const [dy, dx] = [at(shared.shifts[half], pair), at(shared.shifts[half], pair + 1)];
      place(this.#student.input, i, sample, picture, dy, dx);
    }
  }

  #store(shard: number): void {
    const { gradients, results } = this.#setup.shared;
    const into = at(gradients, shard);
    this.#student.layers.forEach((memory, i) => {
      const { weights, bias } = at(this.#regions, i);
      into.set(memory.weightGradients.subarray(0, at(this.#counts, i)), weights);
      into.set(memory.biasGradients, bias);
    });
    results[2 * shard] = this.#loss.loss;
    results[2 * shard + 1] = this.#loss.agreed;
  }
}

/** Who computes the shards of a step. */
export interface Runner {
  setTerms(terms: readonly Terms[]): void;
  /** All shards of the step whose samples are in `half`. */
  run(half: 0 | 1): Promise<void>;
  close(): Promise<void>;
}

/** The engine that computes gradients: this thread, or several. */
export interface RunnerKind {
  readonly memory: new (bytes: number) => ArrayBufferLike;
  readonly start: (setup: ShardSetup) => Promise<Runner>;
}

/** All shards one after the other, here. */
export const inProcess: RunnerKind = {
  memory: ArrayBuffer,
  start(setup) {
    const worker = new ShardWorker(setup);
    const runner: Runner = {
      setTerms: (terms) => worker.setTerms(terms),
      run(half) {
        worker.begin();
        for (let shard = 0; shard < shardCount(setup.batch); shard++) worker.run(shard, half);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    return Promise.resolve(runner);
  },
};
