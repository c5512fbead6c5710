import { elemBytes } from '../ir/kernel/kernel.ts';
import type { Program } from '../program/program.ts';
import type { MemoryPlan } from './addresses.ts';

/** The arena as text: a line per buffer by address, then what the plan needs and what no plan could beat. */
export function showPlan(program: Program, plan: MemoryPlan): string {
  const rows = program.slots
    .toSorted((a, b) => a.address - b.address || a.firstStep - b.firstStep)
    .map((slot) => {
      const end = slot.address + slot.length * elemBytes[slot.elem];
      const last = Math.min(slot.lastStep, program.steps.length);
      return `  ${String(slot.address).padStart(7)} .. ${String(end).padStart(7)}  steps ${slot.firstStep} to ${last}  ${slot.name}`;
    });
  const verdict = plan.arenaBytes === plan.lowerBound ? 'optimal' : `lower bound ${plan.lowerBound}`;
  return `plan ${program.name} (${plan.strategy})\n${rows.join('\n')}\n  arena ${plan.arenaBytes} bytes, ${verdict}\n`;
}
