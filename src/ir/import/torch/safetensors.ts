/** Weights in .safetensors: the length of a header, the header as JSON, and raw numbers, row-major and little-endian. */
import { array, check, number, object, optional, pipe, record, safeParse, string } from 'valibot';
import { complain, InputError } from '../../../base/errors.ts';
import { countOf, stridesOf } from '../../tensor.ts';
import { budgetOf, elementBytes, type SavedTensor, savedTensor } from './storage.ts';

const types: ReadonlyMap<string, string> = new Map([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
]);

const size = pipe(
  number(),
  check((n) => Number.isSafeInteger(n) && n >= 0),
);

const entrySchema = object({ dtype: string(), shape: array(size), data_offsets: array(size) });
const metadataSchema = optional(record(string(), string()), {});

const damaged = (found: string): InputError =>
  complain(`a damaged .safetensors file: ${found}`, undefined, 'save or download it again');

interface Entry {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function headerOf(bytes: Uint8Array): { readonly header: object; readonly start: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (8 + length > bytes.length) throw damaged('its header breaks off');
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    if (typeof header === 'object' && header !== null) return { header, start: 8 + length };
  } catch {
    // Said below.
  }
  throw damaged('a header that is no JSON');
}

function entryOf(name: string, value: unknown): Entry {
  const parsed = safeParse(entrySchema, value);
  if (!parsed.success) throw damaged(`tensor '${name}' without type, shape and place`);
  const { dtype, shape, data_offsets } = parsed.output;
  const type = types.get(dtype);
  if (type === undefined)
    throw new InputError({
      where: `tensor '${name}'`,
      found: `elements of type ${dtype}`,
      supported: [...types.keys()].join(', '),
      todo: 'save it in float32',
    });
  const [begin = 0, end = -1] = data_offsets;
  if (end - begin !== countOf(shape) * (elementBytes(type) ?? 0))
    throw damaged(`tensor '${name}' of ${end - begin} bytes does not fit its shape`);
  return { name, type, shape, begin, end };
}

/** One behind the other, from the first byte to the last. */
function requireTiled(entries: readonly Entry[], bytes: number): void {
  let place = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== place) throw damaged(`tensor '${name}' leaves a hole or overlaps another`);
    place = end;
  }
  if (place !== bytes) throw damaged(`${bytes} bytes of numbers, of which ${place} are named`);
}

/**
 * The tensors of a file of safetensors 0.3 or newer, by name; those that `save_model` left out as copies of others too.
 * @throws InputError for damage and for element types without a counterpart here
 */
export function readSafetensors(bytes: Uint8Array): ReadonlyMap<string, SavedTensor> {
  const { header, start } = headerOf(bytes);
  const fields = Object.entries(header);
  const entries = fields.flatMap(([name, value]) => (name === '__metadata__' ? [] : entryOf(name, value)));
  const data = bytes.subarray(start);
  requireTiled(entries, data.length);
  const budget = budgetOf(bytes.length);
  const tensors = new Map<string, SavedTensor>();
  for (const { name, type, shape, begin, end } of entries) {
    const view = { type, sizes: shape, strides: stridesOf(shape), offset: 0 };
    const content = data.subarray(begin, end);
    tensors.set(
      name,
      savedTensor({ kind: 'storage', type, count: countOf(shape), bytes: () => content }, view, budget),
    );
  }
  const metadata = safeParse(metadataSchema, fields.find(([name]) => name === '__metadata__')?.[1]);
  if (!metadata.success) throw damaged('metadata that are no texts');
  for (const [dropped, kept] of Object.entries(metadata.output)) {
    const tensor = tensors.get(kept);
    if (tensor !== undefined && !tensors.has(dropped)) tensors.set(dropped, tensor);
  }
  return tensors;
}
