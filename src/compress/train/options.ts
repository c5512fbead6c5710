/** What the user may choose about fine-tuning. */
import { InputError } from '../../base/errors.ts';
import { type ByLayer, type WeightBits, weightBits } from '../../ir/graph/op.ts';
import type { Price } from '../prune/options.ts';
import type { Importance } from './keep.ts';

/** The training samples: inputs as the network computes with them, row-major, and classes where they are known. */
export interface TrainingData {
  readonly count: number;
  input(i: number): Float32Array;
  label?(i: number): number;
}

/** How to train. Shares are of the whole training, 0 to 1. */
export interface FinetuneOptions {
  /** Times that every sample is seen. */
  readonly epochs: number;
  /** Samples per step; shards of 16. Default 128. */
  readonly batch?: number;
  /** At its highest. Default 2e-3. */
  readonly learningRate?: number;
  /** Share of the training in which the rate rises from 0. Default 0.02. */
  readonly warmup?: number;
  /** Bits of each weight, for all layers or by the name of the node; layers without an entry stay float. */
  readonly weightBits?: ByLayer<WeightBits>;
  /** Share of the training from which on weights are rounded. Default 0. */
  readonly roundFrom?: number;
  /** Share of the weights of all layers that is 0 in the end. Absent: those that are 0 now stay, no others. */
  readonly sparsity?: number;
  readonly importance?: Importance;
  /** Default `bytes`. */
  readonly price?: Price;
  /** Share of the training at which pruning begins and ends. Default 0.05 and 0.6. */
  readonly pruneBegin?: number;
  readonly pruneEnd?: number;
  /** Steps from one pruning to the next. Default 50. */
  readonly pruneEvery?: number;
  /** Weights pruned in this training may come back until `pruneEnd`: better and slower. Default true. */
  readonly regrow?: boolean;
  /** Any integer; the same seed and data give the same weights. Default 1. */
  readonly seed?: number;
  /** Pixels that images are moved by at random, up, down, left or right. Default 0. */
  readonly shift?: number;
  /** 0: the teacher alone; 1: labels alone. Default 0. */
  readonly labelsWeight?: number;
  /** Of the distillation. Default 1. */
  readonly temperature?: number;
  readonly onProgress?: (progress: Progress) => void;
  /** Called every half minute with what `checkpoint` takes. */
  readonly onCheckpoint?: (checkpoint: Uint8Array) => void;
  /** An AbortSignal. Training stops after the current step; the result has a checkpoint to continue from. */
  readonly signal?: { readonly aborted: boolean };
  /** Of an interrupted training with the same options. */
  readonly checkpoint?: Uint8Array;
}

/** The progress of a training; given after each step. */
export interface Progress {
  /** Counted from 1. */
  readonly epoch: number;
  readonly step: number;
  readonly steps: number;
  /** Mean over the steps of this epoch so far. */
  readonly loss: number;
  /** Share of this epoch's samples with the teacher's answer. */
  readonly agreement: number;
  readonly sparsity: number;
  readonly secondsLeft: number;
}

/** Options with all defaults, plain data. */
export interface Settings {
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly weightBits: WeightBits | Readonly<Record<string, WeightBits>> | null;
  readonly roundFrom: number;
  readonly sparsity: number | null;
  readonly importance: Importance;
  readonly price: Exclude<Price, ReadonlyMap<string, number>> | readonly (readonly [string, number])[];
  readonly pruneBegin: number;
  readonly pruneEnd: number;
  readonly pruneEvery: number;
  readonly regrow: boolean;
  readonly seed: number;
  readonly shift: number;
  readonly labelsWeight: number;
  readonly temperature: number;
}

interface Rule {
  readonly holds: (value: number) => boolean;
  readonly supported: string;
}

const integer = (least: number, most: number): Rule => ({
  holds: (n) => Number.isInteger(n) && n >= least && n <= most,
  supported: `an integer from ${least} to ${most}`,
});
const between = (least: number, most: number): Rule => ({
  holds: (n) => n >= least && n <= most,
  supported: `a number from ${least} to ${most}`,
});

const rules = {
  epochs: integer(1, 100_000),
  batch: integer(1, 4096),
  learningRate: between(1e-9, 1),
  warmup: between(0, 0.9),
  roundFrom: between(0, 0.99),
  pruneBegin: between(0, 0.99),
  pruneEnd: between(0.01, 1),
  pruneEvery: integer(1, 1e6),
  seed: integer(-(2 ** 31), 2 ** 31 - 1),
  shift: integer(0, 64),
  labelsWeight: between(0, 1),
  temperature: between(0.1, 100),
} satisfies Partial<Record<keyof Settings, Rule>>;

const refuse = (option: string, value: unknown, supported: string): InputError =>
  new InputError({
    where: `option ${option}`,
    found: String(value),
    supported,
    todo: `choose another ${option}`,
  });

function bitsSetting(given: FinetuneOptions['weightBits']): Settings['weightBits'] {
  if (given === undefined) return null;
  const all = typeof given === 'number' ? [given] : [...given.values()];
  const bad = all.find((bits) => !weightBits.includes(bits));
  if (bad !== undefined) throw refuse('weightBits', bad, 'weights of 2 to 8 bits');
  return typeof given === 'number' ? given : Object.fromEntries(given);
}

/** @throws InputError naming the option */
export function settingsOf(options: FinetuneOptions, samples: number): Settings {
  const settings: Settings = {
    epochs: options.epochs,
    batch: Math.min(options.batch ?? 128, samples),
    learningRate: options.learningRate ?? 2e-3,
    warmup: options.warmup ?? 0.02,
    weightBits: bitsSetting(options.weightBits),
    roundFrom: options.roundFrom ?? 0,
    sparsity: options.sparsity ?? null,
    importance: options.importance ?? 'damage',
    price: typeof options.price === 'object' ? [...options.price] : (options.price ?? 'bytes'),
    pruneBegin: options.pruneBegin ?? 0.05,
    pruneEnd: options.pruneEnd ?? 0.6,
    pruneEvery: options.pruneEvery ?? 50,
    regrow: options.regrow ?? true,
    seed: options.seed ?? 1,
    shift: options.shift ?? 0,
    labelsWeight: options.labelsWeight ?? 0,
    temperature: options.temperature ?? 1,
  };
  for (const [option, rule] of Object.entries(rules)) {
    const value = settings[option as keyof typeof rules];
    if (!rule.holds(value)) throw refuse(option, value, rule.supported);
  }
  const { sparsity, pruneBegin, pruneEnd } = settings;
  if (sparsity !== null && !(sparsity >= 0 && sparsity < 1))
    throw refuse('sparsity', sparsity, 'a number from 0 to below 1');
  if (pruneBegin >= pruneEnd) throw refuse('pruneEnd', pruneEnd, `more than pruneBegin, ${pruneBegin}`);
  return settings;
}
