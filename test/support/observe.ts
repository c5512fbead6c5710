/** A kernel that also records the smallest and the largest value that each of its i32 locals takes. */
import type { Kernel, Stmt } from '../../src/ir/kernel/kernel.ts';
import { inlined, statementsIn } from '../../src/ir/kernel/walk.ts';
import * as ir from './ir.ts';

export interface Observed {
  readonly kernel: Kernel;
  /** The local whose minimum and maximum are elements 2 i and 2 i + 1 of the last parameter. */
  readonly locals: readonly string[];
}

export function observing(kernel: Kernel): Observed {
  const locals: string[] = [];
  for (const s of statementsIn(kernel.body)) {
    if (s.kind === 'let' && s.type === 'i32') locals.push(s.name);
  }
  const start = locals.flatMap((_, i) => [
    ir.store('seen', 'i32', 2 * i, 2147483647),
    ir.store('seen', 'i32', 2 * i + 1, -2147483648),
  ]);
  const body = [...start, ...observed(kernel.body, locals)];
  const params = [...kernel.params, ir.param('seen', 'scratch', 'i32', Math.max(1, 2 * locals.length))];
  return { kernel: { ...kernel, params, body }, locals };
}

const observed = (body: readonly Stmt[], locals: readonly string[]): Stmt[] =>
  inlined(body).flatMap((s): Stmt[] => {
    if (s.kind === 'for') return [{ ...s, body: observed(s.body, locals) }];
    if (s.kind === 'if') return [{ ...s, yes: observed(s.yes, locals), no: observed(s.no, locals) }];
    if (s.kind !== 'let' && s.kind !== 'assign' && s.kind !== 'accumulate') return [s];
    return s.type === 'f32' ? [s] : [s, ...record(s.name, 2 * locals.indexOf(s.name))];
  });

function record(name: string, at: number): Stmt[] {
  const [value, low, high] = [ir.local(name), ir.load('seen', 'i32', at), ir.load('seen', 'i32', at + 1)];
  return [
    ir.store('seen', 'i32', at, ir.select(ir.compare('lt', value, low), value, low)),
    ir.store('seen', 'i32', at + 1, ir.select(ir.compare('gt', value, high), value, high)),
  ];
}
