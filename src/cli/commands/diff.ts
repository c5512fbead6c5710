import { type Command, Option } from 'commander';
import type { Artifact } from '../../artifact/make.ts';
import type { Diagnosis } from '../../diff/causes/cause.ts';
import { type Diff, diff } from '../../diff/compare.ts';
import { diagnose } from '../../diff/diagnose.ts';
import type { DiffMode } from '../../diff/feed.ts';
import { diffTable, notComparedText, verdictText } from '../../diff/text.ts';
import { coverageOf, type Verdict, verdictOf } from '../../diff/verdict.ts';
import type { Sample } from '../../program/values.ts';
import { formatMany } from '../../text/numbers.ts';
import { wrapped } from '../../text/table.ts';
import { type Context, paint, printJson } from '../context.ts';
import { exitCodes } from '../exit.ts';
import { type Against, inferencesAgainst, samplesIn } from '../flags/diff-against.ts';
import { inputsOfProgram, loadArtifact, readPrepared, type SampleFiles } from '../flags/model.ts';
import {
  collected,
  decibels,
  type InputFlags,
  positiveInteger,
  prepareOptions,
  withInputOptions,
  withJson,
} from '../flags/options.ts';
import { sampleAt } from '../flags/subject.ts';

interface Flags extends InputFlags {
  readonly against: string;
  readonly input?: SampleFiles;
  readonly limit: number;
  readonly cumulative?: boolean;
  readonly partial?: boolean;
  readonly model?: string;
  readonly minSqnr: number;
  readonly json?: boolean;
}

function samplesFor(artifact: Artifact, flags: Flags): readonly Sample[] {
  if (flags.input === undefined) return [];
  const options = prepareOptions(flags, artifact.manifest.preprocessing);
  const prepared = readPrepared(flags.input, inputsOfProgram(artifact), options);
  return samplesIn(prepared, flags.limit, (i) => sampleAt(prepared, i));
}

/** Checksums can only be compared with what a run from the input on gives. */
const modeFor = ({ tracedRuns }: Against, flags: Flags): DiffMode =>
  flags.cumulative || tracedRuns.some(({ run }) => run.level === 1) ? 'cumulative' : 'isolated';

/** The inferences that differ most at the output. */
function worstInferences({ layers }: Diff): readonly string[] {
  const output = layers.at(-1);
  if (output === undefined || output.each.length < 2) return [];
  const order = output.each
    .map((e, inference) => ({ ...e, inference }))
    .filter(({ different }) => different > 0)
    .toSorted((a, b) => a.sqnr - b.sqnr)
    .slice(0, 3);
  return order.map(({ inference, sqnr }) => `${inference} (${sqnr.toFixed(1)} dB)`);
}

function describe(context: Context, against: Against, found: Diff, causes: readonly Diagnosis[]): void {
  const { io } = context;
  const c = paint(context);
  io.out(`${formatMany(found.inferences, 'inference')}, ${found.mode}, against ${against.who}\n\n`);
  io.out(`${diffTable(found, io.columns)}\n\n`);
  const verdict = verdictOf(found);
  const colour = { wrong: c.red, unknown: c.yellow, right: c.green }[verdict];
  io.out(`${colour(verdictText(found, against.who, io.columns))}\n`);
  const gaps = notComparedText(found, io.columns);
  if (gaps !== '') io.out(`${gaps}\n`);
  const worst = worstInferences(found);
  if (worst.length > 0) io.out(`Outputs differ most in inference ${worst.join(', ')}.\n`);
  if (found.flips > 0)
    io.out(`The index of the largest output differs in ${formatMany(found.flips, 'inference')}.\n`);
  for (const { cause, text } of causes) {
    const head = `Cause: ${cause}.`;
    io.out(`\n${wrapped(`${head} ${text}.`, io.columns).replace(head, c.bold(head))}\n`);
  }
}

const jsonOf = (against: Against, found: Diff, verdict: Verdict, causes: readonly Diagnosis[]): object => ({
  command: 'diff',
  against: against.who,
  mode: found.mode,
  flips: found.flips,
  inferences: found.inferences,
  verdict,
  coverage: coverageOf(found),
  layers: found.layers.map(({ slot: _, each, ...layer }) => ({ ...layer, inferences: each })),
  firstWrong: found.first?.kernel ?? null,
  causes,
  warnings: against.warnings,
});

const codeOf = {
  wrong: exitCodes.foundWrong,
  unknown: exitCodes.notAllChecked,
  right: exitCodes.ok,
} as const satisfies Record<Verdict, number>;

async function run(context: Context, folder: string, flags: Flags): Promise<void> {
  const { api, io } = context;
  const artifact = loadArtifact(api, folder);
  const samples = samplesFor(artifact, flags);
  const { model } = flags;
  const asked = { api, artifact, against: flags.against, samples, ...(model === undefined ? {} : { model }) };
  const against = await inferencesAgainst(asked, (other) => samplesFor(other, flags));
  const mode = modeFor(against, flags);
  const { minSqnr } = flags;
  // From the input on differences of single steps add up.
  const steps = mode === 'isolated' && against.maxSteps !== undefined ? { maxSteps: against.maxSteps } : {};
  const found = diff(artifact.program, against.inferences, { mode, minSqnr, ...steps });
  const causes = diagnose(artifact.program, against.inferences, against.tracedRuns, found);
  const verdict = causes.length > 0 ? 'wrong' : verdictOf(found, flags);
  if (flags.json) printJson(context, jsonOf(against, found, verdict, causes));
  else describe(context, against, found, causes);
  for (const warning of against.warnings) io.err(`thimble: ${warning}\n`);
  context.finish(codeOf[verdict]);
}

export function addDiff(program: Command, context: () => Context): void {
  const command = program
    .command('diff')
    .description('find the first layer that differs from float, a device or another build, and the cause')
    .argument('<folder>', 'a folder written by compile -o')
    .requiredOption(
      '--against <WHAT>',
      'what to compare with: model.onnx, device.log, qemu:CHIP, activations.npz, another folder',
    )
    .option('--input <FILE>', 'samples: .npy, .npz, idx, CIFAR-10 .bin, .png, folder of PNG', collected)
    .option('--limit <N>', 'only the first N samples', positiveInteger, 100)
    .option(
      '--cumulative',
      "run from the input on, instead of giving each layer the inputs that the other side's layer read",
    )
    .option('--partial', 'accept layers that the other side has not captured; lost lines are not accepted')
    .option(
      '--model <FILE>',
      'with activations: the model that the folder was compiled from, if it was moved',
    )
    .addOption(
      new Option(
        '--min-sqnr <DB>',
        'a layer with a lower signal-to-noise ratio against real numbers is wrong',
      )
        .argParser(decibels)
        .default(20),
    );
  withInputOptions(command);
  withJson(command)
    .addHelpText(
      'after',
      `
Examples:
  thimble diff out --against lenet5.onnx --input digits.npy
  thimble diff out --against device.log
  thimble diff out --against qemu:cortex-m4 --input digits.npy
  thimble diff out --against activations.npz
  thimble diff out --against other-out --input digits.npy

Exit code 1: a layer is wrong, or a cause was found. Exit code 4: no layer that
was compared is wrong, but not every layer was compared. docs/diff.md leads from
symptoms to causes.`,
    )
    .action((folder: string, flags: Flags) => run(context(), folder, flags));
}
