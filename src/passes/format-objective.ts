/** What a choice of formats is to make least, and how it weighs one format against another. */
import { formatName, type WeightFormat } from '../ir/kernel/weight-format.ts';
import type { Aim } from '../program/program.ts';
import type { Cost } from './format-pareto.ts';

/**
 * `flash`: the fewest bytes of tables and code, then the fewest instructions; `tables`: without the code; `speed`:
 * the fewest instructions, then bytes of tables; `zeros`: one byte each, but for layers most of whose weights are zero
 * and which a sparse format stores much smaller and not much slower. A budget: the fewest instructions within `flashBytes` of tables, or the fewest bytes of tables
 * and code within `instructions`; of the whole network.
 */
export type FormatObjective =
  | 'flash'
  | 'tables'
  | 'speed'
  | 'zeros'
  | { readonly flashBytes?: number; readonly instructions?: number };

/** A way to store a layer's weights, and what it costs. */
export interface Candidate extends Cost {
  readonly format: WeightFormat;
  /** Modelled, of the kernel's function at -Os. */
  readonly code: number;
  /** Sums accumulated at a time, where there is a choice; 4 when absent. */
  readonly lanes?: 8;
}

/** Whether bytes are to be few. */
const isForBytes = (objective: FormatObjective): boolean =>
  objective === 'flash' ||
  objective === 'tables' ||
  objective === 'zeros' ||
  (typeof objective === 'object' &&
    objective.instructions !== undefined &&
    objective.flashBytes === undefined);

/** What a program's forms are made for: where there is a budget, tables do not grow for the sake of instructions. */
export function aimOf(objective: FormatObjective): Aim {
  if (typeof objective === 'object') return 'tables';
  return objective === 'zeros' ? 'balanced' : objective;
}

/** A candidate at the price that the objective sees. */
export interface Priced extends Cost {
  readonly candidate: Candidate;
}

/** Of dense bytes, code included, and of dense instructions: what is worth another format without being asked. */
const muchSmaller = 0.75;
const notMuchSlower = 1.25;

/** Dense, and what beats it clearly; 8-bit layers without zeros have nothing of the kind. */
function clearlyBetter([dense, ...others]: readonly Candidate[]): readonly Candidate[] {
  if (dense === undefined) return [];
  const size = ({ bytes, code }: Candidate): number => bytes + code;
  return [
    dense,
    ...others.filter(
      (c) =>
        c.format.kind !== dense.format.kind &&
        size(c) <= muchSmaller * size(dense) &&
        c.instructions <= notMuchSlower * dense.instructions,
    ),
  ];
}

/** For flash alone, tables never become larger than dense ones for the sake of code. */
export function pricedFor(objective: FormatObjective, candidates: readonly Candidate[]): readonly Priced[] {
  const most = candidates[0]?.bytes ?? Infinity;
  const withCode = objective !== 'tables' && isForBytes(objective);
  return (objective === 'zeros' ? clearlyBetter(candidates) : candidates)
    .filter(({ bytes }) => objective !== 'flash' || bytes <= most)
    .map((candidate) => ({
      bytes: candidate.bytes + (withCode ? candidate.code : 0),
      instructions: candidate.instructions,
      candidate,
    }));
}

/** In the order in which the objective prefers them. */
export function compareFor(objective: FormatObjective): (a: Cost, b: Cost) => number {
  const bytesFirst = isForBytes(objective);
  return (a, b) =>
    bytesFirst
      ? a.bytes - b.bytes || a.instructions - b.instructions
      : a.instructions - b.instructions || a.bytes - b.bytes;
}

export function allowed(objective: FormatObjective, { bytes, instructions }: Cost): boolean {
  if (typeof objective === 'string') return true;
  return bytes <= (objective.flashBytes ?? Infinity) && instructions <= (objective.instructions ?? Infinity);
}

/** What the objective weighed, and the best candidate of another kind. */
export function comparison(
  objective: FormatObjective,
  chosen: Candidate,
  candidates: readonly Candidate[],
): string {
  if (typeof objective === 'object') return 'part of the best combination within the budget';
  const priced = pricedFor(objective, candidates).toSorted(compareFor(objective));
  const own = priced.find(({ candidate }) => candidate === chosen) ?? priced[0];
  const other = priced.find(({ candidate }) => candidate.format.kind !== chosen.format.kind);
  const [of, unit] = {
    flash: ['bytes', 'bytes of tables and code'] as const,
    zeros: ['bytes', 'bytes of tables and code'] as const,
    tables: ['bytes', 'bytes of tables'] as const,
    speed: ['instructions', 'instructions'] as const,
  }[objective];
  const next = other === undefined ? '' : `, next ${formatName(other.candidate.format)} with ${other[of]}`;
  return `${own?.[of]} ${unit}${next}`;
}
