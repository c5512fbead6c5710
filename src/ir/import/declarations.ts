/** Declared types of a graph's inputs. */
import { InputError } from '../../base/errors.ts';
import { onnxTypeName, widerDtypeOfOnnx } from '../graph/onnx-types.ts';
import { largestTensor, type TensorType } from '../tensor.ts';
import { numberOf, textOf, type ValueInfoProto } from './proto.ts';

/**
 * The type of a graph input; without `shape` where the file has none. A dynamic first axis is the batch, and
 * taken as 1.
 * @throws InputError for element types without a counterpart here and other dynamic axes
 */
export function inputType(info: ValueInfoProto): Partial<TensorType> & Pick<TensorType, 'dtype'> {
  const where = `input '${textOf(info.name)}'`;
  const type = info.type?.tensorType;
  const dtype = widerDtypeOfOnnx(numberOf(type?.elemType));
  if (dtype === undefined) {
    const found = type ? `elements of type ${onnxTypeName(numberOf(type.elemType))}` : 'no tensor type';
    throw new InputError({ where, found, supported: 'float32, float64, integers up to 64 bits, bool' });
  }
  const dims = type?.shape?.dim;
  if (dims === null || dims === undefined) return { dtype };
  const shape = dims.map((dim, axis) => sizeOf(numberOf(dim.dimValue), textOf(dim.dimParam), axis, where));
  if (shape.reduce((product, n) => product * n, 1) > largestTensor)
    throw new InputError({
      where,
      found: `shape ${shape.join('x')}`,
      supported: `up to ${largestTensor} elements`,
    });
  return { dtype, shape };
}

function sizeOf(value: number, name: string, axis: number, where: string): number {
  if (name === '' && value > 0 && Number.isSafeInteger(value)) return value;
  if (axis === 0) return 1;
  throw new InputError({
    where,
    found: `axis ${axis} is dynamic (${name === '' ? value : `'${name}'`})`,
    supported: 'a dynamic batch (axis 0); all other sizes fixed',
    todo: 'leave this axis out of dynamic_axes in torch.onnx.export',
  });
}

/** Names in order. @throws InputError when one is empty or comes twice. */
export function uniqueNames(items: readonly { readonly name?: string | null }[], what: string): string[] {
  const seen = new Set<string>();
  for (const item of items) {
    const name = textOf(item.name);
    if (name === '') throw new InputError({ found: `${what} without a name` });
    if (seen.has(name)) throw new InputError({ where: `${what} '${name}'`, found: 'two of that name' });
    seen.add(name);
  }
  return [...seen];
}
