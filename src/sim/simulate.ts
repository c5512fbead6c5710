/** Runs a program on one arena, step by step, under C's rules and those of memory plans. */

import { at, DefectError, InputError, must } from '../base/errors.ts';
import type { Kernel } from '../ir/kernel/kernel.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import type { KernelNode } from '../ir/kernel/text.ts';
import type { Outcome, Program, ProgramPort, Slot, Step } from '../program/program.ts';
import {
  inputSlots,
  joinedBytes,
  outputSlots,
  ownerSlot,
  partsFor,
  slotAt,
  slotBytes,
} from '../program/slots.ts';
import { type Arena, createArena, disown, lostByte, maxSlots, placeBytes, startArena } from './arena.ts';
import { lostByteDetails, trapOf } from './explain.ts';
import type { Casts } from './js/int16.ts';
import { type Meanings, type Mode, toJs } from './js/kernel.ts';
import { Trap } from './trap.ts';

/** How the simulator runs. */
export interface SimulatorOptions {
  /** `checked` traps on everything that C leaves undefined; `fast` assumes that it does not happen. */
  readonly mode: Mode;
  /** Other meanings of primitives by name: what another runtime may have computed. */
  readonly meanings?: Meanings;
  /**
   * C's int has 16 bits, and these are the casts that the C is printed with (`widened` of src/emit/c/promotion.ts):
   * what C computes in 16 bits otherwise than in 32 is a trap, in both modes and proven or not.
   */
  readonly int16?: Casts;
  /** What was proven of each kernel: those nodes run unchecked. */
  readonly facts?: ReadonlyMap<Kernel, { readonly proven: ReadonlySet<KernelNode> }>;
}

interface RunOptions {
  /** Return a copy of the arena after each step. */
  readonly keepArenas?: boolean;
  /**
   * Shown the arena itself after the input was written (step -1) and after each step: its bytes, and in the
   * checked mode for each the slot index plus one that wrote it last (0: none). Copy what is to be kept.
   */
  readonly onStep?: (step: number, arena: Pick<Arena, 'bytes' | 'owners'>) => void;
}

/** Runs a program in JavaScript. */
export interface Simulator {
  /**
   * One inference. `input`: the bytes of the inputs' slots, in their order, one after the other.
   * @throws Trap in the checked mode. @throws InputError for an input of another size.
   */
  run(input: Uint8Array, options?: RunOptions): Outcome;
  /**
   * One step alone, on the given contents of its inputs. `inputs`: the bytes of each argument that it reads, in
   * the order of its parameters; undefined for the others. @returns the bytes of each that it writes, likewise.
   * @throws Trap in the checked mode. @throws InputError for inputs of another size.
   */
  runStep(step: number, inputs: readonly (Uint8Array | undefined)[]): readonly (Uint8Array | undefined)[];
}

/**
 * Compiles every step once; `run` reuses the arena.
 * @throws Trap for a slot that is misaligned or outside of the arena. @throws DefectError for arguments that
 * do not fit their kernel.
 */
export function createSimulator(program: Program, options: SimulatorOptions): Simulator {
  checkPlan(program);
  const arena = createArena(program.arenaBytes);
  const steps = program.steps.map((step, index) => compileStep(program, arena, step, index, options));
  const run = (bytes: Uint8Array, { keepArenas = false, onStep }: RunOptions = {}): Outcome => {
    startArena(arena);
    placeInputs(program, bytes, (slot, index, part) => {
      placeBytes(arena, slot, index, part);
    });
    onStep?.(-1, arena);
    const arenas: Uint8Array[] = [];
    steps.forEach((step, index) => {
      step();
      onStep?.(index, arena);
      if (keepArenas) arenas.push(arena.bytes.slice());
    });
    if (options.mode === 'checked') checkOutputs(program, arena);
    return { output: outputIn(program, arena.bytes), arenas };
  };
  const runStep = (index: number, inputs: readonly (Uint8Array | undefined)[]) => {
    const { kernel, args } = must(program.steps[index], `program ${program.name} has a step ${index}`);
    startArena(arena);
    args.forEach((slot, i) => {
      const bytes = inputs[i];
      if (kernel.params[i]?.role !== 'in' || bytes === undefined) return;
      checkBytes(program, slotAt(program, slot), bytes);
      placeBytes(arena, slotAt(program, slot), ownerSlot(program, slot), bytes);
    });
    steps[index]?.();
    return args.map((slot, i) => {
      const { address } = slotAt(program, slot);
      if (kernel.params[i]?.role !== 'out') return undefined;
      return arena.bytes.slice(address, address + slotBytes(slotAt(program, slot)));
    });
  };
  return { run, runStep };
}

function compileStep(
  program: Program,
  arena: Arena,
  step: Step,
  index: number,
  options: SimulatorOptions,
): () => void {
  const bindings = step.args.map((slot) => ({
    slot: ownerSlot(program, slot),
    address: slotAt(program, slot).address,
  }));
  const proven = options.facts?.get(step.kernel)?.proven;
  const js = toJs(step.kernel, bindings, {
    mode: options.mode,
    ...(proven === undefined ? {} : { proven }),
    ...(options.meanings === undefined ? {} : { meanings: options.meanings }),
    ...(options.int16 === undefined ? {} : { int16: options.int16 }),
  });
  const run = js.instantiate(arena, (site, values, loops) => {
    throw trapOf({ program, arena, step: index, site, values, loops });
  });
  const scratch = step.args.filter((_, i) => step.kernel.params[i]?.role === 'scratch');
  if (options.mode === 'fast' || scratch.length === 0) return run;
  return () => {
    for (const slot of scratch) disown(arena, slotAt(program, slot), slot);
    run();
  };
}

/**
 * Hands each input its part of `bytes`, which hold one after the other.
 * @throws InputError unless these are as many bytes as the slots have.
 */
export function placeInputs(
  program: Program,
  bytes: Uint8Array,
  put: (slot: Slot, index: number, part: Uint8Array) => void,
): void {
  const slots = inputSlots(program);
  const parts = partsFor(slots, bytes);
  const total = slots.reduce((sum, slot) => sum + slotBytes(slot), 0);
  if (slots.length > 1 && bytes.length !== total)
    throw new InputError({
      where: `the inputs of ${program.name}`,
      found: `${bytes.length} bytes`,
      supported: `${total} bytes: ${slots.map((slot) => `${slotBytes(slot)} of '${slot.name}'`).join(', ')}`,
      todo: 'give all inputs, one after the other',
    });
  slots.forEach((slot, i) => {
    const part = at(parts, i);
    checkBytes(program, slot, part);
    put(slot, at(program.inputs, i).slot, part);
  });
}

/** The bytes of the outputs, one after the other. */
export const outputIn = (program: Program, arena: Uint8Array): Uint8Array =>
  joinedBytes(
    outputSlots(program).map((slot) => arena.subarray(slot.address, slot.address + slotBytes(slot))),
  );

function checkBytes(program: Program, slot: Slot, bytes: Uint8Array): void {
  if (bytes.length === slotBytes(slot)) return;
  throw new InputError({
    where: `input '${slot.name}' of ${program.name}`,
    found: `${bytes.length} bytes`,
    supported: `${slotBytes(slot)} bytes: ${slot.length} elements of ${slot.elem}`,
    todo: 'give one whole input',
  });
}

function checkOutputs(program: Program, arena: Arena): void {
  for (const port of program.outputs) checkOutput(program, arena, port);
}

function checkOutput(program: Program, arena: Arena, port: ProgramPort): void {
  const slot = slotAt(program, port.slot);
  const address = lostByte(arena, slot, ownerSlot(program, port.slot));
  if (address === undefined) return;
  const step = program.steps.length - 1;
  const kernel = program.steps[step]?.kernel.name ?? 'none';
  const details = lostByteDetails(arena, program.slots, address, slot);
  throw new Trap({
    rule: 'unwritten byte',
    step,
    kernel,
    text: program.outputs.length === 1 ? 'the output' : `the output '${port.name}'`,
    loops: {},
    values: [],
    ...details,
  });
}

/**
 * What no run is needed for: slots lie aligned inside of the arena, and arguments fit their parameters.
 * @throws DefectError, or Trap for a slot
 */
export function checkPlan(program: Program): void {
  if (program.slots.length > maxSlots)
    throw new DefectError(`program ${program.name}: ${program.slots.length} slots, at most ${maxSlots}`);
  for (const slot of program.slots) checkSlot(program, slot);
  for (const step of program.steps) checkArguments(program, step);
}

function checkSlot(program: Program, slot: Slot): void {
  const end = slot.address + slotBytes(slot);
  const inside = slot.address >= 0 && end <= program.arenaBytes;
  if (inside && slot.address % elemBytes[slot.elem] === 0) return;
  const rule = inside ? 'misaligned slot' : 'slot outside of the arena';
  const found = `${slot.elem} bytes ${slot.address} to ${end} of ${program.arenaBytes}`;
  const text = `slot ${slot.name}`;
  throw new Trap({
    rule,
    step: -1,
    kernel: 'none',
    text,
    loops: {},
    values: [],
    found,
    address: slot.address,
    expected: slot.name,
  });
}

function checkArguments(program: Program, { kernel, args }: Step): void {
  const wrong = (what: string) => new DefectError(`program ${program.name}: kernel ${kernel.name}: ${what}`);
  if (args.length !== kernel.params.length) throw wrong(`${args.length} arguments`);
  kernel.params.forEach((param, i) => {
    // Through another name of the same slot a read would not see that it was overwritten.
    if (param.role !== 'in' && args.filter((a) => a === args[i]).length > 1)
      throw wrong(`slot ${args[i]} is ${param.name} and another argument too`);
    const slot = slotAt(program, at(args, i));
    if (slot.elem !== param.elem || slot.length < param.length)
      throw wrong(
        `${param.name} is ${param.elem}[${param.length}], ${slot.name} ${slot.elem}[${slot.length}]`,
      );
  });
}
