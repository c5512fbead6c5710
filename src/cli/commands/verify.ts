import { type Command, Option } from 'commander';
import type { Artifact } from '../../artifact/make.ts';
import type { VerifyReport, VerifyRow } from '../../artifact/node-verify.ts';
import { type Held, heldToRecords, type RecordedSample } from '../../artifact/recorded.ts';
import { at, InputError } from '../../base/errors.ts';
import { inputBytes } from '../../program/values.ts';
import { chips, type TargetName, targetNamed } from '../../targets/targets.ts';
import { cyclesText, formatBytes, formatCount, formatHertz, millisecondsText } from '../../text/numbers.ts';
import { table } from '../../text/table.ts';
import { type Context, paint, printJson } from '../context.ts';
import { exitCodes } from '../exit.ts';
import { inputsOfProgram, loadArtifact, readPrepared, type SampleFiles, spread } from '../flags/model.ts';
import {
  clock,
  collected,
  type InputFlags,
  positiveInteger,
  prepareOptions,
  withInputOptions,
  withJson,
} from '../flags/options.ts';
import { randomInputs } from '../flags/random-inputs.ts';
import { sampleAt } from '../flags/subject.ts';
import {
  describeHeld,
  readTestData,
  type TestDataFlags,
  toleranceOf,
  withTestData,
} from '../flags/test-data.ts';
import { progressOn } from '../progress.ts';

interface Flags extends InputFlags, TestDataFlags {
  readonly input?: SampleFiles;
  readonly samples: number;
  readonly targets: readonly TargetName[];
  readonly opt?: string;
  readonly clock?: number;
  readonly json?: boolean;
}

export const verifyTargets = ['host', ...chips];

export const parseTargets = (text: string): readonly TargetName[] =>
  text.split(',').map((name) => targetNamed(name.trim()));

function inputsFor(artifact: Artifact, flags: Flags): readonly Uint8Array[] {
  if (flags.input === undefined) return randomInputs(artifact.program, flags.samples);
  const options = prepareOptions(flags, artifact.manifest.preprocessing);
  const prepared = readPrepared(flags.input, inputsOfProgram(artifact), options);
  return spread(prepared.count, flags.samples).map((i) =>
    inputBytes(artifact.program, sampleAt(prepared, i)),
  );
}

/** Recorded samples are all run, unless --samples says how many. */
function recordsFor(
  { program }: Artifact,
  flags: Flags,
  { samples }: Named,
): readonly RecordedSample[] | undefined {
  const { testData, rtol, atol, minSqnr, input, resize, pad, normalize, layout } = flags;
  if (testData === undefined) {
    refuse({ rtol, atol, minSqnr }, 'this option with --test-data');
    return undefined;
  }
  refuse({ input, resize, pad, normalize, layout }, '--test-data alone: its inputs are those of the model');
  const records = readTestData(program, testData);
  return spread(records.length, samples ? flags.samples : records.length).map((i) => at(records, i));
}

function refuse(options: Readonly<Record<string, unknown>>, supported: string): void {
  const given = Object.entries(options).find(([, value]) => value !== undefined);
  if (given === undefined) return;
  throw new InputError({
    where: `--${given[0].replace('S', '-s')}`,
    found: 'an option that does not apply',
    supported,
  });
}

/** Whether a target that could be run is not the same. */
export const hasFailed = ({ rows }: { readonly rows: readonly Pick<VerifyRow, 'status'>[] }): boolean =>
  rows.some(({ status }) => status !== 'equal' && status !== 'skipped');

const anyRan = ({ rows }: VerifyReport): boolean => rows.some(({ status }) => status === 'equal');

/** The simulator alone is worth something where there are records to hold it to. */
const isVerified = (report: VerifyReport, held: readonly Held[] | undefined): boolean =>
  !hasFailed(report) &&
  (held === undefined ? anyRan(report) : held.every(({ fails }) => fails === undefined));

function statusText(context: Context, { status }: VerifyRow): string {
  const c = paint(context);
  switch (status) {
    case 'equal':
      return c.green(status);
    case 'differs':
    case 'does not fit':
    case 'failed':
      return c.red(status);
    case 'skipped':
      return c.yellow(status);
    default:
      return status satisfies never;
  }
}

const optional = (n: number | undefined, format: (n: number) => string): string =>
  n === undefined ? '' : format(n);

/** What ran: a target, and the form of the C where there are two. */
const buildText = ({ target, form }: VerifyRow): string =>
  form === undefined ? target : `${target}, ${form}`;

/** What there is to say, and of which targets: several lack the same compiler. */
function notesOf(context: Context, rows: readonly VerifyRow[]): ReadonlyMap<string, readonly string[]> {
  const notes = new Map<string, string[]>();
  for (const row of rows) {
    if (row.note === undefined) continue;
    const text = `${statusText(context, row)}: ${row.note}`;
    notes.set(text, [...(notes.get(text) ?? []), buildText(row)]);
  }
  return notes;
}

interface TextColumn {
  readonly head: string;
  readonly align?: 'right';
  readonly cell: (row: VerifyRow) => string;
}

const count = (head: string, cell: TextColumn['cell']): TextColumn => ({ head, align: 'right', cell });

/** Columns that would be empty are left out of those that few targets have. */
function columnsFor(rows: readonly VerifyRow[]): readonly TextColumn[] {
  const timed = rows.some(({ cycles }) => cycles !== undefined);
  return [
    { head: 'target', cell: buildText },
    { head: 'status', cell: ({ status }) => status },
    count(timed ? 'compared' : 'bytes compared', (row) => formatCount(row.bytesCompared)),
    ...(timed && rows.every(({ mismatches }) => mismatches === 0) ? [] : [wrongColumn]),
    ...(timed && rows.every(({ instructions }) => instructions === undefined) ? [] : [instructionColumn]),
    ...(timed ? [count('cycles', cyclesText), count('ms', millisecondsText)] : []),
    count('stack', (row) => optional(row.stackBytes, formatBytes)),
  ];
}

const instructionColumn = count('instructions', (row) => optional(row.instructions, formatCount));
const wrongColumn = count('wrong', ({ mismatches }) => (mismatches > 0 ? formatCount(mismatches) : ''));

/** At which clock each target's milliseconds are, and what a model is. */
function describeTime({ io }: Context, rows: readonly VerifyRow[]): void {
  const timed = rows.filter((row) => row.clockHz !== undefined);
  if (timed.length === 0) return;
  const clocks = new Set(timed.map(({ target, clockHz = 0 }) => `${target} ${formatHertz(clockHz)}`));
  io.out(`ms at: ${[...clocks].join(', ')}; --clock sets another\n`);
  if (timed.some(({ cyclesBy }) => cyclesBy === 'model'))
    io.out('~ is a model: memory never waits there (docs/verification.md, Cycles)\n');
}

/** The table of a report, and a line for what was skipped or failed. */
export function describeReport(context: Context, { rows }: VerifyReport): void {
  const { io } = context;
  const columns = columnsFor(rows);
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  io.out(`${table(columns, cells, io.columns)}\n`);
  describeTime(context, rows);
  for (const [note, targets] of notesOf(context, rows)) io.out(`${targets.join(', ')}: ${note}\n`);
}

const optOf = ({ opt }: Flags): { opt?: string } => (opt === undefined ? {} : { opt: `-${opt}` });

/** A chip that is too small is no failure where the user did not name it. */
const passedOver = (report: VerifyReport): VerifyReport => ({
  ...report,
  rows: report.rows.map((row): VerifyRow => {
    if (row.status !== 'does not fit') return row;
    return { ...row, status: 'skipped', note: `too small for the program: ${row.note ?? 'it does not fit'}` };
  }),
});

/** Which options the user gave, of those with a default. */
interface Named {
  readonly targets: boolean;
  readonly samples: boolean;
}

async function run(context: Context, folder: string, flags: Flags, named: Named): Promise<void> {
  const { api, io } = context;
  const artifact = loadArtifact(api, folder);
  const records = recordsFor(artifact, flags, named);
  const inputs = records?.map(({ input }) => input) ?? inputsFor(artifact, flags);
  const progress = progressOn(io, flags.json === true);
  const { report: onProgress } = progress;
  const found = await api
    .verifyArtifact(artifact, {
      inputs,
      targets: flags.targets,
      onProgress,
      ...optOf(flags),
      ...(flags.clock === undefined ? {} : { clockHz: flags.clock }),
    })
    .finally(progress.end);
  const report = named.targets ? found : passedOver(found);
  const tolerance = toleranceOf(flags, artifact.program.arith);
  const held = records && heldToRecords(artifact.program, records, report.outputs, tolerance);
  const ok = isVerified(report, held);
  if (flags.json)
    printJson(context, {
      command: 'verify',
      ok,
      inputs: inputs.length,
      rows: report.rows,
      ...(held === undefined ? {} : { testData: { tolerance, outputs: held } }),
    });
  else {
    describeReport(context, report);
    if (!hasFailed(report))
      io.out(
        anyRan(report)
          ? 'Every byte is the same as in the simulator.\n'
          : 'No C was run: every target was skipped.\n',
      );
    if (held) describeHeld(context, held, inputs.length, tolerance);
  }
  if (ok) return;
  io.err(`thimble: ${failureText(report, held)}\n`);
  context.finish(exitCodes.foundWrong);
}

function failureText(report: VerifyReport, held: readonly Held[] | undefined): string {
  if (hasFailed(report)) return 'verification failed';
  return held === undefined
    ? 'nothing was verified: every target was skipped'
    : 'the outputs are not the recorded ones';
}

export function addVerify(program: Command, context: () => Context): void {
  const command = program
    .command('verify')
    .description('compile the C of an artifact, run it, and compare every byte with the simulator')
    .argument('<folder>', 'a folder written by compile -o')
    .option('--input <FILE>', 'samples to run (default: seeded random inputs)', collected)
    .option('--samples <N>', 'inferences per target', positiveInteger, 4)
    .addOption(
      new Option('--targets <LIST>', `any of ${verifyTargets.join(', ')}`)
        .argParser(parseTargets)
        .default(parseTargets(verifyTargets.join()), 'all of them'),
    );
  command.addOption(
    new Option('--opt <LEVEL>', "the compiler's optimization level on chips").choices([
      'O1',
      'O2',
      'O3',
      'Os',
    ]),
  );
  command.option(
    '--clock <CLOCK>',
    'clock for milliseconds, such as 64MHz, where cycles are known (default: per chip)',
    clock,
  );
  command.addOption(new Option('--dsp', 'no effect: C with and without DSP is compared').hideHelp());
  withInputOptions(command);
  withTestData(command);
  withJson(command)
    .addHelpText(
      'after',
      `
These targets run only if --targets names them: atmega328p and atmega2560 (under
simavr), esp8266 (integer programs only), and aarch64, rv64 and ppc (big-endian)
as processes under QEMU.

Chips with DSP instructions (M4, M7, M33, M55) run the C with and without them:
the rows "DSP" and "plain".

Targets whose compiler or emulator is not installed are skipped, and the output
says so. Chips that are too small are skipped unless --targets names them.

With --test-data the inputs are the recorded ones, all of them unless --samples
is given. The simulator's outputs are compared with the recorded ones, and the
C's bytes with the simulator's. Outputs of integers must be equal.

Exit code 1: bytes differ, the program does not fit a named target, an output
differs from the recorded one, or every target was skipped and there is no
--test-data.

Example:
  thimble verify out --input digits.npy --targets host,cortex-m4
  thimble verify out --test-data test_data_set_0 --targets host`,
    )
    .action((folder: string, flags: Flags) =>
      run(context(), folder, flags, {
        targets: command.getOptionValueSource('targets') !== 'default',
        samples: command.getOptionValueSource('samples') !== 'default',
      }),
    );
}
