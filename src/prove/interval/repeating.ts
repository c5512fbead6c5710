/** Code that runs once where it would do the same again, and what shows that it would (`repeats.ts`). */
import { at } from '../../base/errors.ts';
import type { Expr, PlainStmt } from '../../ir/kernel/kernel.ts';
import { exprText, type KernelNode } from '../../ir/kernel/text.ts';
import { isLoad, partsIn } from '../../ir/kernel/walk.ts';
import { type Code, inBlock, variable } from './bounds.ts';
import type { RepeatPlan } from './repeats.ts';

/** Emits what `emit` plans, by its name in the code. False: there is no plan, and nothing is emitted. */
export function planned(c: Code, emit: (name: string, quantity: number) => Code['plans'][number]): boolean {
  const [line, quantity, index, even] = [c.lines.length, c.quantities.length, c.plans.length, c.even];
  c.plans.push(undefined);
  const plan = emit(`again${index}`, quantity);
  if (plan !== undefined) c.plans[index] = plan;
  else [c.lines.length, c.quantities.length, c.plans.length, c.even] = [line, quantity, index, even];
  return plan !== undefined;
}

/** What a run depends on and what its addresses move with, in code. */
export interface Run {
  readonly id: string;
  /** Names of variables from outside. */
  readonly keys: readonly string[];
  readonly places: readonly string[];
}

/** The variables of these names, in code: one for each that is fixed, two for the bounds of others. */
export const keysOf = (c: Code, names: readonly string[]): readonly string[] =>
  names.flatMap((name) => {
    const { lo, hi } = variable(c, name);
    return lo === hi ? [lo] : [lo, hi];
  });

/** Emits `emit` behind the question whether that run is known. */
export function emitRun(c: Code, name: string, { id, keys, places }: Run, emit: () => void): void {
  const variables = keysOf(c, keys);
  const set = variables.map((key, i) => `${name}.keys[${i}] = ${key};`);
  const left = variables.map((key, i) => `${key} = ${name}.keys[${i}];`);
  c.lines.push(...places.map((place, i) => `${name}.places[${i}] = ${place};`));
  c.lines.push(...set, `if (!${name}.knows(${id})) {`);
  inBlock(c, emit);
  c.lines.push(...set, `${name}.end();`, '} else {', ...left, '}');
}

/**
 * Which of the quantities from `from` on move, by the form of their node. Undefined: something is noted of a part of
 * an address, which does not move as the address does.
 */
export function movingSince(
  c: Code,
  from: number,
  formOf: (node: KernelNode) => number | undefined,
  addresses: readonly Expr[],
): RepeatPlan['moving'] | undefined {
  const inAddresses = new Set<KernelNode>(addresses.flatMap((e) => partsIn(e)));
  const moving: { quantity: number; form: number }[] = [];
  for (let quantity = from; quantity < c.quantities.length; quantity++) {
    const { node, address } = at(c.quantities, quantity);
    const form = address === true ? formOf(node) : undefined;
    if (form !== undefined) moving.push({ quantity, form });
    else if (inAddresses.has(node)) return undefined;
  }
  return moving;
}

/** A multiple of something that is no sum itself. */
export interface Part {
  readonly e: Expr;
  readonly times: number;
}

/** An expression as a sum, by text of the parts; those that cancel are left out. */
export function sumOf(terms: readonly Part[]): ReadonlyMap<string, Part> {
  const parts = new Map<string, Part>();
  const add = ({ e, times }: Part): void => {
    if (e.kind === 'binary' && (e.op === 'add' || e.op === 'sub')) {
      add({ e: e.a, times });
      add({ e: e.b, times: e.op === 'add' ? times : -times });
    } else if (e.kind === 'binary' && e.op === 'mul' && e.b.kind === 'int')
      add({ e: e.a, times: times * e.b.value });
    else if (e.kind === 'binary' && e.op === 'mul' && e.a.kind === 'int')
      add({ e: e.b, times: times * e.a.value });
    else parts.set(exprText(e), { e, times: times + (parts.get(exprText(e))?.times ?? 0) });
  };
  terms.forEach(add);
  return new Map([...parts].filter(([, { times }]) => times !== 0));
}

/** Names of the locals, but f32, and of the arrays that an expression reads. */
export const readBy = (e: Expr): readonly string[] => partsIn(e).flatMap(nameOf);

export function nameOf(e: Expr): readonly string[] {
  if (isLoad(e)) return [e.from];
  return e.kind === 'local' && e.type !== 'f32' ? [e.name] : [];
}

/** The local, but f32, or the pointer that a statement changes, besides declaring it. */
export function changedBy(s: PlainStmt): readonly string[] {
  if (s.kind === 'advance') return [s.name];
  return (s.kind === 'assign' || s.kind === 'accumulate') && s.type !== 'f32' ? [s.name] : [];
}
