/** The command line: commands, help, and what an end means to the shell. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import pc from 'picocolors';
import { didYouMean } from '../text/nearest.ts';
import type { Api } from './api.ts';
import { addCompile } from './commands/compile.ts';
import { addDemo } from './commands/demo.ts';
import { addDiff } from './commands/diff.ts';
import { addEval } from './commands/eval.ts';
import { addInspect } from './commands/inspect.ts';
import { addReport } from './commands/report.ts';
import { addRun } from './commands/run.ts';
import { addSweep } from './commands/sweep.ts';
import { addVerify } from './commands/verify.ts';
import { addView } from './commands/view.ts';
import type { Context } from './context.ts';
import { type ExitCode, exitCodes, explain } from './exit.ts';
import type { Io } from './io.ts';

/** `src/cli` and `dist/cli` lie equally deep in the package. */
function versionOfPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version: unknown }).version);
}

/** An argument as a shell would need it. */
const quoted = (text: string): string =>
  /^[\w./:=,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

function greet(io: Io): void {
  const c = pc.createColors(io.colours);
  io.out(`${c.bold('thimble')} compiles trained PyTorch models (ONNX) to small, verified C.

Try:
  ${c.cyan('thimble demo')}                  compile and run LeNet-5 on drawn digits
  ${c.cyan('thimble inspect model.onnx')}    the layers of your model
  ${c.cyan('thimble compile --help')}        options for compiling it to C
`);
}

/** Commander's message on one line, as all of ours are; it suggests commands and options, and no choices. */
const usageError = (text: string): string => {
  const plain = text
    .replace(/^error: /, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ');
  const [, word, choices] = /argument '(.*)' is invalid. Allowed choices are (.*)\.$/.exec(plain) ?? [];
  const meant = word === undefined ? undefined : didYouMean(word, (choices ?? '').split(', '));
  return `thimble: ${plain}${meant === undefined ? '' : ` (${meant})`} (see thimble --help)\n`;
};

function programFor(io: Io, version: string): Command {
  return new Command('thimble')
    .description('Compiles trained PyTorch models (ONNX) to small, verified C.')
    .version(version, '-V, --version')
    .exitOverride()
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      outputError: (text, write) => write(usageError(text)),
      getOutHasColors: () => io.colours,
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
    })
    .addHelpText('after', exitCodeHelp);
}

const exitCodeHelp = `
thimble COMMAND --help shows a command's options and an example.
Exit codes: 0 success, 1 a check failed, 2 bad usage or input, 3 a defect of
thimble, 4 not every layer was compared (diff), 130 interrupted.`;

/** Reading a model, with a line for each note that it comes with. */
function noted(api: Api, io: Io): Api['loadModel'] {
  const told = new Set<string>();
  return (bytes, source) => {
    const graph = api.loadModel(bytes, source);
    for (const note of graph.notes ?? []) {
      if (!told.has(note)) io.err(`thimble: note: ${note}\n`);
      told.add(note);
    }
    return graph;
  };
}

/** A function that runs one command line and returns the exit code; it never throws. */
export function createCli(api: Api, io: Io): (argv: readonly string[]) => Promise<ExitCode> {
  return async (argv) => {
    let code: ExitCode = exitCodes.ok;
    const version = versionOfPackage();
    const context = (): Context => ({
      api: { ...api, loadModel: noted(api, io) },
      io,
      version,
      commandLine: ['thimble', ...argv.map(quoted)].join(' '),
      finish: (ended) => {
        code = ended;
      },
    });
    if (argv.length === 0) {
      greet(io);
      return code;
    }
    const program = programFor(io, version);
    for (const add of [
      addCompile,
      addRun,
      addVerify,
      addInspect,
      addEval,
      addSweep,
      addView,
      addDiff,
      addReport,
      addDemo,
    ])
      add(program, context);
    try {
      await program.parseAsync(argv, { from: 'user' });
      return code;
    } catch (error) {
      return explain(io, error);
    }
  };
}
