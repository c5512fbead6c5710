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

/** Terms that are kept. */
interface Kept extends Terms {
  readonly totals: Totals;
  /** Of inputs with these offsets, by their memory's content and where they begin. */
  readonly stretches: Map<number, readonly Stretch[]>;
}

/** Of the first weights, by their number: the sum of the positive ones, and of the others. */
interface Totals {
  readonly above: Float64Array;
  readonly below: Float64Array;
}

/** Neighbouring terms, up to number `end`, whose inputs have the same bounds. */
interface Stretch extends Interval {
  readonly end: number;
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
function kept({ weights, offsets }: Terms, like: Kept | undefined): Kept {
  const shift = (offsets[0] ?? 0) - (like?.offsets[0] ?? 0);
  const sameWeights = like !== undefined && isSame(weights, like.weights, 0);
  const sameOffsets = like !== undefined && isSame(offsets, like.offsets, shift);
  return {
    ...(sameWeights
      ? { weights: like.weights, totals: like.totals }
      : { weights: weights.slice(), totals: totalsOf(weights) }),
    ...(sameOffsets
      ? { offsets: like.offsets, stretches: like.stretches, shift }
      : { offsets: offsets.slice(), stretches: new Map(), shift: 0 }),
  };
}

function isSame(a: Int32Array, b: Int32Array, by: number): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== (b[i] as number) + by) return false;
  return true;
}

function totalsOf(weights: Int32Array): Totals {
  const [above, below] = [new Float64Array(weights.length + 1), new Float64Array(weights.length + 1)];
  let [up, down] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight > 0) up += weight;
    else down += weight;
    above[i + 1] = up;
    below[i + 1] = down;
  }
  return { above, below };
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
  terms: readonly Kept[] | undefined;
  /** By content of the memory: what the accumulators gain where the first input is element `first`. */
  readonly gains: Map<number, { readonly first: number; readonly gains: readonly Gain[] }>;
}

export class WalkedRows extends Repeats {
  readonly #plan: RowPlan;
  readonly #ranges: Float64Array;
  readonly #memory: Followed | undefined;
  readonly #everywhere: Interval;
  readonly #rows = new Map<number, Row>();
  /** By accumulator. */
  readonly #walked: readonly Walked[];
  #row: Row | undefined;
  #last: Kept | undefined;

  constructor(plan: RowPlan, ranges: Float64Array, memory: (name: string) => Followed) {
    super(plan, ranges);
    this.#plan = plan;
    this.#ranges = ranges;
    const { content } = plan;
    this.#memory = typeof content === 'string' ? memory(content) : undefined;
    this.#walked = plan.sums.map(() => new Walked());
    this.#everywhere = typeof content === 'string' ? allInts : content;
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
        ? this.#walked.map(({ terms }) => gainEverywhere(terms, this.#everywhere))
        : this.#termsOf(row).map((terms) => gainOf(terms, stretchesOf(terms, memory, first, content)));
    row.gains.set(content, { first, gains });
    return gains;
  }

  #termsOf(row: Row): readonly Kept[] {
    row.terms ??= this.#walked.map(({ terms }) => {
      this.#last = kept(terms, this.#last);
      return this.#last;
    });
    return row.terms;
  }
}

/** Of inputs with the same bounds. */
const gainEverywhere = ({ weights }: Terms, { lo, hi }: Interval): Gain => {
  const way = new Way();
  way.walk(weights, 0, weights.length, lo, hi);
  return way;
};

function gainOf({ weights, totals: { above, below } }: Kept, stretches: readonly Stretch[]): Gain {
  const way = new Way();
  let start = 0;
  for (const { end, lo, hi } of stretches) {
    if (lo > 0 || hi < 0) way.walk(weights, start, end, lo, hi);
    else way.leap(at(above, end) - at(above, start), at(below, end) - at(below, start), lo, hi);
    start = end;
  }
  return way;
}

/** The gain of terms, as far as they were added. */
class Way implements Gain {
  low = 0;
  high = 0;
  least = Infinity;
  most = -Infinity;

  /** Adds weights `start` to `end` times lo..hi, one after the other. */
  walk(weights: Int32Array, start: number, end: number, lo: number, hi: number): void {
    let { low, high, least, most } = this;
    holds(weights, end);
    for (let i = start; i < end; i++) {
      const weight = weights[i] as number;
      low += weight < 0 ? weight * hi : weight * lo;
      high += weight < 0 ? weight * lo : weight * hi;
      if (low < least) least = low;
      if (high > most) most = high;
    }
    [this.low, this.high, this.least, this.most] = [low, high, least, most];
  }

  /**
   * Adds weights, of which the positive ones make `above` and the others `below`, times lo..hi with 0 in it: none of
   * them raises the lower bound or lowers the upper one, so that both are furthest at the end.
   */
  leap(above: number, below: number, lo: number, hi: number): void {
    this.low += above * lo + below * hi;
    this.high += above * hi + below * lo;
    this.least = Math.min(this.least, this.low);
    this.most = Math.max(this.most, this.high);
  }
}

/** Of terms over elements `from + offset` of a memory. Outside of the array the run goes on with 0. */
function stretchesOf(
  { offsets, shift, stretches }: Kept,
  { lo, hi }: Bounds,
  from: number,
  content: number,
): readonly Stretch[] {
  const key = content * 2 ** 32 + from + shift;
  const known = stretches.get(key);
  if (known !== undefined) return known;
  const found: { end: number; readonly lo: number; readonly hi: number }[] = [];
  for (let i = 0; i < offsets.length; i++) {
    const place = from + shift + (offsets[i] as number);
    const [x, y] = [lo[place] ?? 0, hi[place] ?? 0];
    const last = found.at(-1);
    if (last?.lo === x && last.hi === y) last.end = i + 1;
    else found.push({ end: i + 1, lo: x, hi: y });
  }
  stretches.set(key, found);
  return found;
}
