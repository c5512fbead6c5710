/** The command line with the compiler behind it. */
import { artifactOf, loadArtifact } from '../artifact/make.ts';
import { measureTargets } from '../artifact/node-target-costs.ts';
import { verifyArtifact } from '../artifact/node-verify.ts';
import { compile, passNames } from '../compile.ts';
import { evaluate } from '../ir/graph/evaluate.ts';
import { importModel } from '../ir/import/import-model.ts';
import { canonicalize } from '../passes/canonicalize.ts';
import { inference } from '../runtime/engines.ts';
import type { Api } from './api.ts';
import { createCli } from './cli.ts';
import { processIo } from './io.ts';
import { viewAssets } from './view-assets.ts';

const api: Api = {
  loadModel: importModel,
  toFloatGraph: canonicalize.run,
  compile,
  passNames,
  artifactOf,
  loadArtifact,
  inference,
  evaluate,
  verifyArtifact,
  measureTargets,
  viewAssets,
};

/** `thimble ... | head` closes our output early: that is no error. */
function endWithPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit();
  throw error;
}

/** Runs one command line (without `node` and the script) and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', endWithPipe);
  process.exitCode = await createCli(api, processIo())(argv);
}
