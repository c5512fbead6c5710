/** What every program has to satisfy, whatever network it came from. */

import type { Interval } from '../../src/ir/kernel/interval.ts';
import { elemBytes, type Kernel } from '../../src/ir/kernel/kernel.ts';
import type { Outcome, Program, Slot } from '../../src/program/program.ts';
import { type KernelFacts, prove } from '../../src/prove/prove.ts';
import { inference } from '../../src/runtime/engines.ts';
import { compareOutcomes, differenceText } from '../../src/sim/difference.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { evaluate } from '../oracles/kernel-evaluator.ts';

export type Facts = ReadonlyMap<Kernel, KernelFacts>;

export const factsOf = (program: Program): Facts =>
  new Map(program.steps.map(({ kernel }) => [kernel, prove(kernel)]));

function requireSame(program: Program, what: string, a: Outcome, b: Outcome): void {
  const found = compareOutcomes(program, a, b);
  if (found !== undefined) throw new Error(`${program.name}, ${what}: ${differenceText(found)}`);
}

/** With what a program scratches on as it was: vectors need not write it. */
function withoutScratch(program: Program, outcome: Outcome): Outcome {
  const used = program.steps.flatMap(({ kernel, args }) =>
    kernel.params.flatMap(({ role }, i) => (role === 'scratch' ? [program.slots[args[i]!]!] : [])),
  );
  const arenas = outcome.arenas.map((arena, step) => {
    const made = arena.slice();
    for (const slot of used) {
      // A tensor that lies there later is written by its own step.
      const { address } = slot;
      const end = address + slot.length * elemBytes[slot.elem];
      for (let byte = address; byte < end; byte++) if (!isTensor(program, step, byte)) made[byte] = 0;
    }
    return made;
  });
  return { ...outcome, arenas };
}

/** Whether a byte belongs to a tensor that is there behind a step. */
const isTensor = (program: Program, step: number, byte: number): boolean =>
  program.steps.some(({ kernel, args }, made) =>
    kernel.params.some(({ role }, i) => {
      if (role !== 'out' || made > step) return false;
      const { address, length, elem } = program.slots[args[i]!]!;
      const isThere = byte >= address && byte < address + length * elemBytes[elem];
      return isThere && !overwritten(program, made, step, byte);
    }),
  );

/** Whether a step behind `made`, up to `step`, scratches on a byte. */
const overwritten = (program: Program, made: number, step: number, byte: number): boolean =>
  program.steps.slice(made + 1, step + 1).some(({ kernel, args }) =>
    kernel.params.some(({ role }, i) => {
      const { address, length, elem } = program.slots[args[i]!]!;
      return role === 'scratch' && byte >= address && byte < address + length * elemBytes[elem];
    }),
  );

/**
 * Checked with and without what was proved, and fast: no trap, and the same bytes in every arena. By vectors the same
 * in every tensor.
 */
export function simulated(program: Program, inputs: readonly Uint8Array[], facts: Facts): readonly Outcome[] {
  const [checked, proved, fast] = [
    createSimulator(program, { mode: 'checked' }),
    createSimulator(program, { mode: 'checked', facts }),
    createSimulator(program, { mode: 'fast' }),
  ];
  const vectors = inference(program, 'wasm-simd');
  return inputs.map((input) => {
    const outcome = checked.run(input, { keepArenas: true });
    requireSame(program, 'checked and proved', outcome, proved.run(input, { keepArenas: true }));
    requireSame(program, 'checked and fast', outcome, fast.run(input, { keepArenas: true }));
    const [made, same] = [vectors(input, { keepArenas: true }), outcome].map((one) =>
      withoutScratch(program, one),
    );
    requireSame(program, 'checked and vectors', same!, made!);
    return outcome;
  });
}

/**
 * What intervals cannot prove of softmax in float32, because it rests on the largest input being one of the
 * inputs: the difference to it, which is raised, has a known sign. This stays a live check.
 */
const known: Readonly<Record<Program['arith'], RegExp | undefined>> = {
  int8: undefined,
  float32: /^precondition of the arguments$/,
};

/** Every site of every kernel is proved, for all inputs, but for the known ones. */
export function requireProved(program: Program, facts: Facts): void {
  for (const { kernel } of program.steps) {
    const { complete, unproven } = facts.get(kernel)!;
    if (!complete) throw new Error(`${kernel.name}: the proof did not end`);
    const open = unproven.filter(
      ({ why }) => !(kernel.name.startsWith('softmax') && known[program.arith]?.test(why)),
    );
    if (open.length > 0) throw new Error(`${kernel.name}: ${open.map(({ why }) => why).join('; ')}`);
  }
}

const outside = (value: number, range: Interval | undefined): boolean =>
  range === undefined || value < range.lo || value > range.hi;

/** No local and no stored number leaves what was proved of it. */
export function requireSound(program: Program, inputs: readonly Uint8Array[], facts: Facts): void {
  const observer = (kernel: Kernel) => {
    const { ranges, storeRanges } = facts.get(kernel)!;
    const fail = (what: string, value: number, range: Interval | undefined): never => {
      throw new Error(`${kernel.name}: ${what} is ${value}, proved ${range?.lo}..${range?.hi}`);
    };
    return {
      local: (name: string, value: number) => {
        if (outside(value, ranges.get(name))) fail(name, value, ranges.get(name));
      },
      store: (to: string, value: number) => {
        if (outside(value, storeRanges.get(to))) fail(`what is stored to ${to}`, value, storeRanges.get(to));
      },
    };
  };
  const simulator = createSimulator(program, { mode: 'fast' });
  for (const input of inputs) {
    const observed = evaluate(program, input, observer);
    requireSame(program, 'an independent evaluator', simulator.run(input, { keepArenas: true }), observed);
  }
}

/** The slot that a step writes. */
export function outputSlot(program: Program, step: number): Slot {
  const { kernel, args } = program.steps[step]!;
  return program.slots[args[kernel.params.findIndex((p) => p.role === 'out')]!]!;
}

/** A slot's bytes in row-major order of elements. */
export function rowMajor(slot: Slot, arena: Uint8Array): Uint8Array | Int16Array {
  const { length, order, address, elem } = slot;
  const kept = elem === 'i16' ? new Int16Array(length) : new Uint8Array(length);
  const memory = new DataView(arena.buffer, arena.byteOffset);
  for (let position = 0; position < length; position++)
    // Of indices the lowest byte: they are below 256.
    kept[order?.[position] ?? position] =
      elem === 'i16'
        ? memory.getInt16(address + 2 * position, true)
        : arena[address + position * elemBytes[elem]]!;
  return kept;
}
