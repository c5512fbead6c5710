/**
 * Code that does the same again, but for where it reads and writes: from the same keys on, each address lies as far
 * from the place of its form as it did before. So it runs once, and later only its addresses are noted.
 */
import { at } from '../../base/errors.ts';
import { covers, type Followed, note } from './runtime.ts';

export interface RepeatPlan {
  /** Quantities that move, and with which of the places. */
  readonly moving: readonly { readonly quantity: number; readonly form: number }[];
  readonly forms: number;
  /** How many variables from outside it depends on: pointers into tables. */
  readonly keys: number;
  /** Whether it may run as often as it likes: then what never comes again is not kept. */
  readonly canGiveUp?: true;
}

/** One run of it. */
interface Run {
  readonly before: readonly number[];
  after: readonly number[];
  /** Bounds of the moving quantities, from their places on. */
  readonly reach: Float64Array;
}

/** Runs that are kept: what never comes again must not fill the memory. */
const mostRuns = 65536;
/** Runs that are asked whether theirs were wider bounds: an image has nine kinds of places at its borders. */
const mostWider = 16;
/** Runs without one that came again, after which none is awaited. */
const mostTries = 16;

export class Repeats {
  /** What it depends on: set before `knows` and `end`; after `knows` said yes, what it leaves. */
  readonly keys: number[];
  /** Where it runs now: the places that its addresses move with. */
  readonly places: number[];
  readonly #plan: RepeatPlan;
  readonly #ranges: Float64Array;
  readonly #runs = new Map<number, Run>();
  #run: Run | undefined;
  /** How many runs began since one came again. */
  #tries = 0;
  /** The ranges that stood where the run of now leaves its own. */
  #hidden = new Float64Array();

  constructor(plan: RepeatPlan, ranges: Float64Array) {
    this.keys = new Array<number>(plan.keys).fill(0);
    this.places = new Array<number>(plan.forms).fill(0);
    this.#plan = plan;
    this.#ranges = ranges;
  }

  /**
   * Whether run `id` ran before from the same keys: then its addresses are noted. Otherwise it begins.
   * @param memory what it reads, where all that it leaves is in memory and in keys that are no bounds: then a run with
   * wider bounds of it, from the same keys, has shown all that this one can show
   */
  knows(id: number, memory?: Followed): boolean {
    if (this.#tries === mostTries) {
      this.#run = undefined;
      return false;
    }
    const own = this.#runs.get(id);
    const run = own !== undefined && this.#isFromHere(own) ? own : memory && this.#wider(memory);
    if (run === undefined) {
      this.#begin(id);
      return false;
    }
    this.#tries = 0;
    this.#run = run;
    // Not asked for wider bounds again.
    if (own === undefined) this.#runs.set(id, run);
    this.#note(run);
    run.after.forEach((key, i) => {
      this.keys[i] = key;
    });
    return true;
  }

  #isFromHere({ before }: Run): boolean {
    return before.every((key, i) => key === this.keys[i]);
  }

  #wider(memory: Followed): Run | undefined {
    if (this.#runs.size > mostWider) return undefined;
    for (const [id, run] of this.#runs) {
      const bounds = memory.known.get(id);
      if (bounds !== undefined && this.#isFromHere(run) && covers(bounds, memory)) return run;
    }
    return undefined;
  }

  #begin(id: number): void {
    const reach = new Float64Array(2 * this.#plan.moving.length);
    this.#run = { before: this.keys.slice(), after: [], reach };
    if (this.#plan.canGiveUp) this.#tries++;
    if (this.#runs.size === mostRuns) this.#runs.clear();
    this.#runs.set(id, this.#run);
    this.#hidden = reach.map((_, i) => at(this.#ranges, this.#rangeOf(i)));
    reach.forEach((_, i) => {
      this.#ranges[this.#rangeOf(i)] = i % 2 === 0 ? Infinity : -Infinity;
    });
  }

  /** Where bound i of a run's reach stands among the ranges. */
  #rangeOf(i: number): number {
    return 2 * at(this.#plan.moving, i >> 1).quantity + (i & 1);
  }

  end(): void {
    const run = this.#run;
    if (run === undefined) return;
    run.after = this.keys.slice();
    run.reach.forEach((_, i) => {
      const place = at(this.places, at(this.#plan.moving, i >> 1).form);
      run.reach[i] = at(this.#ranges, this.#rangeOf(i)) - place;
      this.#ranges[this.#rangeOf(i)] = at(this.#hidden, i);
    });
    this.#note(run);
  }

  #note({ reach }: Run): void {
    const { moving } = this.#plan;
    for (let i = 0; i < moving.length; i++) {
      const { quantity, form } = at(moving, i);
      const place = at(this.places, form);
      note(this.#ranges, 2 * quantity, place + at(reach, 2 * i), place + at(reach, 2 * i + 1));
    }
  }
}
