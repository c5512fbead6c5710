/** `--finetune`: pruning and rounding while training, on all cores; Ctrl-C leaves a checkpoint to go on from. */

import { InputError } from '../../base/errors.ts';
import { type Compiled, type CompileOptions, compileFused, type Front, front } from '../../compile.ts';
import { type Finetuned, finetune } from '../../compress/train/finetune.ts';
import { onThreads } from '../../compress/train/node-threads.ts';
import type { FinetuneOptions, TrainingData } from '../../compress/train/options.ts';
import type { RunnerKind } from '../../compress/train/shard.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import type { Quant } from '../../ir/kernel/stored.ts';
import { storedBy } from '../../program/port.ts';
import type { OnProgress } from '../api.ts';
import { type Identity, loadCheckpoint, saveCheckpoint } from '../checkpoint.ts';
import { Interrupted } from '../exit.ts';
import type { CompressFlags } from './compress.ts';

/** Where a run keeps what it has learned so far. */
export interface Keeping {
  readonly file: string;
  readonly identity: Identity;
  readonly resume: boolean;
}

export interface Training {
  readonly data: TrainingData;
  readonly keeping: Keeping | undefined;
  readonly onProgress: OnProgress;
  /** Who computes; all cores, or as many threads as the flags say, when absent. */
  readonly runner?: RunnerKind;
}

const settingsFor = (flags: CompressFlags, { data, onProgress }: Training): FinetuneOptions => ({
  epochs: flags.finetune ?? 1,
  weightBits: flags.weightBits ?? 8,
  ...(flags.sparsity === undefined ? {} : { sparsity: flags.sparsity }),
  seed: flags.seed,
  // Measured on LeNet-5, 95 % sparse, 5,000 held-out digits: 99.26 % so, 99.24 % without labels.
  ...(data.label === undefined ? {} : { temperature: 2, labelsWeight: 0.3 }),
  batch: 64,
  shift: 2,
  pruneEvery: 20,
  pruneEnd: 0.5,
  onProgress: ({ step, steps }) => onProgress('fine-tuning', step, steps),
});

const signals = ['SIGINT', 'SIGTERM'] as const;

/** The first signal ends the step that is being done; a second one ends the process. */
async function stoppable(work: (signal: AbortSignal) => Promise<Finetuned>): Promise<Finetuned> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const name of signals) process.once(name, onSignal);
  try {
    return await work(stop.signal);
  } finally {
    for (const name of signals) process.off(name, onSignal);
  }
}

/** Inputs as the fused network takes them, where each of their channels has a grid of its own. */
const storedData = (data: TrainingData, grids: readonly Quant[]): TrainingData => ({
  ...data,
  input: (i) => storedBy(grids, data.input(i)),
});

async function learned(
  { fused, grids }: Front,
  flags: CompressFlags,
  training: Training,
): Promise<Finetuned> {
  const { keeping } = training;
  const data = grids === undefined ? training.data : storedData(training.data, grids);
  const checkpoint = keeping && loadCheckpoint(keeping.file, keeping.identity, keeping.resume);
  const save = (state: Uint8Array): void => {
    if (keeping !== undefined) saveCheckpoint(keeping.file, keeping.identity, state);
  };
  const made = await stoppable((signal) =>
    finetune(
      fused,
      fused,
      data,
      {
        ...settingsFor(flags, training),
        signal,
        onCheckpoint: save,
        ...(checkpoint === undefined ? {} : { checkpoint }),
      },
      training.runner ?? onThreads(flags.threads),
    ),
  );
  // Of a finished one too: a build that turns out to be over a budget need not be trained again.
  save(made.checkpoint);
  if (made.finished) return made;
  throw new Interrupted(
    keeping === undefined
      ? 'interrupted; nothing was saved: give -o FOLDER or --checkpoint FILE to be able to continue'
      : `interrupted; the same command with --resume goes on from ${keeping.file}`,
  );
}

/**
 * The network prunes itself to --sparsity while it learns, with its weights on the grid of --weight-bits, held
 * to the answers of the network that it was.
 * @throws InputError for float32, for samples that the network does not take, and for another run's checkpoint
 * @throws Interrupted when a signal came; the checkpoint is written by then
 */
export async function trainedBuild(
  model: Graph<'imported'>,
  options: CompileOptions,
  flags: CompressFlags,
  training: Training,
): Promise<Compiled> {
  if (options.arith === 'float32')
    throw new InputError({ where: '--finetune', found: '--type float32', supported: 'int8' });
  if (options.codebook !== undefined)
    throw new InputError({
      where: '--finetune',
      found: '--codebook',
      supported: '--weight-bits: training rounds to uniform grids',
    });
  const made = front(model, options);
  const { graph } = await learned(made, flags, training);
  const { prune: _, ...rest } = options;
  const compiled = compileFused(made, { ...rest, rounded: true }, graph);
  const { sparsity } = compiled;
  if (sparsity === undefined || flags.sparsity === undefined) return compiled;
  return { ...compiled, sparsity: { ...sparsity, asked: flags.sparsity } };
}
