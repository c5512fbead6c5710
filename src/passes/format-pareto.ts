/** Exact choice of one candidate per layer when two sums count. */

export interface Cost {
  /** Of constant tables. */
  readonly bytes: number;
  /** Modelled, of one inference. */
  readonly instructions: number;
}

export interface Best<C extends Cost> {
  readonly cost: Cost;
  /** One per layer. */
  readonly choices: readonly C[];
}

/** A partial choice as a list from the last layer back: thousands of them share their beginnings. */
interface Partial<C> {
  readonly cost: Cost;
  readonly last?: C;
  readonly before?: Partial<C>;
}

/** Those that no other beats in both, fewest bytes first; of equal ones the first. */
function undominated<T extends { readonly cost: Cost }>(all: readonly T[]): T[] {
  const sorted = [...all].sort(
    (a, b) => a.cost.bytes - b.cost.bytes || a.cost.instructions - b.cost.instructions,
  );
  const kept: T[] = [];
  let fastest = Infinity;
  for (const one of sorted)
    if (one.cost.instructions < fastest) {
      kept.push(one);
      fastest = one.cost.instructions;
    }
  return kept;
}

const plus = (a: Cost, b: Cost): Cost => ({
  bytes: a.bytes + b.bytes,
  instructions: a.instructions + b.instructions,
});

function unrolled<C extends Cost>({ cost, ...list }: Partial<C>): Best<C> {
  const choices: C[] = [];
  for (let at: Partial<C> | undefined = { cost, ...list }; at?.last !== undefined; at = at.before)
    choices.unshift(at.last);
  return { cost, choices };
}

/**
 * All combinations that no other beats in both sums, fewest bytes first. What a layer adds is the same whatever
 * stands before it, so a beaten beginning stays beaten and can be dropped.
 * @param fixed what is there without any choice
 */
export function combine<C extends Cost>(fixed: Cost, layers: readonly (readonly C[])[]): readonly Best<C>[] {
  let front: Partial<C>[] = [{ cost: fixed }];
  for (const candidates of layers) {
    const useful = undominated(candidates.map((candidate) => ({ cost: candidate, candidate })));
    front = undominated(
      front.flatMap((before) =>
        useful.map(({ candidate }) => ({ cost: plus(before.cost, candidate), last: candidate, before })),
      ),
    );
  }
  return front.map(unrolled);
}
