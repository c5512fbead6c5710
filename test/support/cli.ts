/** The command line with the real compiler behind it, but artifacts in memory and targets that are told. */
import { artifactOf, loadArtifact, type Made } from '../../src/artifact/make.ts';
import type { VerifyOptions, VerifyRow } from '../../src/artifact/node-verify.ts';
import type { Api } from '../../src/cli/api.ts';
import { createCli } from '../../src/cli/cli.ts';
import type { Io } from '../../src/cli/io.ts';
import { compile, passNames } from '../../src/compile.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { importModel } from '../../src/ir/import/import-model.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { inference } from '../../src/runtime/engines.ts';

interface Trial {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What the command line asked of the parts that are not real here. */
export interface Seen {
  readonly made: Made[];
  readonly verified: VerifyOptions[];
}

export interface CliHarness {
  run(...argv: readonly string[]): Promise<Trial>;
  readonly seen: Seen;
}

const equalRow = (target: string): VerifyRow => ({
  target,
  status: 'equal',
  bytesCompared: 10,
  mismatches: 0,
});

export function fakeApi(rowFor: (target: string) => VerifyRow = equalRow): { api: Api; seen: Seen } {
  const seen: Seen = { made: [], verified: [] };
  const api: Api = {
    loadModel: importModel,
    toFloatGraph: (graph) => canonicalize.run(graph),
    compile,
    passNames,
    artifactOf(compiled, made) {
      seen.made.push(made);
      return artifactOf(compiled, made);
    },
    loadArtifact,
    inference,
    evaluate,
    viewAssets: () => ({ script: 'script();', style: 'main { color: red }' }),
    verifyArtifact: ({ program }, options) => {
      seen.verified.push(options);
      const run = inference(program);
      const outputs = options.inputs.map((input) => run(input).output);
      return Promise.resolve({ rows: options.targets.map(rowFor), outputs });
    },
    measureTargets: (_artifact, options) => {
      seen.verified.push(options);
      return Promise.resolve(options.targets.map(rowFor));
    },
  };
  return { api, seen };
}

/** A command line whose output is kept. */
export function bench(
  options: { rowFor?: (target: string) => VerifyRow; api?: Partial<Api> } = {},
): CliHarness {
  const { api, seen } = fakeApi(options.rowFor);
  const run = async (...argv: readonly string[]): Promise<Trial> => {
    let [out, err] = ['', ''];
    const io: Io = {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      colours: false,
      progress: false,
      columns: 80,
    };
    const code = await createCli({ ...api, ...options.api }, io)(argv);
    return { code, out, err };
  };
  return { run, seen };
}
