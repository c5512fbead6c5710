/** Loops that put elements elsewhere. */
import { at } from '../../../base/errors.ts';
import { type Piece, sourcesOf, targetsOf } from '../../geometry/strided.ts';
import { add, copy, fill, float, int, load, local, loop, mul, store } from '../../kernel/builders.ts';
import { type Elem, type Expr, type Kernel, type Stmt, scalarOf, type Table } from '../../kernel/kernel.ts';
import { type Digits, digitsOf, positionsOf } from '../../kernel/memory-order.ts';
import { elemOf, type StoredTensor } from '../../kernel/stored.ts';
import { exprText } from '../../kernel/text.ts';
import { countOf } from '../../tensor.ts';
import { type AffineSum, affineSumValue } from './affine-sum.ts';
import { docOf, stepsWords } from './doc.ts';

/** What a piece is taken from. */
export type Source =
  /** `bytes`: what each byte becomes; `sum`: what each element does, of 16 bits or to 16 bits; absent: they stay. */
  | { readonly kind: 'activation'; readonly bytes?: readonly number[]; readonly sum?: AffineSum }
  /** Row-major elements as they are stored. */
  | { readonly kind: 'constant'; readonly data: readonly number[] };

export interface Moving {
  readonly name: string;
  readonly words: string;
  /** By number of a piece's input. */
  readonly sources: readonly Source[];
  /** The activations among them, in their order. */
  readonly inputs: readonly StoredTensor[];
  readonly output: StoredTensor;
  readonly pieces: readonly Piece[];
  /** Of elements that no piece makes; absent: there are none. */
  readonly fill?: number;
}

/** Positions in memory: element i of `from` becomes element i of `to`, which ascends. */
export interface Ways {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** In the order in which they are written. */
export function waysOf(pieces: readonly Piece[], input: StoredTensor, output: StoredTensor): Ways {
  const [inPlaces, outPlaces] = [positionsOf(input), positionsOf(output)];
  const sources = new Int32Array(outPlaces.length).fill(-1);
  for (const piece of pieces) {
    const from = sourcesOf(piece);
    targetsOf(piece).forEach((element, i) => {
      sources[at(outPlaces, element)] = at(inPlaces, at(from, i));
    });
  }
  const to = Int32Array.from(sources.keys()).filter((place) => at(sources, place) >= 0);
  return { from: to.map((place) => at(sources, place)), to };
}

/** Where a source's elements are read: an array of the kernel, how it lies, and the table of its bytes. */
interface Reading {
  readonly array: string;
  readonly place: StoredTensor;
  readonly tables: readonly Table[];
  readonly elem: Elem;
  /** Of what is read, where it does not stay. */
  readonly value?: (x: Expr) => Expr;
}

/** The parameter's name of an activation: `in` where it is the only one. */
const parameterName = (count: number, index: number): string => (count === 1 ? 'in' : `in${index}`);

function readingsOf({ name, output, sources, inputs }: Moving): readonly Reading[] {
  let activations = 0;
  const elem = elemOf(output);
  return sources.map((source, i): Reading => {
    if (source.kind === 'constant') {
      const table: Table = {
        name: `${name}_data${i}`,
        elem,
        data: source.data,
        says: 'A constant that is moved.',
      };
      return { array: table.name, place: { shape: [source.data.length] }, tables: [table], elem };
    }
    const index = activations++;
    const place = at(inputs, index);
    const own = source.sum === undefined ? elem : elemOf(place);
    const reading = { array: parameterName(inputs.length, index), place, tables: [], elem: own };
    const { sum, bytes } = source;
    if (sum !== undefined) return { ...reading, value: (x) => affineSumValue(sum)([x]) };
    if (bytes === undefined) return reading;
    const table: Table = {
      name: `${name}_grid${i}`,
      elem: 'u8',
      data: bytes,
      says: 'What each byte of the input becomes on the grid of the output.',
    };
    return { ...reading, tables: [table], value: (x) => load(table.name, 'u8', x) };
  });
}

/** As few elements as this are not worth a call of memcpy. */
const fewest = 4;

/** One element. */
function put({ array, elem: own, value }: Reading, elem: Elem, to: Expr, from: Expr): Stmt {
  const x = load(array, own, from);
  return store('out', elem, to, value === undefined ? x : value(x));
}

/** The loops of a piece, numbered. */
function loopsOf(reading: Reading, elem: Elem, piece: number, from: Digits, to: Digits): readonly Stmt[] {
  const nest = (digit: number, source: Expr, target: Expr): readonly Stmt[] => {
    const count = to.counts[digit];
    if (count === undefined) return [put(reading, elem, target, source)];
    const [near, far] = [at(from.strides, digit), at(to.strides, digit)];
    const last = digit === to.counts.length - 1;
    if (last && near === 1 && far === 1 && count >= fewest && reading.value === undefined)
      return [copy(elem, ['out', target], [reading.array, source], count)];
    return loop(`i${piece}_${digit}`, count, (i) =>
      nest(digit + 1, add(source, mul(i, near)), add(target, mul(i, far))),
    );
  };
  return nest(0, int(from.first), int(to.first));
}

/** Positions that no rule describes, as a table: `u16` where that holds them. */
function listed(name: string, places: Int32Array): Table {
  const wide = places.some((place) => place > 65535);
  return { name, elem: wide ? 'i32' : 'u16', data: [...places] };
}

interface Part {
  /** In words. */
  readonly says: string;
  readonly body: readonly Stmt[];
  readonly tables: readonly Table[];
}

const madeOf = ({ value = (x) => x, elem }: Reading): string =>
  `out = ${exprText(value(local('x', scalarOf(elem))))}.`;

/** Ways as loops, and the tables that they need where no rule describes them. */
function partOf({ name, output }: Moving, reading: Reading, { from, to }: Ways, index: number): Part {
  const elem = elemOf(output);
  const [source, target] = digitsOf([from, to]) ?? [];
  if (source !== undefined && target !== undefined)
    return {
      says: `Moves in loops of ${target.counts.join(', ') || 1}: out ${stepsWords(target)}; x of ${reading.array} ${stepsWords(source)}; ${madeOf(reading)}`,
      body: loopsOf(reading, elem, index, source, target),
      tables: [],
    };
  const [reads, writes] = [listed(`${name}_from${index}`, from), listed(`${name}_to${index}`, to)];
  const body = loop(`i${index}`, to.length, (i) => [
    put(reading, elem, load(writes.name, writes.elem, i), load(reads.name, reads.elem, i)),
  ]);
  const says = `Moves ${to.length} elements: out[${writes.name}[i]] of x = ${reading.array}[${reads.name}[i]]; ${madeOf(reading)}`;
  return { says, body, tables: [reads, writes] };
}

function filling({ output, fill: value }: Moving): readonly Stmt[] {
  if (value === undefined) return [];
  const count = countOf(output.shape);
  const elem = elemOf(output);
  if (elem === 'u8') return [fill('out', elem, 0, value, count)];
  return loop('i', count, (i) => [store('out', elem, i, elem === 'f32' ? float(value) : int(value))]);
}

/** More pieces than this are listed element by element: a table takes less than their code. */
export const mostPieces = 16;

/** The pieces by themselves; or, where they are many, all of a source at once. */
function partsOf(moving: Moving, readings: readonly Reading[]): readonly Part[] {
  const { pieces, output } = moving;
  if (pieces.length <= mostPieces)
    return pieces.map((piece, i) => {
      const reading = at(readings, piece.input);
      return partOf(moving, reading, waysOf([piece], reading.place, output), i);
    });
  return readings.flatMap((reading, source) => {
    const own = pieces.filter(({ input }) => input === source);
    return own.length === 0 ? [] : [partOf(moving, reading, waysOf(own, reading.place, output), source)];
  });
}

/** Fills the output where that is asked for, and moves the pieces, each in the order of the output's memory. */
export function movingKernel(moving: Moving): Kernel {
  const { name, words, inputs, output } = moving;
  const elem = elemOf(output);
  const readings = readingsOf(moving);
  const parts = partsOf(moving, readings);
  return {
    name,
    doc: [
      ...docOf(words, inputs, output, elem),
      ...parts.map(({ says }) => says),
      ...(moving.fill === undefined ? [] : [`All other elements are ${moving.fill}.`]),
    ],
    params: [
      ...inputs.map(
        ({ shape }, i) =>
          ({
            name: parameterName(inputs.length, i),
            role: 'in',
            elem: readings.find(({ array }) => array === parameterName(inputs.length, i))?.elem ?? elem,
            length: countOf(shape),
          }) as const,
      ),
      { name: 'out', role: 'out', elem, length: countOf(output.shape) },
    ],
    tables: [...readings, ...parts].flatMap(({ tables }) => tables),
    body: [...filling(moving), ...parts.flatMap(({ body }) => body)],
    macs: 0,
  };
}
