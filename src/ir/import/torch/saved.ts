/** What torch.save wrote: zip archives (from 1.6 on), and the files before them. */
import { complain, type InputError } from '../../../base/errors.ts';
import { asKind, readPickleAt, type Value } from './pickle.ts';
import { storageType, torchWorld } from './pickle-globals.ts';
import { type Budget, budgetOf, elementBytes, type Storage } from './storage.ts';
import { readZip, type Zip } from './zip.ts';

/** Bytes that files of torch before 1.6 begin with: a pickle of a number of ten bytes. */
const legacyMagic = [
  0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
];

export const isLegacy = (bytes: Uint8Array): boolean => legacyMagic.every((byte, i) => bytes[i] === byte);

/** `archive/data.pkl` in the one folder of the archive. */
export const pickleNames = (names: readonly string[]): readonly string[] =>
  names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));

/** Of a persistent id: `('storage', class, key, location, count, view?)`. */
interface StorageId {
  readonly type: string;
  readonly key: string;
  /** In elements of the type, and in bytes. */
  readonly count: number;
  readonly bytes: number;
  readonly view: Value | undefined;
}

const damaged = (found: string): InputError =>
  complain(`a damaged file: ${found}`, undefined, 'save it again with torch.save');

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function storageId(id: Value): StorageId {
  const [what, type, key, , count, view] = asKind(id, 'tuple')?.items ?? [];
  const name = storageType(type);
  if (what !== 'storage' || name === undefined || typeof key !== 'string' || !isCount(count))
    throw damaged('a storage that is none');
  const size = name === 'untyped' ? 1 : (elementBytes(name) ?? 0);
  return { type: name, key, count, bytes: size * count, view };
}

function readArchive(zip: Zip, budget: Budget): Value {
  const [name, ...others] = pickleNames(zip.names);
  if (name === undefined || others.length > 0)
    throw damaged(`${others.length === 0 ? 'no' : 'more than one'} folder with a data.pkl`);
  const root = name.slice(0, -'data.pkl'.length);
  requireLittleEndian(zip, root);
  const storages = new Map<string, Uint8Array>();
  const persistent = (id: Value): Storage => {
    const { type, key, count, bytes } = storageId(id);
    const found = storages.get(key) ?? zip.bytes(`${root}data/${key}`);
    storages.set(key, found);
    if (found.length !== bytes) throw damaged(`storage ${key} has ${found.length} bytes of ${bytes}`);
    return { kind: 'storage', type, count, bytes: () => found };
  };
  return readPickleAt(zip.bytes(name), 0, torchWorld(persistent, budget)).value;
}

function requireLittleEndian(zip: Zip, root: string): void {
  const name = `${root}byteorder`;
  const order = zip.has(name) ? new TextDecoder().decode(zip.bytes(name)).trim() : 'little';
  if (order !== 'little')
    throw complain(
      `numbers in byte order '${order}'`,
      'little',
      'load and save it on a little-endian machine',
    );
}

/** Where the elements of a storage stand in a file, once it is known. */
interface Place {
  readonly size: number;
  readonly count: number;
  bytes: Uint8Array | undefined;
}

/** A part of another storage: `(key, offset, count)` in elements. */
function partOf(view: Value | undefined, count: number): { readonly offset: number; readonly count: number } {
  const parts = asKind(view, 'tuple')?.items;
  if (parts === undefined) return { offset: 0, count };
  const [, offset, size] = parts;
  if (!isCount(offset) || !isCount(size) || offset + size > count)
    throw damaged('a storage that goes beyond another');
  return { offset, count: size };
}

function legacyStorage(id: Value, places: Map<string, Place>): Value {
  const [what, name] = asKind(id, 'tuple')?.items ?? [];
  // `('module', class, path, source text)`: the text is not looked at.
  if (what === 'module' && name !== undefined) return name;
  const { type, key, count, bytes, view } = storageId(id);
  const size = count === 0 ? 1 : bytes / count;
  const place = places.get(key) ?? { size, count, bytes: undefined };
  if (place.size * place.count !== bytes) throw damaged(`storage ${key} has two sizes`);
  places.set(key, place);
  const part = partOf(view, count);
  return {
    ...{ kind: 'storage', type, count: part.count },
    bytes: () => {
      if (place.bytes === undefined) throw damaged(`storage ${key} is missing`);
      return place.bytes.subarray(part.offset * size, (part.offset + part.count) * size);
    },
  };
}

/** Five pickles (a magic number, a version, the machine, the object, the keys), then each key's count and elements. */
function readLegacy(bytes: Uint8Array, budget: Budget): Value {
  const places = new Map<string, Place>();
  const world = torchWorld((id) => legacyStorage(id, places), budget);
  const version = readPickleAt(bytes, legacyMagic.length, world);
  if (version.value !== 1001)
    throw complain('a torch.save file of another version', '1001, and zip archives');
  const machine = readPickleAt(bytes, version.end, world);
  if (asKind(machine.value, 'dict')?.entries.get('little_endian') !== true)
    throw complain('numbers in big-endian order', 'little', 'load and save it on a little-endian machine');
  const object = readPickleAt(bytes, machine.end, world);
  const keys = readPickleAt(bytes, object.end, world);
  let place = keys.end;
  for (const key of asKind(keys.value, 'list')?.items ?? []) place = elementsAt(bytes, place, key, places);
  if (place !== bytes.length) throw damaged(`${bytes.length - place} bytes behind its end`);
  return object.value;
}

/** The place behind them. */
function elementsAt(bytes: Uint8Array, place: number, key: Value, places: Map<string, Place>): number {
  const found = typeof key === 'string' ? places.get(key) : undefined;
  if (found === undefined) throw damaged(`storage ${String(key)}, of which nothing is known`);
  if (place + 8 > bytes.length) throw damaged('it breaks off');
  const count = new DataView(bytes.buffer, bytes.byteOffset + place, 8).getBigInt64(0, true);
  if (count !== BigInt(found.count))
    throw damaged(`storage ${String(key)} has ${count} elements of ${found.count}`);
  const end = place + 8 + found.count * found.size;
  if (end > bytes.length) throw damaged('it breaks off');
  found.bytes = bytes.subarray(place + 8, end);
  return end;
}

/**
 * The object of a file that torch.save wrote, in the zip format or the one before it (torch 0.4 to 1.5).
 * Nothing of the file is run. Tensors are read when they are asked for; together they take no more than
 * `largestUnpacking` times the file.
 * @throws InputError for damage, for names that are not on the list, and for big-endian files
 */
export function readSaved(source: Uint8Array | Zip): Value {
  if (!(source instanceof Uint8Array)) return readArchive(source, budgetOf(source.size));
  return isLegacy(source) ? readLegacy(source, budgetOf(source.length)) : readSaved(readZip(source));
}
