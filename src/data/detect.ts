/** Which reader a file is for: by its first bytes, and for CIFAR-10's headless format by its name. */
import { InputError } from '../base/errors.ts';
import { readCifar } from './cifar.ts';
import { textOfBytes } from './encoding.ts';
import { gunzip, isGzip } from './gzip.ts';
import { isIdx, readIdx } from './idx.ts';
import { labelsOf, labelsOfText } from './labels.ts';
import { isNpy, readNpy } from './npy.ts';
import { isZip, readNpzMember } from './npz.ts';
import { isPng, readPng, stackPictures } from './png.ts';
import type { Samples } from './samples.ts';

export interface NamedBytes {
  /** The file's name or path, for messages and its extension. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Which array of a .npz file. */
  readonly member?: string;
}

function unpacked(file: NamedBytes): NamedBytes {
  if (file.bytes.length === 0)
    throw new InputError({ where: file.name, found: 'an empty file', todo: 'check that it was written' });
  return isGzip(file.bytes) ? { ...file, bytes: gunzip(file.bytes, file.name) } : file;
}

const isCifar = (name: string): boolean => /\.bin(\.gz)?$/i.test(name);

/** Text of whole numbers. */
const isNumbers = (bytes: Uint8Array): boolean => /^[\d\s,]+$/.test(textOfBytes(bytes.subarray(0, 1000)));

/**
 * The samples of a file: .npy, .npz, idx, CIFAR-10's .bin, or one PNG picture; all but the last also gzipped.
 * `channels` is what the model wants, for pictures that can be either gray or coloured.
 * @throws InputError for everything else, and for damaged files.
 */
export function decodeSamples(file: NamedBytes, channels?: number): Samples {
  const { name, bytes, member } = unpacked(file);
  if (isNpy(bytes)) return { where: name, array: readNpy(bytes, name) };
  if (isZip(bytes)) return { where: name, array: readNpzMember(bytes, name, member) };
  if (isPng(bytes)) return stackPictures([readPng(bytes, name)], name, channels);
  if (isCifar(name)) return readCifar(bytes, name);
  if (isIdx(bytes)) return { where: name, array: readIdx(bytes, name) };
  throw new InputError({
    where: name,
    found: 'a file of unknown format',
    supported: '.npy, .npz, idx and CIFAR-10 .bin (each also gzipped), .png, a folder of .png',
    todo: isNumbers(bytes)
      ? 'if these are the labels, give them with --labels, and the samples here'
      : "save the samples with numpy.save('samples.npy', array)",
  });
}

/**
 * The labels of a file: idx1, .npy, .npz, the label bytes of CIFAR-10's .bin, or text with whole numbers.
 * @throws InputError for everything else.
 */
export function decodeLabels(file: NamedBytes): Int32Array {
  const { name, bytes, member } = unpacked(file);
  if (isNpy(bytes)) return labelsOf(readNpy(bytes, name), name);
  if (isZip(bytes)) return labelsOf(readNpzMember(bytes, name, member), name);
  if (isCifar(name)) return readCifar(bytes, name).labels ?? new Int32Array(0);
  if (isIdx(bytes)) return labelsOf(readIdx(bytes, name), name);
  return labelsOfText(textOfBytes(bytes), name);
}
