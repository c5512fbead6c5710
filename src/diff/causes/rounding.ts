import { must } from '../../base/errors.ts';
import { primitives } from '../../ir/kernel/prims/index.ts';
import { inputPart } from '../../program/slots.ts';
import type { Meanings } from '../../sim/js/kernel.ts';
import { createSimulator } from '../../sim/simulate.ts';
import type { Diagnosis, Suspect } from './cause.ts';

/** Roundings of n / 2^bits. */
const roundings: Readonly<Record<string, (n: bigint, bits: number) => bigint>> = {
  'halves up': (n, bits) => floor(n + half(bits), bits),
  'downwards (the bits are cut off)': floor,
  'towards zero': (n, bits) => (n < 0n ? -floor(-n, bits) : floor(n, bits)),
  'halves away from zero': (n, bits) =>
    n < 0n ? -floor(-n + half(bits), bits) : floor(n + half(bits), bits),
  'halves to even': (n, bits) => {
    const up = floor(n + half(bits), bits);
    return n + half(bits) === up << BigInt(bits) && up % 2n !== 0n ? up - 1n : up;
  },
  "twice, as TensorFlow Lite's": (n, bits) => {
    const once = floor(n + half(31), 31);
    const rest = bits - 31;
    if (rest <= 0) return once;
    return once < 0n ? -floor(-once + half(rest), rest) : floor(once + half(rest), rest);
  },
};

function floor(n: bigint, bits: number): bigint {
  return n >> BigInt(bits);
}

function half(bits: number): bigint {
  return bits === 0 ? 0n : 1n << BigInt(bits - 1);
}

/** Every primitive that scales an accumulator, with this rounding. */
const meaningsOf = (round: (n: bigint, bits: number) => bigint): Meanings =>
  new Map(
    [...primitives.values()].flatMap(({ name, quotient }) =>
      quotient === undefined ? [] : [[name, (...args) => Number(round(...quotient(...args)))] as const],
    ),
  );

/** The layer again with another rounding, on the inputs that the other side had. */
function again({ program, slot, step, inference }: Suspect, meanings: Meanings): Uint8Array | undefined {
  const { kernel, args } = must(program.steps[step], 'a step of the program');
  const inputs = args.map((index, i) => {
    if (kernel.params[i]?.role !== 'in') return undefined;
    const held = inference.theirs.read?.(index, step) ?? inference.theirs.written(index);
    if (held?.kind === 'stored') return held.bytes;
    return inference.input && inputPart(program, index, inference.input);
  });
  if (args.some((_, i) => kernel.params[i]?.role === 'in' && inputs[i] === undefined)) return undefined;
  return createSimulator(program, { mode: 'fast', meanings }).runStep(step, inputs)[args.indexOf(slot)];
}

/** With fewer elements than this a rounding may fit by chance. */
const fewest = 4;

/** Another rounding of the same sums gives exactly their bytes, and ours does not. */
export function rounding(suspect: Suspect): Diagnosis | undefined {
  const { step, program, stored, ours, theirs } = suspect;
  if (step < 0 || program.arith === 'float32' || !stored || ours.length < fewest) return undefined;
  if (ours.every((byte, i) => byte === theirs[i])) return undefined;
  const matches = Object.entries(roundings).filter(([, round]) => {
    const bytes = again(suspect, meaningsOf(round));
    return bytes?.every((byte, i) => byte === suspect.theirs[i]);
  });
  if (matches.length === 0) return undefined;
  const names = matches.map(([name]) => name).join(', or ');
  const kernel = suspect.program.steps[suspect.step]?.kernel.name;
  return { cause: 'rounding', text: `${kernel} rounds differently: ${names}` };
}
