/** The record of a build in `sweep.json`. */
export interface SweptBuild {
  readonly sparsity: number;
  readonly weightBits: number;
  /** How many values the weights share; null or absent if they are on a grid of their bits. */
  readonly codebook?: number | null;
  readonly flashBytes: number;
  readonly ramBytes: number;
  readonly instructions: number;
  readonly right: number;
  readonly loss: number;
  readonly pareto: boolean;
}
