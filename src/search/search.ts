/**
 * Finding a build: how many weights to prune and with how many bits to store the rest, so that a network fits a
 * chip at the least loss, or loses no more than allowed at the least size. Loss is judged on inputs that nothing
 * was calibrated or pruned on.
 */

import { at, InputError, must } from '../base/errors.ts';
import { indexOfLargest } from '../base/extremes.ts';
import { type Compiled, type CompileOptions, compileFused, type Front } from '../compile.ts';
import { Shared } from '../compress/fit/shared.ts';
import { instructionsOn } from '../cost/forms.ts';
import type { CostTarget } from '../cost/speed.ts';
import { requireClasses } from '../data/labels.ts';
import { evaluate, inputTensors } from '../ir/graph/evaluate.ts';
import type { CodebookSize, WeightBits } from '../ir/graph/op.ts';
import { countOf } from '../ir/tensor.ts';
import type { Program } from '../program/program.ts';
import { totalsOf } from '../program/summary.ts';
import { decodeOutputs, encodeInput } from '../program/values.ts';
import { inference } from '../runtime/engines.ts';

/** Inputs as the network computes with them; with their classes where they are known. */
export interface HeldOut {
  readonly inputs: readonly Float32Array[];
  readonly labels?: ArrayLike<number>;
}

/** The values that the weights of every layer may have. */
export interface Grid {
  readonly weightBits: WeightBits;
  /** So many that weights share, instead. */
  readonly codebook?: CodebookSize;
}

export interface BuildPoint extends Grid {
  /** Share of the weights of convolutions and linear layers that is zero. */
  readonly sparsity: number;
}

/** What a build is judged by. */
export interface Figures {
  readonly point: BuildPoint;
  /** Constant tables: weights, indices, biases, requantization. */
  readonly flashBytes: number;
  readonly ramBytes: number;
  /** Modelled, on the search's target. */
  readonly instructions: number;
  /** Held-out inputs judged right: the label where there is one, else the float model's own answer. */
  readonly right: number;
  /** Points lost against the float model, in percent of the held-out inputs. */
  readonly loss: number;
}

export interface Built extends Figures {
  readonly compiled: Compiled;
}

export interface Limits {
  readonly flashBytes?: number;
  readonly ramBytes?: number;
  readonly instructions?: number;
  /** In points. */
  readonly maxLoss?: number;
}

export interface SearchOptions {
  /** For every build; `prune`, `weightBits` and `formats` are the search's own, and so is a codebook of all layers. */
  readonly compile: CompileOptions;
  readonly objective: 'flash' | 'tables' | 'speed';
  readonly target: CostTarget;
  readonly method?: 'obs' | 'magnitude' | 'channel';
  readonly grids?: readonly Grid[];
  readonly onBuilt?: (built: Built) => void;
}

/** The sparsities tried, from none to where little is left. */
export const sparsities = [0, 0.5, 0.7, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98] as const;

/** The grids tried. */
export const allGrids: readonly Grid[] = [{ weightBits: 8 }, { weightBits: 4 }];

export class Search {
  readonly #front: Front;
  readonly #heldOut: HeldOut;
  readonly #options: SearchOptions;
  readonly #built = new Map<string, Built>();
  readonly #shared = new Shared();
  /** The answers that count as right, and how many of them the float model gives. */
  readonly #answers: readonly number[];
  readonly floatRight: number;

  /** @throws InputError without held-out inputs, or with labels of another number. */
  constructor(front: Front, heldOut: HeldOut, options: SearchOptions) {
    checkHeldOut(heldOut, front);
    this.#front = front;
    this.#heldOut = heldOut;
    this.#options = options;
    const float = heldOut.inputs.map((x) => floatAnswer(front, x));
    this.#answers = float.map((answer, i) => heldOut.labels?.[i] ?? answer);
    this.floatRight = float.filter((answer, i) => answer === this.#answers[i]).length;
  }

  /** Of the program. */
  get name(): string {
    return this.#options.compile.name;
  }

  /** That builds are judged by. */
  get samples(): number {
    return this.#heldOut.inputs.length;
  }

  judgement({ right }: Built): Judgement {
    const { inputs, labels } = this.#heldOut;
    return {
      samples: inputs.length,
      labelled: labels !== undefined,
      float: this.floatRight,
      compiled: right,
    };
  }

  /** Everything built so far, in order. */
  get tried(): readonly Built[] {
    return [...this.#built.values()];
  }

  build(point: BuildPoint): Built {
    const key = `${point.sparsity} ${point.weightBits} ${point.codebook}`;
    const known = this.#built.get(key);
    if (known !== undefined) return known;
    const { objective, target, compile, method = 'obs', onBuilt } = this.#options;
    const price = objective === 'speed' ? 'macs' : 'weights';
    const options: CompileOptions = {
      ...compile,
      weightBits: point.weightBits,
      ...(point.codebook === undefined ? {} : { codebook: point.codebook }),
      formats: { objective, target },
      ...(point.sparsity > 0 ? { prune: { method, sparsity: point.sparsity, price } } : {}),
    };
    const compiled = compileFused(this.#front, options, this.#front.fused, this.#shared);
    const built = this.#judged(point, compiled);
    this.#built.set(key, built);
    onBuilt?.(built);
    return built;
  }

  #judged(point: BuildPoint, compiled: Compiled): Built {
    const { program } = compiled;
    const { inputs } = this.#heldOut;
    const right = countRight(program, inputs, this.#answers);
    const { tableBytes, arenaBytes } = totalsOf(program);
    return {
      point,
      compiled,
      flashBytes: tableBytes,
      ramBytes: arenaBytes,
      instructions: instructionsOn(program, this.#options.target),
      right,
      loss: (100 * (this.floatRight - right)) / inputs.length,
    };
  }

  get grids(): readonly Grid[] {
    return this.#options.grids ?? allGrids;
  }

  /** What is to be least. */
  cost(built: Built): number {
    return this.#options.objective === 'speed' ? built.instructions : built.flashBytes;
  }
}

function checkHeldOut({ inputs, labels }: HeldOut, { floatGraph }: Pick<Front, 'floatGraph'>): void {
  if (inputs.length === 0)
    throw new InputError({
      where: 'held-out inputs',
      found: 'none',
      todo: 'give more samples with --calibrate',
    });
  if (labels !== undefined && labels.length !== inputs.length)
    throw new InputError({
      where: 'labels',
      found: `${labels.length} for ${inputs.length} inputs`,
      supported: 'one label per input',
    });
  const output = floatGraph.tensors.get(at(floatGraph.outputs, 0));
  requireClasses(labels ?? [], countOf(output?.shape ?? []), 'labels');
}

/** The number of held-out samples that the program gets right: the class of the label, or without labels that of the float model. */
export interface Judgement {
  readonly samples: number;
  readonly labelled: boolean;
  readonly float: number;
  readonly compiled: number;
}

const countRight = (program: Program, inputs: HeldOut['inputs'], answers: readonly number[]): number => {
  const run = inference(program);
  const answer = (x: Float32Array): number =>
    indexOfLargest(at(decodeOutputs(program, run(encodeInput(program, x)).output), 0));
  return inputs.filter((x, i) => answer(x) === answers[i]).length;
};

/** @throws InputError without held-out inputs, or with labels of another number. */
export function judge({ floatGraph, program }: Compiled, heldOut: HeldOut): Judgement {
  checkHeldOut(heldOut, { floatGraph });
  const { inputs, labels } = heldOut;
  const float = inputs.map((x) => floatAnswer({ floatGraph }, x));
  const answers = float.map((answer, i) => labels?.[i] ?? answer);
  return {
    samples: inputs.length,
    labelled: labels !== undefined,
    float: float.filter((answer, i) => answer === answers[i]).length,
    compiled: countRight(program, inputs, answers),
  };
}

function floatAnswer({ floatGraph }: Pick<Front, 'floatGraph'>, x: Float32Array): number {
  const results = evaluate(floatGraph, inputTensors(floatGraph, x));
  return indexOfLargest(must(results.get(at(floatGraph.outputs, 0)), 'the output is computed').data);
}

/** Sizes that are over their limit, each as a factor above 1. */
function excess(built: Built, limits: Limits): number {
  const over = (value: number, limit: number | undefined): number =>
    limit === undefined || value <= limit ? 0 : value / limit;
  return Math.max(
    over(built.flashBytes, limits.flashBytes),
    over(built.ramBytes, limits.ramBytes),
    over(built.instructions, limits.instructions),
  );
}

/** The first index of `count` for which `holds`, if from there on it always does; `count` when for none. */
function firstWhere(count: number, holds: (index: number) => boolean): number {
  let [lo, hi] = [0, count];
  while (lo < hi) {
    const middle = (lo + hi) >> 1;
    if (holds(middle)) hi = middle;
    else lo = middle + 1;
  }
  return lo;
}

export interface Fit {
  /** The best build within all limits; absent when none is. */
  readonly found?: Built;
  /** The best of all, or what comes nearest to the limits. */
  readonly best: Built;
}

/**
 * With sizes limited: the build that fits and loses least. With only the loss limited: the smallest (or fastest)
 * that loses no more. Size falls and loss grows with sparsity, so each is found by bisection, for each
 * grid.
 */
export function fitWithin(search: Search, limits: Limits): Fit {
  const sized = [limits.flashBytes, limits.ramBytes, limits.instructions].some((x) => x !== undefined);
  const allowed = limits.maxLoss ?? Infinity;
  const builds = search.grids.map((grid) => {
    const built = (index: number): Built =>
      search.build({
        sparsity: at(sparsities, Math.max(0, Math.min(index, sparsities.length - 1))),
        ...grid,
      });
    if (sized) return built(firstWhere(sparsities.length, (i) => excess(built(i), limits) === 0));
    return built(firstWhere(sparsities.length, (i) => built(i).loss > allowed) - 1);
  });
  // All that was built on the way counts: loss does not grow evenly, and a sparser build can be the better one.
  const fits = search.tried.filter((b) => excess(b, limits) === 0 && b.loss <= allowed);
  const order = sized
    ? (a: Built, b: Built) => a.loss - b.loss || search.cost(a) - search.cost(b)
    : (a: Built, b: Built) => search.cost(a) - search.cost(b);
  const [found] = fits.toSorted(order);
  const [nearest] = builds.toSorted((a, b) => excess(a, limits) - excess(b, limits) || a.loss - b.loss);
  const best = found ?? must(nearest, 'at least one grid is tried');
  return found === undefined ? { best } : { found, best };
}

/** Builds that no other beats in flash, RAM, instructions and loss at once. */
export function paretoFront<B extends Figures>(builds: readonly B[]): readonly B[] {
  const figures = (b: B) => [b.flashBytes, b.ramBytes, b.instructions, b.loss];
  const beats = (a: B, b: B): boolean => {
    const [x, y] = [figures(a), figures(b)];
    return x.every((n, i) => n <= at(y, i)) && x.some((n, i) => n < at(y, i));
  };
  return builds.filter((b) => !builds.some((other) => beats(other, b)));
}
