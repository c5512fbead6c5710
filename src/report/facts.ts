/** The numbers of a report, before anybody draws them. */

import { at } from '../base/errors.ts';
import { costOn } from '../cost/forms.ts';
import type { CostTarget } from '../cost/speed.ts';
import type { Inference } from '../diff/feed.ts';
import { elemBytes, type Kernel, type Table } from '../ir/kernel/kernel.ts';
import { formatName } from '../ir/kernel/weight-format.ts';
import { plainProgram } from '../lower/variants.ts';
import { type Grid, portOf } from '../program/port.ts';
import type { Program, Slot } from '../program/program.ts';
import { decodeRows } from '../program/rows.ts';
import { argOf, slotBytes } from '../program/slots.ts';
import { inference } from '../runtime/engines.ts';

/** A buffer in the arena: bytes from `from` to before `to`, while steps `first` to `last` run. */
export interface ArenaRect {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  readonly scratch: boolean;
}

/** The input is there before the first step, the output after the last. */
export const arenaRects = ({ slots, steps }: Program): readonly ArenaRect[] =>
  slots.map((slot) => ({
    name: slot.name,
    from: slot.address,
    to: slot.address + slotBytes(slot),
    first: Math.max(0, slot.firstStep),
    last: Math.min(steps.length - 1, slot.lastStep),
    scratch: slot.name.startsWith('scratch:'),
  }));

/** Bytes that two buffers share while a step runs: it writes over what it has read. */
export interface Overlap extends ArenaRect {
  readonly over: string;
}

/** Every pair of buffers that share bytes and steps. */
export const overlapsOf = (rects: readonly ArenaRect[]): readonly Overlap[] =>
  rects.flatMap((a, i) =>
    rects.slice(i + 1).flatMap((b) => {
      const [from, to] = [Math.max(a.from, b.from), Math.min(a.to, b.to)];
      const [first, last] = [Math.max(a.first, b.first), Math.min(a.last, b.last)];
      return from < to && first <= last
        ? [{ name: a.name, over: b.name, from, to, first, last, scratch: false }]
        : [];
    }),
  );

export const flashKinds = ['weights', 'indices', 'biases', 'requantization'] as const;
export type FlashKind = (typeof flashKinds)[number];

export interface FlashPart {
  readonly kernel: string;
  readonly kind: FlashKind;
  readonly bytes: number;
}

const bytesOf = ({ elem, data }: Table): number => elemBytes[elem] * data.length;

function kindOf({ weights }: Kernel, { name }: Table): FlashKind {
  if (name === weights?.counts) return 'indices';
  if (name === weights?.stream || name === weights?.codebook) return 'weights';
  if (/_(bias|begin)$/.test(name)) return 'biases';
  // Two weights at a time: their numbers, how many are too large, and what is too much of them.
  return /_(weights|pairs|counts|rests)/.test(name) ? 'weights' : 'requantization';
}

/** Bytes of constants of plain C by layer and kind; sparse streams hold their distances between the weights. */
export const flashParts = (program: Program): readonly FlashPart[] =>
  plainProgram(program).steps.flatMap(({ kernel }) =>
    flashKinds.flatMap((kind) => {
      const own = kernel.tables.filter((table) => kindOf(kernel, table) === kind);
      const bytes = own.reduce((sum, table) => sum + bytesOf(table), 0);
      return bytes === 0 ? [] : [{ kernel: kernel.name, kind, bytes }];
    }),
  );

export interface InstructionCount {
  readonly kernel: string;
  readonly target: CostTarget;
  readonly instructions: number;
}

/** Modelled, not measured. */
export const instructionCounts = (
  { steps, aim }: Program,
  targets: readonly CostTarget[],
): readonly InstructionCount[] =>
  targets.flatMap((target) =>
    steps.map(({ kernel }) => ({
      kernel: kernel.name,
      target,
      instructions: costOn(kernel, target, aim).instructions,
    })),
  );

export interface StoredLayer {
  readonly kernel: string;
  readonly format: string;
  readonly weights: number;
  readonly nonzeros: number;
  /** Of each stored integer, how often it occurs; -127 first. */
  readonly counts: readonly { readonly value: number; readonly count: number }[];
}

/** Of int8 kernels with weights: what their tables hold. */
export const storedLayers = ({ steps }: Program): readonly StoredLayer[] =>
  steps.flatMap(({ kernel }) => {
    if (kernel.weights === undefined) return [];
    const counts = new Map<number, number>();
    let total = 0;
    for (const row of decodeRows(kernel))
      for (const w of row) {
        counts.set(w, (counts.get(w) ?? 0) + 1);
        total++;
      }
    return [
      {
        kernel: kernel.name,
        format: formatName(kernel.weights.format),
        weights: total,
        nonzeros: total - (counts.get(0) ?? 0),
        counts: [...counts].sort(([a], [b]) => a - b).map(([value, count]) => ({ value, count })),
      },
    ];
  });

/** A histogram of equal bins. */
export interface Bins {
  readonly from: number;
  readonly width: number;
  readonly counts: readonly number[];
}

export interface ActivationLayer {
  readonly kernel: string;
  readonly scale: number;
  readonly zeroPoint: number;
  /** How often each byte 0..255 is stored. */
  readonly counts: readonly number[];
}

/** What the float model computes where a layer stores bytes, and what of it the bytes cannot hold. */
export interface FloatLayer {
  readonly kernel: string;
  /** Without exact zeros, of which ReLU makes many. */
  readonly bins: Bins;
  /** Shares of all elements: of those below and above what is stored, by over half a step, and of exact zeros. */
  readonly below: number;
  readonly above: number;
  readonly zeros: number;
}

interface QuantizedStep {
  readonly kernel: string;
  readonly step: number;
  readonly index: number;
  readonly slot: Slot;
  readonly grid: Grid;
}

/** Steps whose outputs are bytes with one scale: none in float32 programs. */
const quantizedSteps = (program: Program): readonly QuantizedStep[] =>
  program.steps.flatMap((made, step) => {
    const index = argOf(made, 'out');
    const {
      slot,
      grids: [grid, ...more],
    } = portOf(program, index);
    return grid === undefined || more.length > 0 || slot.elem !== 'u8'
      ? []
      : [{ kernel: made.kernel.name, step, index, slot, grid }];
  });

/** Outputs of all layers of an int8 program over some inputs; empty for float32. */
export function activationLayers(
  program: Program,
  inputs: readonly Uint8Array[],
): readonly ActivationLayer[] {
  const run = inference(program);
  const layers = quantizedSteps(program).map((made) => ({ ...made, counts: new Array<number>(256).fill(0) }));
  for (const input of inputs) {
    const { arenas } = run(input, { keepArenas: true });
    for (const { slot, step, counts } of layers)
      for (const byte of arenas[step]?.subarray(slot.address, slot.address + slotBytes(slot)) ?? [])
        counts[byte] = at(counts, byte) + 1;
  }
  return layers.map(({ kernel, grid, counts }) => ({ kernel, ...grid, counts }));
}

/** The least and most real number that bytes with this scale stand for. */
export const rangeOf = ({ scale, zeroPoint }: Grid): readonly [number, number] => [
  -zeroPoint * scale,
  (255 - zeroPoint) * scale,
];

const binCount = 64;

/** Bins over all values and the whole stored range, so that what is cut off is seen beside what is not. */
function binsOf(arrays: readonly Float32Array[], [least, most]: readonly [number, number]): Bins {
  let [from, to] = [least, most];
  for (const array of arrays)
    for (const x of array) {
      if (x < from) from = x;
      if (x > to) to = x;
    }
  const width = (to - from) / binCount || 1;
  const counts = new Array<number>(binCount).fill(0);
  for (const array of arrays)
    for (const x of array) {
      if (x === 0) continue;
      const bin = Math.min(binCount - 1, Math.floor((x - from) / width));
      counts[bin] = at(counts, bin) + 1;
    }
  return { from, width, counts };
}

const share = (arrays: readonly Float32Array[], wanted: (x: number) => boolean): number => {
  const total = arrays.reduce((sum, { length }) => sum + length, 0);
  const found = arrays.reduce((sum, array) => sum + array.filter(wanted).length, 0);
  return total === 0 ? 0 : found / total;
};

/** Of an int8 program's layers whose tensors the other side has as real numbers. */
export function floatLayers(program: Program, inferences: readonly Inference[]): readonly FloatLayer[] {
  return quantizedSteps(program).flatMap(({ kernel, index, grid }) => {
    const arrays = inferences.flatMap(({ theirs }) => {
      const held = theirs.written(index);
      return held?.kind === 'real' ? [held.values] : [];
    });
    if (arrays.length === 0) return [];
    const range = rangeOf(grid);
    const slack = 0.501 * grid.scale;
    return [
      {
        kernel,
        bins: binsOf(arrays, range),
        below: share(arrays, (x) => x < range[0] - slack),
        above: share(arrays, (x) => x > range[1] + slack),
        zeros: share(arrays, (x) => x === 0),
      },
    ];
  });
}
