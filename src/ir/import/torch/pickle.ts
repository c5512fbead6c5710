/**
 * Python's pickles as torch.save writes them, read as data: nothing of a file is ever run. A name outside of the list
 * in `pickle-globals.ts` ends the reading. No function here calls itself on what the file made, which may contain
 * itself or be as deep as the file is long.
 */
import { complain, type InputError } from '../../../base/errors.ts';
import type { SavedTensor, Storage } from './storage.ts';

/** What a pickle holds. Lists, dicts and objects may contain themselves. */
export type Value = null | boolean | number | bigint | string | Uint8Array | Compound;

export type Compound =
  | Sequence<'list'>
  | Sequence<'tuple'>
  | Sequence<'set'>
  | Dict
  | Global
  | Instance
  | SavedTensor
  | Storage;

export interface Sequence<K> {
  readonly kind: K;
  readonly items: Value[];
}

/** In the order of the file. */
export interface Dict {
  readonly kind: 'dict';
  readonly entries: Map<Value, Value>;
}

/** A class or function, by its name: never looked up in anything. */
export interface Global {
  readonly kind: 'global';
  readonly name: string;
}

/** An instance of a class: what it was made of, and the states that it was given, in order. */
export interface Instance {
  readonly kind: 'object';
  readonly class: string;
  readonly args: readonly Value[];
  readonly states: Value[];
}

export function kindOf(value: Value): string {
  if (value === null) return 'None';
  return typeof value !== 'object' || value instanceof Uint8Array ? `Python ${typeof value}` : value.kind;
}

/** `value` where it is of that kind. */
export const asKind = <K extends Compound['kind']>(value: Value | undefined, ...kinds: readonly K[]) =>
  value !== undefined && kinds.some((kind) => kind === kindOf(value))
    ? (value as Extract<Compound, { readonly kind: K }>)
    : undefined;

/** What the reader of a pickle asks of its file. */
export interface PickleWorld {
  /** What a persistent id means: a storage. */
  readonly persistent: (id: Value) => Value;
  /** @throws InputError for every name that is not on the list */
  readonly global: (module: string, name: string) => Global;
  /** A function on the list, called with `args`: one of ours. */
  readonly call: (callee: Global, args: readonly Value[]) => Value;
  /** An instance of a class on the list. */
  readonly make: (callee: Global, args: readonly Value[]) => Value;
}

/** Opcodes of one pickle: what each makes takes up to some 250 bytes here, and as little as one in the file. */
export const largestPickle = 2 ** 20;

interface Machine {
  readonly view: DataView;
  readonly world: PickleWorld;
  readonly memo: Map<number, Value>;
  /** Stacks below the marks. */
  readonly marked: Value[][];
  stack: Value[];
  place: number;
}

const damaged = (found: string): InputError =>
  complain(`a damaged pickle: ${found}`, undefined, 'save the file again');

function take(machine: Machine, count: number): number {
  const { place } = machine;
  if (count > machine.view.byteLength - place) throw damaged('it breaks off');
  machine.place += count;
  return place;
}

const byte = (m: Machine): number => m.view.getUint8(take(m, 1));
const uint32 = (m: Machine): number => m.view.getUint32(take(m, 4), true);
const uint64 = (m: Machine): number => Number(m.view.getBigUint64(take(m, 8), true));

function chunk(m: Machine, length: number): Uint8Array {
  const place = take(m, length);
  return new Uint8Array(m.view.buffer, m.view.byteOffset + place, length);
}

const utf8 = new TextDecoder();
const text = (m: Machine, length: number): string => utf8.decode(chunk(m, length));

function line(m: Machine): string {
  const { view, place } = m;
  let end = place;
  while (end < view.byteLength && view.getUint8(end) !== 10) end++;
  const read = text(m, end - place);
  take(m, 1);
  return read;
}

/** Little-endian, in two's complement. */
function long(m: Machine): number | bigint {
  const bytes = chunk(m, byte(m));
  let value = 0n;
  for (const b of bytes.toReversed()) value = value * 256n + BigInt(b);
  const signed = BigInt.asIntN(8 * bytes.length, value);
  return BigInt(Number.MIN_SAFE_INTEGER) <= signed && signed <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(signed)
    : signed;
}

const push = (m: Machine, value: Value): void => {
  m.stack.push(value);
};

function pop(m: Machine): Value {
  const value = m.stack.pop();
  if (value === undefined) throw damaged('it takes what is not there');
  return value;
}

function top(m: Machine): Value {
  const value = m.stack.at(-1);
  if (value === undefined) throw damaged('it takes what is not there');
  return value;
}

function mark(m: Machine): void {
  m.marked.push(m.stack);
  m.stack = [];
}

/** Everything above the last mark, which is taken away. */
function popMark(m: Machine): Value[] {
  const items = m.stack;
  const below = m.marked.pop();
  if (below === undefined) throw damaged('no mark where one is due');
  m.stack = below;
  return items;
}

const list = (items: Value[]): Value => ({ kind: 'list', items });
const tuple = (items: Value[]): Value => ({ kind: 'tuple', items });

function tupleOf(m: Machine, count: number): void {
  const items = Array.from({ length: count }, () => pop(m));
  push(m, tuple(items.reverse()));
}

function remember(m: Machine, index: number): void {
  m.memo.set(index, top(m));
}

function recall(m: Machine, index: number): void {
  const value = m.memo.get(index);
  if (value === undefined) throw damaged(`it remembers ${index}, which was not there`);
  push(m, value);
}

/** Objects that are never looked into may be lists or dicts as well: what is put in is dropped. */
const isInert = (value: Value): boolean => asKind(value, 'object') !== undefined;

function append(m: Machine, items: readonly Value[]): void {
  const target = top(m);
  const into = asKind(target, 'list', 'set');
  if (into !== undefined) for (const item of items) into.items.push(item);
  else if (!isInert(target)) throw damaged(`something is appended to a ${kindOf(target)}`);
}

function setItems(m: Machine, items: readonly Value[]): void {
  const target = top(m);
  const dict = asKind(target, 'dict');
  if (dict === undefined && !isInert(target)) throw damaged(`a ${kindOf(target)} gets keys`);
  fill(dict?.entries ?? new Map(), items);
}

function fill(entries: Map<Value, Value>, items: readonly Value[]): Map<Value, Value> {
  if (items.length % 2 !== 0) throw damaged('a key without a value');
  for (let i = 0; i < items.length; i += 2) entries.set(itemAt(items, i), itemAt(items, i + 1));
  return entries;
}

/** An item that may be None. */
const itemAt = (items: readonly Value[], i: number): Value => items[i] ?? null;

function callee(m: Machine): { readonly global: Global; readonly args: readonly Value[] } {
  const args = asKind(pop(m), 'tuple');
  const global = asKind(pop(m), 'global');
  if (args === undefined || global === undefined) throw damaged('a call of what is no function');
  return { global, args: args.items };
}

/** Attributes of an ordered dict (`_metadata`) and of a tensor mean nothing here. */
function build(m: Machine): void {
  const state = pop(m);
  const target = top(m);
  const object = asKind(target, 'object');
  if (object !== undefined) object.states.push(state);
  else if (asKind(target, 'dict', 'tensor') === undefined) throw damaged(`a ${kindOf(target)} gets a state`);
}

function global(m: Machine, module: Value, name: Value): void {
  if (typeof module !== 'string' || typeof name !== 'string') throw damaged('a name that is no text');
  push(m, m.world.global(module, name));
}

function protocol(m: Machine): void {
  const version = byte(m);
  if (version < 2 || version > 5) throw complain(`a pickle of protocol ${version}`, 'protocols 2 to 5');
}

/** In the order of their bytes. */
const opcodes: ReadonlyMap<number, (m: Machine) => void> = new Map<number, (m: Machine) => void>([
  [0x28, mark],
  [0x29, (m) => push(m, tuple([]))],
  [0x42, (m) => push(m, chunk(m, uint32(m)))],
  [0x43, (m) => push(m, chunk(m, byte(m)))],
  [0x47, (m) => push(m, m.view.getFloat64(take(m, 8)))],
  [0x4a, (m) => push(m, m.view.getInt32(take(m, 4), true))],
  [0x4b, (m) => push(m, byte(m))],
  [0x4d, (m) => push(m, m.view.getUint16(take(m, 2), true))],
  [0x4e, (m) => push(m, null)],
  [0x51, (m) => push(m, m.world.persistent(pop(m)))],
  [0x52, (m) => reduce(m)],
  [0x58, (m) => push(m, text(m, uint32(m)))],
  [0x5d, (m) => push(m, list([]))],
  [0x61, (m) => appendOne(m)],
  [0x62, build],
  [0x63, (m) => global(m, line(m), line(m))],
  [0x64, (m) => push(m, { kind: 'dict', entries: fill(new Map(), popMark(m)) })],
  [0x65, (m) => append(m, popMark(m))],
  [0x68, (m) => recall(m, byte(m))],
  [0x6a, (m) => recall(m, uint32(m))],
  [0x6c, (m) => push(m, list(popMark(m)))],
  [0x71, (m) => remember(m, byte(m))],
  [0x72, (m) => remember(m, uint32(m))],
  [0x73, (m) => setItem(m)],
  [0x74, (m) => push(m, tuple(popMark(m)))],
  [0x75, (m) => setItems(m, popMark(m))],
  [0x7d, (m) => push(m, { kind: 'dict', entries: new Map() })],
  [0x80, protocol],
  [0x81, (m) => newObject(m)],
  [0x85, (m) => tupleOf(m, 1)],
  [0x86, (m) => tupleOf(m, 2)],
  [0x87, (m) => tupleOf(m, 3)],
  [0x88, (m) => push(m, true)],
  [0x89, (m) => push(m, false)],
  [0x8a, (m) => push(m, long(m))],
  [0x8c, (m) => push(m, text(m, byte(m)))],
  [0x8f, (m) => push(m, { kind: 'set', items: [] })],
  [0x90, (m) => append(m, popMark(m))],
  [0x93, (m) => stackGlobal(m)],
  [0x94, (m) => remember(m, m.memo.size)],
  [0x95, (m) => void uint64(m)],
]);

function reduce(m: Machine): void {
  const { global, args } = callee(m);
  push(m, m.world.call(global, args));
}

function newObject(m: Machine): void {
  const { global, args } = callee(m);
  push(m, m.world.make(global, args));
}

function appendOne(m: Machine): void {
  const item = pop(m);
  append(m, [item]);
}

function setItem(m: Machine): void {
  const value = pop(m);
  const key = pop(m);
  setItems(m, [key, value]);
}

function stackGlobal(m: Machine): void {
  const name = pop(m);
  global(m, pop(m), name);
}

const stop = 0x2e;

/**
 * The pickle that begins at `start`, and where it ends.
 * @throws InputError for names that are not on the list, opcodes that torch.save does not write, and damage
 */
export function readPickleAt(
  bytes: Uint8Array,
  start: number,
  world: PickleWorld,
): { readonly value: Value; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const machine: Machine = { view, world, memo: new Map(), marked: [], stack: [], place: start };
  for (let count = 1; ; count++) {
    const opcode = byte(machine);
    if (opcode === stop) break;
    if (count > largestPickle) throw complain(`a pickle of more than ${largestPickle} opcodes`);
    const run = opcodes.get(opcode);
    if (run === undefined)
      throw complain(
        `a pickle with opcode 0x${opcode.toString(16)}`,
        'what torch.save writes',
        'save it again with torch.save',
      );
    run(machine);
  }
  return { value: pop(machine), end: machine.place };
}
