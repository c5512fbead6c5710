/** What is judged: a program with the float networks that it stands for. */
import type { Sparsity } from '../compress/prune/sparsity.ts';
import type { Graph } from '../ir/graph/graph.ts';
import type { Calibration } from '../passes/calibrate.ts';
import type { Program } from '../program/program.ts';

/** Samples as the fused network takes them. */
export interface Judging {
  readonly calibrating: readonly Float32Array[];
  readonly samples: readonly Float32Array[];
  /** Whether `samples` are none of `calibrating`. */
  readonly heldBack: boolean;
}

/** A program with the graphs that it was made of. */
export interface Build {
  readonly program: Program;
  /** The float graph after fusion, pruning and rounding of weights, and the inputs as it takes them: what calibration ran. */
  readonly fused: Graph<'float'>;
  /** The fused graph with the weights of the model that was given, where `fused` has others. */
  readonly given?: Graph<'float'>;
  /** The graph that was assembled. */
  readonly assembled: Graph<'float'> | Graph<'int8'>;
  readonly calibration?: Calibration;
  /** The samples that an int8 program was calibrated on, and those that it is judged on. */
  readonly judging?: Judging;
  /** What is zero of the weights, where they may have been pruned. */
  readonly sparsity?: Sparsity;
}
