/** The numbers of a report, before anybody draws them. */
import { decodeRows } from '../../decode.ts';
import { inference } from '../../engines.ts';
import { formatName } from '../../ir/formats/format.ts';
import { elemBytes, type Kernel, type Table } from '../../ir/kernel.ts';
import type { Program } from '../../ir/program.ts';
import { type CostTarget, modelledInstructions } from '../../passes/cost/model.ts';
import { slotBytes } from '../program.ts';

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
  if (/_bias$/.test(name)) return 'biases';
  return /_weights/.test(name) ? 'weights' : 'requantization';
}

/** Bytes of constants by layer and kind; sparse streams hold their distances between the weights. */
export const flashParts = ({ steps }: Program): readonly FlashPart[] =>
  steps.flatMap(({ kernel }) =>
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
  { steps }: Program,
  targets: readonly CostTarget[],
): readonly InstructionCount[] =>
  targets.flatMap((target) =>
    steps.map(({ kernel }) => ({
      kernel: kernel.name,
      target,
      instructions: Math.round(modelledInstructions(kernel, target)),
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

export interface ActivationLayer {
  readonly kernel: string;
  readonly scale: number;
  readonly zeroPoint: number;
  /** How often each byte 0..255 is stored. */
  readonly counts: readonly number[];
}

/** Outputs of all layers of an int8 program over some inputs; empty for float32. */
export function activationLayers(
  program: Program,
  inputs: readonly Uint8Array[],
): readonly ActivationLayer[] {
  if (program.arith === 'float32') return [];
  const run = inference(program);
  const layers = program.steps.flatMap(({ kernel, args }, step) => {
    const slot = program.slots[args[kernel.params.findIndex(({ role }) => role === 'out')] ?? -1];
    return slot?.quant === undefined
      ? []
      : [{ slot, step, kernel: kernel.name, quant: slot.quant, counts: new Array<number>(256).fill(0) }];
  });
  for (const input of inputs) {
    const { arenas } = run(input, { keepArenas: true });
    for (const { slot, step, counts } of layers)
      for (const byte of arenas[step]?.subarray(slot.address, slot.address + slotBytes(slot)) ?? [])
        counts[byte] = (counts[byte] ?? 0) + 1;
  }
  return layers.map(({ kernel, quant, counts }) => ({ kernel, ...quant, counts }));
}
