import { type Command, InvalidArgumentError } from 'commander';
import { writeFolder } from '../../artifact/node-folder.ts';
import { InputError, must } from '../../base/errors.ts';
import { front } from '../../compile.ts';
import { sweepHtml } from '../../report/report.ts';
import {
  allGrids,
  type BuildPoint,
  type Grid,
  paretoFront,
  Search,
  sparsities,
} from '../../search/search.ts';
import { builtFields, builtTable } from '../../search/text.ts';
import { formatCount, formatMany } from '../../text/numbers.ts';
import { type Context, printJson } from '../context.ts';
import { calibrationOf, heldOutOf, readSamplesFor } from '../flags/calibrate.ts';
import { type CompressFlags, codebookOf, gridsOf, withCompressOptions } from '../flags/compress.ts';
import { identifierOf, loadModel } from '../flags/model.ts';
import {
  type InputFlags,
  prepareOptions,
  type QuantizeFlags,
  withInputOptions,
  withJson,
  withQuantizeOptions,
} from '../flags/options.ts';
import { parseShard, type Shard, shareOf } from '../flags/shares.ts';
import { type SizeFlags, withSizeOptions } from '../flags/sizes.ts';
import type { Io } from '../io.ts';
import { progressOn } from '../progress.ts';
import { identityOfSweep, mergedParts, partFields, type Swept, writePart } from '../sweep-parts.ts';

interface Flags extends InputFlags, QuantizeFlags, CompressFlags, SizeFlags {
  readonly out?: string;
  readonly sparsities: readonly number[];
  readonly shard?: Shard;
  readonly merge?: readonly string[];
  readonly json?: boolean;
}

function shares(text: string): readonly number[] {
  const list = text.split(',').map(Number);
  if (list.length > 0 && list.every((s) => s >= 0 && s < 1)) return list;
  throw new InvalidArgumentError('It has to be shares from 0 to below 1, for example 0,0.5,0.8,0.9.');
}

/** All builds, in the order in which they are listed, at their places. */
interface Planned {
  readonly index: number;
  readonly point: BuildPoint;
}

/** Neighbours have the pruning in common, which is computed once where they are built by one machine. */
const plannedFor = (grids: readonly Grid[], shares: readonly number[]): readonly Planned[] =>
  [...new Set(shares)].flatMap((sparsity, i, { length }) =>
    grids.map((grid, g) => ({ index: g * length + i, point: { sparsity, ...grid } })),
  );

/** @throws InputError for options of one build */
function requireNoBudgets({ sparsity, flash, ram, instructions, maxLoss }: Flags): void {
  const given = Object.entries({
    '--sparsity': sparsity,
    '--flash': flash,
    '--ram': ram,
    '--instructions': instructions,
    '--max-loss': maxLoss,
  }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length === 0) return;
  throw new InputError({
    where: 'thimble sweep',
    found: given.join(', '),
    supported:
      '--sparsities, --weight-bits, --codebook, --optimize and --target: a sweep makes many builds and lists what each costs',
    todo: "give budgets to 'thimble compile', which searches the build that fits them",
  });
}

/** @throws InputError where there is nothing to work on, or no place for a part, and for options that a sweep has no use for */
function modelFor(file: string | undefined, flags: Flags): string {
  if (file === undefined)
    throw new InputError({
      where: 'thimble sweep',
      found: 'no model',
      todo: 'name its file, or with --merge the parts of a sweep',
    });
  requireNoBudgets(flags);
  if (flags.shard !== undefined && flags.out === undefined)
    throw new InputError({
      where: '--shard',
      found: 'no -o',
      todo: `say where the part goes: -o part-${flags.shard.index}`,
    });
  return file;
}

async function run(
  context: Context,
  given: string | undefined,
  flags: Flags,
  command: Command,
): Promise<void> {
  const { api, io, version, commandLine } = context;
  const file = modelFor(given, flags);
  const graph = loadModel(api, file, flags);
  const prepared = readSamplesFor(api, graph, flags, prepareOptions(flags), file);
  const codebook = codebookOf(flags);
  const options = {
    name: identifierOf(file),
    arith: 'int8',
    requant: flags.requant,
    calibrationMethod: flags.calibration,
    activationBits: flags.activationBits,
    calibration: calibrationOf(prepared, flags.samples),
    ...(codebook === undefined ? {} : { codebook }),
  } as const;
  const grids = gridsOf(flags) ?? allGrids;
  const heldOut = heldOutOf(prepared, flags);
  const fused = front(graph, options);
  const search = new Search(fused, heldOut, {
    compile: options,
    objective: flags.optimize === undefined || flags.optimize === 'balanced' ? 'flash' : flags.optimize,
    target: flags.target,
    method: flags.prune,
    grids,
  });
  const planned = plannedFor(grids, flags.sparsities);
  const share = built(io, search, shareOf(planned, flags.shard ?? { index: 1, count: 1 }), flags);
  const { name, samples, floatRight } = search;
  const swept = { name, target: flags.target, heldOut: flags.heldOut, samples, floatRight };
  if (flags.shard === undefined)
    return report(context, { ...swept, builds: share.map(({ built }) => built) }, flags);
  const made = identityOfSweep(command, version, fused.floatGraph, options.calibration, heldOut);
  const part = { shard: flags.shard, made, commandLine };
  return reportPart(context, partFields({ ...swept, points: planned.length, builds: share }, part), flags);
}

/** In the order in which builds are listed. */
function built(io: Io, search: Search, share: readonly Planned[], { json }: Flags) {
  const progress = progressOn(io, json === true);
  const builds = share.map(({ index, point }, i) => {
    progress.report('building', i, share.length);
    return { index, built: search.build(point) };
  });
  progress.end();
  return builds.toSorted((a, b) => a.index - b.index);
}

async function reportPart(
  context: Context,
  fields: ReturnType<typeof partFields>,
  flags: Flags,
): Promise<void> {
  const out = must(flags.out, 'a part has a place');
  await writePart(out, fields);
  if (flags.json) return printJson(context, fields);
  const { shard, builds, points } = fields;
  context.io.out(
    `share ${shard}: ${builds.length} of ${formatMany(points, 'build')}, in ${out}\n` +
      'when all shares are there: thimble sweep --merge PART... -o FOLDER\n',
  );
}

const withMerge: ReadonlySet<string> = new Set(['merge', 'out', 'json']);

/** @throws InputError for a model or options that the parts were made with */
function requireNoMore(given: string | undefined, command: Command): void {
  const more = command.options.find(
    (option) =>
      command.getOptionValueSource(option.attributeName()) === 'cli' &&
      !withMerge.has(option.attributeName()),
  );
  if (given === undefined && more === undefined) return;
  throw new InputError({
    where: '--merge',
    found: given === undefined ? `${more?.long} too` : `a model too (${given})`,
    supported: '--out and --json with it; all else is in the parts',
    todo: 'leave it out; parts stand behind --merge',
  });
}

/** What the tables' columns are about. */
function judgedText({ floatRight, samples, target }: Swept): string {
  const right = `of which float gets ${formatCount(floatRight)} right`;
  return `Instructions are modelled for ${target}.\nPoints are lost on ${formatMany(samples, 'held-out sample')}, ${right}.`;
}

async function report(context: Context, swept: Swept, flags: Pick<Flags, 'out' | 'json'>): Promise<void> {
  const { name, target, heldOut, floatRight, builds } = swept;
  const best = paretoFront(builds);
  const fields = {
    command: 'sweep',
    target,
    heldOut,
    floatRight,
    builds: builds.map((b) => ({ ...builtFields(b), pareto: best.includes(b) })),
  };
  const text = `All builds\n${builtTable(builds)}\n\nThose that no other beats in everything\n${builtTable(best)}\n\n${judgedText(swept)}\n`;
  if (flags.out !== undefined)
    await writeFolder(
      flags.out,
      new Map([
        ['sweep.json', `${JSON.stringify(fields, null, 2)}\n`],
        ['sweep.txt', text],
        ['sweep.html', await sweepHtml(name, target, fields.builds)],
      ]),
    );
  if (flags.json) printJson(context, fields);
  else context.io.out(text);
}

export function addSweep(program: Command, context: () => Context): void {
  const command = program
    .command('sweep')
    .description('build a model at many sparsities: flash, RAM, instructions, accuracy')
    .argument('[model]', 'a model: .onnx, .pt2, .pt, or weights with --arch');
  withQuantizeOptions(command);
  withCompressOptions(command);
  withSizeOptions(withInputOptions(command))
    .option('--sparsities <LIST>', 'sparsities to build, as shares of zeros', shares, sparsities)
    .option('--shard <K/N>', 'only the builds of share K of N, for one of N machines', parseShard)
    .option('--merge <PART...>', 'put the parts of all shares together')
    .option('-o, --out <FOLDER>', 'folder for sweep.json, sweep.txt and sweep.html, or for the part');
  withJson(command)
    .addHelpText(
      'after',
      `
Example:
  thimble sweep lenet5.onnx --calibrate train-images-idx3-ubyte.gz --pad 2 \\
    --labels train-labels-idx1-ubyte.gz -o sweep

On several machines (docs/many-machines.md has jobs for four schedulers):
  thimble sweep lenet5.onnx --calibrate digits.npy --shard 1/4 -o part-1
  thimble sweep --merge part-1 part-2 part-3 part-4 -o sweep`,
    )
    .action((file: string | undefined, flags: Flags, own: Command) => {
      if (flags.merge === undefined) return run(context(), file, flags, own);
      requireNoMore(file, own);
      return report(context(), mergedParts(flags.merge), flags);
    });
}
