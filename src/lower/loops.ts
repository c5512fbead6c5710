/** Loops over elements that lie side by side: sums of images, pools of channels. Four passes at a time. */
import { int } from '../ir/kernel/builders.ts';
import type { Kernel, Stmt } from '../ir/kernel/kernel.ts';
import { declaredIn, expressionsIn, inlined, isLoad, type Loop, statementsIn } from '../ir/kernel/walk.ts';
import { copied } from './copies.ts';
import type { NewName } from './fresh-names.ts';
import { inLanes, laneCount } from './lanes.ts';

/**
 * The body with its loops in lanes; undefined where none is. What a pass reads is never what the kernel writes: a plan
 * may let a pass write over what it or an earlier one has read. In lanes, reads come earlier and writes later than pass
 * by pass, so that every read still finds what it found.
 */
export function loopsInLanes(kernel: Kernel, names: NewName): readonly Stmt[] | undefined {
  const arrays = new Set(kernel.params.flatMap(({ name, role }) => (role === 'in' ? [name] : [])));
  let found = false;
  const inside = (body: readonly Stmt[]): readonly Stmt[] =>
    body.flatMap((s): readonly Stmt[] => {
      if (s.kind !== 'for') return [s];
      const made = widened(s, arrays, names);
      found ||= made !== undefined;
      return made ?? [{ ...s, body: inside(s.body) }];
    });
  const made = inside(kernel.body);
  return found ? made : undefined;
}

/** Whether all that the loop reads is in these arrays, and each pass ends with its only store. */
function isOverArrays({ body }: Loop, arrays: ReadonlySet<string>): boolean {
  const reads = [...expressionsIn(body)].filter(isLoad);
  const stores = [...statementsIn(body)].filter((s) => s.kind === 'store');
  return reads.every(({ from }) => arrays.has(from)) && stores.length === 1 && stores[0] === body.at(-1);
}

function widened(loop: Loop, arrays: ReadonlySet<string>, names: NewName): readonly Stmt[] | undefined {
  const { from, to, step, name } = loop;
  if (from.kind !== 'int' || to.kind !== 'int' || step !== 1 || !isOverArrays(loop, arrays)) return undefined;
  const whole = to.value - ((to.value - from.value) % laneCount);
  if (whole === from.value) return undefined;
  const state = { vectors: new Set<string>(), tables: new Map(), loaded: new Map() };
  const body = inLanes({ counter: name, count: laneCount, arrays, names, ...state }, inlined(loop.body));
  if (body === undefined) return undefined;
  const wide = { ...loop, to: int(whole), step: laneCount, body };
  return whole < to.value ? [wide, ...renamed({ ...loop, from: int(whole) }, names)] : [wide];
}

/** What is left of a loop, pass by pass. */
function renamed(loop: Loop, names: NewName): readonly Stmt[] {
  const others = new Map([...declaredIn([loop])].map((name) => [name, names(name)]));
  return copied([loop], { name: (name) => others.get(name) ?? name, values: new Map() });
}
