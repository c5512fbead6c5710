/**
 * Reads packed weights back from the tables that C has, by nothing but their description, and checks that no half
 * of an accumulator can reach the other one. Independent of src/lower, which writes the tables.
 */
import { at, DefectError, must } from '../base/errors.ts';
import { hull, type Interval } from '../ir/kernel/interval.ts';
import { beginsTogether, type Kernel, type Packing, type Quads, type Table } from '../ir/kernel/kernel.ts';
import { termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';
import { readQuads } from './quad-rows.ts';

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

/** Lengths of the stretches after which accumulators are taken apart: along a run, or some whole runs. */
function stretches({ segments, pieces, run }: WeightLayout, terms: number): readonly number[] {
  for (let runs = pieces > 1 ? 1 : segments; runs > 1; runs--)
    if (segments % runs === 0 && runs * run <= terms)
      return Array.from({ length: segments / runs }, () => runs * run);
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

/** Weights by row, and where the sum of each row begins, where tables of weights say that. */
export interface ReadRows {
  readonly rows: readonly Int32Array[];
  readonly begins?: readonly number[];
  /** Of the sums of all rows, in whatever inputs, without what of weights is multiplied alone. */
  readonly sums: Interval;
}

/** The tables of a packed kernel, pass by pass. */
class PairedRows {
  readonly rows: readonly Int32Array[];
  /** As stored; of pairs that were read, without what the first one has of the second. */
  readonly begins: number[];
  /** By row, what its sum gains at least and at most. */
  readonly #gains: [number, number][];
  readonly #name: string;
  readonly #layout: WeightLayout;
  readonly #packing: Packing;
  readonly #places: ReadonlyMap<number, number>;
  readonly #pairs: Numbers;
  readonly #begin: Numbers;
  readonly #counts: Numbers;
  readonly #rests: Numbers;

  constructor(printed: Kernel, layout: WeightLayout, packing: Packing) {
    [this.#name, this.#layout, this.#packing] = [printed.name, layout, packing];
    this.#places = termsByPlace(layout);
    this.#pairs = new Numbers(printed, 'pairs');
    this.#begin = new Numbers(printed, 'begin');
    this.#counts = new Numbers(printed, 'counts');
    this.#rests = new Numbers(printed, 'rests');
    this.rows = Array.from({ length: layout.rows }, () => new Int32Array(termsOf(layout)));
    this.begins = this.rows.map(() => this.#begin.take());
    this.#gains = this.rows.map(() => [0, 0]);
  }

  get sums(): Interval {
    return hull(
      this.begins.flatMap((begin, row) => {
        const [least, most] = at(this.#gains, row);
        return [begin + least, begin + most];
      }),
    );
  }

  /** Rows that stand in turns are a pass. */
  get perPass(): number {
    const { lanes } = this.#layout;
    return lanes > 1 ? lanes : 2 * this.#packing.pairs;
  }

  /** The rows of a pass, two and two; the last may be alone. */
  pass(first: number): void {
    const last = Math.min(first + this.perPass, this.#layout.rows);
    const own: number[][] = [];
    for (let row = first; row < last; row += 2) own.push(row + 1 < last ? [row, row + 1] : [row]);
    for (let row = first; beginsTogether(this.#packing) && row + 1 < last; row += 2)
      this.begins[row] = (at(this.begins, row) - Math.imul(at(this.begins, row + 1), 65536)) | 0;
    let term = 0;
    for (const length of stretches(this.#layout, this.#packing.terms)) {
      this.#stretch(own, term, length);
      term += length;
    }
    if (this.#counts.isThere) for (const row of own.flat()) this.#remainders(row);
  }

  end(): void {
    for (const table of [this.#pairs, this.#begin, this.#counts, this.#rests]) table.end();
  }

  #fails(what: string): never {
    throw new DefectError(`kernel '${this.#name}', packed: ${what}`);
  }

  #stretch(own: readonly (readonly number[])[], term: number, length: number): void {
    const starts = own.map(() => halves(this.#pairs.take()));
    const weights = own.map((): readonly [number[], number[]] => [[], []]);
    for (let i = 0; i < length; i++)
      for (const two of weights) {
        const [low, high] = weightsIn(this.#pairs.take());
        two[0].push(low);
        two[1].push(high);
      }
    own.forEach((pair, q) => {
      const [[low, high], two] = [at(starts, q), at(weights, q)];
      checkReach(this.#name, 0, 65535, reach(low, two[0]));
      checkReach(this.#name, -32768, 32767, reach(high, two[1]));
      if (pair.length < 2 && (high !== 0 || two[1].some((w) => w !== 0)))
        this.#fails('a row that is not there');
      pair.forEach((row, half) => {
        const weights = at(two, half);
        const [least, most] = at(this.#gains, row);
        const [less, more] = reach(0, weights);
        this.#gains[row] = [least + less, most + more];
        at(this.rows, row).set(weights, term);
        this.begins[row] = at(this.begins, row) + at([low, high], half);
      });
    });
  }

  #remainders(row: number): void {
    const weights = at(this.rows, row);
    for (let left = this.#counts.take(); left > 0; left--) {
      const term = must(this.#places.get(this.#rests.take()), 'a term lies there');
      weights[term] = at(weights, term) + this.#rests.take();
    }
  }
}

/**
 * Reads the tables of a packed kernel.
 * @param printed the kernel that C is printed from
 * @throws DefectError where a half of an accumulator can reach beyond its 16 bits, and for tables that do not follow
 * the description
 */
export function readPacked(printed: Kernel, layout: WeightLayout, packing: Packing | Quads): ReadRows {
  if ('words' in packing) return readQuads(printed, layout, packing);
  const read = new PairedRows(printed, layout, packing);
  for (let first = 0; first < layout.rows; first += read.perPass) read.pass(first);
  read.end();
  return read;
}
