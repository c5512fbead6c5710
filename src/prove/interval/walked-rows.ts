/**
 * What one walk along a row of weights found. Where the row meets inputs again, at another place, the walk reads the
 * same numbers of its tables, and its inputs lie as far from the first one as before. So only what its accumulators
 * gain can be new: a sum over the terms that the walk met.
 */
import { at, holds, must } from '../../base/errors.ts';
import { type Interval, maxInt, minInt } from '../../ir/kernel/interval.ts';
import { contentOf, type Followed, note } from './runtime.ts';

/** A sum of rows as the generated code meets it. */
export interface RowPlan {
  /** A parameter whose elements' bounds are followed, or the bounds of every element. */
  readonly content: string | Interval;
  /** Quantities that move with the first input: where inputs lie. */
  readonly places: readonly number[];
  /** Of the accumulators: places in the run's state, and quantities. */
  readonly sums: readonly { readonly state: number; readonly quantity: number }[];
  /** How many names from outside of the sum its walk depends on: pointers into the tables. */
  readonly keys: number;
}

/** An accumulator would leave i32: then its bounds are cut term by term. */
export class SumTooWide extends Error {}

interface Terms {
  readonly weights: number[];
  /** How far their inputs lie from the first one. */
  readonly offsets: number[];
}

/** What an accumulator's bounds gain in the end, and their extremes on the way; without terms there is no way. */
interface Gain {
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
}

interface Row {
  readonly before: readonly number[];
  after: readonly number[];
  /** Bounds of the quantities of `places`, from the first input on. */
  readonly reach: Float64Array;
  /** By accumulator; none where all places are alike and their gains are known. */
  terms: readonly Terms[];
  /** Where the first input lay so far. */
  from: number;
  to: number;
  /** By content of the memory: what the accumulators gain where the first input is element `first`. */
  readonly gains: Map<number, { readonly first: number; readonly gains: readonly Gain[] }>;
}

export class WalkedRows {
  /** What the walk depends on: set before `knows` and `end`; after `knows` said yes, what the walk leaves. */
  readonly keys: number[];
  readonly #plan: RowPlan;
  readonly #ranges: Float64Array;
  readonly #memory: Followed | undefined;
  readonly #rows = new Map<number, Row>();
  /** The row of now, where its first input lies, and the ranges that stood where its walk leaves its own. */
  #row: Row | undefined;
  #first = 0;
  #hidden = new Float64Array();

  constructor(plan: RowPlan, ranges: Float64Array, memory: (name: string) => Followed) {
    this.keys = new Array<number>(plan.keys).fill(0);
    this.#plan = plan;
    this.#ranges = ranges;
    this.#memory = typeof plan.content === 'string' ? memory(plan.content) : undefined;
  }

  /** Whether the row was walked before, from the same places of its tables; otherwise its walk begins. */
  knows(index: number, first: number): boolean {
    this.#first = first;
    this.#row = this.#rows.get(index);
    if (this.#row === undefined || this.#row.before.some((key, i) => key !== this.keys[i])) {
      this.#begin(index);
      return false;
    }
    this.#row.from = Math.min(this.#row.from, first);
    this.#row.to = Math.max(this.#row.to, first);
    this.#row.after.forEach((key, i) => {
      this.keys[i] = key;
    });
    return true;
  }

  #begin(index: number): void {
    if (this.#row !== undefined) this.#settle(this.#row);
    this.#row = {
      before: this.keys.slice(),
      after: [],
      reach: new Float64Array(2 * this.#plan.places.length),
      terms: this.#plan.sums.map(() => ({ weights: [], offsets: [] })),
      from: this.#first,
      to: this.#first,
      gains: new Map(),
    };
    this.#rows.set(index, this.#row);
    this.#hidden = this.#row.reach.map((_, i) => at(this.#ranges, this.#rangeOf(i)));
    this.#hidden.forEach((_, i) => {
      this.#ranges[this.#rangeOf(i)] = i % 2 === 0 ? Infinity : -Infinity;
    });
  }

  /** Where bound i of a row's reach stands among the ranges. */
  #rangeOf(i: number): number {
    return 2 * at(this.#plan.places, i >> 1) + (i & 1);
  }

  /** The walk met a term of an accumulator, whose input is element `place`. */
  term(sum: number, weight: number, place: number): void {
    const { weights, offsets } = at(this.#current().terms, sum);
    weights.push(weight);
    offsets.push(place - this.#first);
  }

  end(): void {
    const row = this.#current();
    const { reach } = row;
    row.after = this.keys.slice();
    reach.forEach((_, i) => {
      reach[i] = at(this.#ranges, this.#rangeOf(i)) - this.#first;
      this.#ranges[this.#rangeOf(i)] = at(this.#hidden, i);
    });
  }

  #current(): Row {
    return must(this.#row, 'a row is walked');
  }

  /** Moves the accumulators' bounds from before the sum to behind it. @throws SumTooWide */
  gain(state: Float64Array): void {
    const gains = this.#gainsOf(this.#current());
    this.#plan.sums.forEach(({ state: place, quantity }, i) => {
      const { low, high, least, most } = at(gains, i);
      const [lo, hi] = [at(state, place), at(state, place + 1)];
      if (lo + least < minInt || hi + most > maxInt) throw new SumTooWide();
      note(this.#ranges, 2 * quantity, lo + least, hi + most);
      state[place] = lo + low;
      state[place + 1] = hi + high;
    });
  }

  #gainsOf(row: Row): readonly Gain[] {
    const content = this.#memory === undefined ? 0 : contentOf(this.#memory);
    const known = row.gains.get(content);
    if (known !== undefined && (this.#memory === undefined || known.first === this.#first))
      return known.gains;
    const gains = row.terms.map((terms) => this.#gainOf(terms));
    row.gains.set(content, { first: this.#first, gains });
    if (this.#memory === undefined) row.terms = [];
    return gains;
  }

  #gainOf({ weights, offsets }: Terms): Gain {
    const { content } = this.#plan;
    let { lo, hi } = typeof content === 'string' ? { lo: 0, hi: 0 } : content;
    let [low, high, least, most] = [0, 0, Infinity, -Infinity];
    holds(offsets, weights.length);
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i] as number;
      if (this.#memory !== undefined) {
        // Outside of the array the run goes on with 0.
        const place = this.#first + (offsets[i] as number);
        lo = this.#memory.lo[place] ?? 0;
        hi = this.#memory.hi[place] ?? 0;
      }
      low += weight * (weight < 0 ? hi : lo);
      high += weight * (weight < 0 ? lo : hi);
      if (low < least) least = low;
      if (high > most) most = high;
    }
    return { low, high, least, most };
  }

  /** Joins where the inputs of all walks lay into the ranges. */
  finish(): void {
    for (const row of this.#rows.values()) this.#settle(row);
  }

  #settle({ reach, from, to }: Row): void {
    this.#plan.places.forEach((quantity, i) => {
      note(this.#ranges, 2 * quantity, from + at(reach, 2 * i), to + at(reach, 2 * i + 1));
    });
  }
}
