/** The names that a saved file may use, and what each means here. Matched whole: `torch.nn.` in front allows nothing. */
import { complain, type InputError } from '../../../base/errors.ts';
import { moduleNames } from './module-calls.ts';
import { asKind, type Global, type PickleWorld, type Value } from './pickle.ts';
import { type Budget, elementBytes, type SavedTensor, type Storage, savedTensor } from './storage.ts';

type Call = (args: readonly Value[], budget: Budget) => Value;

/** `value` as a whole number. */
function numberIn(value: Value | undefined): number {
  if (typeof value === 'number') return value;
  throw complain('a damaged pickle: a tensor whose size is not a number');
}

function numbersIn(value: Value | undefined): readonly number[] {
  const sequence = value === undefined ? undefined : asKind(value, 'tuple', 'list');
  if (sequence === undefined) throw complain('a damaged pickle: a tensor without sizes');
  return sequence.items.map(numberIn);
}

/** Classes of storages, and the element types that go with them. */
const storageTypes: ReadonlyMap<string, string> = new Map([
  ['Float', 'float32'],
  ['Double', 'float64'],
  ['Half', 'float16'],
  ['BFloat16', 'bfloat16'],
  ['Long', 'int64'],
  ['Int', 'int32'],
  ['Short', 'int16'],
  ['Char', 'int8'],
  ['Byte', 'uint8'],
  ['Bool', 'bool'],
  ['ComplexFloat', 'complex64'],
  ['ComplexDouble', 'complex128'],
]);

const typeNames = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
  'uint16',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
];

const storageClasses: ReadonlyMap<string, string> = new Map([
  ...[...storageTypes].flatMap(([name, type]) =>
    ['torch', 'torch.storage'].map((module) => [`${module}.${name}Storage`, type] as const),
  ),
  ['torch.storage.UntypedStorage', 'untyped'],
]);

/** The element type of a storage's class; `untyped` of one that only counts bytes. */
export const storageType = (value: Value | undefined): string | undefined => {
  const global = asKind(value, 'global');
  return global === undefined ? undefined : storageClasses.get(global.name);
};

/** A conjugate or negative view computes when it is read. */
function requirePlain(metadata: Value | undefined): void {
  const entries = asKind(metadata, 'dict')?.entries ?? new Map();
  const set = [...entries].find(([, value]) => value === true);
  if (set !== undefined)
    throw complain(`a tensor that is a view (${String(set[0])})`, 'plain tensors', 'save tensor.clone()');
}

function storageIn(value: Value | undefined): Storage {
  const storage = asKind(value, 'storage');
  if (storage === undefined) throw complain('a damaged pickle: a tensor without a storage');
  return storage;
}

function tensorOn(args: readonly Value[], type: string, budget: Budget): SavedTensor {
  const view = { type, offset: numberIn(args[1]), sizes: numbersIn(args[2]), strides: numbersIn(args[3]) };
  return savedTensor(storageIn(args[0]), view, budget);
}

/** (storage, offset, sizes, strides, requires_grad, hooks, metadata?) */
const tensor2: Call = (args, budget) => {
  requirePlain(args[6]);
  return tensorOn(args, storageIn(args[0]).type, budget);
};

/** As `tensor2`, with the element type before the metadata. */
const tensor3: Call = (args, budget) => {
  requirePlain(args[7]);
  const type = asKind(args[6], 'global')?.name.replace('torch.', '');
  if (type === undefined || elementBytes(type) === undefined)
    throw complain('a damaged pickle: a tensor without an element type');
  return tensorOn(args, type, budget);
};

const parameter: Call = ([tensor]) => {
  const found = asKind(tensor, 'tensor');
  if (found === undefined)
    throw complain('a parameter that is not a plain tensor', 'parameters that are tensors');
  return found;
};

/** An empty one; its keys follow. */
const dict: Call = () => ({ kind: 'dict', entries: new Map() });

const itemsOf = (value: Value | undefined): Value[] => [
  ...(asKind(value, 'list', 'tuple', 'set')?.items ?? []),
];

const calls: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['torch._utils._rebuild_tensor_v2', tensor2],
  ['torch._utils._rebuild_tensor_v3', tensor3],
  ['torch._utils._rebuild_parameter', parameter],
  ['torch._utils._rebuild_parameter_with_state', parameter],
  ['torch.Size', ([items]) => ({ kind: 'tuple', items: itemsOf(items) })],
  ['collections.OrderedDict', dict],
  ['collections.defaultdict', dict],
  ...['builtins', '__builtin__'].flatMap((module): [string, Call][] => [
    [`${module}.set`, ([items]) => ({ kind: 'set', items: itemsOf(items) })],
    [`${module}.dict`, dict],
  ]),
]);

/** Found beside weights in checkpoints; whatever is done to them, they stay names with arguments. */
const inert: ReadonlySet<string> = new Set([
  ...['numpy.core', 'numpy._core'].flatMap((module) => [
    `${module}.multiarray.scalar`,
    `${module}.multiarray._reconstruct`,
  ]),
  ...['numpy.dtype', 'numpy.ndarray', '_codecs.encode', 'argparse.Namespace', 'collections.Counter'],
  ...['builtins', '__builtin__'].flatMap((module) =>
    ['slice', 'complex', 'list', 'int', 'float'].map((name) => `${module}.${name}`),
  ),
  ...['pathlib.PosixPath', 'pathlib.WindowsPath', 'pathlib.PurePosixPath', 'torch.device'],
  ...['Adam', 'AdamW', 'SGD', 'RMSprop', 'Adagrad', 'Adadelta', 'Adamax', 'NAdam', 'RAdam'].map(
    (name) => `torch.optim.${name.toLowerCase()}.${name}`,
  ),
  ...['StepLR', 'MultiStepLR', 'ExponentialLR', 'CosineAnnealingLR', 'OneCycleLR', 'ReduceLROnPlateau'].map(
    (name) => `torch.optim.lr_scheduler.${name}`,
  ),
  ...['L1Unstructured', 'RandomUnstructured', 'LnStructured', 'RandomStructured', 'CustomFromMask'].map(
    (name) => `torch.nn.utils.prune.${name}`,
  ),
]);

const types: ReadonlySet<string> = new Set(typeNames.map((name) => `torch.${name}`));

const isKnown = (name: string): boolean =>
  calls.has(name) || inert.has(name) || types.has(name) || storageClasses.has(name) || moduleNames.has(name);

const stranger = (name: string): InputError =>
  complain(
    `it refers to ${name}, which is no module that thimble knows; thimble never runs code from a file`,
    'tensors, and nn.Sequential of modules of torch.nn',
    'save the network with torch.export.save(torch.export.export(model.eval(), (x,)), "model.pt2"), or its weights with torch.save(model.state_dict(), "weights.pth")',
  );

function globalOf(module: string, name: string): Global {
  const full = `${module}.${name}`;
  // `os` behind a dot would be another module.
  if (name.includes('.') || !isKnown(full)) throw stranger(full);
  return { kind: 'global', name: full };
}

function called({ name }: Global, args: readonly Value[], budget: Budget): Value {
  const call = calls.get(name);
  if (call !== undefined) return call(args, budget);
  if (inert.has(name)) return { kind: 'object', class: name, args, states: [] };
  throw complain(`a damaged pickle: ${name} is called`, undefined, 'save the file again');
}

/** Classes are made without arguments, and get their attributes as a state. */
const made = ({ name }: Global, args: readonly Value[], budget: Budget): Value =>
  moduleNames.has(name)
    ? { kind: 'object', class: name, args, states: [] }
    : called({ kind: 'global', name }, args, budget);

/** What the pickles of torch.save may ask for. */
export const torchWorld = (persistent: PickleWorld['persistent'], budget: Budget): PickleWorld => ({
  persistent,
  global: globalOf,
  call: (global, args) => called(global, args, budget),
  make: (global, args) => made(global, args, budget),
});
