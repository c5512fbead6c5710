/** The only file of this folder that touches the file system. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '../ir/errors.ts';
import { decodeLabels, decodeSamples, type NamedBytes } from './detect.ts';
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

const unreadable = (where: string, error: unknown): InputError =>
  new InputError({
    where,
    found: reasons[codeOf(error)] ?? `it cannot be read (${codeOf(error) || String(error)})`,
    todo: 'check the path',
  });

/** @throws InputError when it cannot be read. */
export function readBytes(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file));
  } catch (error) {
    throw unreadable(file, error);
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
