/**
 * The static rules of Kernel IR:
 * - every name is a C identifier, declared once in its kernel, and used only inside the block that declares it;
 * - operands have the types that the operation states; `mod`, shifts and bit operations are i32 only;
 * - integer literals are i32, float literals are binary32, table data fits its element type;
 * - only mutable locals are assigned, only mutable pointers are advanced, loop counters never change in the body;
 * - a load, store, copy or pointer names an array of its own element type; steps of loops are positive;
 * - elements fit the lanes of the vectors that they become.
 * Not checked here: whatever depends on values, and writes to inputs or tables (both trap when run).
 */
import { DefectError } from '../../base/errors.ts';
import type { Elem, Expr, ExprOf, Kernel, Param, PlainStmt, Stmt, StmtOf, Table, Type } from './kernel.ts';
import { elemArrays, elemBytes, lanesOf, scalarOf } from './kernel.ts';
import { binaryOperations } from './operations.ts';
import { anyPrimitive } from './prims/index.ts';
import { type KernelNode, nodeText } from './text.ts';
import { expressionsOf, inlined, partsOf, typeOf } from './walk.ts';

/** What a name for memory finally points into. */
export type Root =
  | { readonly kind: 'param'; readonly index: number; readonly param: Param }
  | { readonly kind: 'table'; readonly index: number; readonly table: Table };

export interface ArrayName {
  readonly root: Root;
  /** A pointer has a value that moves; the array's own name stands for its first element. */
  readonly pointer: boolean;
}

/** Every parameter, table and pointer by name. */
export type Arrays = ReadonlyMap<string, ArrayName>;

interface Declared {
  readonly kind: 'local' | 'counter' | 'pointer' | 'array';
  readonly type: Type | Elem;
  readonly mutable: boolean;
}

/** The closed interval of the integers that an element type holds; undefined for f32. */
export function elemRange(elem: Elem): { readonly lo: number; readonly hi: number } | undefined {
  if (elem === 'f32') return undefined;
  const bits = Number(elem.slice(1));
  return elem.startsWith('u')
    ? { lo: 0, hi: 2 ** bits - 1 }
    : { lo: -(2 ** (bits - 1)), hi: 2 ** (bits - 1) - 1 };
}

export const rootLength = (root: Root): number =>
  root.kind === 'param' ? root.param.length : root.table.data.length;
export const rootElem = (root: Root): Elem => (root.kind === 'param' ? root.param.elem : root.table.elem);
export const rootName = (root: Root): string => (root.kind === 'param' ? root.param.name : root.table.name);

class Checker {
  readonly #kernel: Kernel;
  readonly #used = new Set<string>();
  readonly #scope = new Map<string, Declared>();
  readonly arrays = new Map<string, ArrayName>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    kernel.params.forEach((param, index) => {
      this.#need(Number.isInteger(param.length) && param.length >= 0, `length of ${param.name}`);
      this.#array(param.name, param.elem, { kind: 'param', index, param });
    });
    kernel.tables.forEach((table, index) => {
      this.#need(fits(table), `a number in table ${table.name} is not ${table.elem}`);
      this.#array(table.name, table.elem, { kind: 'table', index, table });
    });
  }

  block(body: readonly Stmt[]): void {
    const declared: string[] = [];
    for (const s of inlined(body)) {
      for (const e of expressionsOf(s)) this.#expr(e);
      const name = this.#stmt(s);
      if (name !== undefined) declared.push(name);
    }
    for (const name of declared) this.#scope.delete(name);
  }

  #need(holds: boolean, what: string, node?: KernelNode): void {
    if (holds) return;
    const at = node === undefined ? '' : ` in ${nodeText(node)}`;
    throw new DefectError(`kernel ${this.#kernel.name}: ${what}${at}`);
  }

  #declare(name: string, declared: Declared): string {
    this.#need(/^[A-Za-z_]\w*$/.test(name), `'${name}' is not a C identifier`);
    this.#need(!this.#used.has(name), `'${name}' is declared twice`);
    this.#used.add(name);
    this.#scope.set(name, declared);
    return name;
  }

  #array(name: string, elem: Elem, root: Root): void {
    this.#declare(name, { kind: 'array', type: elem, mutable: false });
    this.arrays.set(name, { root, pointer: false });
  }

  #memory(name: string, elem: Elem, node: KernelNode): void {
    const found = this.#scope.get(name);
    const isArray = found?.kind === 'array' || found?.kind === 'pointer';
    this.#need(isArray, `'${name}' is no array in scope`, node);
    this.#need(found?.type === elem, `'${name}' holds ${found?.type}, not ${elem}`, node);
  }

  #types(node: KernelNode, expected: Type, ...operands: readonly Expr[]): void {
    for (const e of operands) this.#need(typeOf(e) === expected, `an operand is not ${expected}`, node);
  }

  #target(name: string, type: Type, node: KernelNode): void {
    const found = this.#scope.get(name);
    this.#need(found?.kind === 'local' && found.mutable, `'${name}' is no mutable local in scope`, node);
    this.#need(found?.type === type, `'${name}' is ${found?.type}`, node);
  }

  /** Returns the name that the statement declares in its block. */
  #stmt(s: PlainStmt): string | undefined {
    switch (s.kind) {
      case 'let':
        this.#types(s, s.type, s.value);
        return this.#declare(s.name, { kind: 'local', type: s.type, mutable: s.mutable });
      case 'assign':
      case 'accumulate':
        this.#types(s, s.type, s.value);
        this.#target(s.name, s.type, s);
        return undefined;
      case 'pointer':
        return this.#pointer(s);
      case 'advance': {
        const found = this.#scope.get(s.name);
        this.#need(found?.kind === 'pointer' && found.mutable, `'${s.name}' is no mutable pointer`, s);
        this.#types(s, 'i32', s.by);
        return undefined;
      }
      case 'store':
        this.#memory(s.to, s.elem, s);
        this.#types(s, 'i32', s.index);
        this.#types(s, scalarOf(s.elem), s.value);
        return undefined;
      case 'storeVector':
        this.#lanes(s, s.to);
        this.#types(s, s.type, s.value);
        return undefined;
      case 'for':
        this.#for(s);
        return undefined;
      case 'if':
        this.#types(s, 'i32', s.test);
        this.block(s.yes);
        this.block(s.no);
        return undefined;
      case 'copy':
        this.#memory(s.to, s.elem, s);
        this.#memory(s.from, s.elem, s);
        this.#types(s, 'i32', s.toIndex, s.fromIndex, s.count);
        return undefined;
      case 'fill':
        this.#memory(s.to, s.elem, s);
        this.#types(s, 'i32', s.index, s.value, s.count);
        return undefined;
      case 'comment':
        return undefined;
      default:
        return s satisfies never;
    }
  }

  /** Elements of a vector in memory are integers and no wider than its lanes. */
  #lanes(node: ExprOf<'loadVector'> | StmtOf<'storeVector'>, array: string): void {
    this.#memory(array, node.elem, node);
    this.#types(node, 'i32', node.index, node.count);
    const fits = node.elem !== 'f32' && elemBytes[node.elem] * lanesOf[node.type] <= 16;
    const hasSign = node.type === 'i16x8' && node.elem === 'u16';
    this.#need(
      fits && !hasSign && (node.type !== 'u8x16' || node.elem === 'u8'),
      `${node.elem} in lanes of ${node.type}`,
      node,
    );
  }

  #pointer(s: StmtOf<'pointer'>): string {
    this.#memory(s.base, s.elem, s);
    this.#types(s, 'i32', s.offset);
    const base = this.arrays.get(s.base);
    if (base !== undefined) this.arrays.set(s.name, { root: base.root, pointer: true });
    return this.#declare(s.name, { kind: 'pointer', type: s.elem, mutable: s.mutable });
  }

  #for(s: StmtOf<'for'>): void {
    this.#types(s, 'i32', s.from, s.to);
    this.#need(Number.isInteger(s.step) && s.step > 0, 'a step that is not a positive integer', s);
    this.#declare(s.name, { kind: 'counter', type: 'i32', mutable: false });
    this.block(s.body);
    this.#scope.delete(s.name);
  }

  #expr(e: Expr): void {
    for (const part of partsOf(e)) this.#expr(part);
    switch (e.kind) {
      case 'int':
        this.#need(e.value === (e.value | 0), `${e.value} is not an i32`);
        return;
      case 'float':
        this.#need(Object.is(e.value, Math.fround(e.value)), `${e.value} is not a binary32`);
        return;
      case 'local': {
        const found = this.#scope.get(e.name);
        const readable = found?.kind === 'local' || found?.kind === 'counter';
        this.#need(readable && found.type === e.type, `'${e.name}' is no ${e.type} in scope`);
        return;
      }
      case 'binary':
        this.#need(e.type === 'i32' || binaryOperations[e.op].f32 !== undefined, `${e.op} of f32`, e);
        this.#types(e, e.type, e.a, e.b);
        return;
      case 'compare':
        this.#types(e, e.type, e.a, e.b);
        return;
      case 'select':
        this.#types(e, 'i32', e.test);
        this.#types(e, e.type, e.yes, e.no);
        return;
      case 'load':
        this.#memory(e.from, e.elem, e);
        this.#types(e, 'i32', e.index);
        return;
      case 'loadVector':
        this.#lanes(e, e.from);
        if (e.offsets === undefined) return;
        this.#types(e, e.type, e.offsets);
        this.#need(e.type !== 'i16x8', 'offsets in lanes of 16 bits', e);
        return;
      case 'toFloat':
        this.#types(e, 'i32', e.value);
        return;
      case 'toInt':
        this.#types(e, 'f32', e.value);
        return;
      case 'call':
        this.#call(e);
        return;
      default:
        e satisfies never;
    }
  }

  #call(e: ExprOf<'call'>): void {
    const primitive = anyPrimitive(e.primitive);
    this.#need(primitive !== undefined, 'an unknown primitive', e);
    this.#need(primitive?.params.length === e.args.length, 'a wrong number of arguments', e);
    this.#need(primitive?.result === e.type, 'a result of another type', e);
    primitive?.params.forEach((p, i) => {
      this.#types(e, p.type, ...e.args.slice(i, i + 1));
    });
  }
}

/** An array of the element's own type can hold nothing else. */
function fits(table: Table): boolean {
  if (table.data instanceof elemArrays[table.elem]) return true;
  const range = elemRange(table.elem);
  const inside = (x: number) =>
    range === undefined
      ? Object.is(x, Math.fround(x))
      : Number.isInteger(x) && x >= range.lo && x <= range.hi;
  return table.data.every(inside);
}

const checked = new WeakMap<Kernel, Arrays>();

/**
 * Checks the static rules and resolves what every array and pointer name stands for.
 * @throws DefectError naming the kernel and the offending text.
 */
export function checkKernel(kernel: Kernel): Arrays {
  const known = checked.get(kernel);
  if (known !== undefined) return known;
  const checker = new Checker(kernel);
  checker.block(kernel.body);
  checked.set(kernel, checker.arrays);
  return checker.arrays;
}
