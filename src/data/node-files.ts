/** The only file of this folder that touches the file system. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { InputError } from '../base/errors.ts';
import { decodeLabels, decodeSamples, type NamedBytes } from './detect.ts';
import { largestFile, largestUnpacked } from './limits.ts';
import { readPng, stackPictures } from './png.ts';
import type { Samples } from './samples.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission to read it',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
};

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';

const unreadable = (where: string, error: unknown, todo = 'check the path'): InputError =>
  new InputError({
    where,
    found: reasons[codeOf(error)] ?? `it cannot be read (${codeOf(error) || String(error)})`,
    todo,
  });

const tooLarge = (where: string, found: string, limit: number): InputError =>
  new InputError({ where, found, supported: `up to ${limit / 2 ** 20} MiB`, todo: 'check the path' });

/** All that a pipe or device gives, up to `largestUnpacked`. */
function readStream(file: string, descriptor: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const chunk = new Uint8Array(2 ** 16);
    const count = readSync(descriptor, chunk);
    if (count === 0) return new Uint8Array(Buffer.concat(chunks));
    total += count;
    if (total > largestUnpacked) throw tooLarge(file, 'a stream without an end', largestUnpacked);
    chunks.push(chunk.subarray(0, count));
  }
}

/** A file that the user named; it may be a pipe. @throws InputError when it cannot be read, or has no end. */
export function readBytes(file: string): Uint8Array {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const stat = fstatSync(descriptor);
    return stat.isFile() || stat.isDirectory()
      ? new Uint8Array(readFileSync(descriptor))
      : readStream(file, descriptor);
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(file, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

const notBeside = (model: string, location: string, found: string): InputError =>
  new InputError({
    where: model,
    found: `weights in '${location}', ${found}`,
    supported: "regular files in the model's folder or below",
    todo: 'put both files into one folder, and copy what is linked',
  });

/** Where a location leads, without links on the way. */
function pathBeside(model: string, location: string): string {
  const folder = path.dirname(path.resolve(model));
  const inside = path.resolve(folder, location);
  const relative = path.relative(folder, inside);
  if (relative === '' || relative.split(path.sep)[0] === '..' || path.isAbsolute(relative))
    throw notBeside(model, location, "outside of the model's folder");
  // A device or pipe is not opened: that may wait, or do something.
  const stat = lstatSync(inside);
  if (stat.isSymbolicLink() || realpathSync(inside) !== path.join(realpathSync(folder), relative))
    throw notBeside(model, location, 'behind a symbolic link');
  if (!stat.isFile()) throw notBeside(model, location, 'which is no regular file');
  if (stat.size > largestFile) throw tooLarge(`${model}: '${location}'`, `${stat.size} bytes`, largestFile);
  return inside;
}

/**
 * A file that a model names, not the user.
 * @param model the model's path, by whose folder `location` is resolved
 * @throws InputError unless it is a regular file there or below, reached without links, of at most `largestFile`
 */
export function readBeside(model: string, location: string): Uint8Array {
  try {
    // Should the file be swapped for a link or pipe meanwhile, opening fails or returns at once.
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
    const descriptor = openSync(pathBeside(model, location), flags);
    try {
      if (!fstatSync(descriptor).isFile()) throw notBeside(model, location, 'which is no regular file');
      return new Uint8Array(readFileSync(descriptor));
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    const todo = "copy it beside the model: it holds the model's weights";
    throw unreadable(`${model}: '${location}'`, error, todo);
  }
}

/** @throws InputError when there is nothing of that name. */
export function isFolder(file: string): boolean {
  try {
    return statSync(file).isDirectory();
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** `digits.npz:images` names an array in an archive. */
function named(file: string): NamedBytes {
  const [, archive, member] = /^(.*\.npz):([^:/\\]+)$/i.exec(file) ?? [];
  if (archive !== undefined && member !== undefined)
    return { name: archive, bytes: readBytes(archive), member };
  return { name: file, bytes: readBytes(file) };
}

/** 2.png before 10.png, the same in every locale. */
const byName = new Intl.Collator('en', { numeric: true });

function readPictures(folder: string, channels: number | undefined): Samples {
  const names = readdirSync(folder).filter((name) => name.toLowerCase().endsWith('.png'));
  const paths = names.sort(byName.compare).map((name) => path.join(folder, name));
  return stackPictures(
    paths.map((file) => readPng(readBytes(file), file)),
    folder,
    channels,
  );
}

/**
 * The samples of a file or of a folder of PNG pictures (sorted by name, numbers by value).
 * @throws InputError for unreadable, unknown and damaged files.
 */
export const readSamples = (file: string, channels?: number): Samples =>
  !/\.npz:/i.test(file) && isFolder(file)
    ? readPictures(file, channels)
    : decodeSamples(named(file), channels);

/** @throws InputError for unreadable files and for labels that are not whole numbers. */
export const readLabels = (file: string): Int32Array => decodeLabels(named(file));
