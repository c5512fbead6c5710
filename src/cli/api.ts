/** What the commands call. They are given it, so that they can be tested without a compiler behind them. */
import type { Artifact, Made } from '../artifact/make.ts';
import type { MeasureOptions } from '../artifact/node-target-costs.ts';
import type { VerifyOptions, VerifyReport } from '../artifact/node-verify.ts';
import type { Compiled, CompileOptions } from '../compile.ts';
import type { Graph } from '../ir/graph/graph.ts';
import type { ModelOptions } from '../ir/import/import-model.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { MeasuredTarget } from '../program/measured.ts';
import type { Program } from '../program/program.ts';
import type { EngineName, RunProgram } from '../runtime/engines.ts';
import type { ViewAssets } from '../view/page.ts';

/** `what` is being done: `done` of `total`. */
export type OnProgress = (what: string, done: number, total: number) => void;

export interface Api {
  /** @throws InputError for models that cannot be used. */
  loadModel(
    bytes: Uint8Array,
    source: ModelOptions & { readonly name: string; readonly external: (location: string) => Uint8Array },
  ): Graph<'imported'>;
  /** Canonical operators, all shapes known. */
  toFloatGraph(graph: Graph<'imported'>): Graph<'float'>;
  compile(graph: Graph<'imported'>, options: CompileOptions): Compiled;
  /** Names of the passes, in order. */
  readonly passNames: readonly string[];
  /** File names and contents: C, header, manifest, program. */
  artifactOf(compiled: Compiled, made: Made): ReadonlyMap<string, string | Uint8Array>;
  /** @throws InputError when the files are not an artifact. */
  loadArtifact(files: ReadonlyMap<string, Uint8Array>): Artifact;
  /** How the program is run: by the fastest engine, or the one named. */
  inference(program: Program, engine?: EngineName): RunProgram;
  /** All outputs of the float model by name, from its inputs by name. */
  evaluate(graph: Graph<'float'>, inputs: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor>;
  /** The script and the style of the viewer's page. */
  viewAssets(): ViewAssets;
  verifyArtifact(artifact: Artifact, options: VerifyOptions): Promise<VerifyReport>;
  measureTargets(artifact: Artifact, options: MeasureOptions): Promise<readonly MeasuredTarget[]>;
}
