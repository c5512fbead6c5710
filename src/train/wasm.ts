/**
 * WebAssembly by hand: as much of its binary format (core specification 2.0, chapter 5) as the training kernels
 * need, as functions that return bytes.
 */
export type Code = readonly number[];
type ValueType = 'i32' | 'f32' | 'v128';

const valueTypes: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

function unsigned(value: number): number[] {
  const low = value & 0x7f;
  return value >>> 7 === 0 ? [low] : [low | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const last = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return last ? [low] : [low | 0x80, ...signed(rest)];
}

/** Operands first, then the instruction: a stack machine. */
const op =
  (...instruction: readonly number[]) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), ...instruction];
const simd = (instruction: number) => op(0xfd, ...unsigned(instruction));

export const int = (value: number): Code => [0x41, ...signed(value)];
const i32Add = op(0x6a);
const i32Mul = op(0x6c);
export const plus = (a: Code, ...more: readonly Code[]): Code => more.reduce((sum, b) => i32Add(sum, b), a);
export const times = (a: Code, b: Code): Code => i32Mul(a, b);
const below = op(0x49);
export const loadInt = op(0x28, 2, 0);
export const storeFloat = op(0x38, 2, 0);
export const addFloat = op(0x92);

/** `offset` bytes behind the address. */
export const loadLanes = (address: Code, offset = 0): Code => op(0xfd, 0, 2, ...unsigned(offset))(address);
export const storeLanes = (address: Code, value: Code, offset = 0): Code =>
  op(0xfd, 0x0b, 2, ...unsigned(offset))(address, value);
/** One float32 in all four lanes. */
export const loadSplat = op(0xfd, 0x09, 2, 0);
export const splat = simd(0x13);
export const lane = (value: Code, index: number): Code => [...value, 0xfd, 0x1f, index];
export const zeroLanes: Code = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
export const equal = simd(0x41);
export const less = simd(0x43);
export const greater = simd(0x44);
export const and = simd(0x4e);
/** a and not b */
export const without = simd(0x4f);
export const or = simd(0x50);
export const anyTrue = simd(0x53);
export const sum = simd(0xe4);
export const product = simd(0xe6);
export const smaller = simd(0xe8);
export const larger = simd(0xe9);

export const when = (test: Code, body: Code): Code => [...test, 0x04, 0x40, ...body, 0x0b];

/** While local `pointer` is below `end`: the body, then the pointer is moved by `step` bytes. */
export const sweep = (pointer: Local, end: Code, step: number, body: Code): Code =>
  when(below(pointer.get, end), [
    0x03,
    0x40,
    ...body,
    ...pointer.set(plus(pointer.get, int(step))),
    ...below(pointer.get, end),
    0x0d,
    0,
    0x0b,
  ]);

export interface Local {
  readonly get: Code;
  set(value: Code): Code;
}

const local = (index: number): Local => ({
  get: [0x20, ...unsigned(index)],
  set: (value) => [...value, 0x21, ...unsigned(index)],
});

export interface Func {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly body: Code;
}

/** A function without results; `body` is given the parameters, then the locals, by name. */
export function func<P extends string, I extends string, V extends string>(
  name: string,
  params: Readonly<Record<P, ValueType>>,
  ints: readonly I[],
  vectors: readonly V[],
  body: (locals: Readonly<Record<P | I | V, Local>>) => readonly Code[],
): Func {
  const names = [...Object.keys(params), ...ints, ...vectors];
  const locals = Object.fromEntries(names.map((n, i) => [n, local(i)])) as Record<P | I | V, Local>;
  return {
    name,
    params: Object.values<ValueType>(params),
    locals: [...ints.map(() => 'i32' as const), ...vectors.map(() => 'v128' as const)],
    body: body(locals).flat(),
  };
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];
const section = (id: number, content: Code): Code => [id, ...sized(content)];
const text = (name: string): Code => sized([...new TextEncoder().encode(name)]);

/** A module that imports `env.memory` and exports the functions. */
export function moduleOf(functions: readonly Func[]): Uint8Array {
  const type = ({ params }: Func): Code => [0x60, ...vector(params.map((p) => [valueTypes[p]])), 0];
  const code = ({ locals, body }: Func): Code =>
    sized([...vector(locals.map((l) => [1, valueTypes[l]])), ...body, 0x0b]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(functions.map(type))),
    ...section(2, vector([[...text('env'), ...text('memory'), 2, 0, 1]])),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(7, vector(functions.map(({ name }, i) => [...text(name), 0, ...unsigned(i)]))),
    ...section(10, vector(functions.map(code))),
  ]);
}
