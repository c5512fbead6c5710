/** NumPy's .npz files: zip archives of .npy files. */
import { unzipSync, zipSync } from 'fflate';
import { InputError } from '../base/errors.ts';
import type { Tensor } from '../ir/tensor.ts';
import { largestUnpacked } from './limits.ts';
import { readNpy, writeNpy } from './npy.ts';

/** DEFLATE cannot shrink by more than 1032:1, so a member that claims more is damaged (or a bomb). */
const deflateLimit = 1032;
const memberLimit = 10_000;

export const isZip = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;

function unzip(bytes: Uint8Array, where: string): Record<string, Uint8Array> {
  let [members, total] = [0, 0];
  try {
    return unzipSync(bytes, {
      filter: ({ name, size, originalSize }) => {
        members += 1;
        if (members > memberLimit) throw new Error(`more than ${memberLimit} members`);
        if (originalSize > deflateLimit * size + 64) throw new Error(`'${name}' has an impossible size`);
        if (!name.endsWith('.npy')) return false;
        total += originalSize;
        if (total > largestUnpacked) throw new Error(`${total} bytes, of at most ${largestUnpacked}`);
        return true;
      },
    });
  } catch (error) {
    throw new InputError({
      where,
      found: `not a readable .npz archive (${error instanceof Error ? error.message : String(error)})`,
      todo: 'save it again with numpy.savez',
    });
  }
}

/**
 * Every array of a .npz file by its name.
 * @throws InputError for damaged archives and arrays.
 */
export function readNpz(bytes: Uint8Array, where: string): ReadonlyMap<string, Tensor> {
  const arrays = new Map<string, Tensor>();
  for (const [file, content] of Object.entries(unzip(bytes, where))) {
    const name = file.slice(0, -'.npy'.length);
    arrays.set(name, readNpy(content, `${where}:${name}`));
  }
  return arrays;
}

/** Arrays by name as a .npz file, without compression; always the same bytes. */
export const writeNpz = (arrays: ReadonlyMap<string, Tensor>): Uint8Array =>
  zipSync(Object.fromEntries([...arrays].map(([name, tensor]) => [`${name}.npy`, writeNpy(tensor)])), {
    level: 0,
    mtime: '1980-01-01T00:00:00',
  });

/**
 * One array of a .npz file: the named one, or the only one.
 * @throws InputError naming the arrays there are.
 */
export function readNpzMember(bytes: Uint8Array, where: string, member: string | undefined): Tensor {
  const arrays = readNpz(bytes, where);
  const names = [...arrays.keys()];
  const name = member ?? (names.length === 1 ? names[0] : undefined);
  const found = name === undefined ? undefined : arrays.get(name);
  if (found !== undefined) return found;
  throw new InputError({
    where,
    found: name === undefined ? `${names.length} arrays` : `no array called '${name}'`,
    supported: names.length === 0 ? '.npz files with an array' : `one of: ${names.join(', ')}`,
    todo: `name it after a colon, e.g. ${where}:${names[0] ?? 'images'}`,
  });
}
