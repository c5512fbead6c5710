/** The checkpoint of an interrupted fine-tuning, and the options of its run. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { writeOneFile } from '../artifact/node-folder.ts';
import { InputError } from '../base/errors.ts';
import type { TrainingData } from '../compress/train/options.ts';

/** What has to be the same for a run to go on, by what the user calls it. */
export type Identity = Readonly<Record<string, string | number>>;

const mark = 'thimble fine-tuning checkpoint 1 ';

export const digest = (feed: (add: (bytes: NodeJS.ArrayBufferView) => void) => void): string => {
  const hash = createHash('sha256');
  feed((bytes) => hash.update(bytes));
  return hash.digest('hex');
};

const samplesHash = ({ count, input }: TrainingData): string =>
  digest((add) => {
    for (let i = 0; i < count; i++) add(input(i));
  });

const labelsHash = ({ count, label }: TrainingData): string =>
  label === undefined ? 'none' : digest((add) => add(Int32Array.from({ length: count }, (_, i) => label(i))));

interface Asked {
  readonly finetune?: number;
  readonly sparsity?: number;
  readonly weightBits?: number;
  readonly seed: number;
}

export const identityOf = (model: Uint8Array, data: TrainingData, asked: Asked): Identity => ({
  'the model': digest((add) => add(model)),
  '--calibrate': samplesHash(data),
  '--labels': labelsHash(data),
  '--finetune': asked.finetune ?? 1,
  '--sparsity': asked.sparsity ?? 'none',
  '--weight-bits': asked.weightBits ?? 8,
  '--seed': asked.seed,
});

export function saveCheckpoint(file: string, identity: Identity, state: Uint8Array): void {
  const head = new TextEncoder().encode(`${mark}${JSON.stringify(identity)}\n`);
  const whole = new Uint8Array(head.length + state.length);
  whole.set(head);
  whole.set(state, head.length);
  writeOneFile(file, whole);
}

export const removeCheckpoint = (file: string): void => rmSync(file, { force: true });

const damaged = (where: string, found: string): InputError =>
  new InputError({
    where,
    found,
    supported: 'a checkpoint of an interrupted `thimble compile --finetune`',
    todo: 'remove the file and start again without --resume',
  });

function parsed(file: string, line: string): Identity {
  try {
    return JSON.parse(line) as Identity;
  } catch {
    throw damaged(file, 'a checkpoint whose first line is damaged');
  }
}

const shown = (value: string | number | undefined): string =>
  typeof value === 'string' && value.length === 64 ? 'another file' : String(value);

function requireSame(file: string, then: Identity, now: Identity): void {
  const other = Object.keys(now).find((name) => then[name] !== now[name]);
  if (other === undefined) return;
  throw new InputError({
    where: other,
    found: `${shown(now[other])} here, ${shown(then[other])} in ${file}`,
    supported: 'the options of the interrupted run',
    todo: 'set it back, or remove the file and start again without --resume',
  });
}

/**
 * The state to go on from, or undefined to begin.
 * @throws InputError when there is nothing to resume, a file that was not asked for, another run's file
 */
export function loadCheckpoint(file: string, identity: Identity, resume: boolean): Uint8Array | undefined {
  if (!existsSync(file)) {
    if (!resume) return undefined;
    throw new InputError({
      where: '--resume',
      found: `no file ${file}`,
      todo: 'omit --resume to start',
    });
  }
  if (!resume)
    throw new InputError({
      where: file,
      found: 'an interrupted fine-tuning',
      todo: 'add --resume to continue it, or remove the file to start again',
    });
  const bytes = new Uint8Array(readFileSync(file));
  const end = bytes.indexOf('\n'.charCodeAt(0));
  const line = new TextDecoder().decode(bytes.subarray(0, Math.max(0, end)));
  if (!line.startsWith(mark)) throw damaged(file, 'another kind of file');
  requireSame(file, parsed(file, line.slice(mark.length)), identity);
  return bytes.slice(end + 1);
}
