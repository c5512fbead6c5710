/** Types forward through a graph, with constants folded on the way. */
import { DynamicShapeError, InputError, locate, must, nodeLabel } from '../../base/errors.ts';
import {
  countOf,
  largestTensor,
  movedAlike,
  numbersFor,
  showShape,
  type Tensor,
  type TensorType,
} from '../tensor.ts';
import type { AnyNode, TensorInfo } from './graph.ts';
import type { InputType } from './op.ts';

type Info = TensorInfo<'imported'>;

/**
 * Elements that a node may read and make to be folded: the largest product of matrices that this allows takes
 * seconds.
 */
const largestFolded = 2 ** 24;

/**
 * What each output of `node` is, in order: the first `needed` at least. A node whose inputs are all constant is computed.
 * Outputs that depend on unknown shapes come back empty.
 * @throws InputError which names the node
 */
export function outputsOf(
  node: AnyNode,
  infoOf: (name: string) => Info | undefined,
  needed: number,
): readonly Info[] {
  const inputs = node.inputs.map(infoOf);
  const types = inputs.map(fullType);
  if (types.some((type, i) => type === undefined && inputs[i] !== undefined))
    return node.outputs.map(() => ({}));
  return locate(nodeLabel(node.name, node.type ?? node.op.kind), () => {
    const found = inferred(node, types, needed);
    if (found === undefined) return node.outputs.map(() => ({}));
    return folded(node, types, found) ?? found;
  });
}

function fullType(info: Info | undefined): InputType | undefined {
  if (info?.dtype === undefined || info.shape === undefined) return undefined;
  const type = { dtype: info.dtype, shape: info.shape };
  return info.constant === undefined ? type : { ...type, constant: info.constant };
}

function inferred(
  node: AnyNode,
  types: readonly (InputType | undefined)[],
  needed: number,
): readonly TensorType[] | undefined {
  try {
    const found = node.op.infer(node.attrs, types);
    if (found.length < needed)
      throw new InputError({
        found: `${needed} outputs`,
        supported: `the first ${found.length}`,
      });
    for (const type of found) requireModest(type);
    return found.slice(0, node.outputs.length);
  } catch (error) {
    if (error instanceof DynamicShapeError) return undefined;
    throw error;
  }
}

function requireModest({ shape }: TensorType): void {
  const count = shape.reduce((product, n) => product * n, 1);
  if (shape.every((n) => Number.isSafeInteger(n) && n >= 0) && count <= largestTensor) return;
  throw new InputError({
    found: `an output of shape ${showShape(shape)}`,
    supported: `up to ${largestTensor} elements`,
  });
}

function folded(
  node: AnyNode,
  types: readonly (InputType | undefined)[],
  outputs: readonly TensorType[],
): readonly Info[] | undefined {
  const values = types.map((type) => (node.op.typesOnly === true ? typeAlone(type) : type?.constant));
  if (values.some((value, i) => value === undefined && types[i] !== undefined)) return undefined;
  requireSmall([...types, ...outputs]);
  const results = computed(node, values);
  return results
    .slice(0, node.outputs.length)
    .map((constant) => ({ dtype: constant.dtype, shape: constant.shape, constant }));
}

/** The node's constants; where it only moves what the file has as integers, those with them. */
function computed({ op, attrs }: AnyNode, values: readonly (Tensor | undefined)[]): readonly Tensor[] {
  const [first, ...others] = values;
  const isMove = op.onlyMoves === true || ('alias' in op && op.alias === true);
  if (first?.integers === undefined || !isMove) return op.reference(attrs, values);
  const move = (tensor: Tensor): Tensor => must(op.reference(attrs, [tensor, ...others])[0], 'an output');
  return [movedAlike(first, move)];
}

function requireSmall(types: readonly (TensorType | undefined)[]): void {
  const count = types.reduce((sum, type) => sum + (type === undefined ? 0 : countOf(type.shape)), 0);
  if (count <= largestFolded) return;
  throw new InputError({
    found: `a constant computed from and to ${count} elements`,
    supported: `${largestFolded}`,
  });
}

/** Without its data. */
const typeAlone = (type: InputType | undefined): Tensor | undefined =>
  type && { dtype: type.dtype, shape: type.shape, data: numbersFor(type.dtype, 0) };
