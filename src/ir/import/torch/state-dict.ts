/** The weights in what was saved: a state_dict, or a checkpoint with one in it. */
import { at, complain, InputError } from '../../../base/errors.ts';
import { countOf, floats, stridesOf, type Tensor } from '../../tensor.ts';
import { asKind, type Dict, type Value } from './pickle.ts';
import type { SavedTensor } from './storage.ts';

export interface State {
  readonly tensors: ReadonlyMap<string, SavedTensor>;
  /** What was taken another way than it stands in the file, in sentences. */
  readonly notes: readonly string[];
}

/** A dict whose values are tensors. */
function stateOf({ entries }: Dict): ReadonlyMap<string, SavedTensor> | undefined {
  const tensors = new Map<string, SavedTensor>();
  for (const [key, value] of entries) {
    const tensor = asKind(value, 'tensor');
    if (typeof key !== 'string' || tensor === undefined) return undefined;
    tensors.set(key, tensor);
  }
  return tensors.size === 0 ? undefined : tensors;
}

/** The weights of a state_dict, or of the only one a level below. @throws InputError for several */
export function stateIn(value: Value): State | undefined {
  const dict = asKind(value, 'dict');
  if (dict === undefined) return undefined;
  const own = stateOf(dict);
  if (own !== undefined) return { tensors: own, notes: [] };
  const below = [...dict.entries].flatMap(([key, entry]) => {
    const inner = asKind(entry, 'dict');
    const tensors = inner === undefined ? undefined : stateOf(inner);
    return tensors === undefined ? [] : [{ key: String(key), tensors }];
  });
  const [only, ...others] = below;
  if (only === undefined) return undefined;
  if (others.length === 0)
    return { tensors: only.tensors, notes: [`the weights are those under '${only.key}'`] };
  throw new InputError({
    found: `several sets of weights: ${below.map(({ key }) => `'${key}'`).join(', ')}`,
    supported: 'files with one',
    todo: `save one of them: torch.save(torch.load(file)["${only.key}"], "weights.pth")`,
  });
}

/** Pairs that make a weight together, by the endings of their names, and how. */
const factors: readonly {
  readonly endings: readonly [string, string];
  readonly whole: (stem: string) => string;
  readonly product: (a: Tensor, b: Tensor) => Tensor;
}[] = [
  { endings: ['_orig', '_mask'], whole: (stem) => stem, product: masked },
  { endings: ['_g', '_v'], whole: (stem) => stem, product: normed },
  {
    endings: ['.original0', '.original1'],
    whole: (stem) => stem.replace(/(^|\.)parametrizations\.([^.]+)$/, '$1$2'),
    product: normed,
  },
];

/** torch.nn.utils.prune. */
function masked(weight: Tensor, mask: Tensor): Tensor {
  requireSame(weight, mask, weight.shape);
  return floats(
    weight.shape,
    Float32Array.from(weight.data, (w, i) => w * at(mask.data, i)),
  );
}

/** torch.nn.utils.weight_norm: `v * g / |v|`, a norm for each element of `g`, whose other axes are 1. */
function normed(g: Tensor, v: Tensor): Tensor {
  requireSame(
    g,
    v,
    v.shape.map((size, axis) => (g.shape[axis] === 1 ? 1 : size)),
  );
  const [strides, own] = [stridesOf(v.shape), stridesOf(g.shape)];
  const placeIn = (i: number): number =>
    strides.reduce((place, stride, axis) => {
      const along = Math.floor(i / stride) % at(v.shape, axis);
      return place + (g.shape[axis] === 1 ? 0 : along * at(own, axis));
    }, 0);
  const squares = new Float64Array(countOf(g.shape));
  for (const [i, x] of v.data.entries()) squares[placeIn(i)] = at(squares, placeIn(i)) + x * x;
  const scaled = (x: number, i: number): number =>
    (x * at(g.data, placeIn(i))) / Math.sqrt(at(squares, placeIn(i)));
  return floats(v.shape, Float32Array.from(v.data, scaled));
}

function requireSame(a: Tensor, b: Tensor, shape: readonly number[]): void {
  const fits = a.shape.length === shape.length && a.shape.every((size, axis) => size === shape[axis]);
  if (!fits || a.shape.length !== b.shape.length)
    throw complain(`factors of a weight of shapes [${a.shape}] and [${b.shape}]`);
}

/** Weights that are stored as two factors become one, unless the network has the factors itself. */
function joined(
  tensors: ReadonlyMap<string, SavedTensor>,
  isOwn: (name: string) => boolean,
): ReadonlyMap<string, SavedTensor> {
  const result = new Map(tensors);
  for (const { endings, whole, product } of factors)
    for (const [name, first] of tensors) {
      const stem = name.slice(0, -endings[0].length);
      const second = tensors.get(stem + endings[1]);
      if (!name.endsWith(endings[0]) || second === undefined || isOwn(name)) continue;
      for (const ending of endings) result.delete(stem + ending);
      const read = (): Tensor => product(first.read(), second.read());
      const { shape } = endings[0] === '_orig' ? first : second;
      result.set(whole(stem), { kind: 'tensor', type: first.type, shape, read });
    }
  return result;
}

/** Of DataParallel, torch.compile and Lightning. */
const prefixes = ['module.', '_orig_mod.', 'model.'];

/**
 * The weights as a network calls them: without a prefix that all have and the network has not, without counters of
 * batches, factors multiplied.
 * @param isOwn whether the network has a tensor of that name
 */
export function namedFor(state: State, isOwn: (name: string) => boolean): State {
  let [tensors, notes] = [state.tensors, state.notes];
  const prefix = (): string | undefined =>
    prefixes.find((each) => [...tensors.keys()].every((name) => name.startsWith(each) && !isOwn(name)));
  for (let cut = prefix(); cut !== undefined; cut = prefix()) {
    const { length } = cut;
    tensors = new Map([...tensors].map(([name, tensor]) => [name.slice(length), tensor]));
    notes = [...notes, `'${cut}' in front of the names of all weights is left away`];
  }
  const counted = [...tensors].filter(([name]) => isOwn(name) || !/(^|\.)num_batches_tracked$/.test(name));
  return { tensors: joined(new Map(counted), isOwn), notes };
}
