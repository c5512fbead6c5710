/**
 * Reads packed weights back from the tables that C has, by nothing but their description, and checks that no half
 * of an accumulator can reach the other one. Independent of src/lower, which writes the tables.
 */
import { at, DefectError, must } from '../base/errors.ts';
import type { Kernel, Packing, StoredWeights, Table } from '../ir/kernel/kernel.ts';
import { termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';

/** The lower half as a number from 0 to 65535, and the rest. */
const halves = (n: number): readonly [number, number] => {
  const low = ((n % 65536) + 65536) % 65536;
  return [low, (n - low) / 65536];
};

/** Two weights: the lower half has a sign. */
function weightsIn(n: number): readonly [number, number] {
  const [low, high] = halves(n + 32768);
  return [low - 32768, high];
}

/** Lengths of the stretches after which accumulators are taken apart. */
function stretches({ segments, pieces, run }: WeightLayout, terms: number): readonly number[] {
  const ofRun = Array.from({ length: Math.ceil(run / terms) }, (_, i) => Math.min(terms, run - i * terms));
  return Array.from({ length: segments * pieces }, () => ofRun).flat();
}

/** The largest and the smallest sum of inputs 0..255 times these weights, from a start on. */
function reach(start: number, weights: readonly number[]): readonly [number, number] {
  const of = (sign: number): number =>
    weights.reduce((sum, w) => sum + (Math.sign(w) === sign ? 255 * w : 0), start);
  return [of(-1), of(1)];
}

function checkReach(what: string, lo: number, hi: number, [from, to]: readonly [number, number]): void {
  if (from < lo || to > hi) throw new DefectError(`${what}: a half reaches ${from}..${to}, not ${lo}..${hi}`);
}

/** The term at each place of the input that a row has. */
function termsByPlace(l: WeightLayout): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  for (let t = 0; t < termsOf(l); t++) {
    const [s, p] = [Math.floor(t / (l.pieces * l.run)), Math.floor(t / l.run) % l.pieces];
    found.set(s * l.segmentStride + p * l.pieceStride + (t % l.run), t);
  }
  return found;
}

/** Numbers of a table, in order. */
class Numbers {
  readonly #table: Table | undefined;
  #next = 0;

  constructor({ tables, name }: Kernel, suffix: string) {
    this.#table = tables.find((table) => table.name === `${name}_${suffix}`);
  }

  get isThere(): boolean {
    return this.#table !== undefined;
  }

  take(): number {
    return at(must(this.#table, 'a table of packed weights').data, this.#next++);
  }

  end(): void {
    if (this.#table !== undefined && this.#next !== this.#table.data.length)
      throw new DefectError(`table '${this.#table.name}' has numbers too many`);
  }
}

/** Weights by row, and where the sum of each row begins. */
export interface ReadRows {
  readonly rows: readonly Int32Array[];
  readonly begins: readonly number[];
  /** How often accumulators are taken apart for one place of the input, over all pairs: so many bounds hold. */
  readonly stretches: number;
}

/**
 * Reads the tables of a packed kernel.
 * @param printed the kernel that C is printed from
 * @throws DefectError where a half of an accumulator can reach beyond its 16 bits, and for tables that do not follow
 * the description
 */
export function readPacked(printed: Kernel, { layout }: StoredWeights, packing: Packing): ReadRows {
  const [pairs, begin] = [new Numbers(printed, 'pairs'), new Numbers(printed, 'begin')];
  const [counts, rests] = [new Numbers(printed, 'counts'), new Numbers(printed, 'rests')];
  const lengths = stretches(layout, packing.terms);
  const places = termsByPlace(layout);
  const rows = Array.from({ length: layout.rows }, () => new Int32Array(termsOf(layout)));
  const begins = rows.map(() => begin.take());
  for (let first = 0; first < layout.rows; first += 2 * packing.pairs) {
    const own = Math.ceil(Math.min(2 * packing.pairs, layout.rows - first) / 2);
    const pairOf = (q: number): readonly number[] =>
      [first + 2 * q, first + 2 * q + 1].filter((row) => row < layout.rows);
    let term = 0;
    const whole = Math.floor(layout.run / packing.terms);
    if (packing.pixels === 1 && whole > 1 && whole <= 6 && pairs.take() !== whole)
      throw new DefectError(`${printed.name}: another number of stretches`);
    for (const length of lengths) {
      const starts = Array.from({ length: own }, () => halves(pairs.take()));
      const weights = starts.map((): [number[], number[]] => [[], []]);
      for (let i = 0; i < length; i++)
        for (const two of weights) weightsIn(pairs.take()).forEach((w, half) => void at(two, half).push(w));
      weights.forEach((two, q) => {
        const [low, high] = at(starts, q);
        checkReach(printed.name, 0, 65535, reach(low, two[0]));
        checkReach(printed.name, -32768, 32767, reach(high, two[1]));
        if (pairOf(q).length < 2 && (high !== 0 || two[1].some((w) => w !== 0)))
          throw new DefectError(`${printed.name}: weights of a row that is not there`);
        pairOf(q).forEach((row, half) => {
          at(rows, row).set(at(two, half), term);
          begins[row] = at(begins, row) + at([low, high], half);
        });
      });
      term += length;
    }
    if (counts.isThere)
      for (let q = 0; q < own; q++)
        for (let left = counts.take(); left > 0; left--) {
          const place = must(places.get(rests.take()), 'a term is there');
          for (const half of [0, 1]) {
            const [row, w] = [pairOf(q)[half], rests.take()];
            if (row !== undefined) at(rows, row)[place] = at(at(rows, row), place) + w;
            else if (w !== 0) throw new DefectError(`${printed.name}: a weight of a row that is not there`);
          }
        }
  }
  for (const table of [pairs, begin, counts, rests]) table.end();
  return { rows, begins, stretches: lengths.length * Math.ceil(layout.rows / 2) };
}
