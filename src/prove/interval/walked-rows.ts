/**
 * What one walk along a row of weights found. Where the row meets inputs again, at another place, the walk reads the
 * same numbers of its tables, and its inputs lie as far from the first one as before. So only what its accumulators
 * gain can be new: a sum over the terms that the walk met.
 */
import { at, holds, must } from '../../base/errors.ts';
import { allInts, type Interval, maxInt, minInt } from '../../ir/kernel/interval.ts';
import { type RepeatPlan, Repeats } from './repeats.ts';
import { type Bounds, contentOf, type Followed, note } from './runtime.ts';

/** A sum of rows as the generated code meets it. */
export interface RowPlan extends RepeatPlan {
  /** A parameter whose elements' bounds are followed, or the bounds of every element. */
  readonly content: string | Interval;
  /** Of the accumulators: places in the run's state, and quantities. */
  readonly sums: readonly { readonly state: number; readonly quantity: number }[];
}

/** An accumulator would leave i32: then its bounds are cut term by term. */
export class SumTooWide extends Error {}

/** What a walk adds to an accumulator. */
interface Terms {
  readonly weights: Int32Array;
  /** How far the inputs lie from the first one, less `shift`. */
  readonly offsets: Int32Array;
  readonly shift: number;
}

/** The terms of the walk of now. The lists are used again for the next one. */
class Walked {
  #weights: Int32Array = new Int32Array(16);
  #offsets: Int32Array = new Int32Array(16);
  #count = 0;

  begin(): void {
    this.#count = 0;
  }

  add(weight: number, offset: number): void {
    if (this.#count === this.#weights.length)
      [this.#weights, this.#offsets] = [longer(this.#weights), longer(this.#offsets)];
    this.#weights[this.#count] = weight;
    this.#offsets[this.#count++] = offset;
  }

  get terms(): Terms {
    const [weights, offsets] = [this.#weights, this.#offsets];
    return { weights: weights.subarray(0, this.#count), offsets: offsets.subarray(0, this.#count), shift: 0 };
  }
}

function longer(list: Int32Array): Int32Array {
  const copy = new Int32Array(2 * list.length);
  copy.set(list);
  return copy;
}

/** To be kept: where the sums of a row, or two rows, have the same weights at the same distances, there is one list. */
function kept({ weights, offsets }: Terms, like: Terms | undefined): Terms {
  const shift = (offsets[0] ?? 0) - (like?.offsets[0] ?? 0);
  const isSame = (a: Int32Array, b: Int32Array | undefined, by: number): b is Int32Array => {
    if (b === undefined || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (a[i] !== (b[i] as number) + by) return false;
    return true;
  };
  return {
    weights: isSame(weights, like?.weights, 0) ? like.weights : weights.slice(),
    ...(isSame(offsets, like?.offsets, shift)
      ? { offsets: like.offsets, shift }
      : { offsets: offsets.slice(), shift: 0 }),
  };
}

/** What an accumulator's bounds gain in the end, and their extremes on the way; without terms there is no way. */
interface Gain {
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
}

interface Row {
  /** By accumulator, where inputs have different bounds. */
  terms: readonly Terms[] | undefined;
  /** By content of the memory: what the accumulators gain where the first input is element `first`. */
  readonly gains: Map<number, { readonly first: number; readonly gains: readonly Gain[] }>;
}

export class WalkedRows extends Repeats {
  readonly #plan: RowPlan;
  readonly #ranges: Float64Array;
  readonly #memory: Followed | undefined;
  readonly #everywhere: Bounds;
  readonly #rows = new Map<number, Row>();
  /** By accumulator. */
  readonly #walked: readonly Walked[];
  #row: Row | undefined;
  #last: Terms | undefined;

  constructor(plan: RowPlan, ranges: Float64Array, memory: (name: string) => Followed) {
    super(plan, ranges);
    this.#plan = plan;
    this.#ranges = ranges;
    const { content } = plan;
    this.#memory = typeof content === 'string' ? memory(content) : undefined;
    const { lo, hi } = typeof content === 'string' ? allInts : content;
    this.#walked = plan.sums.map(() => new Walked());
    this.#everywhere = { lo: Int32Array.of(lo), hi: Int32Array.of(hi) };
  }

  override knows(index: number): boolean {
    const isKnown = super.knows(index);
    const row = this.#rows.get(index);
    this.#row = isKnown && row !== undefined ? row : { terms: undefined, gains: new Map() };
    this.#rows.set(index, this.#row);
    if (!isKnown) for (const walked of this.#walked) walked.begin();
    return isKnown;
  }

  /** The walk met a term of an accumulator, whose input is element `place`. */
  term(sum: number, weight: number, place: number): void {
    at(this.#walked, sum).add(weight, place - at(this.places, 0));
  }

  #current(): Row {
    return must(this.#row, 'a row is walked');
  }

  /** Moves the accumulators' bounds from before the sum to behind it. @throws SumTooWide */
  gain(state: Float64Array): void {
    const gains = this.#gainsOf(this.#current());
    const { sums } = this.#plan;
    for (let i = 0; i < sums.length; i++) {
      const { state: place, quantity } = at(sums, i);
      const { low, high, least, most } = at(gains, i);
      const [lo, hi] = [at(state, place), at(state, place + 1)];
      if (lo + least < minInt || hi + most > maxInt) throw new SumTooWide();
      note(this.#ranges, 2 * quantity, lo + least, hi + most);
      state[place] = lo + low;
      state[place + 1] = hi + high;
    }
  }

  #gainsOf(row: Row): readonly Gain[] {
    const memory = this.#memory;
    const content = memory === undefined ? 0 : contentOf(memory);
    const known = row.gains.get(content);
    const first = at(this.places, 0);
    if (known !== undefined && (memory === undefined || known.first === first)) return known.gains;
    const gains =
      memory === undefined
        ? this.#walked.map(({ terms }) => gainOf(terms, this.#everywhere, 0, 0))
        : this.#termsOf(row).map((terms) => gainOf(terms, memory, first, 1));
    row.gains.set(content, { first, gains });
    return gains;
  }

  #termsOf(row: Row): readonly Terms[] {
    row.terms ??= this.#walked.map(({ terms }) => {
      this.#last = kept(terms, this.#last);
      return this.#last;
    });
    return row.terms;
  }
}

/**
 * The gain of terms over elements `first + offset`, or with `moves` 0 over the only element there is. Outside of the
 * array the run goes on with 0.
 */
function gainOf({ weights, offsets, shift }: Terms, { lo, hi }: Bounds, from: number, moves: 0 | 1): Gain {
  let [low, high, least, most] = [0, 0, Infinity, -Infinity];
  const first = from + shift;
  holds(offsets, weights.length);
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    const place = moves * (first + (offsets[i] as number));
    const isInside = place >= 0 && place < lo.length;
    const [x, y] = isInside ? [lo[place] as number, hi[place] as number] : [0, 0];
    low += weight < 0 ? weight * y : weight * x;
    high += weight < 0 ? weight * x : weight * y;
    if (low < least) least = low;
    if (high > most) most = high;
  }
  return { low, high, least, most };
}
