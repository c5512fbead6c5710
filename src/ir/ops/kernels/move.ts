/** Loops that put elements elsewhere. */
import { at, must } from '../../../base/errors.ts';
import { type Piece, sourcesOf, targetsOf } from '../../geometry/strided.ts';
import { add, copy, fill, float, int, load, loop, mul, store } from '../../kernel/builders.ts';
import type { Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import { type Digits, digitsOf, positionsOf } from '../../kernel/memory-order.ts';
import type { StoredTensor } from '../../kernel/stored.ts';
import { countOf } from '../../tensor.ts';
import { docOf } from './doc.ts';

export interface Moving {
  readonly name: string;
  readonly words: string;
  readonly elem: 'u8' | 'f32';
  readonly inputs: readonly StoredTensor[];
  readonly output: StoredTensor;
  readonly pieces: readonly Piece[];
  /** What bytes of an input become; undefined: they stay. */
  readonly tables: readonly (readonly number[] | undefined)[];
  /** Of elements that no piece makes; absent: there are none. */
  readonly fill?: number;
}

/** Positions in memory: element i of `from` becomes element i of `to`, which ascends. */
interface Ways {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** In the order in which they are written. */
function waysOf(piece: Piece, input: StoredTensor, output: StoredTensor): Ways {
  const [inPlaces, outPlaces] = [positionsOf(input), positionsOf(output)];
  const sources = new Int32Array(outPlaces.length).fill(-1);
  const from = sourcesOf(piece);
  targetsOf(piece).forEach((element, i) => {
    sources[at(outPlaces, element)] = at(inPlaces, at(from, i));
  });
  const to = Int32Array.from(sources.keys()).filter((place) => at(sources, place) >= 0);
  return { from: to.map((place) => at(sources, place)), to };
}

const inputNamesOf = (count: number): readonly string[] =>
  count === 1 ? ['in'] : Array.from({ length: count }, (_, i) => `in${i}`);

/** As few elements as this are not worth a call of memcpy. */
const fewest = 4;

/** The loops of one piece. */
class PieceLoops {
  readonly #moving: Moving;
  readonly #index: number;
  readonly #from: string;
  readonly #table: string | undefined;

  constructor(moving: Moving, index: number, from: string, table: string | undefined) {
    this.#moving = moving;
    this.#index = index;
    this.#from = from;
    this.#table = table;
  }

  /** One element. */
  put(to: Expr, from: Expr): Stmt {
    const { elem } = this.#moving;
    const x = load(this.#from, elem, from);
    return store('out', elem, to, this.#table === undefined ? x : load(this.#table, 'u8', x));
  }

  /** Loops over the digits from `axis` on; the offsets are those of the digits before. */
  nest(from: Digits, to: Digits, axis: number, at0: Expr, at1: Expr): readonly Stmt[] {
    const count = to.counts[axis];
    if (count === undefined) return [this.put(at1, at0)];
    const [step0, step1] = [at(from.strides, axis), at(to.strides, axis)];
    const last = axis === to.counts.length - 1;
    if (last && step0 === 1 && step1 === 1 && count >= fewest && this.#table === undefined)
      return [copy(this.#moving.elem, ['out', at1], [this.#from, at0], count)];
    return loop(`i${this.#index}_${axis}`, count, (i) =>
      this.nest(from, to, axis + 1, add(at0, mul(i, step0)), add(at1, mul(i, step1))),
    );
  }
}

/** Positions that no rule describes, as a table: `u16` where that holds them. */
function listed(name: string, places: Int32Array): Table {
  const wide = places.some((place) => place > 65535);
  return { name, elem: wide ? 'i32' : 'u16', data: [...places] };
}

/** One piece as loops, and the tables that they need. */
function piecePart(
  moving: Moving,
  piece: Piece,
  index: number,
): { body: readonly Stmt[]; tables: readonly Table[] } {
  const { name, inputs, output, tables } = moving;
  const { from, to } = waysOf(piece, must(inputs[piece.input], 'an input'), output);
  const table = tables[piece.input] === undefined ? undefined : `${name}_grid${piece.input}`;
  const loops = new PieceLoops(
    moving,
    index,
    must(inputNamesOf(inputs.length)[piece.input], 'a name'),
    table,
  );
  const [rule0, rule1] = digitsOf([from, to]) ?? [];
  if (rule0 !== undefined && rule1 !== undefined)
    return { body: loops.nest(rule0, rule1, 0, int(rule0.first), int(rule1.first)), tables: [] };
  const [reads, writes] = [listed(`${name}_from${index}`, from), listed(`${name}_to${index}`, to)];
  const body = loop(`i${index}`, to.length, (i) => [
    loops.put(load(writes.name, writes.elem, i), load(reads.name, reads.elem, i)),
  ]);
  return { body, tables: [reads, writes] };
}

function filling({ elem, output, fill: value }: Moving): readonly Stmt[] {
  if (value === undefined) return [];
  const count = countOf(output.shape);
  if (elem === 'u8') return [fill('out', 'u8', 0, value, count)];
  return loop('i', count, (i) => [store('out', 'f32', i, float(value))]);
}

/** Fills the output where that is asked for, and moves the pieces, each in the order of the output's memory. */
export function movingKernel(moving: Moving): Kernel {
  const { name, words, elem, inputs, output, pieces } = moving;
  const parts = pieces.map((piece, i) => piecePart(moving, piece, i));
  const grids = moving.tables.flatMap((data, i): Table[] =>
    data === undefined ? [] : [{ name: `${name}_grid${i}`, elem: 'u8', data }],
  );
  const names = inputNamesOf(inputs.length);
  return {
    name,
    doc: docOf(words, inputs, output, elem),
    params: [
      ...inputs.map(
        ({ shape }, i) => ({ name: at(names, i), role: 'in', elem, length: countOf(shape) }) as const,
      ),
      { name: 'out', role: 'out', elem, length: countOf(output.shape) },
    ],
    tables: [...grids, ...parts.flatMap(({ tables }) => tables)],
    body: [...filling(moving), ...parts.flatMap(({ body }) => body)],
    macs: 0,
  };
}
