/** Newer weights in the place of a network's own: matched by name and shape, all differences listed. */
import { at, InputError } from '../../base/errors.ts';
import { countOf, type Shape, sameShape, showShape, type Tensor, tensorOf } from '../tensor.ts';
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

function refuse(mismatches: readonly string[], unused: readonly string[], isOther: boolean): void {
  if (mismatches.length + unused.length === 0) return;
  const isFolded = !isOther && unused.some((key) => /(^|\.)running_(mean|var)$/.test(key));
  throw new InputError({
    found: isFolded
      ? 'weights with batch normalization, which the network of --arch has folded into other weights'
      : 'weights that are not those of the network of --arch',
    supported: 'a weight for each parameter, a parameter for each weight, of one shape',
    todo: isFolded
      ? 'give the .pt2 of torch.export.save as --arch, which keeps batch normalization, or export the network again'
      : 'give the network that they were trained in: a .pt2 of torch.export.save has all its names, an ONNX file may not',
    lines: [...mismatches, ...unused.map((key) => `${key}: in the weights, not in the network`)],
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
    const found = [...parameters].map(([name, one]) => ({ name, one, saved: named.tensors.get(one.key) }));
    const used = new Set(found.flatMap(({ one, saved }) => (saved === undefined ? [] : [one.key])));
    refuse(
      found.flatMap(({ one, saved }) => complaintOf(one, saved)),
      unusedIn(named, used),
      used.size === 0,
    );
    return new Map(
      found.flatMap(({ name, one, saved }) => (saved === undefined ? [] : [[name, valueFor(one, saved)]])),
    );
  };

/** Names that exporters make for constants. */
const isMadeUp = (name: string): boolean => /^(onnx::|val_|_|\/|const)|Constant/i.test(name);

/** `/net/fc/MatMul` multiplies with what PyTorch calls `net.fc.weight`, transposed. */
function turnedKeys({ node }: GraphProto): ReadonlyMap<string, string> {
  return new Map(
    (node ?? []).flatMap(({ opType, name, input }): [string, string][] => {
      const path = /^\/(.+)\/MatMul(_\d+)?$/.exec(textOf(name))?.[1];
      const weight = input?.[1];
      if (opType !== 'MatMul' || path === undefined || weight === undefined || !isMadeUp(weight)) return [];
      return [[weight, `${path.replaceAll('/', '.')}.weight`]];
    }),
  );
}

/** New values of an ONNX file's initializers, by their names. */
export function newInitializers(
  graph: GraphProto,
  initializers: ReadonlyMap<string, { readonly decode: () => Tensor }>,
  weights: NewWeights,
): ReadonlyMap<string, Tensor> {
  const turned = turnedKeys(graph);
  const parameters = [...initializers].flatMap(([name, { decode }]): [string, Parameter][] => {
    const tensor = decode();
    const key = tensor.shape.length === 2 ? turned.get(name) : undefined;
    const needed = tensor.dtype.startsWith('float') && countOf(tensor.shape) > 0 && !isMadeUp(name);
    return [
      [
        name,
        { tensor, key: key ?? name, transposed: key !== undefined, needed: needed || key !== undefined },
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
