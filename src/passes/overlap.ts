import type { Kernel } from '../ir/kernel.ts';

export interface Overlap {
  readonly input: number;
  readonly output: number;
  readonly below: number;
  readonly above: number;
  readonly inPlace: boolean;
}

export const overlapOf = (_kernel: Kernel): readonly Overlap[] | undefined => undefined;
