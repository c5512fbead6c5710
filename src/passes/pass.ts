import type { Graph, Stage } from '../ir/graph/graph.ts';

/** A step of the compiler as a pure value: the stage it takes and the stage it gives are types. */
export interface Pass<From extends Stage, To extends Stage> {
  readonly name: string;
  /** One line: what the pass guarantees. */
  readonly doc: string;
  run(graph: Graph<From>): Graph<To>;
}
