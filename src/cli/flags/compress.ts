/** Options that make a network smaller, and the build that they ask for. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { InputError } from '../../base/errors.ts';
import { type CompileOptions, front } from '../../compile.ts';
import type { Pattern } from '../../compress/prune/pattern.ts';
import { type CostTarget, costTargets } from '../../cost/speed.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { type ByLayer, type CodebookSize, type WeightBits, weightBits } from '../../ir/graph/op.ts';
import { type Fit, fitWithin, type Grid, type HeldOut, type Limits, Search } from '../../search/search.ts';
import type { OnProgress } from '../api.ts';
import { numberWithin, positiveInteger } from './options.ts';

export interface CompressFlags {
  readonly sparsity?: number;
  readonly prune: 'obs' | 'magnitude' | 'channel';
  readonly pattern: Pattern;
  readonly weightBits?: WeightBits;
  /** True: 16 values in every layer. */
  readonly codebook?: true | ByLayer<CodebookSize>;
  /** `balanced` is the choice without it, where nothing is compressed. */
  readonly optimize?: 'flash' | 'tables' | 'balanced' | 'speed';
  readonly target: CostTarget;
  readonly flash?: number;
  readonly ram?: number;
  readonly instructions?: number;
  readonly maxLoss?: number;
  readonly labels?: string;
  readonly heldOut: number;
  readonly seed: number;
  /** Epochs. */
  readonly finetune?: number;
  readonly threads?: number;
  readonly checkpoint?: string;
  readonly resume?: boolean;
}

/** `12KB`, `1.5KB`, `900B`: bytes; 1 KB is 1,024. No unit means bytes too, where there is no doubt of it. */
export function parseSize(text: string): number {
  const [, number = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?)\s*(KB|K|MB|M|B)?$/i.exec(text) ?? [];
  const factor = { k: 1024, m: 1024 ** 2, b: 1 }[unit.charAt(0).toLowerCase()] ?? 1;
  const bytes = Math.floor(Number(number) * factor);
  if (unit === '' && bytes > 0 && bytes < 1024)
    throw new InvalidArgumentError(`Are these bytes? Write ${number}KB or ${number}B.`);
  if (number !== '' && bytes > 0) return bytes;
  throw new InvalidArgumentError('It has to be a size, for example 900B, 12KB or 1.5KB.');
}

const share = numberWithin(0, 1, 'a share from 0 to 1, for example 0.85');
const points = numberWithin(0, 100, 'a number of percentage points, for example 0.2');

function count(text: string): number {
  const [, number = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?)\s*([KM])?$/i.exec(text) ?? [];
  const value = Math.floor(Number(number) * ({ k: 1e3, m: 1e6 }[unit.toLowerCase()] ?? 1));
  if (number !== '' && value > 0) return value;
  throw new InvalidArgumentError('It has to be a count, for example 550000, 550K or 0.55M.');
}

function bits(text: string): WeightBits {
  const found = weightBits.find((bits) => String(bits) === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError('It has to be a whole number from 2 to 8.');
}

function codebookSize(text: string | undefined): CodebookSize {
  if (text === '16' || text === '4') return Number(text) as CodebookSize;
  throw new InvalidArgumentError('It has to be 16, 4, or layers with one of them: /3/Conv=16,/9/Gemm=4.');
}

/** `16`, `4`, or layers by name: `/3/Conv=16,/9/Gemm=4`. */
export function parseCodebook(text: string): ByLayer<CodebookSize> {
  if (!text.includes('=')) return codebookSize(text);
  return new Map(
    text.split(',').map((layer) => {
      const [, name = '', size] = /^(.+)=(.*)$/.exec(layer) ?? [];
      return [name, codebookSize(size)];
    }),
  );
}

/** `none`, `2:4` (at most 2 of every 4 stay), `1x4` (blocks). */
export function parsePattern(text: string): Pattern {
  if (text === 'none') return 'none';
  const [, n, m] = /^([0-9]+):([0-9]+)$/.exec(text) ?? [];
  if (n !== undefined && m !== undefined) return { n: Number(n), m: Number(m) };
  const [, rows, cols] = /^([0-9]+)x([0-9]+)$/.exec(text) ?? [];
  if (rows !== undefined && cols !== undefined) return { block: [Number(rows), Number(cols)] };
  throw new InvalidArgumentError('It has to be none, N:M (2:4) or ROWSxCOLUMNS (1x4).');
}

const integer = (text: string): number => {
  if (/^-?[0-9]{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be a whole number.');
};

export const withCompressOptions = (command: Command): Command =>
  command
    .option('--sparsity <SHARE>', 'prune this share of the weights, 0 to 1', share)
    .addOption(
      new Option('--prune <METHOD>', 'how weights to remove are chosen')
        .choices(['obs', 'magnitude', 'channel'])
        .default('obs'),
    )
    .option(
      '--pattern <PATTERN>',
      'sparsity pattern: none, N:M (N of M stay), or blocks ROWSxCOLUMNS',
      parsePattern,
      'none',
    )
    .option('--weight-bits <BITS>', 'bits per weight: 2 to 8', bits)
    .option(
      '--codebook [VALUES]',
      'weights share 16 or 4 values: in all layers, or NAME=16,NAME=4',
      parseCodebook,
    )
    .addOption(
      new Option('--optimize <WHAT>', "objective when choosing the storage of each layer's weights").choices([
        'flash',
        'tables',
        'balanced',
        'speed',
      ]),
    )
    .addOption(
      new Option('--target <CHIP>', 'chip whose instructions are modelled')
        .choices([...costTargets])
        .default('cortex-m4'),
    )
    .option('--flash <SIZE>', 'budget for constants, e.g. 12KB', parseSize)
    .option('--ram <SIZE>', 'budget for the arena, e.g. 1.5KB', parseSize)
    .option('--instructions <N>', 'budget for instructions of one inference on the target, e.g. 0.55M', count)
    .option(
      '--max-loss <POINTS>',
      'search for the smallest build that loses at most this much on held-out samples',
      points,
    )
    .option('--labels <FILE>', 'classes of the samples of --calibrate, to judge by')
    .option('--held-out <N>', 'number of samples to judge by', positiveInteger, 2000)
    .option('--seed <N>', 'seed of all random choices', integer, 1);

export const withFinetuneOptions = (command: Command): Command =>
  command
    .option(
      '--finetune <EPOCHS>',
      "train on the samples of --calibrate, with the float model's outputs as targets",
      positiveInteger,
    )
    .option('--threads <N>', 'threads for training (default: all cores)', positiveInteger)
    .option('--checkpoint <FILE>', 'file for the state of interrupted training (default: beside --out)')
    .option('--resume', 'continue interrupted training');

export const limitsOf = (flags: CompressFlags): Limits => ({
  ...(flags.flash === undefined ? {} : { flashBytes: flags.flash }),
  ...(flags.ram === undefined ? {} : { ramBytes: flags.ram }),
  ...(flags.instructions === undefined ? {} : { instructions: flags.instructions }),
  ...(flags.maxLoss === undefined ? {} : { maxLoss: flags.maxLoss }),
});

/** Whether the sparsity is left for a search to find. */
export const isSearched = (flags: CompressFlags): boolean =>
  flags.sparsity === undefined && Object.keys(limitsOf(flags)).length > 0;

export const codebookOf = ({ codebook }: CompressFlags): CompileOptions['codebook'] =>
  codebook === true ? 16 : codebook;

/** The ways to store weights that a search tries; undefined: its own. */
export function gridsOf(flags: CompressFlags): readonly Grid[] | undefined {
  const codebook = codebookOf(flags);
  if (typeof codebook === 'number') return [{ weightBits: flags.weightBits ?? 8, codebook }];
  return flags.weightBits === undefined ? undefined : [{ weightBits: flags.weightBits }];
}

/** What the flags add to the options of a build without a search. */
export function compressOptions(flags: CompressFlags): Partial<CompileOptions> {
  const { sparsity, weightBits, target, seed, prune: method, pattern } = flags;
  const codebook = codebookOf(flags);
  const compresses = (sparsity ?? 0) > 0 || (weightBits ?? 8) < 8 || codebook !== undefined;
  const wanted = flags.optimize ?? (compresses ? 'flash' : 'balanced');
  const objective = wanted === 'balanced' ? 'zeros' : wanted;
  const price = objective === 'speed' ? 'macs' : 'weights';
  return {
    ...(sparsity === undefined || sparsity === 0
      ? {}
      : { prune: { method, pattern, sparsity, price, seed } }),
    ...(weightBits === undefined ? {} : { weightBits }),
    ...(codebook === undefined ? {} : { codebook }),
    formats: { objective, target },
  };
}

/** What a search's builds are to make least: what is limited. A limit of flash counts tables. */
function searched({ flash, instructions }: CompressFlags): 'flash' | 'tables' | 'speed' {
  if (instructions !== undefined) return 'speed';
  return flash === undefined ? 'flash' : 'tables';
}

/** What a search makes least: balance is no order of builds. */
const searchedFor = (flags: CompressFlags): 'flash' | 'tables' | 'speed' =>
  flags.optimize === undefined || flags.optimize === 'balanced' ? searched(flags) : flags.optimize;

export interface Searched extends Fit {
  readonly search: Search;
}

/** @throws InputError without held-out samples, and for options that a search chooses itself. */
export function searchBuild(
  model: Graph<'imported'>,
  options: CompileOptions,
  flags: CompressFlags,
  heldOut: HeldOut,
  onProgress: OnProgress,
): Searched {
  if (options.arith === 'float32')
    throw new InputError({
      where: '--flash, --ram, --instructions, --max-loss',
      found: '--type float32',
      supported: 'int8',
    });
  let done = 0;
  const grids = gridsOf(flags);
  const search = new Search(front(model, options), heldOut, {
    compile: options,
    objective: searchedFor(flags),
    target: flags.target,
    method: flags.prune,
    ...(grids === undefined ? {} : { grids }),
    onBuilt: () => onProgress('building', ++done, Math.max(8, done + 1)),
  });
  return { search, ...fitWithin(search, limitsOf(flags)) };
}
