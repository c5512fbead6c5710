import * as thimble from '../index.ts';
import { createCli } from './cli.ts';
import { processIo } from './io.ts';

const api = { ...thimble, toFloatGraph: thimble.canonicalize.run };

/** `thimble ... | head` closes our output early: that is no error. */
function endWithPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}

/** Runs one command line and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', endWithPipe);
  process.exitCode = await createCli(api, processIo())(argv);
}
