/** The part of a sweep that one of several machines made: its file, and what it has to share with the other parts. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import * as v from 'valibot';
import { writeFolder } from '../artifact/node-folder.ts';
import { InputError } from '../base/errors.ts';
import type { CompileOptions } from '../compile.ts';
import { readBytes } from '../data/node-files.ts';
import type { Graph } from '../ir/graph/graph.ts';
import { weightBits } from '../ir/graph/op.ts';
import type { Figures, HeldOut } from '../search/search.ts';
import { builtFields } from '../search/text.ts';
import { digest, type Identity } from './checkpoint.ts';
import { type Part, parseShard, requireWhole, type Shard, shardText, shareOf } from './flags/shares.ts';

/** What is said of a sweep's builds. */
export interface Swept {
  /** Of the program. */
  readonly name: string;
  readonly target: string;
  /** As asked for, and as there were. */
  readonly heldOut: number;
  readonly samples: number;
  readonly floatRight: number;
  readonly builds: readonly Figures[];
}

/** Some builds of a sweep of `points`. */
export interface SweptShare extends Omit<Swept, 'builds'> {
  readonly points: number;
  readonly builds: readonly Placed[];
}

/** With its place among all builds. */
interface Placed {
  readonly index: number;
  readonly built: Figures;
}

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const buildSchema = v.object({
  index: whole,
  sparsity: v.number(),
  weightBits: v.picklist(weightBits),
  codebook: v.nullable(v.picklist([16, 4])),
  flashBytes: whole,
  ramBytes: whole,
  instructions: whole,
  right: whole,
  loss: v.number(),
});
const partSchema = v.object({
  command: v.literal('sweep'),
  shard: v.pipe(v.string(), v.transform(parseShard)),
  commandLine: v.string(),
  made: v.record(v.string(), v.union([v.string(), v.number()])),
  name: v.string(),
  target: v.string(),
  heldOut: whole,
  samples: whole,
  floatRight: whole,
  points: whole,
  builds: v.array(buildSchema),
});

const fileName = 'sweep-part.json';

export function partFields(share: SweptShare, part: Omit<Part, 'where'>) {
  const { builds, ...about } = share;
  return {
    command: 'sweep',
    shard: shardText(part.shard),
    commandLine: part.commandLine,
    made: part.made,
    ...about,
    builds: builds.map(({ index, built }) => ({ index, ...builtFields(built) })),
  };
}

export const writePart = (folder: string, fields: ReturnType<typeof partFields>): Promise<void> =>
  writeFolder(folder, new Map([[fileName, `${JSON.stringify(fields, null, 2)}\n`]]));

interface SweepPart extends Part {
  readonly share: SweptShare;
}

/** @throws InputError for a folder without a part, or with a damaged one */
function readPart(folder: string): SweepPart {
  const file = path.join(folder, fileName);
  const broken = (where: string, found: string): InputError =>
    new InputError({
      where,
      found,
      supported: 'folders that `thimble sweep --shard 1/4 -o FOLDER` wrote',
      todo: 'leave it out, or make that part again',
    });
  if (!existsSync(file)) throw broken(folder, `no ${fileName} there`);
  try {
    const text = new TextDecoder().decode(readBytes(file));
    const { command: _, shard, commandLine, made, builds, ...about } = v.parse(partSchema, JSON.parse(text));
    const share = { ...about, builds: builds.map(placedFrom) };
    requireShare(share, shard);
    const { name, points, samples, floatRight } = about;
    return {
      where: folder,
      shard,
      commandLine,
      // The last one differs where machines compute differently.
      made: {
        ...made,
        "the name of the model's file": name,
        'the number of builds': points,
        'the number of held-out samples': samples,
        'the number of samples that the float model gets right': floatRight,
      },
      share,
    };
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw broken(file, `it is damaged (${error instanceof Error ? error.message : String(error)})`);
  }
}

const placedFrom = (fields: v.InferOutput<typeof buildSchema>): Placed => {
  const { index, sparsity, weightBits, codebook, ...figures } = fields;
  const point = { sparsity, weightBits, ...(codebook === null ? {} : { codebook }) };
  return { index, built: { point, ...figures } };
};

/** @throws Error where builds of the share are missing */
function requireShare({ points, builds }: SweptShare, shard: Shard): void {
  const wanted = shareOf(Array.from({ length: points }), shard).length;
  if (builds.length !== wanted) throw new Error(`${builds.length} of its ${wanted} builds`);
}

/** The sweep that the parts are of. @throws InputError as `requireWhole` does, and for damaged parts */
export function mergedParts(folders: readonly string[]): Swept {
  const parts = requireWhole(folders.map(readPart));
  const builds = parts.flatMap(({ share }) => share.builds).toSorted((a, b) => a.index - b.index);
  const wrong = builds.find(({ index }, i) => index !== i);
  const [first] = parts;
  if (first === undefined || wrong !== undefined)
    throw new InputError({
      where: '--merge',
      found: `two parts have the same build, or none has build ${wrong?.index}`,
      todo: 'make the parts again',
    });
  const { points: _, ...swept } = first.share;
  return { ...swept, builds: builds.map(({ built }) => built) };
}

/** Options that say where things are, or what happens to the result. */
const elsewhere: ReadonlySet<string> = new Set([
  ...['out', 'json', 'shard', 'merge'],
  // Known by their content.
  ...['calibrate', 'labels', 'arch'],
]);

const notGiven = 'not given';

/** What all parts of a sweep have in common: paths may differ, what lies there may not. */
export function identityOfSweep(
  command: Command,
  version: string,
  graph: Graph<'float'>,
  calibration: NonNullable<CompileOptions['calibration']>,
  heldOut: HeldOut,
): Identity {
  const options = command.options
    .filter((option) => !elsewhere.has(option.attributeName()))
    .map((option) => [option.long ?? option.flags, command.getOptionValue(option.attributeName())] as const)
    .map(([name, value]) => [
      name,
      typeof value === 'string' ? value : (JSON.stringify(value, plain) ?? notGiven),
    ]);
  const inputs = [...calibration.inputs, ...(calibration.heldBack ?? []), ...heldOut.inputs];
  const { labels } = heldOut;
  // Both may hold the file's path.
  const { name: _, notes: __, ...content } = graph;
  return {
    thimble: version,
    ...Object.fromEntries(options),
    'the model': digest((add) => add(Buffer.from(JSON.stringify(content, plain)))),
    '--calibrate': digest((add) => inputs.forEach(add)),
    '--labels': labels === undefined ? notGiven : digest((add) => add(Int32Array.from(labels))),
  };
}

/** What JSON leaves out or rounds. */
function plain(_key: string, value: unknown): unknown {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return digest((add) => add(new Uint8Array(buffer, byteOffset, byteLength)));
  }
  if (value instanceof Map || value instanceof Set) return [...value];
  return typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))
    ? String(value)
    : value;
}
