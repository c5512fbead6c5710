/** By how many values a program of a quantized model differs from the one that rounds as onnxruntime does. */
import { at } from '../base/errors.ts';
import { largestOf } from '../base/extremes.ts';
import { mulberry32 } from '../base/random.ts';
import type { Program, Slot } from '../program/program.ts';
import { argsOf, inputSlots, slotAt } from '../program/slots.ts';
import { totalsOf } from '../program/summary.ts';
import { inference } from '../runtime/engines.ts';
import { formatCount, formatMany } from '../text/numbers.ts';
import { gridOf, storedOf } from './layer-errors.ts';

/** The values of one tensor that differ under another rounding. */
export interface RoundingCount {
  /** The output's name in the model, or the kernel that makes the values. */
  readonly name: string;
  readonly tensor: string;
  /** That were compared. */
  readonly values: number;
  /** That differ. */
  readonly differing: number;
  /** In steps of the program's grid; of float32 in real units. */
  readonly largest: number;
  readonly unit: 'steps' | 'real';
}

/** Differences between the roundings of a whole program, over some samples. */
export interface Roundings {
  readonly samples: number;
  /** Whether the samples were drawn from the whole range of the inputs, as none were given. */
  readonly drawn: boolean;
  readonly outputs: readonly RoundingCount[];
  /** By kernel; differences of earlier ones are included. */
  readonly layers: readonly RoundingCount[];
}

/** Two slots of the same tensor, and what was found so far. */
interface Pair {
  readonly name: string;
  readonly own: number;
  readonly exact: number;
  readonly tensor: string;
  readonly step: Float32Array;
  values: number;
  differing: number;
  largest: number;
}

function pairOf(program: Program, name: string, own: number, exact: number): Pair {
  const slot = slotAt(program, own);
  const found = { values: 0, differing: 0, largest: 0 };
  return { name, own, exact, tensor: slot.name, step: gridOf(slot).step, ...found };
}

/** Outputs by their place, and what kernels make by its name; a kernel that only one of both has is left out. */
function pairsOf(program: Program, exact: Program): Record<'outputs' | 'layers', readonly Pair[]> {
  const made = (slots: readonly Slot[]) =>
    new Map(slots.map(({ name, firstStep }, i) => [name, { i, firstStep }]));
  const others = made(exact.slots);
  return {
    outputs: program.outputs.map(({ name, slot }, i) =>
      pairOf(program, name, slot, at(exact.outputs, i).slot),
    ),
    layers: program.steps.flatMap((step) =>
      argsOf(step, 'out').flatMap((index) => {
        const slot = slotAt(program, index);
        const other = others.get(slot.name);
        const isSame =
          other !== undefined && other.firstStep >= 0 && slotAt(exact, other.i).length === slot.length;
        return isSame ? [pairOf(program, step.kernel.name, index, other.i)] : [];
      }),
    ),
  };
}

function compare(pair: Pair, own: Float32Array, exact: Float32Array): void {
  pair.values += own.length;
  own.forEach((x, i) => {
    const difference = Math.abs(x - at(exact, i));
    if (difference === 0) return;
    const step = at(pair.step, i);
    pair.differing++;
    pair.largest = Math.max(pair.largest, step > 0 ? difference / step : difference);
  });
}

/** Whole steps where both have one grid, whose numbers are float32. */
const settled = (steps: number): number =>
  Math.abs(steps - Math.round(steps)) < 0.01 ? Math.round(steps) : steps;

const resultOf = ({ name, tensor, values, differing, largest, step }: Pair): RoundingCount => ({
  ...{ name, tensor, values, differing, largest: settled(largest) },
  unit: largestOf(step) > 0 ? 'steps' : 'real',
});

/** Work that counting may cost, in products, and how many samples are taken at least and at most. */
const [mostWork, fewest, most] = [5e8, 4, 64];

function drawn(program: Program, count: number): readonly Float32Array[] {
  const random = mulberry32(1);
  return Array.from({ length: count }, () =>
    Float32Array.from(inputSlots(program).flatMap((slot) => drawnFor(slot, random))),
  );
}

/** Any number of the grid; of float32 -1..1; of integers 0 and 1, which index anything. */
function drawnFor(slot: Slot, random: () => number): readonly number[] {
  if (slot.quant === undefined)
    return Array.from({ length: slot.length }, () =>
      slot.elem === 'f32' ? 2 * random() - 1 : Math.floor(2 * random()),
    );
  const { lo, hi } = gridOf(slot);
  return Array.from({ length: slot.length }, (_, i) => at(lo, i) + (at(hi, i) - at(lo, i)) * random());
}

/**
 * @param exact of the same model, with the roundings of onnxruntime
 * @param samples as the fused networks of both take them; none: some are drawn from the whole range of the inputs
 */
export function roundingsOf(program: Program, exact: Program, samples: readonly Float32Array[]): Roundings {
  const count = Math.max(fewest, Math.min(most, Math.floor(mostWork / Math.max(1, totalsOf(program).macs))));
  const used = samples.length > 0 ? samples.slice(0, count) : drawn(program, count);
  const { outputs, layers } = pairsOf(program, exact);
  const [runOwn, runExact] = [inference(program), inference(exact)];
  for (const sample of used) {
    const [own, other] = [storedOf(program, runOwn, sample), storedOf(exact, runExact, sample)];
    for (const pair of [...outputs, ...layers]) compare(pair, own(pair.own), other(pair.exact));
  }
  return {
    samples: used.length,
    drawn: samples.length === 0,
    outputs: outputs.map(resultOf),
    layers: layers.map(resultOf),
  };
}

/** `12 of 640 values, by 1 step at most`; `none of 640 values` */
export function differenceText({ values, differing, largest, unit }: RoundingCount): string {
  if (differing === 0) return `none of ${formatMany(values, 'value')}`;
  const far =
    unit === 'real'
      ? largest.toPrecision(2)
      : `${Number(largest.toPrecision(3))} ${largest === 1 ? 'step' : 'steps'}`;
  return `${formatCount(differing)} of ${formatMany(values, 'value')}, by ${far} at most`;
}

/** The line of a build whose roundings are cheaper than onnxruntime's. */
export function roundingsText({ samples, drawn, outputs, layers }: Roundings): string {
  const share = ({ differing, values }: RoundingCount): number => differing / Math.max(1, values);
  const on = drawn ? `${samples} inputs drawn from the whole range` : formatMany(samples, 'sample');
  const most = layers.toSorted((a, b) => share(b) - share(a))[0];
  const where =
    most === undefined || most.differing === 0 ? '' : `; most in ${most.name}: ${differenceText(most)}`;
  const all = outputs.map((output) => `output '${output.name}' ${differenceText(output)}`).join(', ');
  return `off ort-float on ${on}: ${all}${where}`;
}

/** What `--json` and the manifest have of it. */
export const roundingFields = ({ samples, drawn, outputs, layers }: Roundings) => ({
  samples,
  drawn,
  outputs: outputs.map((output) => ({ ...output })),
  layers: layers.map((layer) => ({ ...layer })),
});
