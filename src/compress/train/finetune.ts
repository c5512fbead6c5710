/** Fine-tuning of a pruned or rounded network, held to what the unpruned one answers. */

import { at, InputError } from '../../base/errors.ts';
import { requireClasses } from '../../data/labels.ts';
import type { Graph, TensorInfo } from '../../ir/graph/graph.ts';
import { countOf, floats, showShape } from '../../ir/tensor.ts';
import { type Network, networkOf, requireOneOutput, weightsIn } from '../gradient/network.ts';
import { checkPrice } from '../prune/options.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { forScaledInput, inputScale, scaledSamples } from './input-scale.ts';
import { Learner } from './learner.ts';
import {
  type FinetuneOptions,
  type Progress,
  type Settings,
  settingsOf,
  type TrainingData,
} from './options.ts';
import { inProcess, type Runner, type RunnerKind, type Shared, sharedFor } from './shard.ts';
import { permutation, randomFor } from './streams.ts';

/** The results of one epoch. */
export type Epoch = Pick<Progress, 'epoch' | 'loss' | 'agreement' | 'sparsity'>;

/** The result of a training. */
export interface Finetuned {
  /** With the learned weights: zeros for those pruned, grid points for those rounded. */
  readonly graph: Graph<'float'>;
  readonly history: readonly Epoch[];
  /** False when it was interrupted. */
  readonly finished: boolean;
  /** To continue from, or to repeat the training with more threads. */
  readonly checkpoint: Uint8Array;
}

/**
 * Trains the weights of a network with the outputs of a teacher network as targets.
 * @param graph fused; its zero weights stay zero
 * @param teacher fused; the same input and as many outputs
 * @param kind the engine that computes the gradients; one thread when absent
 * @throws InputError for options, data, graphs and checkpoints that cannot be used
 */
export async function finetune(
  graph: Graph<'float'>,
  teacher: Graph<'float'>,
  data: TrainingData,
  options: FinetuneOptions,
  kind: RunnerKind = inProcess,
): Promise<Finetuned> {
  requireSamples(data);
  const factor = inputScale(graph, data);
  const [student, master] = [forScaledInput(graph, factor), forScaledInput(teacher, factor)];
  const training = new Training(student, master, scaledSamples(data, factor), options, kind.memory);
  const runner = await kind.start(training.setup(master));
  try {
    const made = await training.steps(runner, options);
    return { ...made, graph: { ...graph, tensors: forScaledInput(made.graph, 1 / factor).tensors } };
  } finally {
    await runner.close();
  }
}

/** The event loop gets a turn this often, in milliseconds: signals and timers arrive. */
const breath = 50;

/** Milliseconds from one call of `onCheckpoint` to the next: what a crash may cost. */
const between = 30_000;

class Training {
  readonly #graph: Graph<'float'>;
  readonly #data: TrainingData;
  readonly #settings: Settings;
  readonly #learner: Learner;
  readonly #shared: Shared;
  readonly #teacherNetwork: Network;
  readonly #stepsPerEpoch: number;
  readonly #history: Epoch[] = [];
  #order: { readonly epoch: number; readonly samples: Int32Array } = { epoch: -1, samples: new Int32Array() };
  #step = 0;
  #loss = 0;
  #agreed = 0;

  constructor(
    graph: Graph<'float'>,
    teacher: Graph<'float'>,
    data: TrainingData,
    options: FinetuneOptions,
    memory: RunnerKind['memory'],
  ) {
    this.#graph = graph;
    this.#data = data;
    this.#settings = settingsOf(options, data.count);
    checkPrice(options.price ?? 'bytes', graph);
    requireOneOutput(graph);
    const student = networkOf(graph);
    this.#teacherNetwork = networkOf(teacher);
    requireAlike(student, this.#teacherNetwork);
    requireOwnWeights(student);
    requireLabels(data, student.outputCount);
    this.#shared = sharedFor(student, this.#settings.batch, memory);
    this.#stepsPerEpoch = Math.floor(data.count / this.#settings.batch);
    const steps = this.#stepsPerEpoch * this.#settings.epochs;
    this.#learner = new Learner(graph, student, this.#settings, steps, this.#shared);
    if (options.checkpoint !== undefined) this.#restore(options.checkpoint);
  }

  setup(teacher: Graph<'float'>): Parameters<RunnerKind['start']>[0] {
    const { temperature, labelsWeight, batch } = this.#settings;
    return {
      student: this.#learner.network,
      teacher: this.#teacherNetwork,
      teacherWeights: weightsIn(teacher, this.#teacherNetwork),
      loss: { temperature, labelsWeight },
      batch,
      shared: this.#shared,
    };
  }

  async steps(runner: Runner, { onProgress, onCheckpoint, signal }: FinetuneOptions): Promise<Finetuned> {
    const total = this.#stepsPerEpoch * this.#settings.epochs;
    const [began, first] = [performance.now(), this.#step];
    let [rested, saved] = [began, began];
    if (this.#step < total) this.#load(this.#step);
    while (this.#step < total && signal?.aborted !== true) {
      this.#learner.prepare(this.#step, (terms) => runner.setTerms(terms));
      const done = runner.run(this.#half(this.#step));
      if (this.#step + 1 < total) this.#load(this.#step + 1);
      await done;
      this.#learner.learn(this.#step);
      this.#note();
      this.#step++;
      const now = performance.now();
      const secondsLeft = ((now - began) / 1000 / (this.#step - first)) * (total - this.#step);
      onProgress?.({ ...this.#epochSoFar(), step: this.#step, steps: total, secondsLeft });
      if (this.#step % this.#stepsPerEpoch === 0) this.#endEpoch();
      if (onCheckpoint !== undefined && now - saved > between) {
        onCheckpoint(this.#checkpoint());
        saved = performance.now();
      }
      if (now - rested > breath) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        rested = performance.now();
      }
    }
    const checkpoint = this.#checkpoint();
    const made = withWeights(this.#graph, this.#learner);
    return { graph: made, history: [...this.#history], finished: this.#step >= total, checkpoint };
  }

  #half(step: number): 0 | 1 {
    return step % 2 === 0 ? 0 : 1;
  }

  /** The samples of a step, and how they are moved. */
  #load(step: number): void {
    const { batch, seed, shift } = this.#settings;
    const samples = this.#samplesOf(step);
    const half = this.#half(step);
    const random = randomFor(seed, 'shift', step);
    const into = this.#shared.samples[half];
    for (let i = 0; i < batch; i++) {
      const index = at(samples, i);
      into.set(this.#input(index, into.length / batch), (i * into.length) / batch);
      this.#shared.labels[half][i] = this.#data.label?.(index) ?? -1;
      for (const axis of [0, 1] as const)
        this.#shared.shifts[half][2 * i + axis] = Math.floor(random() * (2 * shift + 1)) - shift;
    }
  }

  #input(index: number, size: number): Float32Array {
    const input = this.#data.input(index);
    if (input.length === size) return input;
    throw new InputError({
      where: `training sample ${index}`,
      found: `${input.length} numbers`,
      supported: `${size}, the network's input`,
    });
  }

  #samplesOf(step: number): Int32Array {
    const epoch = Math.floor(step / this.#stepsPerEpoch);
    if (this.#order.epoch !== epoch) {
      const random = randomFor(this.#settings.seed, 'order', epoch);
      this.#order = { epoch, samples: permutation(this.#data.count, random) };
    }
    const first = (step % this.#stepsPerEpoch) * this.#settings.batch;
    return this.#order.samples.subarray(first, first + this.#settings.batch);
  }

  #note(): void {
    const { results } = this.#shared;
    for (let i = 0; i < results.length; i += 2) {
      this.#loss += at(results, i);
      this.#agreed += at(results, i + 1);
    }
  }

  #epochSoFar(): Epoch {
    const steps = ((this.#step - 1) % this.#stepsPerEpoch) + 1;
    return {
      epoch: Math.ceil(this.#step / this.#stepsPerEpoch),
      loss: this.#loss / steps,
      agreement: this.#agreed / (steps * this.#settings.batch),
      sparsity: this.#learner.sparsity,
    };
  }

  #endEpoch(): void {
    this.#history.push(this.#epochSoFar());
    [this.#loss, this.#agreed] = [0, 0];
  }

  #checkpoint(): Uint8Array {
    const { loss, agreed } = { loss: this.#loss, agreed: this.#agreed };
    const state = { step: this.#step, loss, agreed, history: this.#history };
    return writeCheckpoint(this.#settings, state, this.#learner.layers);
  }

  #restore(bytes: Uint8Array): void {
    const state = readCheckpoint(bytes, this.#settings, this.#learner.layers);
    this.#step = state.step;
    this.#loss = state.loss;
    this.#agreed = state.agreed;
    this.#history.push(...state.history);
    this.#learner.resume(this.#step);
  }
}

function requireSamples({ count }: TrainingData): void {
  if (Number.isInteger(count) && count > 0) return;
  throw new InputError({
    where: 'training data',
    found: `${count} samples`,
    supported: '1 or more',
    todo: 'give the inputs that the network was trained with',
  });
}

function requireLabels({ count, label }: TrainingData, classes: number): void {
  if (label === undefined) return;
  requireClasses(
    Array.from({ length: count }, (_, i) => label(i)),
    classes,
    'labels',
  );
}

function requireAlike(student: Network, teacher: Network): void {
  if (
    countOf(student.inputShape) === countOf(teacher.inputShape) &&
    student.outputCount === teacher.outputCount
  )
    return;
  const show = (n: typeof student): string => `${showShape(n.inputShape)} to ${n.outputCount} outputs`;
  throw new InputError({
    where: 'teacher',
    found: show(teacher),
    supported: `${show(student)}, as the network that learns`,
    todo: 'give the network before pruning',
  });
}

function requireOwnWeights({ layers }: Network): void {
  const shared = layers.find(({ weight }, l) => layers.findIndex((other) => other.weight === weight) < l);
  if (shared === undefined) return;
  throw new InputError({
    where: `node '${shared.node}'`,
    found: `weights '${shared.weight}' shared with another layer`,
    supported: 'weights of one layer',
  });
}

function withWeights(graph: Graph<'float'>, learner: Learner): Graph<'float'> {
  const learned = new Map(learner.constants());
  const tensors = [...graph.tensors].map(([name, info]): [string, TensorInfo<'float'>] => {
    const data = learned.get(name);
    return [name, data === undefined ? info : { ...info, constant: floats(info.shape, data) }];
  });
  return { ...graph, tensors: new Map(tensors) };
}
