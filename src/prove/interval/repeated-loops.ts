/**
 * Loops inside of others, such as those over output channels: at another place of an image they do the same to inputs
 * of the same bounds, but for where they read and write. So they run once for all places where the inputs have the same
 * bounds.
 */
import { rootName } from '../../ir/kernel/check.ts';
import type { Expr, PlainStmt } from '../../ir/kernel/kernel.ts';
import { exprText, type KernelNode } from '../../ir/kernel/text.ts';
import { declaredIn, expressionsOf, isLoad, type Loop, partsOf, statementsIn } from '../../ir/kernel/walk.ts';
import { isFixed } from './binding-time.ts';
import { arrayOf, type Code } from './bounds.ts';
import { hasEvenElements } from './even-loops.ts';
import { bounds } from './expr.ts';
import {
  changedBy,
  emitRun,
  keysOf,
  movingSince,
  nameOf,
  type Part,
  planned,
  readBy,
  sumOf,
} from './repeating.ts';

/** Emits the loop, by `emit`, so that it runs once where it would do the same again. False: nothing is emitted. */
export function repeatedLoop(c: Code, s: Loop, emit: () => void): boolean {
  if (c.trace || c.everyPlace || c.walk !== undefined || c.repeated === mostRepeated) return false;
  const parts = partsOfLoop(c, s);
  const forms = parts && formsOf(c, s, parts);
  if (parts === undefined || forms === undefined || forms.length === 0) return false;
  return planned(c, (name, from) => {
    const places = forms.map(({ parts: form }) =>
      form.map(({ e, times }) => `${times} * ${bounds(c, e).lo}`).join(' + '),
    );
    // A rule would be about an expression of no statement.
    if (c.quantities.length > from) return undefined;
    const [memory] = parts.followed;
    const id = idOf(c, memory, parts.keys);
    c.repeated++;
    emitRun(c, name, { id, keys: parts.keys, places }, emit);
    c.repeated--;
    const formOf = (node: KernelNode) => {
      const found = forms.findIndex(({ nodes }) => nodes.has(node));
      return found < 0 ? undefined : found;
    };
    const addresses = forms.flatMap((form) => form.addresses);
    const moving = movingSince(c, from, formOf, addresses);
    return moving && { moving, forms: forms.length, keys: keysOf(c, parts.keys).length, canGiveUp: true };
  });
}

/** Of what is kept of the memory that a loop reads; and that memory, where the loop leaves no bounds behind. */
function idOf(c: Code, memory: string | undefined, keys: readonly string[]): string {
  if (memory === undefined) return '0';
  const leavesBounds = keys.some((key) => c.dependent.has(key));
  return `contentOf(memory_${memory})${leavesBounds ? '' : `, memory_${memory}`}`;
}

/** Loops around each other of which each runs once: those over places, and over rows. Those inside seldom repeat. */
const mostRepeated = 2;

interface LoopParts {
  /** Variables from outside that are read or changed, but in addresses. */
  readonly keys: readonly string[];
  /** By node that reads or writes elements of a parameter that is not followed, or points at them: the sum that says where. */
  readonly addresses: ReadonlyMap<KernelNode, readonly Expr[]>;
  /** Parameters whose elements' bounds are read. */
  readonly followed: ReadonlySet<string>;
}

/** Undefined: it changes what is kept of memory. */
function partsOfLoop(c: Code, s: Loop): LoopParts | undefined {
  const names = new Set<string>();
  const addresses = new Map<KernelNode, readonly Expr[]>();
  const pointers = new Map<string, readonly Expr[]>();
  const followed = new Set<string>();
  const inner = declaredIn([s]);
  const isFollowed = (name: string): boolean => c.followed.has(rootName(arrayOf(c, name).root));
  const isAlike = (name: string): boolean => hasEvenElements(c, name);
  const reads = (e: Expr): void => {
    if (isLoad(e) && isFollowed(e.from)) followed.add(rootName(arrayOf(c, e.from).root));
    if (isLoad(e) && isAlike(e.from)) {
      accesses(e, e.from, e.index);
      partsOf(e).slice(1).forEach(reads);
    } else {
      for (const name of nameOf(e)) names.add(name);
      partsOf(e).forEach(reads);
    }
  };
  /** Beyond a pointer of the loop, an index is not the address. */
  const accesses = (node: KernelNode, base: string, index: Expr): readonly Expr[] => {
    const from = pointers.get(base);
    if (from !== undefined) reads(index);
    const own = arrayOf(c, base).pointer ? [index, pointerTo(base)] : [index];
    addresses.set(node, from ?? own);
    return from ?? own;
  };
  const visit = (inside: PlainStmt): boolean => {
    for (const name of changedBy(inside)) names.add(name);
    if (inside.kind === 'copy' || inside.kind === 'fill') return false;
    if (inside.kind === 'store' || inside.kind === 'storeVector') {
      reads(inside.value);
      if (inside.kind === 'storeVector') reads(inside.count);
      accesses(inside, inside.to, inside.index);
      return isAlike(inside.to);
    }
    if (inside.kind === 'pointer' && isAlike(inside.base))
      pointers.set(inside.name, accesses(inside, inside.base, inside.offset));
    else {
      if (inside.kind === 'pointer') names.add(inside.base);
      const from = inside.kind === 'advance' ? pointers.get(inside.name) : undefined;
      if (from !== undefined) addresses.set(inside, from);
      expressionsOf(inside).forEach(reads);
    }
    return true;
  };
  if (!statementsIn([s]).every(visit) || followed.size > 1) return undefined;
  const isVariable = (name: string): boolean => c.times.arrays.get(name)?.pointer ?? true;
  const keys = [...names].filter((name) => !inner.has(name) && isVariable(name));
  return { keys, addresses, followed };
}

/** A pointer in a sum of an address. */
const pointerTo = (name: string): Expr => ({ kind: 'local', name, type: 'i32' });

/** What addresses move with: the parts of their sums that the loop leaves as they are. */
interface Form {
  readonly parts: readonly Part[];
  readonly nodes: Set<KernelNode>;
  readonly addresses: Expr[];
}

/** Undefined: an address has a part that both the loop and what is outside make. */
function formsOf(c: Code, s: Loop, { keys, addresses }: LoopParts): readonly Form[] | undefined {
  const own = new Set([...declaredIn([s]), ...keys]);
  const forms = new Map<string, Form>();
  for (const [node, terms] of addresses) {
    const parts = [...sumOf(terms.map((e) => ({ e, times: 1 }))).values()];
    const outer = parts.filter(({ e }) => readBy(e).some((name) => !own.has(name)));
    if (!outer.every(({ e }) => isFixed(c.times, e) && !readBy(e).some((name) => own.has(name))))
      return undefined;
    if (outer.length === 0) continue;
    const text = outer
      .map(({ e, times }) => `${times} * ${exprText(e)}`)
      .sort()
      .join(' + ');
    const form = forms.get(text) ?? { parts: outer, nodes: new Set(), addresses: [] };
    form.nodes.add(node);
    form.addresses.push(...terms);
    forms.set(text, form);
  }
  return [...forms.values()];
}
