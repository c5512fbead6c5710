/**
 * Memory planning: an address in one arena for every buffer, such that no live byte is overwritten. Buffers
 * that are never live together share bytes; so do a kernel's dying input and its output, at a distance that
 * was measured on the kernel's own order of reads and writes (`overlap.ts`): distance 0 is in place, and a
 * convolution's output may trail its input by a few rows.
 */
import { at, DefectError, must } from '../base/errors.ts';

/** A tensor in the arena, from the step that writes it to the last one that reads it. */
export interface Buffer {
  readonly name: string;
  readonly bytes: number;
  /** Of its address: 1, 2 or 4. */
  readonly align: number;
  /** The step that writes it; -1 for the input. */
  readonly firstStep: number;
  /** The last step that reads it; the number of steps for the output. */
  readonly lastStep: number;
}

/** The permitted overlap of a step's output with an input that is last read there; indices of buffers, distances in bytes. */
export interface Sharing {
  readonly input: number;
  readonly output: number;
  /** The output may start this far below the input, or farther. */
  readonly below: number;
  /** Or this far above it. */
  readonly above: number;
  /** Or exactly where it starts. */
  readonly inPlace: boolean;
}

/** `overlap` uses every sharing; `disjoint` none (ping-pong buffers for a chain); `separate` no reuse at all. */
export type PlanStrategy = 'overlap' | 'disjoint' | 'separate';

/** The addresses of buffers in the arena. */
export interface MemoryPlan {
  readonly strategy: PlanStrategy;
  /** In bytes, in the order of the buffers. */
  readonly addresses: readonly number[];
  readonly arenaBytes: number;
  /** No plan of this strategy, for this order of steps, can be smaller. */
  readonly lowerBound: number;
}

interface Problem {
  readonly buffers: readonly Buffer[];
  /** By `input * n + output`. */
  readonly sharings: ReadonlyMap<number, Sharing>;
  readonly strategy: PlanStrategy;
}

/**
 * Computes addresses for buffers: no two that are live together overlap, except where sharing is allowed.
 * @param attempts how many shuffled orders of placement are tried before the best plan so far is taken
 */
export function planMemory(
  buffers: readonly Buffer[],
  sharings: readonly Sharing[],
  strategy: PlanStrategy = 'overlap',
  attempts = thorough,
): MemoryPlan {
  const usable = strategy === 'overlap' ? sharings.filter((s) => dies(buffers, s)) : [];
  const problem: Problem = {
    buffers,
    sharings: new Map(usable.map((s) => [s.input * buffers.length + s.output, s])),
    strategy,
  };
  const lowerBound = boundOf(problem);
  const addresses = search(problem, lowerBound, attempts);
  return { strategy, addresses, arenaBytes: Math.max(0, ...ends(problem, addresses)), lowerBound };
}

const dies = (buffers: readonly Buffer[], { input, output }: Sharing): boolean =>
  at(buffers, input).lastStep === at(buffers, output).firstStep;

const ends = ({ buffers }: Problem, addresses: readonly number[]): number[] =>
  buffers.map((b, i) => must(addresses[i], 'every buffer has an address') + b.bytes);

/** Buffers whose bytes must be kept apart, or at one of their sharing's distances. */
const meet = ({ strategy }: Problem, a: Buffer, b: Buffer): boolean =>
  strategy === 'separate' || (a.firstStep <= b.lastStep && b.firstStep <= a.lastStep);

/** Whether buffers `i` at `p` and `j` at `q` can stand so. */
function compatible(problem: Problem, i: number, p: number, j: number, q: number): boolean {
  const a = must(problem.buffers[i], 'buffer');
  const b = must(problem.buffers[j], 'buffer');
  if (p + a.bytes <= q || q + b.bytes <= p || !meet(problem, a, b)) return true;
  return shares(problem, i, p, j, q) || shares(problem, j, q, i, p);
}

function shares(
  { sharings, buffers }: Problem,
  input: number,
  p: number,
  output: number,
  q: number,
): boolean {
  const s = sharings.get(input * buffers.length + output);
  return s !== undefined && (p - q >= s.below || q - p >= s.above || (s.inPlace && p === q));
}

/** The smallest footprint of one step: all live bytes, less what the output can share with dying inputs. */
function boundOf(problem: Problem): number {
  const { buffers, sharings, strategy } = problem;
  const total = (set: readonly Buffer[]): number => set.reduce((sum, b) => sum + b.bytes, 0);
  if (strategy === 'separate') return total(buffers);
  const saved = new Map<number, number>();
  for (const s of sharings.values()) saved.set(s.output, (saved.get(s.output) ?? 0) + savingOf(problem, s));
  const last = Math.max(0, ...buffers.map((b) => b.lastStep));
  let bound = 0;
  for (let step = -1; step <= last; step++) {
    const live = buffers.filter((b) => b.firstStep <= step && step <= b.lastStep);
    const shared = [...saved].filter(([output]) => at(buffers, output).firstStep === step);
    bound = Math.max(
      bound,
      total(live) -
        shared.reduce((sum, [output, bytes]) => sum + Math.min(bytes, at(buffers, output).bytes), 0),
    );
  }
  return bound;
}

/** Bytes that an input and an output have in common at the closest distance they may stand at. */
function savingOf({ buffers }: Problem, s: Sharing): number {
  const input = at(buffers, s.input).bytes;
  const output = at(buffers, s.output).bytes;
  const together = Math.min(
    Math.max(s.below + input, output),
    Math.max(s.above + output, input),
    s.inPlace ? Math.max(input, output) : input + output,
  );
  return Math.max(0, input + output - together);
}

/** The bound usually ends the search at once. */
const thorough = 600;

function search(problem: Problem, lowerBound: number, attempts: number): readonly number[] {
  let best: readonly number[] | undefined;
  let bestSize = Infinity;
  for (const order of orders(problem.buffers, attempts)) {
    const addresses = place(problem, order);
    const size = Math.max(0, ...ends(problem, addresses));
    if (size < bestSize) [best, bestSize] = [addresses, size];
    if (bestSize <= lowerBound) break;
  }
  return must(best, 'at least one order was tried');
}

/** Orders of placement: forward and backward in time, by size, then shuffles of the last from a fixed seed. */
function* orders(buffers: readonly Buffer[], attempts: number): Generator<readonly number[]> {
  const all = buffers.map((_, i) => i);
  const by = (key: (b: Buffer) => number): number[] =>
    all.toSorted((i, j) => key(must(buffers[i], 'buffer')) - key(must(buffers[j], 'buffer')) || i - j);
  yield by((b) => b.firstStep);
  yield by((b) => -b.firstStep);
  const bySize = by((b) => -b.bytes);
  yield bySize;
  let state = 1;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const keys = all.map(() => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    });
    // Large buffers tend to stay in front: their place decides most.
    const rank = (i: number): number => at(keys, i) * (1 + bySize.indexOf(i));
    yield all.toSorted((i, j) => rank(i) - rank(j));
  }
}

/** Puts the buffers one after the other where the arena grows least. */
function place(problem: Problem, order: readonly number[]): readonly number[] {
  const placed = new Map<number, number>();
  for (const i of order) placed.set(i, bestPlace(problem, placed, i));
  const lowest = Math.min(0, ...placed.values());
  const align = Math.max(...problem.buffers.map((b) => b.align));
  const shift = Math.ceil(-lowest / align) * align;
  return problem.buffers.map((_, i) => must(placed.get(i), 'placed') + shift);
}

function bestPlace(problem: Problem, placed: ReadonlyMap<number, number>, i: number): number {
  const buffer = must(problem.buffers[i], 'buffer');
  const span = spanOf(problem, placed);
  // Most of a deep network's buffers are never live together with this one.
  const near = [...placed].filter(([j]) => meet(problem, buffer, must(problem.buffers[j], 'buffer')));
  let best: number | undefined;
  let bestCost = Infinity;
  for (const p of candidates(problem, placed, i)) {
    const cost = Math.max(span.hi, p + buffer.bytes) - Math.min(span.lo, p);
    if (cost > bestCost || (cost === bestCost && p >= (best ?? Infinity))) continue;
    if (near.every(([j, q]) => compatible(problem, i, p, j, q))) [best, bestCost] = [p, cost];
  }
  return must(best, 'above everything is always a place');
}

function spanOf({ buffers }: Problem, placed: ReadonlyMap<number, number>): { lo: number; hi: number } {
  let [lo, hi] = [Infinity, -Infinity];
  for (const [j, q] of placed) {
    lo = Math.min(lo, q);
    hi = Math.max(hi, q + must(buffers[j], 'buffer').bytes);
  }
  return { lo, hi };
}

/** Places next to what is placed, at either side, and at every distance that a sharing allows. */
function candidates(problem: Problem, placed: ReadonlyMap<number, number>, i: number): readonly number[] {
  const { buffers, sharings } = problem;
  const { bytes, align } = must(buffers[i], 'buffer');
  const down = (p: number): number => Math.floor(p / align) * align;
  const up = (p: number): number => Math.ceil(p / align) * align;
  const found = new Set<number>(placed.size === 0 ? [0] : []);
  for (const [j, q] of placed) {
    const size = must(buffers[j], 'buffer').bytes;
    found
      .add(up(q))
      .add(up(q + size))
      .add(down(q - bytes))
      .add(up(q + size - bytes));
    const asOutput = sharings.get(j * buffers.length + i);
    if (asOutput !== undefined) found.add(down(q - asOutput.below)).add(up(q + asOutput.above));
    const asInput = sharings.get(i * buffers.length + j);
    if (asInput !== undefined) found.add(up(q + asInput.below)).add(down(q - asInput.above));
  }
  return [...found];
}

/**
 * Checks a plan on its own, pair by pair. @throws DefectError naming two buffers that clash, or one that is
 * misaligned or leaves the arena.
 */
export function verifyPlan(buffers: readonly Buffer[], sharings: readonly Sharing[], plan: MemoryPlan): void {
  const usable = plan.strategy === 'overlap' ? sharings.filter((s) => dies(buffers, s)) : [];
  const problem: Problem = {
    buffers,
    sharings: new Map(usable.map((s) => [s.input * buffers.length + s.output, s])),
    strategy: plan.strategy,
  };
  const at = (i: number): number => must(plan.addresses[i], 'every buffer has an address');
  buffers.forEach((a, i) => {
    if (at(i) < 0 || at(i) % a.align !== 0 || at(i) + a.bytes > plan.arenaBytes)
      throw new DefectError(`plan: '${a.name}' at ${at(i)} is misaligned or leaves the arena`);
    for (let j = 0; j < i; j++)
      if (!compatible(problem, i, at(i), j, at(j)))
        throw new DefectError(`plan: '${a.name}' at ${at(i)} and '${buffers[j]?.name}' at ${at(j)} clash`);
  });
}
