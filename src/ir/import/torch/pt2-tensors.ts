/** Weights and constants of an exported program, in any of the layouts of its archive. */
import { complain, InputError } from '../../../base/errors.ts';
import type { Tensor } from '../../tensor.ts';
import { asKind } from './pickle.ts';
import { Field } from './pt2-json.ts';
import { readSaved } from './saved.ts';
import { type Budget, budgetOf, stridedTensor } from './storage.ts';
import type { Zip } from './zip.ts';

/** PyTorch's names of the element types of the JSON's numbers (ScalarType of its schema). */
const typeNames: Readonly<Record<number, string>> = {
  ...{ 1: 'uint8', 2: 'int8', 3: 'int16', 4: 'int32', 5: 'int64', 6: 'float16', 7: 'float32', 8: 'float64' },
  ...{ 9: 'complex32', 10: 'complex64', 11: 'complex128', 12: 'bool', 13: 'bfloat16', 28: 'uint16' },
  ...{ 29: 'float8_e4m3fn', 30: 'float8_e5m2', 31: 'float8_e4m3fnuz', 32: 'float8_e5m2fnuz' },
  ...{ 33: 'float8_e8m0fnu', 34: 'uint32', 35: 'uint64' },
};

export const typeNameOf = (code: number): string => typeNames[code] ?? `element type ${code}`;

/** A number of a shape; undefined where it is an expression of sizes. */
export const fixedSize = (size: Field): number | undefined => size.maybe('as_int')?.number();

/** The example's, where it is an expression: never a size, but in proportion to the others. */
export const exampleSize = (size: Field): number | undefined =>
  fixedSize(size) ?? size.maybe('as_expr')?.maybe('hint')?.maybe('as_int')?.number();

/** Tensors by name. @throws InputError for a name that is not there */
export type Tensors = (name: string) => Tensor;

interface Place {
  /** `<root>/data/weights/`. */
  readonly folder: string;
  readonly config: string;
  /** What torch.save wrote, in older archives. */
  readonly saved: string;
}

const strided = 7;

function rawTensor(zip: Zip, folder: string, entry: Field, budget: Budget): Tensor {
  const bytes = zip.bytes(`${folder}${entry.get('path_name').text()}`);
  if (entry.maybe('use_pickle')?.flag() === true) {
    const saved = asKind(readSaved(bytes), 'tensor');
    if (saved === undefined) throw complain('an object that is not a plain tensor', 'tensors');
    return saved.read();
  }
  const meta = entry.get('tensor_meta');
  if (meta.get('layout').number() !== strided) throw complain('a sparse tensor', 'dense ones');
  const sizesOf = (key: string): readonly number[] =>
    meta
      .get(key)
      .list()
      .map((size) => size.get('as_int').number());
  return stridedTensor(
    bytes,
    {
      type: typeNameOf(meta.get('dtype').number()),
      sizes: sizesOf('sizes'),
      strides: sizesOf('strides'),
      offset: meta.get('storage_offset').get('as_int').number(),
    },
    budget,
  );
}

const missing = (name: string): Error =>
  complain(`no numbers of '${name}'`, undefined, 'save the program again with torch.export.save');

function configured(zip: Zip, { folder, config }: Place): Tensors {
  const entries = new Map(Field.parse(zip.bytes(config), config).get('config').entries());
  const budget = budgetOf(zip.size);
  return (name) => {
    const entry = entries.get(name);
    if (entry === undefined) throw missing(name);
    return rawTensor(zip, folder, entry, budget);
  };
}

function saved(zip: Zip, name: string): Tensors {
  const dict = asKind(readSaved(zip.bytes(name)), 'dict');
  if (dict === undefined) throw complain(`${name} is not a dictionary of tensors`);
  return (key) => {
    const tensor = asKind(dict.entries.get(key), 'tensor');
    if (tensor === undefined) throw missing(key);
    return tensor.read();
  };
}

function tensorsAt(zip: Zip, place: Place): Tensors {
  if (zip.has(place.config)) return configured(zip, place);
  if (zip.has(place.saved)) return saved(zip, place.saved);
  return (name) => {
    throw missing(name);
  };
}

/** Where a program stands in its archive. */
export interface Archive {
  readonly json: string;
  readonly weights: Tensors;
  readonly constants: Tensors;
  /** The file of example inputs, which need not be there. */
  readonly sample: string;
}

const named = (zip: Zip, root: string, model: string, kind: 'weights' | 'constants'): Tensors => {
  const folder = `${root}data/${kind}/`;
  const place = { folder, config: `${folder}${model}_${kind}_config.json`, saved: `${folder}${model}.pt` };
  return tensorsAt(zip, place);
};

/** Up to torch 2.7. */
function oldArchive(zip: Zip, json: string): Archive {
  const root = json.slice(0, -'serialized_exported_program.json'.length);
  const at = (name: string): Tensors =>
    tensorsAt(zip, { folder: root, config: '', saved: `${root}serialized_${name}.pt` });
  const sample = `${root}serialized_example_inputs.pt`;
  return { json, weights: at('state_dict'), constants: at('constants'), sample };
}

interface ProgramPlace {
  readonly json: string;
  readonly root: string;
  readonly model: string;
}

const programsIn = (zip: Zip): readonly ProgramPlace[] =>
  zip.names.flatMap((name) => {
    const [, root, model] = /^((?:[^/]+\/)?)models\/([^/]+)\.json$/.exec(name) ?? [];
    return root === undefined || model === undefined ? [] : [{ json: name, root, model }];
  });

const oldJson = (zip: Zip): string | undefined =>
  zip.names.find((name) => /^([^/]+\/)?serialized_exported_program\.json$/.test(name));

/** Whether it is known which program is meant, without its name. */
export const isOneProgram = (zip: Zip): boolean => oldJson(zip) !== undefined || programsIn(zip).length === 1;

function chosenFrom(found: readonly ProgramPlace[], wanted: string | undefined): ProgramPlace {
  const [one, ...others] = found;
  if (one === undefined) throw complain('an archive without an exported program');
  const named = found.find(({ model }) => model === wanted);
  if (named !== undefined) return named;
  if (wanted === undefined && others.length === 0) return one;
  const names = found.map(({ model }) => `'${model}'`).join(', ');
  throw new InputError({
    found: `${wanted === undefined ? '' : `no program '${wanted}' among `}${found.length} programs: ${names}`,
    supported: 'one at a time',
    todo: `choose one: --program ${one.model}`,
  });
}

/**
 * @param program which one is meant, where there are several
 * @throws InputError for archives of several programs without one that is named, and of none: it names them
 */
export function archiveOf(zip: Zip, program?: string): Archive {
  const old = oldJson(zip);
  if (old !== undefined) {
    if (program !== undefined)
      throw complain(
        `--program ${program}`,
        'this option with archives of torch 2.8 and later',
        'leave it away',
      );
    return oldArchive(zip, old);
  }
  const { json, root, model } = chosenFrom(programsIn(zip), program);
  return {
    json,
    weights: named(zip, root, model, 'weights'),
    constants: named(zip, root, model, 'constants'),
    sample: `${root}data/sample_inputs/${model}.pt`,
  };
}
