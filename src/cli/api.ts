/** What the commands call. They are given it, so that they can be tested without a compiler behind them. */
import type { Compiled, CompileOptions } from '../compile.ts';
import type { TargetName } from '../emit/native-targets.ts';
import type { Graph } from '../ir/graph.ts';
import type { Outcome, Program } from '../ir/program.ts';
import type { Tensor } from '../ir/tensor.ts';

/** `what` is being done: `done` of `total`. */
export type OnProgress = (what: string, done: number, total: number) => void;

/** How the samples of calibration were brought to the model, kept in the artifact for later commands. */
export interface Preprocessing {
  readonly normalize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  readonly pad?: number;
  readonly resize?: { readonly height: number; readonly width: number };
}

export interface Artifact {
  readonly program: Program;
  readonly manifest: { readonly preprocessing?: Preprocessing };
}

export interface VerifyRow {
  readonly target: string;
  readonly status: 'equal' | 'differs' | 'does not fit' | 'skipped';
  /** Why it was skipped or does not fit; where it differs first. */
  readonly note?: string;
  readonly bytesCompared: number;
  readonly mismatches: number;
  /** Executed instructions of one inference, where the target counts them. */
  readonly instructions?: number;
  readonly stackBytes?: number;
}

export interface VerifyReport {
  readonly rows: readonly VerifyRow[];
}

export interface VerifyOptions {
  /** Bytes of the program's input slot, one array per inference. */
  readonly inputs: readonly Uint8Array[];
  readonly targets: readonly TargetName[];
  readonly onProgress?: OnProgress;
}

/** What an artifact says about its making. */
export interface Made {
  /** The command line. */
  readonly command: string;
  /** Of thimble. */
  readonly version: string;
  /** The model's file. */
  readonly model: Uint8Array;
  readonly preprocessing: Preprocessing;
}

export interface Api {
  /** @throws InputError for models that cannot be used. */
  loadOnnx(
    bytes: Uint8Array,
    source: { readonly name: string; readonly external: (location: string) => Uint8Array },
  ): Graph<'imported'>;
  /** Canonical operators, batch 1, all shapes known. */
  toFloatGraph(graph: Graph<'imported'>): Graph<'float'>;
  compile(graph: Graph<'imported'>, options: CompileOptions): Compiled;
  /** Names of the passes, in order. */
  readonly passNames: readonly string[];
  /** File names and contents: C, header, manifest, program. */
  artifactOf(compiled: Compiled, made: Made): ReadonlyMap<string, string | Uint8Array>;
  /** @throws InputError when the files are not an artifact. */
  loadArtifact(files: ReadonlyMap<string, Uint8Array>): Artifact;
  createSimulator(
    program: Program,
    options: { readonly mode: 'checked' | 'fast' },
  ): { run(input: Uint8Array): Outcome };
  /** All outputs of the float model by name, from its inputs by name. */
  evaluate(graph: Graph<'float'>, inputs: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor>;
  verifyArtifact(artifact: Artifact, options: VerifyOptions): Promise<VerifyReport>;
}
