import { type Command, InvalidArgumentError } from 'commander';
import { writeFolder } from '../../artifact/node-folder.ts';
import { front } from '../../compile.ts';
import { sweepHtml } from '../../report/report.ts';
import { allGrids, paretoFront, Search, sparsities } from '../../search/search.ts';
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
import { type SizeFlags, withSizeOptions } from '../flags/sizes.ts';
import { progressOn } from '../progress.ts';

interface Flags extends InputFlags, QuantizeFlags, CompressFlags, SizeFlags {
  readonly out?: string;
  readonly sparsities: readonly number[];
  readonly json?: boolean;
}

function shares(text: string): readonly number[] {
  const list = text.split(',').map(Number);
  if (list.length > 0 && list.every((s) => s >= 0 && s < 1)) return list;
  throw new InvalidArgumentError('It has to be shares from 0 to below 1, for example 0,0.5,0.8,0.9.');
}

async function run(context: Context, file: string, flags: Flags): Promise<void> {
  const { api, io } = context;
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
  const search = new Search(front(graph, options), heldOutOf(prepared, flags), {
    compile: options,
    objective: flags.optimize ?? 'flash',
    target: flags.target,
    method: flags.prune,
    grids,
  });
  const points = grids.flatMap((grid) => flags.sparsities.map((sparsity) => ({ sparsity, ...grid })));
  const progress = progressOn(io, flags.json === true);
  points.forEach((point, i) => {
    progress.report('building', i, points.length);
    search.build(point);
  });
  progress.end();
  await report(context, search, flags);
}

/** What the tables' columns are about. */
function judgedText({ floatRight, samples }: Search, { target }: Flags): string {
  const right = `of which float gets ${formatCount(floatRight)} right`;
  return `Instructions are modelled for ${target}.\nPoints are lost on ${formatMany(samples, 'held-out sample')}, ${right}.`;
}

async function report(context: Context, search: Search, flags: Flags): Promise<void> {
  const { tried } = search;
  const best = paretoFront(tried);
  const fields = {
    command: 'sweep',
    target: flags.target,
    heldOut: flags.heldOut,
    floatRight: search.floatRight,
    builds: tried.map((b) => ({ ...builtFields(b), pareto: best.includes(b) })),
  };
  const text = `All builds\n${builtTable(tried)}\n\nThose that no other beats in everything\n${builtTable(best)}\n\n${judgedText(search, flags)}\n`;
  if (flags.out !== undefined)
    await writeFolder(
      flags.out,
      new Map([
        ['sweep.json', `${JSON.stringify(fields, null, 2)}\n`],
        ['sweep.txt', text],
        ['sweep.html', await sweepHtml(search.name, flags.target, fields.builds)],
      ]),
    );
  if (flags.json) printJson(context, fields);
  else context.io.out(text);
}

export function addSweep(program: Command, context: () => Context): void {
  const command = program
    .command('sweep')
    .description('build a model at many sparsities: flash, RAM, instructions, accuracy')
    .argument('<model>', 'a model: .onnx, .pt2, .pt, or weights with --arch');
  withQuantizeOptions(command);
  withCompressOptions(command);
  withSizeOptions(withInputOptions(command))
    .option('--sparsities <LIST>', 'sparsities to build, as shares of zeros', shares, sparsities)
    .option('-o, --out <FOLDER>', 'folder for sweep.json, sweep.txt and sweep.html');
  withJson(command)
    .addHelpText(
      'after',
      `
Example:
  thimble sweep lenet5.onnx --calibrate train-images-idx3-ubyte.gz --pad 2 \\
    --labels train-labels-idx1-ubyte.gz -o sweep`,
    )
    .action((file: string, flags: Flags) => run(context(), file, flags));
}
