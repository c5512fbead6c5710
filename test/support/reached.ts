/**
 * How often random cases took each path. Cases of the fixed seed alone are counted (seeds.ts): they are the same in
 * every run, so whether a count suffices is decided by the code, and never by the seed of a commit.
 */
import { expect } from 'vitest';
import { isOfFixedSeed, setTurn } from './seeds.ts';

export class Reached {
  readonly #counts = new Map<string, number>();

  /** Examples, which come before the first case is drawn, are counted too. */
  constructor() {
    setTurn(true);
  }

  /** Each name once more. @param names of what the case at hand reached. */
  add(...names: readonly string[]): void {
    if (isOfFixedSeed()) for (const name of names) this.#counts.set(name, this.of(name) + 1);
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** @throws when a name was reached less often than given: a law says little of a path that is hardly taken. */
  atLeast(least: Readonly<Record<string, number>>): void {
    const all = Object.fromEntries([...this.#counts].sort());
    for (const [name, count] of Object.entries(least))
      expect(this.of(name), `${name}, of ${JSON.stringify(all)}`).toBeGreaterThanOrEqual(count);
  }
}
