/** State of one translation of a kernel to JavaScript, and the places in it that can trap. */

import { must } from '../../base/errors.ts';
import { type Arrays, rootElem, rootLength } from '../../ir/kernel/check.ts';
import type { Elem, Kernel } from '../../ir/kernel/kernel.ts';
import { elemBytes } from '../../ir/kernel/kernel.ts';
import type { KernelNode } from '../../ir/kernel/text.ts';
import type { Rule } from '../trap.ts';
import type { Casts } from './int16.ts';

/** A place in the generated code that can trap. */
export interface Site {
  readonly rule: Rule;
  readonly node: KernelNode;
  /** Names of the loop counters around it. */
  readonly loops: readonly string[];
  /** The array that is accessed. */
  readonly array?: string;
}

/** Where a parameter lies. */
export interface Binding {
  /** Slot index. */
  readonly slot: number;
  /** In bytes. */
  readonly address: number;
}

export interface Context {
  readonly kernel: Kernel;
  readonly arrays: Arrays;
  readonly bindings: readonly Binding[];
  readonly checked: boolean;
  /** Nodes that need no check. */
  readonly proven: ReadonlySet<KernelNode>;
  /** Set where int has 16 bits. */
  readonly int16: Casts | undefined;
  readonly sites: Site[];
  readonly loops: string[];
  /** Lines of the function's body so far. */
  readonly lines: string[];
  readonly primitives: Set<string>;
  temporaries: number;
}

/** Whether the rules of this node are checked when it runs. */
export const isLive = (c: Context, node: KernelNode): boolean => c.checked && !c.proven.has(node);

/** A fresh temporary; all are declared at the top of the function. */
export const temporary = (c: Context): string => `t${c.temporaries++}`;

/** The expression that ends the run: `fail(site, [values], [loop counters])`. */
export function fail(c: Context, rule: Rule, node: KernelNode, values: string, array?: string): string {
  c.sites.push({ rule, node, loops: [...c.loops], ...(array === undefined ? {} : { array }) });
  return `fail(${c.sites.length - 1}, [${values}], [${c.loops.map(jsName).join(', ')}])`;
}

/** Kernel names carry a `$` in JavaScript, apart from its words and the translator's names. */
export const jsName = (name: string): string => `$${name}`;

const viewNames: Readonly<Record<Elem, string>> = {
  u8: 'u8',
  i8: 'i8',
  u16: 'u16',
  i16: 'i16',
  i32: 'i32',
  f32: 'f32',
};

/** An array as JavaScript sees it: a typed array and the stretch of it that the name stands for. */
export interface JsArray {
  readonly view: string;
  /** First element, and one past the last. */
  readonly start: number;
  readonly end: number;
  /** The element that index 0 of this name means: a number, or the pointer's variable. */
  readonly origin: string;
  /** Absent for tables. */
  readonly slot?: number;
  readonly readOnly: boolean;
  readonly elem: Elem;
}

export function jsArray(c: Context, name: string): JsArray {
  const { root, pointer } = must(c.arrays.get(name), `array '${name}' was checked`);
  const elem = rootElem(root);
  const length = rootLength(root);
  if (root.kind === 'table') {
    const origin = pointer ? jsName(name) : '0';
    return { view: jsName(root.table.name), start: 0, end: length, origin, readOnly: true, elem };
  }
  const binding = must(c.bindings[root.index], `parameter '${root.param.name}' is bound`);
  const start = binding.address / elemBytes[elem];
  return {
    view: viewNames[elem],
    start,
    end: start + length,
    origin: pointer ? jsName(name) : String(start),
    slot: binding.slot,
    readOnly: root.param.role === 'in',
    elem,
  };
}

/** `origin + index`, in elements of the view. */
export const elementIndex = (array: JsArray, index: string): string =>
  array.origin === '0' ? index : index === '0' ? array.origin : `${array.origin} + ${index}`;
