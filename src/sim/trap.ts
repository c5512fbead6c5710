/** What C calls undefined, and a memory plan may not do, is a trap: the run ends and says exactly where. */

import type { OperandRule } from '../ir/kernel/operations.ts';

export type Rule =
  | OperandRule['trap']
  | 'out of bounds'
  | 'pointer out of bounds'
  | 'narrowing loses bits'
  | 'write to read-only memory'
  | 'overlapping copy'
  | 'float out of int range'
  | 'precondition'
  | '16-bit int'
  | 'overwritten byte'
  | 'unwritten byte'
  | 'misaligned slot'
  | 'slot outside of the arena';

/** The cause of a trap, and its place. */
export interface TrapDetails {
  readonly rule: Rule;
  /** Index of the step; -1 for a property of the plan as a whole. */
  readonly step: number;
  readonly kernel: string;
  /** The expression or statement, in C-like text. */
  readonly text: string;
  /** The loop counters around it, outermost first. */
  readonly loops: Readonly<Record<string, number>>;
  /** One sentence: the numbers that broke the rule. */
  readonly found: string;
  /** Both operands of an operation; the index and the length of an access; the value of a store. */
  readonly values: readonly number[];
  /** For a rule about memory: the arena's byte, the tensor that was written to it last, and the tensor that was expected. */
  readonly address?: number;
  readonly owner?: string;
  readonly expected?: string;
}

/** Thrown by the checked simulator: a program did something that C leaves undefined, or that the memory plan forbids. */
export class Trap extends Error {
  readonly details: TrapDetails;
  constructor(details: TrapDetails) {
    super(sentence(details));
    this.name = 'Trap';
    this.details = details;
  }
}

function sentence(d: TrapDetails): string {
  const loops = Object.entries(d.loops).map(([name, value]) => `${name} = ${value}`);
  const at = [`step ${d.step}, kernel ${d.kernel}`, ...loops].join(', ');
  const place = d.address === undefined ? '' : ` (arena byte ${d.address})`;
  return `${d.rule}: ${d.found}${place}, in ${d.text} [${at}]`;
}
