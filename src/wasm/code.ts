/**
 * WebAssembly by hand: as much of its binary format (core specification 2.0, chapter 5) as the kernels of
 * training and of the fast engine need. Code is bytes and code: what it is made of is not copied until a module is.
 */
export type Code = readonly (number | Code)[];
export type ValueType = 'i32' | 'i64' | 'f32' | 'v128';

const valueTypes: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, v128: 0x7b };

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
export const op =
  (...instruction: readonly number[]) =>
  (...operands: readonly Code[]): Code => [...operands, ...instruction];
export const simd = (instruction: number) => op(0xfd, ...unsigned(instruction));
/** Instructions that read or write memory `offset` bytes behind an address; any alignment. */
export const memory =
  (...instruction: readonly number[]) =>
  (offset: number, ...operands: readonly Code[]): Code => [
    ...operands,
    ...instruction,
    0,
    ...unsigned(offset),
  ];

export const int = (value: number): Code => [0x41, ...signed(value)];

const noResult = 0x40;

export const when = (test: Code, yes: Code, no: Code = []): Code => [
  test,
  0x04,
  noResult,
  yes,
  ...(no.length === 0 ? [] : [0x05, no]),
  0x0b,
];

/** Only the taken value is computed. */
export const either = (type: ValueType, test: Code, yes: Code, no: Code): Code => [
  test,
  0x04,
  valueTypes[type],
  yes,
  0x05,
  no,
  0x0b,
];

/** The body, and again as long as the test behind it holds. */
export const repeat = (body: Code, again: Code): Code => [0x03, noResult, body, again, 0x0d, 0, 0x0b];

/** A loop of one pass. V8 writes out more passes of a loop the deeper it lies. */
export const deeper = (body: Code): Code => [0x03, noResult, body, 0x0b];

export interface Local {
  readonly get: Code;
  set(value: Code): Code;
}

export const localAt = (index: number): Local => ({
  get: [0x20, ...unsigned(index)],
  set: (value) => [value, 0x21, ...unsigned(index)],
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
  const locals = Object.fromEntries(names.map((n, i) => [n, localAt(i)])) as Record<P | I | V, Local>;
  return {
    name,
    params: Object.values<ValueType>(params),
    locals: [...ints.map(() => 'i32' as const), ...vectors.map(() => 'v128' as const)],
    body: body(locals),
  };
}

/** Grows as bytes are added. */
class Bytes {
  #bytes = new Uint8Array(1024);
  #length = 0;

  add(code: Code): void {
    for (const part of code) {
      if (typeof part !== 'number') this.add(part);
      else {
        if (this.#length === this.#bytes.length) this.#grow(2 * this.#length);
        this.#bytes[this.#length++] = part;
      }
    }
  }

  addAll(bytes: Uint8Array): void {
    this.#grow(this.#length + bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  get done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(length: number): void {
    if (length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
    grown.set(this.done);
    this.#bytes = grown;
  }
}

function bytesOf(...parts: readonly (Code | Uint8Array)[]): Uint8Array {
  const bytes = new Bytes();
  for (const part of parts) {
    if (part instanceof Uint8Array) bytes.addAll(part);
    else bytes.add(part);
  }
  return bytes.done;
}

const vector = (items: readonly (Code | Uint8Array)[]): Uint8Array =>
  bytesOf(unsigned(items.length), ...items);
const sized = (bytes: Uint8Array): Uint8Array => bytesOf(unsigned(bytes.length), bytes);
const section = (id: number, content: Uint8Array): Uint8Array => bytesOf([id], sized(content));
const text = (name: string): Uint8Array => sized(new TextEncoder().encode(name));

/** A module that imports `env.memory` and exports the functions. */
export function moduleOf(functions: readonly Func[]): Uint8Array {
  const type = ({ params }: Func): Uint8Array =>
    bytesOf([0x60], vector(params.map((p) => [valueTypes[p]])), [0]);
  const code = ({ locals, body }: Func): Uint8Array =>
    sized(bytesOf(vector(locals.map((l) => [1, valueTypes[l]])), body, [0x0b]));
  return bytesOf(
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, vector(functions.map(type))),
    section(2, vector([bytesOf(text('env'), text('memory'), [2, 0, 1])])),
    section(3, vector(functions.map((_, i) => unsigned(i)))),
    section(7, vector(functions.map(({ name }, i) => bytesOf(text(name), [0], unsigned(i))))),
    section(10, vector(functions.map(code))),
  );
}
