/** What a step does with each byte of the arena. */

import { must } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { ownerSlot, slotAt, slotBytes } from '../program/slots.ts';
import type { Recording } from './recording.ts';

/**
 * `reused`: read, then overwritten by the same step. `kept`: not touched, read later. `stale`: holds what
 * nothing reads any more. `free`: never written.
 */
export const uses = ['free', 'stale', 'kept', 'read', 'write', 'reused'] as const;
export type Use = (typeof uses)[number];

const codeOf = (use: Use): number => uses.indexOf(use);
const [, STALE, KEPT, READ, WRITE, REUSED] = uses.map(codeOf) as [0, 1, 2, 3, 4, 5];

/** Slots that the step before this moment has as arguments of such roles. */
export function argumentsOf(program: Program, moment: number, read: boolean): readonly number[] {
  if (moment === 0) return read ? [] : program.inputs.map(({ slot }) => slot);
  const { kernel, args } = must(program.steps[moment - 1], 'a step of the program');
  return args.filter((_, i) => (kernel.params[i]?.role === 'in') === read);
}

function untouched(program: Program, moment: number, owners: Uint16Array): Uint8Array {
  const alive = program.slots.map(() => false);
  program.slots.forEach(({ lastStep }, i) => {
    if (lastStep > moment - 1) alive[ownerSlot(program, i)] = true;
  });
  return Uint8Array.from(owners, (owner) => (owner === 0 ? 0 : alive[owner - 1] ? KEPT : STALE));
}

/** For each byte of the arena, an index into `uses`. */
export function usesAt(
  program: Program,
  { moments }: Pick<Recording, 'moments'>,
  moment: number,
): Uint8Array {
  const { owners } = must(moments[moment], 'a moment of the recording');
  const codes = untouched(program, moment, owners);
  for (const index of argumentsOf(program, moment, true)) {
    const slot = slotAt(program, index);
    codes.fill(READ, slot.address, slot.address + slotBytes(slot));
  }
  for (const index of argumentsOf(program, moment, false)) {
    const slot = slotAt(program, index);
    for (let at = slot.address; at < slot.address + slotBytes(slot); at++)
      if (owners[at] === ownerSlot(program, index) + 1) codes[at] = codes[at] === READ ? REUSED : WRITE;
  }
  return codes;
}

/** Neighbouring bytes of one use and one owner. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly use: Use;
  /** The slot whose bytes they are after the step; undefined: of none. */
  readonly slot: number | undefined;
}

export function stretchesAt(program: Program, recording: Recording, moment: number): readonly Stretch[] {
  const codes = usesAt(program, recording, moment);
  const { owners } = must(recording.moments[moment], 'a moment of the recording');
  const stretches: Stretch[] = [];
  for (let start = 0, at = 1; at <= codes.length; at++) {
    if (codes[at] === codes[start] && owners[at] === owners[start]) continue;
    const owner = must(owners[start], 'a byte of the arena');
    const use = must(uses[must(codes[start], 'a byte of the arena')], 'a use');
    stretches.push({ start, end: at, use, slot: owner === 0 ? undefined : owner - 1 });
    start = at;
  }
  return stretches;
}
