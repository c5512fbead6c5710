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
class Terms {
  weights: Int32Array = new Int32Array(16);
  /** How far the inputs lie from the first one. */
  offsets: Int32Array = new Int32Array(16);
  count = 0;

  add(weight: number, offset: number): void {
    if (this.count === this.weights.length)
      [this.weights, this.offsets] = [longer(this.weights), longer(this.offsets)];
    this.weights[this.count] = weight;
    this.offsets[this.count++] = offset;
  }
}

function longer(list: Int32Array): Int32Array {
  const copy = new Int32Array(2 * list.length);
  copy.set(list);
  return copy;
}

/** What an accumulator's bounds gain in the end, and their extremes on the way; without terms there is no way. */
interface Gain {
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
}

interface Row {
  /** By accumulator; none where all inputs have the same bounds and the gains are known. */
  terms: readonly Terms[];
  /** By content of the memory: what the accumulators gain where the first input is element `first`. */
  readonly gains: Map<number, { readonly first: number; readonly gains: readonly Gain[] }>;
}

export class WalkedRows extends Repeats {
  readonly #plan: RowPlan;
  readonly #ranges: Float64Array;
  readonly #memory: Followed | undefined;
  readonly #everywhere: Bounds;
  readonly #rows = new Map<number, Row>();
  #row: Row | undefined;

  constructor(plan: RowPlan, ranges: Float64Array, memory: (name: string) => Followed) {
    super(plan, ranges);
    this.#plan = plan;
    this.#ranges = ranges;
    const { content } = plan;
    this.#memory = typeof content === 'string' ? memory(content) : undefined;
    const { lo, hi } = typeof content === 'string' ? allInts : content;
    this.#everywhere = { lo: Int32Array.of(lo), hi: Int32Array.of(hi) };
  }

  override knows(index: number): boolean {
    const isKnown = super.knows(index);
    const row = this.#rows.get(index);
    this.#row =
      isKnown && row !== undefined
        ? row
        : { terms: this.#plan.sums.map(() => new Terms()), gains: new Map() };
    this.#rows.set(index, this.#row);
    return isKnown;
  }

  /** The walk met a term of an accumulator, whose input is element `place`. */
  term(sum: number, weight: number, place: number): void {
    at(this.#current().terms, sum).add(weight, place - at(this.places, 0));
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
    const gains = row.terms.map((terms) =>
      memory === undefined ? gainOf(terms, this.#everywhere, 0, 0) : gainOf(terms, memory, first, 1),
    );
    row.gains.set(content, { first, gains });
    if (memory === undefined) row.terms = [];
    return gains;
  }
}

/**
 * The gain of terms over elements `first + offset`, or with `moves` 0 over the only element there is. Outside of the
 * array the run goes on with 0.
 */
function gainOf({ weights, offsets, count }: Terms, { lo, hi }: Bounds, first: number, moves: 0 | 1): Gain {
  let [low, high, least, most] = [0, 0, Infinity, -Infinity];
  holds(offsets, count);
  for (let i = 0; i < count; i++) {
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
