/** Vectors of Kernel IR: loads and stores of their first elements. */
import { DefectError } from '../../base/errors.ts';
import { type Expr, type ExprOf, elemBytes, lanesOf, type StmtOf } from '../../ir/kernel/kernel.ts';
import { firstPair } from '../../ir/kernel/prims/vector-pairs.ts';
import { type Code, int, type Local, when } from '../../wasm/code.ts';
import {
  and,
  bytesMask,
  extend,
  firstMask,
  i32,
  load,
  narrow,
  plus,
  secondHalf,
  shiftedHalves,
  store,
  times,
  zeroLanes,
} from '../../wasm/instructions.ts';
import { type Address, type Body, fresh, placeOf } from './body.ts';

type Values = (e: Expr) => Code;
type Node = ExprOf<'loadVector'> | StmtOf<'storeVector'>;

/** How many elements, where that is fixed. */
const countOf = ({ count }: Node): number | undefined => (count.kind === 'int' ? count.value : undefined);

const vectorBytes = 16;

/** Loads of elements as lanes of a type; more bytes than these have may be read. */
const loads: Readonly<Record<string, (offset: number, address: Code) => Code>> = {
  'u8x16 u8': load.v128,
  'i16x8 u8': load.u8x8,
  'i16x8 i8': load.i8x8,
  'i16x8 i16': load.v128,
  'i32x4 u8': (offset, address) => extend.u8(load.first32(offset, address)),
  'i32x4 i8': (offset, address) => extend.i8(load.first32(offset, address)),
  'i32x4 u16': load.u16x4,
  'i32x4 i16': load.i16x4,
  'i32x4 i32': load.v128,
};

export function loadVector(b: Body, e: ExprOf<'loadVector'>, value: Values): Code {
  if (e.offsets !== undefined) throw new DefectError('WebAssembly gathers no lanes');
  const count = countOf(e);
  const read = loads[`${e.type} ${e.elem}`];
  if (read === undefined) throw new DefectError(`${e.elem} in lanes of ${e.type}`);
  const lanes = lanesOf[e.type];
  if (count === 0) return zeroLanes;
  const { address, offset } = placeOf(b, e.from, e.index, value);
  const whole = read(offset, address);
  if (count === lanes) return whole;
  const bytes = vectorBytes / lanes;
  return and(
    whole,
    count === undefined ? firstMask(times(value(e.count), int(bytes))) : bytesMask(bytes * count),
  );
}

/** Two neighbouring elements in all pairs of lanes have an instruction; undefined for all else. */
export function loadedPairs(b: Body, e: ExprOf<'call'>, value: Values): Code | undefined {
  const [pair] = e.args;
  if (e.primitive !== firstPair.name || pair?.kind !== 'loadVector') return undefined;
  if (pair.elem !== 'i16' || countOf(pair) !== 2) return undefined;
  const { address, offset } = placeOf(b, pair.from, pair.index, value);
  return load.splat32(offset, address);
}

/** Lanes as elements side by side; none loses bits. */
const narrowed: Readonly<Record<string, (lanes: Code) => Code>> = {
  'i16x8 u8': narrow.words.u8,
  'i16x8 i8': narrow.words.i8,
  'i32x4 u8': narrow.u8,
  'i32x4 i8': narrow.i8,
  'i32x4 i16': narrow.i16,
  'i32x4 u16': narrow.u16,
};

export function storeVector(b: Body, s: StmtOf<'storeVector'>, value: Values): Code {
  const held = fresh(b, 'v128');
  const same = elemBytes[s.elem] * lanesOf[s.type] === vectorBytes;
  const narrower = narrowed[`${s.type} ${s.elem}`];
  if (!same && narrower === undefined) throw new DefectError(`${s.type} as ${s.elem}`);
  const place = placeOf(b, s.to, s.index, value);
  const lanes = held.set(value(s.value));
  const bytes = same || narrower === undefined ? [] : held.set(narrower(held.get));
  const count = countOf(s);
  const stores =
    count === undefined
      ? someBytes(b, place, held, times(value(s.count), int(elemBytes[s.elem])))
      : firstBytes(b, place, held.get, count * elemBytes[s.elem]);
  return [...lanes, ...bytes, ...stores];
}

/** Stores as many bytes of a vector as a number says: those of its bits, the highest first. */
function someBytes(b: Body, { address, offset }: Address, vector: Local, count: Code): Code {
  const [to, left] = [fresh(b, 'i32'), fresh(b, 'i32')];
  const part = (bytes: 8 | 4 | 2 | 1, rest: Code): Code =>
    when(i32.and(left.get, int(bytes)), [
      ...store.lane((8 * bytes) as 8 | 16 | 32 | 64, 0, offset, to.get, vector.get),
      ...vector.set(rest),
      ...to.set(plus(to.get, int(bytes))),
    ]);
  return [
    ...to.set(address),
    ...left.set(count),
    ...when(
      i32.and(left.get, int(16)),
      store.v128(offset, to.get, vector.get),
      [
        part(8, secondHalf(vector.get)),
        part(4, shiftedHalves(vector.get, 32)),
        part(2, shiftedHalves(vector.get, 16)),
        part(1, vector.get),
      ].flat(),
    ),
  ];
}

/** Stores the first bytes of a vector, in as few parts as there are. */
function firstBytes(b: Body, { address, offset }: Address, vector: Code, count: number): Code {
  if (count === vectorBytes) return store.v128(offset, address, vector);
  const to = fresh(b, 'i32');
  const parts: Code[] = [];
  let done = 0;
  for (const bytes of [8, 4, 2, 1] as const)
    for (; count - done >= bytes; done += bytes)
      parts.push(store.lane((8 * bytes) as 8 | 16 | 32 | 64, done / bytes, offset + done, to.get, vector));
  return [...to.set(address), ...parts.flat()];
}
