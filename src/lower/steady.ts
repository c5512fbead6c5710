/** Loops whose pointers stay where they are: what they advance by in a pass is in the indices. */
import { add, advance, local, mul } from '../ir/kernel/builders.ts';
import type { Expr, PlainStmt, Stmt } from '../ir/kernel/kernel.ts';
import { expressionsIn, isLoad, type Loop, partsIn, statementsIn } from '../ir/kernel/walk.ts';
import { copied } from './copies.ts';

export interface Steady {
  readonly body: readonly PlainStmt[];
  /** What the pointers advance by in so many passes. */
  readonly after: (passes: number) => readonly Stmt[];
}

/** How far each pointer goes that the body advances at its end. */
function stepsOf(body: readonly PlainStmt[]): ReadonlyMap<string, number> {
  const last = body.findLastIndex((s) => s.kind !== 'advance');
  const steps = new Map<string, number>();
  for (const s of body.slice(last + 1))
    if (s.kind === 'advance' && s.by.kind === 'int') steps.set(s.name, (steps.get(s.name) ?? 0) + s.by.value);
  return steps;
}

/** Whether statements do nothing with these pointers but load from them. */
const onlyLoads = (body: readonly PlainStmt[], steps: ReadonlyMap<string, number>): boolean =>
  ![...statementsIn(body)].some(
    (s) =>
      s.kind === 'advance' ||
      (s.kind === 'pointer' && steps.has(s.base)) ||
      ((s.kind === 'store' || s.kind === 'storeVector') && steps.has(s.to)) ||
      s.kind === 'copy' ||
      s.kind === 'fill',
  ) &&
  [...expressionsIn(body)].every((e) =>
    [...partsIn(e)].every((part) => !isLoad(part) || part.kind === 'load' || !steps.has(part.from)),
  );

/** @param body the loop's; undefined where its pointers are needed as they are */
export function steady({ name, from }: Loop, body: readonly PlainStmt[]): Steady | undefined {
  const steps = stepsOf(body);
  if (steps.size === 0) return { body, after: () => [] };
  const rest = body.filter((s) => s.kind !== 'advance');
  if (from.kind !== 'int' || from.value !== 0 || !onlyLoads(rest, steps)) return undefined;
  const index = (array: string, e: Expr): Expr => add(e, mul(local(name), steps.get(array) ?? 0));
  return {
    body: copied(rest, { name: (one) => one, values: new Map(), index }) as readonly PlainStmt[],
    after: (passes) => [...steps].flatMap(([pointer, by]) => advance(pointer, by * passes)),
  };
}
