/** Code in place of statements of a kernel. */
import type { Stmt } from '../../ir/kernel/kernel.ts';
import type { Code } from '../../wasm/code.ts';
import type { Body } from './body.ts';
import type { Passes } from './vector-expr.ts';

export interface Replaced {
  /** In front of a statement. */
  readonly before: ReadonlyMap<Stmt, (b: Body) => Code>;
  readonly instead: ReadonlyMap<Stmt, (b: Body) => Code>;
  /** Instead of a statement of a loop whose passes are taken four at a time; undefined where that cannot be. */
  readonly lanes: ReadonlyMap<Stmt, (p: Passes) => Code | undefined>;
}

export const nothingReplaced: Replaced = { before: new Map(), instead: new Map(), lanes: new Map() };
