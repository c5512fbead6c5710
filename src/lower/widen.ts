/**
 * Loops over elements that lie side by side, four passes at a time: sums of images, pools of channels, and what becomes
 * of sums of rows. For every machine with vectors, with the primitives that it has.
 */

import { int } from '../ir/kernel/builders.ts';
import { checkKernel } from '../ir/kernel/check.ts';
import type { Kernel, Stmt } from '../ir/kernel/kernel.ts';
import { declaredIn, inlined, type Loop, rewritten } from '../ir/kernel/walk.ts';
import { copied } from './copies.ts';
import { type NewName, newNames } from './fresh-names.ts';
import { isIndependent, type Memory } from './independent.ts';
import { type Has, inLanes, laneCount, tablesOf } from './lanes.ts';

/** A machine with vectors, and where a kernel's parameters begin in its memory, in bytes, if that is known. */
export interface Machine {
  readonly has: Has;
  readonly starts?: readonly number[];
}

export const mve: Machine = { has: ({ instructions }) => instructions.mve !== undefined };
export const webAssembly: Machine = { has: ({ wasm }) => wasm !== undefined };

interface Work {
  readonly kernel: Kernel;
  readonly machine: Machine;
  readonly memory: Memory;
  readonly names: NewName;
}

/**
 * The kernel with its loops in lanes; undefined where none is. What is left of a loop runs pass by pass.
 * @throws DefectError for a kernel that breaks the static rules of Kernel IR
 */
export function widened(kernel: Kernel, machine: Machine): Kernel | undefined {
  const arrays = checkKernel(kernel);
  const work = { kernel, machine, memory: { ...machine, arrays }, names: newNames(kernel) };
  let found = false;
  const body = rewritten(kernel.body, (s) => {
    const made = s.kind === 'for' ? inLoops(work, s) : undefined;
    found ||= made !== undefined;
    return made;
  });
  return found ? { ...kernel, body } : undefined;
}

/** The loop over whole vectors, and what is left; undefined where it stays as it is. */
function inLoops({ kernel, machine, memory, names }: Work, loop: Loop): readonly Stmt[] | undefined {
  const { from, to, step, name } = loop;
  if (from.kind !== 'int' || to.kind !== 'int' || step !== 1) return undefined;
  const end = to.value - ((to.value - from.value) % laneCount);
  if (end <= from.value) return undefined;
  const state = {
    vectors: new Set<string>(),
    loaded: new Map(),
    tables: tablesOf(kernel),
    filled: new Map(),
  };
  const lanes = { counter: name, count: laneCount, names, has: machine.has, ...state };
  const body = inLanes(lanes, inlined(loop.body));
  const passes = { from: from.value, to: end, width: laneCount };
  if (body === undefined || !isIndependent(memory, loop, passes)) return undefined;
  const wide = { ...loop, to: int(end), step: laneCount, body };
  return end < to.value ? [wide, ...renamed({ ...loop, from: int(end) }, names)] : [wide];
}

const plain = (body: readonly Stmt[]): readonly Stmt[] =>
  rewritten(body, (s) => (s.kind === 'startRows' || s.kind === 'rowSum' ? plain(s.body) : undefined));

/** What is left of a loop, pass by pass. */
function renamed(loop: Loop, names: NewName): readonly Stmt[] {
  const others = new Map([...declaredIn([loop])].map((name) => [name, names(name)]));
  return copied(plain([loop]), { name: (name) => others.get(name) ?? name, values: new Map() });
}
