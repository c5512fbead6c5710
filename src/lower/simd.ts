/**
 * Kernels for WebAssembly's vectors of 16 bytes, and programs of them. Such kernels have scratch of their own, which lies
 * behind the arena and is shared by all steps.
 */
import { at } from '../base/errors.ts';
import { elemBytes, type Kernel } from '../ir/kernel/kernel.ts';
import { termsOf } from '../ir/kernel/weight-format.ts';
import type { Program, Slot, Step } from '../program/program.ts';
import { fewerProducts } from './fewer-products.ts';
import { newNames } from './fresh-names.ts';
import { withSums } from './made-sums.ts';
import { neighbourRows } from './neighbour-rows.ts';
import { sharedRows } from './shared-rows.ts';
import { foundSums } from './sum-groups.ts';
import { webAssembly, widened } from './widen.ts';
import { windowsOf } from './windows.ts';

/** Products of a weight and an input are within 127 * 255: no sum of so many of them overflows, in any order. */
const mostTerms = Math.floor((2 ** 31 - 1) / (128 * 255));

/** The kernel with vectors, and scratch as its last parameters; undefined where its own statements are as good. */
export function vectors(kernel: Kernel): Kernel | undefined {
  const layout = kernel.weights?.layout;
  if (layout === undefined || termsOf(layout) > mostTerms) return undefined;
  const sums = foundSums(kernel, layout);
  const names = newNames(kernel);
  const windows = windowsOf(kernel, layout, sums, names);
  const made =
    fewerProducts(kernel, sums, windows, names) ??
    sharedRows(kernel, sums, windows, names) ??
    neighbourRows(kernel, sums, names);
  return made && withSums(kernel, made);
}

const aligned = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** A step's scratch beyond that of its own kernel, behind the arena. */
function scratchOf(program: Program, step: Step, index: number, kernel: Kernel): readonly Slot[] {
  let address = aligned(program.arenaBytes);
  return kernel.params.slice(step.kernel.params.length).map(({ name, elem, length }) => {
    const from = address;
    address = aligned(address + length * elemBytes[elem]);
    return {
      name: `scratch:${kernel.name}:${name}`,
      address: from,
      elem,
      length,
      firstStep: index,
      lastStep: index,
      shape: [length],
    };
  });
}

/**
 * The program with vectors where there are any: a program like any other, whose arena ends with more scratch. Which loops
 * have vectors depends on where a step's arrays lie, so that a kernel of several steps may become several.
 * @throws DefectError for a kernel that breaks the static rules of Kernel IR
 */
export function withVectors(program: Program): Program {
  const summed = new Map<Kernel, Kernel>();
  const slots: Slot[] = [...program.slots];
  const steps = program.steps.map((step, index): Step => {
    const kernel = summed.get(step.kernel) ?? vectors(step.kernel) ?? step.kernel;
    summed.set(step.kernel, kernel);
    const scratch = scratchOf(program, step, index, kernel);
    const args = [...step.args, ...scratch.map((slot) => slots.push(slot) - 1)];
    const starts = args.map((slot) => at(slots, slot).address);
    return { ...step, kernel: widened(kernel, { ...webAssembly, starts }) ?? kernel, args };
  });
  const ends = slots.map(({ address, length, elem }) => address + length * elemBytes[elem]);
  return { ...program, arenaBytes: Math.max(program.arenaBytes, ...ends), slots, steps };
}
