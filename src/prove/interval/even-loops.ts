/**
 * Loops whose passes all do the same to elements of the same bounds, at addresses that are linear in the loop's counter:
 * the loops over an image without borders, or over the elements of a sum. What is noted of such addresses lies between
 * that of the first pass and that of the last, so only these two run.
 */
import { rootName } from '../../ir/kernel/check.ts';
import type { Expr, PlainStmt } from '../../ir/kernel/kernel.ts';
import { declaredIn, isLoad, type Loop, partsOf, statementsIn } from '../../ir/kernel/walk.ts';
import { arrayOf, type Code } from './bounds.ts';
import { changedBy } from './repeating.ts';

/** Whether the first and the last pass show what all passes do. */
export function isEven(c: Code, s: Loop): boolean {
  if (c.trace || c.everyPlace || c.walk !== undefined) return false;
  const passes = new Passes(c, s);
  return statementsIn(s.body).every((inside) => passes.isAlike(inside));
}

/** Elements of a parameter have the same bounds, unless they are followed. */
export function hasEvenElements(c: Code, name: string): boolean {
  const { root } = arrayOf(c, name);
  return root.kind === 'param' && !c.followed.has(rootName(root));
}

/** The passes of one loop, statement by statement. */
class Passes {
  readonly #code: Code;
  readonly #own: ReadonlySet<string>;
  /** The counter, and locals that are linear in it. */
  readonly #moving: Set<string>;

  constructor(c: Code, s: Loop) {
    [this.#code, this.#own, this.#moving] = [c, declaredIn(s.body), new Set([s.name])];
  }

  /** Whether a statement does the same in every pass, and leaves nothing behind for the next. */
  isAlike(s: PlainStmt): boolean {
    if (changedBy(s).some((name) => !this.#own.has(name))) return false;
    switch (s.kind) {
      case 'let':
        if (this.#isSame(s.value)) return true;
        if (s.mutable || s.type !== 'i32' || !this.#isLinear(s.value)) return false;
        this.#moving.add(s.name);
        return true;
      case 'assign':
      case 'accumulate':
        return this.#isSame(s.value);
      case 'advance':
        return this.#isSame(s.by);
      case 'pointer':
        return this.#isPlace(s.base, s.offset);
      case 'store':
        return this.#isWritten(s.to, s.index) && this.#isSame(s.value);
      case 'storeVector':
      case 'fill':
        return this.#isWritten(s.to, s.index) && this.#isSame(s.value) && this.#isSame(s.count);
      case 'copy':
        return (
          this.#isWritten(s.to, s.toIndex) && this.#isPlace(s.from, s.fromIndex) && this.#isSame(s.count)
        );
      case 'for':
        return this.#isSame(s.from) && this.#isSame(s.to);
      case 'if':
        return this.#isSame(s.test);
      case 'comment':
        return true;
      default:
        return s satisfies never;
    }
  }

  #isWritten(to: string, index: Expr): boolean {
    return hasEvenElements(this.#code, to) && this.#isLinear(index);
  }

  #isPlace(base: string, index: Expr): boolean {
    return hasEvenElements(this.#code, base) ? this.#isLinear(index) : this.#isSame(index);
  }

  /** Of the counter, with factors that are the same in every pass. */
  #isLinear(e: Expr): boolean {
    if (e.kind === 'local') return true;
    if (e.kind !== 'binary' || e.type !== 'i32') return this.#isSame(e);
    if (e.op === 'add' || e.op === 'sub') return this.#isLinear(e.a) && this.#isLinear(e.b);
    if (e.op !== 'mul') return this.#isSame(e);
    return (this.#isLinear(e.a) && this.#isSame(e.b)) || (this.#isSame(e.a) && this.#isLinear(e.b));
  }

  /** The same bounds in every pass. */
  #isSame(e: Expr): boolean {
    if (e.kind === 'local') return !this.#moving.has(e.name);
    if (!isLoad(e) || !hasEvenElements(this.#code, e.from))
      return partsOf(e).every((part) => this.#isSame(part));
    const [index, ...others] = partsOf(e);
    return index !== undefined && this.#isLinear(index) && others.every((part) => this.#isSame(part));
  }
}
