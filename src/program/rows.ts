/**
 * Reads weights back from a kernel's tables, by nothing but the description that the kernel carries: what a
 * reader of the C would do with a pencil. Independent of src/ir/formats, which writes the tables.
 */
import { at, DefectError, must } from '../base/errors.ts';
import type { Kernel, StoredWeights, Table } from '../ir/kernel/kernel.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';

/** Numbers of a table in order, each given once. */
class Reader {
  readonly #name: string;
  readonly #data: Table['data'];
  #at = 0;

  constructor(kernel: Kernel, name: string | undefined) {
    const table = must(
      kernel.tables.find((t) => t.name === name),
      `kernel '${kernel.name}' has a table '${name}'`,
    );
    this.#name = table.name;
    this.#data = table.data;
  }

  next(): number {
    const value = this.#data[this.#at++];
    if (value === undefined)
      throw new DefectError(`table '${this.#name}' ends after ${this.#at - 1} numbers`);
    return value;
  }

  /** The next so many numbers. */
  many(count: number): Table['data'] {
    const from = this.#at;
    this.#at += count;
    if (this.#at > this.#data.length)
      throw new DefectError(`table '${this.#name}' ends after ${this.#data.length} numbers`);
    return this.#data.slice(from, this.#at);
  }

  /** Everything was read: nothing is stored without use. One 0 stands for an empty table. */
  end(): void {
    const left = this.#data.length - this.#at;
    if (left > 0 && !(this.#at === 0 && left === 1 && this.#data[0] === 0))
      throw new DefectError(`table '${this.#name}' has ${left} numbers too many`);
  }
}

const signed = (bits: number, raw: number): number => (raw >= 2 ** (bits - 1) ? raw - 2 ** bits : raw);

/** What a code of so many bits stands for. */
function meaning(kernel: Kernel, { codebook }: StoredWeights, bits: number): (raw: number) => number {
  if (codebook === undefined) return (raw) => signed(bits, raw);
  const book = must(
    kernel.tables.find((t) => t.name === codebook),
    `a table '${codebook}'`,
  ).data;
  return (raw) => must(book[raw], `code ${raw} is in the codebook`);
}

const termCount = ({ segments, pieces, run }: WeightLayout): number => segments * pieces * run;

/** The term at each offset of a stretch that is walked in one go, in elements from where the walk begins. */
function termsAt(l: WeightLayout, segments: number): Map<number, number> {
  const terms = new Map<number, number>();
  for (let s = 0; s < segments; s++)
    for (let p = 0; p < l.pieces; p++)
      for (let i = 0; i < l.run; i++)
        terms.set(s * l.segmentStride + p * l.pieceStride + i, (s * l.pieces + p) * l.run + i);
  return terms;
}

/** Fields of `bits` bits of a byte, lowest first. */
const fields = (byte: number, bits: number): number[] =>
  Array.from({ length: 8 / bits }, (_, i) => Math.floor(byte / 2 ** (i * bits)) % 2 ** bits);

const emptyRows = (layout: WeightLayout): Int32Array[] =>
  Array.from({ length: layout.rows }, () => new Int32Array(termCount(layout)));

/** A byte, a weight; blocks of `lanes` rows lie byte by byte in turns. */
function decodePlain(kernel: Kernel, { layout, stream: name }: StoredWeights): Int32Array[] {
  const rows = emptyRows(layout);
  const stream = new Reader(kernel, name);
  for (let first = 0; first < layout.rows; first += layout.lanes) {
    const block = rows.slice(first, first + layout.lanes);
    const part = stream.many(termCount(layout) * block.length);
    // Natively where rows lie one by one: element by element it took 6 of the 40 ms of loading ResNet-8.
    block.forEach((row, r) => {
      if (block.length === 1) row.set(part);
      else for (let i = 0; i < row.length; i++) row[i] = at(part, i * block.length + r);
    });
  }
  stream.end();
  return rows;
}

/** Two or four weights to a byte, runs of them filled up to whole bytes; blocks as of plain ones. */
function decodePacked(kernel: Kernel, how: StoredWeights, bits: 4 | 2): Int32Array[] {
  const { layout } = how;
  const rows = emptyRows(layout);
  const stream = new Reader(kernel, how.stream);
  const value = meaning(kernel, how, bits);
  const take = (): number[] => fields(stream.next(), bits).map(value);
  for (let first = 0; first < layout.rows; first += layout.lanes) {
    const block = rows.slice(first, first + layout.lanes);
    for (let start = 0; start < termCount(layout); start += layout.run)
      for (let i = 0; i < layout.run; i += 8 / bits)
        for (const row of block)
          take().forEach((weight, k) => {
            if (i + k < layout.run) row[start + i + k] = weight;
            else if (weight !== value(0)) throw new DefectError(`'${how.stream}': a weight beyond its run`);
          });
  }
  stream.end();
  return rows;
}

interface Entry {
  readonly delta: number;
  readonly values: readonly number[];
}

/** How many entries a unit has, and how to read one. */
interface Units {
  readonly perPass: number;
  readonly read: () => readonly Entry[];
}

function unitsOf(kernel: Kernel, how: StoredWeights, stream: Reader): Units {
  const { format } = how;
  switch (format.kind) {
    case 'block':
      return {
        perPass: format.unroll,
        read: () => {
          const delta = stream.next();
          return [{ delta, values: Array.from({ length: format.width }, () => signed(8, stream.next())) }];
        },
      };
    case 'csr':
    case 'rel':
      return { perPass: format.unroll, read: gatherUnit(kernel, how, format.kind, format.bits, stream) };
    case 'dense':
    case 'bitmap':
      throw new DefectError(`'${format.kind}' has no entries`);
    default:
      return format satisfies never;
  }
}

function gatherUnit(
  kernel: Kernel,
  how: StoredWeights,
  kind: 'csr' | 'rel',
  bits: 8 | 4,
  stream: Reader,
): () => readonly Entry[] {
  const value = meaning(kernel, how, 4);
  if (kind === 'csr' && bits === 8)
    return () => {
      const delta = stream.next();
      return [{ delta, values: [signed(8, stream.next())] }];
    };
  if (kind === 'csr')
    return () => fields(stream.next(), 4).map((raw) => ({ delta: stream.next(), values: [value(raw)] }));
  if (bits === 8)
    return () => fields(stream.next(), 4).map((delta) => ({ delta, values: [signed(8, stream.next())] }));
  return () => {
    const [delta = 0, raw = 0] = fields(stream.next(), 4);
    return [{ delta, values: [value(raw)] }];
  };
}

function decodeEntries(kernel: Kernel, how: StoredWeights, segmented: boolean): Int32Array[] {
  const { layout } = how;
  const [stream, counts] = [new Reader(kernel, how.stream), new Reader(kernel, how.counts)];
  const { perPass, read } = unitsOf(kernel, how, stream);
  const [stretches, segments] = segmented ? [layout.segments, 1] : [1, layout.segments];
  const terms = termsAt(layout, segments);
  const rows = Array.from({ length: layout.rows }, () => {
    const row = new Int32Array(termCount(layout));
    for (let s = 0; s < stretches; s++) {
      let offset = 0;
      const base = s * terms.size;
      for (let unit = counts.next() * perPass; unit > 0; unit--)
        for (const { delta, values } of read()) {
          offset += delta;
          values.forEach((weight, i) => {
            put(how, row, base, terms.get(offset + i), weight);
          });
        }
    }
    return row;
  });
  stream.end();
  counts.end();
  return rows;
}

/** Entries of weight 0 bridge distances and may lie anywhere; all others belong to one term, which is free. */
function put(
  how: StoredWeights,
  row: Int32Array,
  base: number,
  term: number | undefined,
  weight: number,
): void {
  if (weight === 0) return;
  if (term === undefined || row[base + term] !== 0)
    throw new DefectError(`'${how.stream}': weight ${weight} has no place of its own`);
  row[base + term] = weight;
}

function decodeBitmap(kernel: Kernel, how: StoredWeights, bits: 8 | 4 | 2): Int32Array[] {
  const { layout } = how;
  const [stream, masks] = [new Reader(kernel, how.stream), new Reader(kernel, how.counts)];
  const value = meaning(kernel, how, bits);
  let held: number[] = [];
  const take = (): number => {
    if (held.length === 0) held = bits === 8 ? [stream.next()] : fields(stream.next(), bits);
    return value(must(held.shift(), 'a field of the stream'));
  };
  const rows = Array.from({ length: layout.rows }, () => {
    const row = new Int32Array(termCount(layout));
    for (let start = 0; start < row.length; start += layout.run)
      for (let i = 0; i < layout.run; i += 8)
        fields(masks.next(), 1).forEach((bit, k) => {
          if (bit === 0) return;
          if (i + k >= layout.run) throw new DefectError(`'${how.counts}': a bit beyond its run`);
          row[start + i + k] = take();
        });
    return row;
  });
  stream.end();
  masks.end();
  return rows;
}

/**
 * The weights of each output, its terms in the order of memory.
 * @throws DefectError for a kernel without weights, and tables that do not follow their description.
 */
export function decodeRows(kernel: Kernel): Int32Array[] {
  const how = must(kernel.weights, `kernel '${kernel.name}' says how its weights are stored`);
  const { format } = how;
  switch (format.kind) {
    case 'dense':
      return format.bits === 8 ? decodePlain(kernel, how) : decodePacked(kernel, how, format.bits);
    case 'csr':
    case 'rel':
    case 'block':
      return decodeEntries(kernel, how, format.segmented);
    case 'bitmap':
      return decodeBitmap(kernel, how, format.bits);
    default:
      return format satisfies never;
  }
}
