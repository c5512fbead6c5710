/** What of a kernel is computed by vectors, the memory that this takes, and the code of it. */
import type { Kernel } from '../../ir/kernel/kernel.ts';
import type { Bench } from './lanes.ts';
import { neighbourPlan } from './plan-neighbours.ts';
import { rowPlan } from './plan-rows.ts';
import type { Replaced } from './replaced.ts';

export interface VectorPlan {
  /** In bytes. The weights stay, the others are only used during the step. */
  readonly weightBytes: number;
  readonly wideBytes: number;
  readonly sumsBytes: number;
  /** In the machine's byte order. */
  readonly weights: () => Int16Array | Int32Array;
  readonly replaced: (bench: Bench) => Replaced;
}

/** Undefined where the kernel's own statements are as good. */
export const vectorPlanOf = (kernel: Kernel): VectorPlan | undefined =>
  rowPlan(kernel) ?? neighbourPlan(kernel);
