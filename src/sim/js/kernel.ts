/**
 * A kernel as one JavaScript function: i32 arithmetic wrapped to 32 bits, f32 rounded after every operation
 * (C's meaning under `-ffp-contract=off`), pointers as element indices of typed arrays. Addresses, lengths
 * and owners are literals in the source, so that an engine sees constants.
 */

import { must } from '../../base/errors.ts';
import { checkKernel } from '../../ir/kernel/check.ts';
import type { Interval } from '../../ir/kernel/interval.ts';
import type { Kernel } from '../../ir/kernel/kernel.ts';
import type { VectorPrimitive } from '../../ir/kernel/primitive.ts';
import { primitiveOf, vectorPrimitiveOf } from '../../ir/kernel/prims/index.ts';
import { type TypedArray, typedTable } from '../../ir/kernel/table-bytes.ts';
import type { KernelNode } from '../../ir/kernel/text.ts';
import type { Arena } from '../arena.ts';
import type { Casts } from './int16.ts';
import { type Binding, type Context, jsName, type Site } from './site.ts';
import { block } from './stmt.ts';
import { vectorRuntime } from './vector-values.ts';

export type Mode = 'checked' | 'fast';

export interface ToJsOptions {
  readonly mode: Mode;
  /** Nodes whose rules hold for all inputs; the checked mode leaves their checks out. */
  readonly proven?: ReadonlySet<KernelNode>;
  /** Other meanings of primitives by name: what another runtime may have computed. */
  readonly meanings?: Meanings;
  /** C's int has 16 bits; these are the casts that the C is printed with. */
  readonly int16?: Casts;
}

export type Meanings = ReadonlyMap<string, (...args: readonly number[]) => number>;

/** Told of a broken rule; has to throw. Values and loop counters are those the site's rule documents. */
type OnTrap = (site: Site, values: readonly number[], loops: readonly number[]) => never;

export interface JsKernel {
  readonly source: string;
  readonly sites: readonly Site[];
  /** The function that runs the kernel once on this arena. */
  instantiate(arena: Arena, onTrap: OnTrap): () => void;
}

/**
 * Translates a kernel whose parameters are bound to slots; `bindings` are in the order of its parameters.
 * @throws DefectError when the kernel breaks a static rule, or the fast mode would write to read-only memory.
 */
export function toJs(kernel: Kernel, bindings: readonly Binding[], options: ToJsOptions): JsKernel {
  const context: Context = {
    kernel,
    arrays: checkKernel(kernel),
    bindings,
    checked: options.mode === 'checked',
    proven: options.proven ?? new Set(),
    int16: options.int16,
    sites: [],
    loops: [],
    lines: [],
    primitives: new Set(),
    temporaries: 0,
  };
  block(context, kernel.body);
  const source = sourceOf(context);
  const { sites } = context;
  return {
    source,
    sites,
    instantiate: (arena, onTrap) => link(kernel, source, sites, arena, onTrap, options.meanings),
  };
}

const viewNames = ['u8', 'i8', 'u16', 'i16', 'i32', 'f32', 'owners', 'ownerPairs'] as const;

/** A function of (arena, tables, prims, valid, fail, vectors) that returns the kernel's. */
function sourceOf(c: Context): string {
  const temporaries = Array.from({ length: c.temporaries }, (_, i) => `t${i} = 0`);
  return [
    "'use strict';",
    'const { imul, fround } = Math;',
    `const { ${viewNames.join(', ')} } = arena;`,
    ...c.kernel.tables.map((table, i) => `const ${jsName(table.name)} = tables[${i}];`),
    ...[...c.primitives].map((name) => `const prim_${name} = prims('${name}');`),
    `return function ${jsName(c.kernel.name)}() {`,
    ...(temporaries.length === 0 ? [] : [`let ${temporaries.join(', ')};`]),
    ...c.lines,
    '};',
  ].join('\n');
}

/** Of a primitive of numbers or of vectors: the generated code calls it with what it takes. */
type Meaning = ((...args: number[]) => number) | VectorPrimitive['js'];

type Linker = (
  arena: Arena,
  tables: readonly TypedArray[],
  prims: (name: string) => Meaning,
  valid: (name: string, args: readonly number[]) => boolean,
  fail: (site: number, values: readonly number[], loops: readonly number[]) => never,
  vectors: typeof vectorRuntime,
) => () => void;

function link(
  kernel: Kernel,
  source: string,
  sites: readonly Site[],
  arena: Arena,
  onTrap: OnTrap,
  meanings: Meanings = new Map(),
): () => void {
  const linker = new Function('arena', 'tables', 'prims', 'valid', 'fail', 'vectors', source) as Linker;
  return linker(
    arena,
    kernel.tables.map(typedTable),
    (name) => meanings.get(name) ?? vectorPrimitiveOf(name)?.js ?? primitiveOf(name).js,
    (name, args) => primitiveOf(name).violation(...args.map(point)) === undefined,
    (site, values, loops) => onTrap(must(sites[site], 'a site of this kernel'), values, loops),
    vectorRuntime,
  );
}

export const point = (x: number): Interval => ({ lo: x, hi: x });
