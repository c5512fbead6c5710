/** From a site that failed and the numbers seen there to a Trap that a person can act on. */

import { at, must } from '../base/errors.ts';
import { checkKernel } from '../ir/kernel/check.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import { primitiveOf, vectorPrimitiveOf } from '../ir/kernel/prims/index.ts';
import { nodeText } from '../ir/kernel/text.ts';
import type { Program, Slot, Step } from '../program/program.ts';
import { slotAt } from '../program/slots.ts';
import { type Arena, ownerOf } from './arena.ts';
import { point } from './js/kernel.ts';
import type { Site } from './js/site.ts';
import { Trap, type TrapDetails } from './trap.ts';

export interface Failure {
  readonly program: Program;
  readonly arena: Arena;
  readonly step: number;
  readonly site: Site;
  readonly values: readonly number[];
  readonly loops: readonly number[];
}

export function trapOf(failure: Failure): Trap {
  const { program, site } = failure;
  const step = must(program.steps[failure.step], 'the step that runs');
  return new Trap({
    rule: site.rule,
    step: failure.step,
    kernel: step.kernel.name,
    text: nodeText(site.node),
    loops: Object.fromEntries(site.loops.map((name, i) => [name, at(failure.loops, i)])),
    values: failure.values,
    found: foundOf(failure),
    ...memoryOf(failure, step),
  });
}

function foundOf({ site, values }: Failure): string {
  const value = (index: number): number => at(values, index);
  switch (site.rule) {
    case 'signed overflow':
    case 'bad shift':
    case 'division by zero':
      return `operands ${value(0)} and ${value(1)}`;
    case 'out of bounds':
      return values.length === 3
        ? `elements ${value(0)} to ${value(0) + value(2)} of ${site.array}, which has ${value(1)}`
        : `element ${value(0)} of ${site.array}, which has ${value(1)}`;
    case 'pointer out of bounds':
      return `element ${value(0)} of what ${site.array} points into, which has ${value(1)}`;
    case '16-bit int':
      return `${values.length === 2 ? `operands ${value(0)} and ${value(1)}` : `value ${value(0)}`} where int has 16 bits`;
    case 'narrowing loses bits':
    case 'float out of int range':
      return `value ${value(0)}`;
    case 'precondition':
      return preconditionOf(site, values);
    case 'overlapping copy':
      return `${value(2)} elements from element ${value(1)} to element ${value(0)} of the arena`;
    case 'write to read-only memory':
      return `${site.array} cannot be written`;
    case 'overwritten byte':
    case 'unwritten byte':
      return `a byte of ${site.array} is not its own`;
    case 'misaligned slot':
    case 'slot outside of the arena':
      return 'a wrong plan';
    default:
      return site.rule satisfies never;
  }
}

function preconditionOf(site: Site, values: readonly number[]): string {
  if (site.node.kind !== 'call') return '';
  if (vectorPrimitiveOf(site.node.primitive) !== undefined) return `numbers and lanes ${values.join(', ')}`;
  return must(
    primitiveOf(site.node.primitive).violation(...values.map(point)),
    'a precondition that is broken',
  );
}

type MemoryDetails = Partial<Pick<TrapDetails, 'rule' | 'address' | 'owner' | 'expected' | 'found'>>;

/** For the rules about arena memory: the byte, the tensor that was written to it last, and the tensor that was expected. */
function memoryOf(failure: Failure, step: Step): MemoryDetails {
  const { site, values, program, arena } = failure;
  const root = site.array === undefined ? undefined : checkKernel(step.kernel).get(site.array)?.root;
  if (root?.kind !== 'param') return {};
  const slotIndex = at(step.args, root.index);
  const slot = slotAt(program, slotIndex);
  const bytes = elemBytes[root.param.elem];
  if (site.rule === 'out of bounds' || site.rule === 'pointer out of bounds')
    return { address: slot.address + at(values, 0) * bytes, expected: slot.name };
  if (site.rule !== 'overwritten byte') return {};
  const first = at(values, 0) * bytes;
  const lost = [0, 1, 2, 3].slice(0, bytes).find((i) => arena.owners[first + i] !== ownerOf(slotIndex));
  return lostByteDetails(arena, program.slots, first + must(lost, 'a byte that is lost'), slot);
}

/** Why a byte that should belong to `slot` does not. */
export function lostByteDetails(
  arena: Arena,
  slots: readonly Slot[],
  address: number,
  slot: Slot,
): MemoryDetails & { readonly found: string; readonly address: number } {
  const holder = at(arena.owners, address);
  const owner = slots[holder - 1]?.name;
  const expected = slot.name;
  if (owner === undefined)
    return {
      rule: 'unwritten byte',
      address,
      expected,
      found: `a byte of ${expected} that nothing has written`,
    };
  const found = `a byte of ${expected} that ${owner} has overwritten`;
  return { rule: 'overwritten byte', address, owner, expected, found };
}
