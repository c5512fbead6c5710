/** Newer weights in the place of a network's own: matched by name and shape, all differences listed. */
import { at, InputError } from '../../base/errors.ts';
import { countOf, type Shape, sameShape, showShape, type Tensor, tensorOf } from '../tensor.ts';
import type { NodeMetadata } from './metadata.ts';
import type { NewWeights, Parameter } from './model-options.ts';
import type { GraphProto } from './proto.ts';
import { textOf } from './proto.ts';
import { namedFor, type State } from './torch/state-dict.ts';
import type { SavedTensor } from './torch/storage.ts';

const shapeIn = ({ tensor, transposed }: Parameter): Shape =>
  transposed ? tensor.shape.toReversed() : tensor.shape;

function transpose({ dtype, shape, data }: Tensor): Tensor {
  const [rows, columns] = [at(shape, 0), at(shape, 1)];
  const turned = data.slice();
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) turned[c * rows + r] = at(data, r * columns + c);
  return { dtype, shape: [columns, rows], data: turned };
}

const isFloat = (type: string): boolean => type.includes('float');

/** In the type of the network's own. */
function valueFor({ tensor, transposed }: Parameter, saved: SavedTensor): Tensor {
  const read = saved.read();
  const value = transposed ? transpose(read) : read;
  return value.dtype === tensor.dtype ? value : tensorOf(tensor, Float32Array.from(value.data));
}

const complaintOf = (parameter: Parameter, saved: SavedTensor | undefined): readonly string[] => {
  const { key, needed, tensor } = parameter;
  const shape = shapeIn(parameter);
  if (saved === undefined)
    return needed ? [`${key}: ${showShape(shape)} in the network, not in the weights`] : [];
  if (!sameShape(saved.shape, shape))
    return [`${key}: ${showShape(shape)} in the network, ${showShape(saved.shape)} in the weights`];
  return isFloat(saved.type) === isFloat(tensor.dtype)
    ? []
    : [`${key}: ${tensor.dtype} in the network, ${saved.type} in the weights`];
};

/** Tied: the same numbers in one place of the file. Numbers that happen to be equal are not. */
function areTied({ lies: a }: SavedTensor, { lies: b }: SavedTensor): boolean {
  if (a === undefined || b === undefined) return false;
  const [mine, other] = [a.storage.bytes(), b.storage.bytes()];
  return (
    mine.buffer === other.buffer &&
    mine.byteOffset === other.byteOffset &&
    a.view.type === b.view.type &&
    a.view.offset === b.view.offset &&
    sameShape(a.view.sizes, b.view.sizes) &&
    sameShape(a.view.strides, b.view.strides)
  );
}

/** Keys that nothing takes; one that is tied to another that is taken is the same weight under two names. */
function unusedIn({ tensors }: State, used: ReadonlySet<string>): readonly string[] {
  const taken = [...tensors].filter(([key]) => used.has(key)).map(([, tensor]) => tensor);
  return [...tensors]
    .filter(([key, tensor]) => !used.has(key) && !taken.some((other) => areTied(other, tensor)))
    .map(([key]) => key);
}

const isSquare = ({ length, 0: rows, 1: columns }: Shape): boolean => length === 2 && rows === columns;

/** Whether a weight may be the parameter under another name: as it is, or transposed. */
const fits = ({ tensor: { shape, dtype } }: Parameter, saved: SavedTensor): boolean =>
  isFloat(saved.type) &&
  isFloat(dtype) &&
  (sameShape(saved.shape, shape) || (shape.length === 2 && sameShape(saved.shape, shape.toReversed())));

interface Found {
  readonly name: string;
  readonly one: Parameter;
  readonly saved: SavedTensor | undefined;
}

/** Those of the exporter's own names that a weight may stand for. */
const openIn = (found: readonly Found[], weight: SavedTensor): readonly Found[] =>
  found.filter(({ one, saved }) => saved === undefined && one.renamed === true && fits(one, weight));

/**
 * Weights that are left over, each in the only place of its shape; a place that two fit has neither, and a square one
 * does not say whether it is transposed.
 */
function byShape(
  found: readonly Found[],
  left: ReadonlyMap<string, SavedTensor>,
  note: (sentence: string) => void,
): readonly Found[] {
  const taken = new Map<string, Found>();
  for (const [key, saved] of left) {
    const [place, ...others] = openIn(found, saved);
    const alike = [...left.values()].filter((other) => place !== undefined && fits(place.one, other));
    if (place === undefined || others.length > 0 || alike.length > 1 || isSquare(saved.shape)) continue;
    const transposed = !sameShape(saved.shape, place.one.tensor.shape);
    note(`'${key}' is '${place.name}' of the network by its shape${transposed ? ', transposed' : ''}`);
    taken.set(place.name, { ...place, one: { ...place.one, key, transposed }, saved });
  }
  return found.map((each) => taken.get(each.name) ?? each);
}

/** A key that nothing takes, with what it might have been. */
function leftOver(key: string, saved: SavedTensor | undefined, found: readonly Found[]): string {
  const open = saved === undefined ? [] : openIn(found, saved);
  const names = open.map(({ name }) => `'${name}'`).join(', ');
  return `${key}: in the weights, not in the network${names === '' ? '' : `; of its shape are ${names}, and which it is, or which way round, the file does not say`}`;
}

interface Unused {
  readonly key: string;
  readonly line: string;
}

function refuse(mismatches: readonly string[], unused: readonly Unused[], isOther: boolean): void {
  if (mismatches.length + unused.length === 0) return;
  const isFolded = !isOther && unused.some(({ key }) => /(^|\.)running_(mean|var)$/.test(key));
  throw new InputError({
    found: isFolded
      ? 'weights with batch normalization, which the network of --arch has folded into other weights'
      : 'weights that are not those of the network of --arch',
    supported: 'a weight for each parameter, a parameter for each weight, of one shape',
    todo: isFolded
      ? 'give the .pt2 of torch.export.save as --arch, which keeps batch normalization, or export the network again'
      : 'give the network that they were trained in: a .pt2 of torch.export.save has all its names, an ONNX file may not',
    lines: [...mismatches, ...unused.map(({ line }) => line)],
  });
}

/**
 * @param state of a saved file; a checkpoint's notes go to `note`
 * @throws InputError that lists every tensor of another shape, every one that is missing and every one that is left over
 */
export const newWeights =
  (state: State, note: (sentence: string) => void): NewWeights =>
  (parameters) => {
    const keys = new Set([...parameters.values()].map(({ key }) => key));
    const named = namedFor(state, (name) => keys.has(name));
    for (const sentence of named.notes) note(sentence);
    const usedIn = (all: readonly Found[]): ReadonlySet<string> =>
      new Set(all.flatMap(({ one, saved }) => (saved === undefined ? [] : [one.key])));
    const own = [...parameters].map(([name, one]) => ({ name, one, saved: named.tensors.get(one.key) }));
    const left = new Set(unusedIn(named, usedIn(own)));
    // Where no name is known they are the weights of another network.
    const isOther = usedIn(own).size === 0;
    const rest = new Map([...named.tensors].filter(([key]) => left.has(key)));
    const found = isOther ? own : byShape(own, rest, note);
    const unused = unusedIn(named, usedIn(found));
    refuse(
      found.flatMap(({ one, saved }) => complaintOf(one, saved)),
      unused.map((key) => ({ key, line: leftOver(key, named.tensors.get(key), found) })),
      isOther,
    );
    return new Map(
      found.flatMap(({ name, one, saved }) => (saved === undefined ? [] : [[name, valueFor(one, saved)]])),
    );
  };

/** Names that exporters make for constants. */
const isMadeUp = (name: string): boolean =>
  /^(onnx::|val_|_|\/|const|(permute|transpose|t|numpy_t)(_\d+)?$)|Constant/i.test(name);

/** `/net/fc/MatMul`, or a MatMul in the module net.fc, multiplies with what PyTorch calls `net.fc.weight`, transposed. */
function turnedKeys({ node }: GraphProto, metadata: readonly NodeMetadata[]): ReadonlyMap<string, string> {
  return new Map(
    (node ?? []).flatMap(({ opType, name, input }, i): [string, string][] => {
      const path = /^\/(.+)\/MatMul(_\d+)?$/.exec(textOf(name))?.[1]?.replaceAll('/', '.');
      const scope = path ?? metadata[i]?.scopes.at(-1);
      const weight = input?.[1];
      if (opType !== 'MatMul' || scope === undefined || weight === undefined || !isMadeUp(weight)) return [];
      return [[weight, `${scope}.weight`]];
    }),
  );
}

/** New values of an ONNX file's initializers, by their names. */
export function newInitializers(
  { graph, metadata }: { readonly graph: GraphProto; readonly metadata: readonly NodeMetadata[] },
  initializers: ReadonlyMap<string, { readonly decode: () => Tensor }>,
  weights: NewWeights,
): ReadonlyMap<string, Tensor> {
  const turned = turnedKeys(graph, metadata);
  const parameters = [...initializers].flatMap(([name, { decode }]): [string, Parameter][] => {
    const tensor = decode();
    const key = tensor.shape.length === 2 ? turned.get(name) : undefined;
    const renamed = isMadeUp(name) && countOf(tensor.shape) > 1;
    const needed = tensor.dtype.startsWith('float') && countOf(tensor.shape) > 0 && !isMadeUp(name);
    return [
      [
        name,
        {
          ...{ tensor, key: key ?? name, transposed: key !== undefined },
          ...{ needed: needed || key !== undefined, renamed },
        },
      ],
    ];
  });
  return weights(new Map(parameters));
}

/** New values of an exported program's parameters and buffers, by the program's names. */
export function newParameters(
  {
    constants,
    keys,
  }: { readonly constants: ReadonlyMap<string, Tensor>; readonly keys: ReadonlyMap<string, string> },
  weights: NewWeights | undefined,
): ReadonlyMap<string, Tensor> {
  const parameters = [...constants].flatMap(([name, tensor]): [string, Parameter][] => {
    const key = keys.get(name);
    if (key === undefined) return [];
    return [[name, { tensor, key, transposed: false, needed: !key.endsWith('num_batches_tracked') }]];
  });
  return weights === undefined ? new Map() : weights(new Map(parameters));
}
