/** Inputs as 16-bit numbers, where vectors read them. */
import { must } from '../../base/errors.ts';
import type { Kernel, Param, Stmt } from '../../ir/kernel/kernel.ts';
import type { Code } from '../../wasm/code.ts';
import { type Body, baseOf } from './body.ts';
import { type Workspace, widen } from './lanes.ts';

export interface Source extends Param {
  readonly index: number;
  readonly elem: 'u8' | 'i8';
}

/** The parameter that rows read, if it holds bytes. */
export function sourceOf({ params }: Kernel, name: string): Source | undefined {
  const index = params.findIndex((p) => p.name === name);
  const param = must(params[index], `parameter '${name}'`);
  const { elem } = param;
  return elem === 'u8' || elem === 'i8' ? { ...param, elem, index } : undefined;
}

/**
 * Inputs are widened once, when the kernel begins: whatever is written over them was read before. Scratch is
 * widened in front of the loop that reads it.
 * @returns code in front of statements, `ahead` among them, which has `then` behind it
 */
export function widenedBefore(
  kernel: Kernel,
  source: Source,
  workspace: Workspace,
  ahead: Stmt,
  then: (b: Body) => Code,
): ReadonlyMap<Stmt, (b: Body) => Code> {
  const widened = (b: Body): Code => {
    const from = baseOf(b, { kind: 'param', index: source.index, param: source });
    return widen(b, from, workspace.wide, source.length, source.elem);
  };
  const start = must(kernel.body[0], 'a statement');
  if (source.role !== 'in' || start === ahead)
    return new Map([[ahead, (b: Body) => [...widened(b), ...then(b)]]]);
  return new Map([
    [start, widened],
    [ahead, then],
  ]);
}
