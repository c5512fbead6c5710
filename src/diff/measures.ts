/** How far two versions of one tensor are from each other. */
import { Distances, decibels } from '../base/distance.ts';

/** One element of a tensor. */
export interface Coordinates {
  /** Of which inference. */
  readonly inference: number;
  /** Row-major. */
  readonly element: number;
  /** Logical coordinates without the batch axis: channel, row, column. */
  readonly at: readonly number[];
  /** Real units. */
  readonly ours: number;
  readonly theirs: number;
  /** As stored, where both sides store. */
  readonly stored?: readonly [number, number];
}

/** Over all inferences compared. */
export interface LayerMeasures {
  readonly elements: number;
  /** Elements whose stored values are the same. */
  readonly equal: number;
  /** Largest and mean absolute difference, real units. */
  readonly maxError: number;
  readonly meanError: number;
  /**
   * 10 log10 of sum (theirs - mean)^2 / sum (ours - theirs)^2 with the mean of theirs: what is the same in all
   * elements carries no signal. Infinity where both are the same. Where theirs is one number throughout there is
   * no signal to compare with, and the number itself takes its place.
   */
  readonly sqnr: number;
  /** Of the two as vectors; 1 for two zero vectors, 0 for one. */
  readonly cosine: number;
  /** Elements of theirs beyond what the slot can store. */
  readonly clipped: number;
  readonly first?: Coordinates;
  readonly worst?: Coordinates;
}

/** A standard deviation below this share of the mean is float32's rounding of a constant. */
const constantBelow = 1e-6;

/** Adds up elements; `result` may be asked for at any time. */
export class Measuring {
  readonly #distances = new Distances();
  #equal = 0;
  #clipped = 0;
  #squares = 0;
  #ours = 0;
  #product = 0;
  #sum = 0;
  #first: Coordinates | undefined;
  #worst: Coordinates | undefined;

  /** `place` is called for the first and for each worst element only. */
  add(ours: number, theirs: number, equal: boolean, clipped: boolean, place: () => Coordinates): void {
    const error = Math.abs(ours - theirs);
    this.#sum += error;
    this.#squares += theirs * theirs;
    this.#ours += ours * ours;
    this.#product += ours * theirs;
    if (clipped) this.#clipped++;
    if (equal) this.#equal++;
    else this.#first ??= place();
    if (error > this.#distances.worst || (this.#worst === undefined && !equal)) this.#worst = place();
    this.#distances.add(theirs, ours);
  }

  /** Sum of squared differences. */
  get noise(): number {
    return this.#distances.noise;
  }

  /** Sum of squares of the signal, about its mean where it varies. */
  get #signal(): number {
    const { variation } = this.#distances;
    return variation > constantBelow ** 2 * this.#squares ? variation : this.#squares;
  }

  /** Decibels of `noise` in `elements` of these elements against the signal of all of them. */
  sqnrOf(noise: number, elements: number): number {
    return decibels((this.#signal / this.#distances.count) * elements, noise);
  }

  get result(): LayerMeasures {
    const lengths = Math.sqrt(this.#squares) * Math.sqrt(this.#ours);
    const alike = this.#squares === this.#ours;
    const { count, noise, worst } = this.#distances;
    return {
      elements: count,
      equal: this.#equal,
      maxError: worst,
      meanError: count === 0 ? 0 : this.#sum / count,
      sqnr: this.sqnrOf(noise, count),
      cosine: lengths === 0 ? (alike ? 1 : 0) : Math.min(1, this.#product / lengths),
      clipped: this.#clipped,
      ...(this.#first === undefined ? {} : { first: this.#first }),
      ...(this.#worst === undefined ? {} : { worst: this.#worst }),
    };
  }
}
