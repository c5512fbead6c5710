/**
 * Which names of a kernel have values that follow from its code and tables alone: loop counters, addresses,
 * weights. All others depend on the input. A name depends on the input when an assignment to it does, or when
 * an assignment stands under an `if` or a loop that does and the name lives outside of it.
 */

import { must } from '../../base/errors.ts';
import { type Arrays, checkKernel } from '../../ir/kernel/check.ts';
import type { Expr, Kernel, PlainStmt, Stmt, StmtOf } from '../../ir/kernel/kernel.ts';
import { inlined, partsOf, typeOf } from '../../ir/kernel/walk.ts';

export interface BindingTimes {
  readonly arrays: Arrays;
  /** Names of locals, counters and pointers that depend on the input. */
  readonly dependent: ReadonlySet<string>;
}

interface State {
  readonly arrays: Arrays;
  readonly dependent: Set<string>;
  /** How many input-dependent blocks stood around each name's declaration. */
  readonly depths: Map<string, number>;
}

export function bindingTimes(kernel: Kernel): BindingTimes {
  const state: State = { arrays: checkKernel(kernel), dependent: new Set(), depths: new Map() };
  // Monotone: names are only ever added, so this ends.
  for (let before = -1; before < state.dependent.size; ) {
    before = state.dependent.size;
    visit(state, kernel.body, 0);
  }
  return state;
}

function visit(state: State, body: readonly Stmt[], depth: number): void {
  for (const s of inlined(body)) visitStmt(state, s, depth);
}

function visitStmt(state: State, s: PlainStmt, depth: number): void {
  switch (s.kind) {
    case 'let':
    case 'pointer':
      state.depths.set(s.name, depth);
      if (declares(state, s)) state.dependent.add(s.name);
      return;
    case 'assign':
    case 'accumulate':
      assigned(state, s.name, s.value, depth);
      return;
    case 'advance':
      assigned(state, s.name, s.by, depth);
      return;
    case 'for': {
      const fixed = isFixed(state, s.from) && isFixed(state, s.to);
      if (!fixed) state.dependent.add(s.name);
      visit(state, s.body, fixed ? depth : depth + 1);
      return;
    }
    case 'if': {
      const inside = isFixed(state, s.test) ? depth : depth + 1;
      visit(state, s.yes, inside);
      visit(state, s.no, inside);
      return;
    }
    case 'store':
    case 'storeVector':
    case 'copy':
    case 'fill':
    case 'comment':
      return;
    default:
      s satisfies never;
  }
}

const declares = (state: State, s: StmtOf<'let' | 'pointer'>): boolean =>
  s.kind === 'let' ? !isFixed(state, s.value) : !isFixed(state, s.offset) || state.dependent.has(s.base);

function assigned(state: State, name: string, value: Expr, depth: number): void {
  const conditional = depth > must(state.depths.get(name), `'${name}' is declared`);
  if (conditional || !isFixed(state, value)) state.dependent.add(name);
}

/** Whether an i32 expression has the same value in every run at the same place of the loops. */
export function isFixed(times: BindingTimes, e: Expr): boolean {
  if (e.kind === 'local') return e.type === 'i32' && !times.dependent.has(e.name);
  if (e.kind === 'float' || e.kind === 'toFloat' || e.kind === 'toInt') return false;
  if (e.kind === 'loadVector' || typeOf(e) !== 'i32') return false;
  if (e.kind === 'load') {
    const { root } = times.arrays.get(e.from) ?? {};
    if (root?.kind !== 'table' || e.elem === 'f32' || times.dependent.has(e.from)) return false;
  }
  return partsOf(e).every((part) => isFixed(times, part));
}
