/**
 * Small valid kernels at random: a tape of numbers decides every choice, so that fast-check shrinks the tape
 * and with it the kernel. Most of them run to the end; some commit one of the traps.
 */
import fc from 'fast-check';
import { elemRange } from '../../src/ir/kernel/check.ts';
import {
  type Elem,
  type Expr,
  type Kernel,
  type Param,
  type Stmt,
  scalarOf,
} from '../../src/ir/kernel/kernel.ts';
import * as ir from './ir.ts';

export interface KernelOptions {
  /** Addresses, trip counts and branches follow from the kernel alone, and nothing traps. */
  readonly fixedAddresses?: boolean;
  /** Which elements are read does not depend on the input either. */
  readonly fixedReads?: boolean;
  /** Without f32, whose NaNs have no one bit pattern. */
  readonly integersOnly?: boolean;
}

/** All arrays are this long, so that `index & 7` is always inside. */
export const arrayLength = 8;

interface ArrayChoice {
  readonly name: string;
  readonly elem: Elem;
  readonly writable: boolean;
}

class Writer {
  readonly #tape: readonly number[];
  readonly #options: KernelOptions;
  #at = 0;
  #names = 0;
  readonly params: Param[] = [];
  /** Names in scope. */
  #ints: string[] = [];
  #floats: string[] = [];
  #mutable: string[] = [];
  #fixed: string[] = [];
  #pointers: ArrayChoice[] = [];
  readonly tables = [
    ir.table('weights', 'i8', [-127, 5, 0, 127, -3, 64, -128, 1]),
    ir.table('places', 'u8', [3, 1, 4, 1, 5, 0, 2, 6]),
    ir.table('biases', 'i32', [1000, -70000, 0, 2147483647, -2147483648, 12, 5, 1 << 20]),
  ];

  constructor(tape: readonly number[], options: KernelOptions) {
    this.#tape = tape;
    this.#options = options;
  }

  /** A number below n: the simplest choice is 0. */
  #pick(n: number): number {
    return (this.#tape[this.#at++] ?? 0) % n;
  }

  #one<T>(...choices: readonly T[]): T {
    return choices[this.#pick(choices.length)]!;
  }

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  #elems(): Elem {
    const all: readonly Elem[] = ['u8', 'i8', 'i16', 'i32', 'u16', 'f32'];
    return this.#one(...(this.#options.integersOnly ? all.slice(0, 5) : all));
  }

  kernel(): Kernel {
    this.params.push(ir.param('in', 'in', this.#one<Elem>('u8', 'i8'), arrayLength));
    this.params.push(ir.param('out', 'out', this.#elems(), arrayLength));
    if (this.#pick(2) === 1) this.params.push(ir.param('tmp', 'scratch', this.#elems(), arrayLength));
    const start = this.params.slice(1).flatMap((p) => (this.#pick(4) > 0 ? [this.#initialize(p)] : []));
    const body = this.#block(3, 6);
    return ir.kernel('random', this.params, [...start, ...body], this.tables);
  }

  #initialize(p: Param): Stmt {
    const name = this.#name('i');
    const value = p.elem === 'f32' ? ir.toFloat(ir.local(name)) : ir.local(name);
    return ir.for_(name, 0, arrayLength, [ir.store(p.name, p.elem, ir.local(name), value)]);
  }

  /** A block of its own scope. */
  #block(depth: number, most: number): Stmt[] {
    const saved = [this.#ints, this.#floats, this.#mutable, this.#fixed] as const;
    const pointers = this.#pointers;
    [this.#ints, this.#floats, this.#mutable, this.#fixed] = saved.map((names) => [...names]) as [
      string[],
      string[],
      string[],
      string[],
    ];
    this.#pointers = [...pointers];
    const body = Array.from({ length: 1 + this.#pick(most) }, () => this.#stmt(depth)).flat();
    [this.#ints, this.#floats, this.#mutable, this.#fixed] = saved;
    this.#pointers = pointers;
    return body;
  }

  #stmt(depth: number): Stmt[] {
    const nested = depth > 0 ? [this.#loop, this.#loop, this.#if] : [];
    const floats = this.#options.integersOnly ? [] : [this.#letFloat];
    const simple = [this.#store, this.#let, this.#store, this.#assign, this.#pointer, this.#advance];
    const memory = [this.#copy, this.#fill];
    const make = this.#one(...simple, ...nested, ...memory, ...floats);
    return make.call(this, depth);
  }

  #let(): Stmt[] {
    const fixed = this.#pick(3) === 0;
    const value = fixed ? this.#fixedInt(2) : this.#int(2);
    const name = this.#name('x');
    const mutable = !fixed && this.#pick(2) === 0;
    this.#ints.push(name);
    if (fixed) this.#fixed.push(name);
    if (mutable) this.#mutable.push(name);
    return [ir.let_(name, value, mutable)];
  }

  #letFloat(): Stmt[] {
    const value = this.#float(2);
    const name = this.#name('f');
    this.#floats.push(name);
    return [ir.let_(name, value, false)];
  }

  #assign(): Stmt[] {
    if (this.#mutable.length === 0) return this.#let();
    const name = this.#one(...this.#mutable);
    const value = this.#int(2);
    return [this.#pick(2) === 0 ? ir.accumulate(name, value) : ir.assign(name, value)];
  }

  #pointer(): Stmt[] {
    const base = this.#array(false);
    const name = this.#name('p');
    const made = ir.pointer(name, base.name, base.elem, this.#pick(3));
    this.#pointers.push({ ...base, name });
    return [made];
  }

  #advance(): Stmt[] {
    const pointers = this.#pointers;
    if (pointers.length === 0 || this.#options.fixedAddresses) return this.#pointer();
    return [ir.advance(this.#one(...pointers).name, this.#pick(3) - 1)];
  }

  #store(): Stmt[] {
    const to = this.#array(true);
    const value = scalarOf(to.elem) === 'f32' ? this.#float(2) : this.#narrow(to.elem, this.#int(3));
    return [ir.store(to.name, to.elem, this.#index(), value)];
  }

  #narrow(elem: Elem, value: Expr): Expr {
    const range = elemRange(elem)!;
    if (elem === 'i32' || (this.#pick(8) === 7 && !this.#options.fixedAddresses)) return value;
    return ir.call('clamp', value, range.lo, range.hi);
  }

  #copy(): Stmt[] {
    const to = this.#array(true);
    const same = this.#arrays(false).filter((a) => a.elem === to.elem && a.name !== to.name);
    if (same.length === 0) return this.#store();
    const from = this.#one(...same);
    const start = this.#pick(4);
    const count = this.#pick(arrayLength - start);
    return [ir.copy(to.elem, to.name, this.#pick(arrayLength - count), from.name, start, count)];
  }

  #fill(): Stmt[] {
    const bytes = this.#arrays(true).filter((a) => a.elem === 'u8' || a.elem === 'i8');
    if (bytes.length === 0) return this.#store();
    const to = this.#one(...bytes);
    const start = this.#pick(arrayLength);
    const elem = to.elem as 'u8' | 'i8';
    return [ir.fill(elem, to.name, start, this.#pick(128), this.#pick(arrayLength - start))];
  }

  #loop(depth: number): Stmt[] {
    const name = this.#name('i');
    const bounded = !this.#options.fixedAddresses && this.#pick(6) === 5;
    const to = bounded ? ir.and(this.#int(1), 3) : ir.int(1 + this.#pick(5));
    const step = 1 + this.#pick(2);
    this.#ints.push(name);
    if (!bounded) this.#fixed.push(name);
    const body = this.#block(depth - 1, 4);
    this.#ints = this.#ints.filter((x) => x !== name);
    this.#fixed = this.#fixed.filter((x) => x !== name);
    return [ir.for_(name, 0, to, body, step)];
  }

  #if(depth: number): Stmt[] {
    const test = this.#options.fixedAddresses ? this.#fixedTest() : this.#test();
    return [ir.if_(test, this.#block(depth - 1, 3), this.#pick(2) === 0 ? [] : this.#block(depth - 1, 3))];
  }

  #fixedTest = (): Expr => ir.compare(this.#one('lt', 'ge', 'eq'), this.#fixedInt(1), this.#fixedInt(1));

  #test(): Expr {
    if (this.#floats.length > 0 && this.#pick(4) === 3)
      return ir.compare(this.#one('lt', 'ne'), this.#float(1), this.#float(1));
    return ir.compare(this.#one('lt', 'le', 'gt', 'ge', 'eq', 'ne'), this.#int(1), this.#int(1));
  }

  #arrays(writable: boolean): ArrayChoice[] {
    const params = this.params.map((p) => ({ name: p.name, elem: p.elem, writable: p.role !== 'in' }));
    const tables = this.tables.map((t) => ({ name: t.name, elem: t.elem, writable: false }));
    const pointers = this.#options.fixedAddresses ? [] : this.#pointers;
    return [...params, ...pointers, ...tables].filter((a) => a.writable || !writable);
  }

  #array(writable: boolean): ArrayChoice {
    const all = this.#arrays(writable);
    return this.#pick(3) === 0 && !writable ? all[0]! : this.#one(...all);
  }

  #index(): Expr {
    const wild = !this.#options.fixedAddresses && this.#pick(10) === 9;
    const index = this.#options.fixedAddresses || this.#pick(3) > 0 ? this.#fixedInt(1) : this.#int(1);
    return wild ? index : ir.and(index, arrayLength - 1);
  }

  /** Of literals, counters and tables only. */
  #fixedInt(depth: number): Expr {
    const leaf = this.#pick(3);
    if (depth === 0 || leaf === 0)
      return this.#fixed.length > 0 && this.#pick(3) > 0
        ? ir.local(this.#one(...this.#fixed))
        : ir.int(this.#pick(9));
    if (leaf === 1) return ir.load('places', 'u8', ir.and(this.#fixedInt(depth - 1), arrayLength - 1));
    return this.#one(
      ir.add,
      ir.sub,
      ir.mul,
    )(ir.and(this.#fixedInt(depth - 1), 63), ir.and(this.#fixedInt(depth - 1), 63));
  }

  #int(depth: number): Expr {
    if (depth === 0 || this.#pick(5) === 0) return this.#leaf();
    const sub = () => this.#int(depth - 1);
    const floats = this.#options.integersOnly ? [] : [() => ir.toInt(this.#float(depth - 1))];
    const small = () => ir.sub(ir.and(sub(), 255), 128);
    const make = this.#one(
      () => this.#load(),
      () => this.#one(ir.add, ir.sub, ir.mul)(small(), small()),
      () => this.#one(ir.and, ir.or, ir.xor)(sub(), sub()),
      () => ir.select(this.#options.fixedReads ? this.#fixedTest() : this.#test(), sub(), sub()),
      () => this.#extreme(),
      () => this.#load(),
      () => ir.shr(sub(), ir.and(sub(), 31)),
      () => ir.shl(ir.and(sub(), 255), ir.and(sub(), 15)),
      () => this.#one(ir.div, ir.mod)(sub(), ir.or(ir.and(sub(), 31), 1)),
      () => this.#one(ir.add, ir.sub, ir.mul)(sub(), sub()),
      () => this.#one(ir.div, ir.mod, ir.shl)(sub(), sub()),
      () => this.#test(),
      () => ir.call('clamp', sub(), -this.#pick(300), this.#pick(300)),
      () => ir.call('requantize_single', sub(), 1 << 30, ir.and(sub(), 15)),
      ...floats,
    );
    return make();
  }

  #extreme(): Expr {
    const [a, b] = [this.#int(1), this.#int(1)];
    const test = ir.compare(this.#one('lt', 'le', 'gt', 'ge'), a, b);
    return this.#pick(2) === 0 ? ir.select(test, a, b) : ir.select(test, b, a);
  }

  #load(): Expr {
    const from = this.#array(false);
    if (from.elem === 'f32') return ir.int(this.#pick(100));
    return ir.load(from.name, from.elem, this.#index());
  }

  #leaf(): Expr {
    const choices: (() => Expr)[] = [() => ir.int(this.#pick(200) - 100), () => this.#load()];
    if (this.#ints.length > 0) choices.push(() => ir.local(this.#one(...this.#ints)));
    choices.push(() => ir.int(this.#one(2147483647, -2147483648, 65536, -1)));
    return this.#one(...choices)();
  }

  #float(depth: number): Expr {
    if (depth === 0) {
      if (this.#floats.length > 0 && this.#pick(2) === 0) return ir.flocal(this.#one(...this.#floats));
      return ir.float(this.#pick(1000) / 8 - 50);
    }
    const sub = () => this.#float(depth - 1);
    return this.#one(
      () => ir.toFloat(this.#int(depth - 1)),
      () => this.#one(ir.add, ir.sub, ir.mul, ir.div)(sub(), sub()),
      () => ir.select(this.#options.fixedReads ? this.#fixedTest() : this.#test(), sub(), sub()),
      sub,
    )();
  }
}

export const kernels = (options: KernelOptions = {}): fc.Arbitrary<Kernel> =>
  fc
    .array(fc.nat({ max: 1_000_000 }), { maxLength: 200, size: 'max' })
    .map((tape) => new Writer(tape, options).kernel());

/**
 * Shrinking a long tape takes minutes, so a failure first only prints its seed and path: set SHRINK=1 for the
 * smallest kernel.
 */
export const runs = (count: number) => ({
  numRuns: count,
  endOnFailure: process.env.SHRINK === undefined,
});

/** Contents of the 8-element input, in the given bounds of bytes. */
export const inputs = (lo = 0, hi = 255): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: arrayLength, maxLength: arrayLength, min: lo, max: hi });
