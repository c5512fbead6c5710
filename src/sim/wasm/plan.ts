/** What of a kernel is computed by vectors, the memory that this takes, and the code of it. */

import type { Kernel } from '../../ir/kernel/kernel.ts';
import type { VectorPlan } from './lanes.ts';
import { neighbourPlan } from './plan-neighbours.ts';
import { rowPlan } from './plan-rows.ts';

/** Undefined where the kernel's own statements are as good. */
export const vectorPlanOf = (kernel: Kernel): VectorPlan | undefined =>
  rowPlan(kernel) ?? neighbourPlan(kernel);
