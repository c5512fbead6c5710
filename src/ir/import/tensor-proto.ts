/** Tensors out of an ONNX file, in whichever of its encodings. */
import { at, InputError, must } from '../../base/errors.ts';
import { onnxCodeOf, onnxTypeName, widerDtypeOfOnnx } from '../graph/onnx-types.ts';
import { type DType, largestTensor, numbersFor, stridesOf, type Tensor } from '../tensor.ts';
import { brainToNumber, halfToNumber } from './half.ts';
import type { ExternalFiles } from './model-options.ts';
import {
  externalLocation,
  listOf,
  numberOf,
  type SparseTensorProto,
  type TensorProto,
  textOf,
} from './proto.ts';

/** How one element type is stored. */
interface Encoding {
  readonly bytes: number;
  readonly read: (view: DataView, at: number) => number;
  /** The typed field that is used when there is no raw data. */
  readonly field: (tensor: TensorProto) => readonly (number | Long)[] | null | undefined;
  /** What a number of that field means. */
  readonly value?: (bits: number) => number;
}

const int32Field = (tensor: TensorProto) => tensor.int32Data;

const encodings: Readonly<Record<string, Encoding>> = {
  float32: { bytes: 4, read: (v, at) => v.getFloat32(at, true), field: (t) => t.floatData },
  float64: { bytes: 8, read: (v, at) => v.getFloat64(at, true), field: (t) => t.doubleData },
  int64: { bytes: 8, read: (v, at) => Number(v.getBigInt64(at, true)), field: (t) => t.int64Data },
  int32: { bytes: 4, read: (v, at) => v.getInt32(at, true), field: int32Field },
  int16: { bytes: 2, read: (v, at) => v.getInt16(at, true), field: int32Field },
  int8: { bytes: 1, read: (v, at) => v.getInt8(at), field: int32Field },
  uint64: { bytes: 8, read: (v, at) => Number(v.getBigUint64(at, true)), field: (t) => t.uint64Data },
  uint32: { bytes: 4, read: (v, at) => v.getUint32(at, true), field: (t) => t.uint64Data },
  uint16: { bytes: 2, read: (v, at) => v.getUint16(at, true), field: int32Field },
  uint8: { bytes: 1, read: (v, at) => v.getUint8(at), field: int32Field },
  bool: { bytes: 1, read: (v, at) => v.getUint8(at), field: int32Field, value: (bits) => Number(bits !== 0) },
  float16: {
    bytes: 2,
    read: (v, at) => halfToNumber(v.getUint16(at, true)),
    field: int32Field,
    value: halfToNumber,
  },
  bfloat16: {
    bytes: 2,
    read: (v, at) => brainToNumber(v.getUint16(at, true)),
    field: int32Field,
    value: brainToNumber,
  },
};

/** How a raw element of the named type is read; undefined for types without a counterpart here. */
export const elementEncoding = (type: string): Pick<Encoding, 'bytes' | 'read'> | undefined =>
  encodings[type];

/**
 * @param where how messages name the tensor
 * @throws InputError for element types without a counterpart here, sizes that do not fit the shape, and
 * external data that is not to be had
 */
export function decodeTensor(tensor: TensorProto, where: string, external?: ExternalFiles): Tensor {
  const { dtype, encoding } = typeOf(tensor, where);
  const { shape, count } = shapeOf(tensor, where);
  if (tensor.segment !== null && tensor.segment !== undefined)
    throw new InputError({ where, found: 'a tensor in segments', supported: 'whole tensors' });
  const data = numbersFor(dtype, 0);
  if (tensor.dataLocation === externalLocation)
    return {
      dtype,
      shape,
      data: fromBytes(externalBytes(tensor, where, external), dtype, count, encoding, where),
    };
  if (tensor.rawData !== null && tensor.rawData !== undefined && tensor.rawData.length > 0)
    return { dtype, shape, data: fromBytes(tensor.rawData, dtype, count, encoding, where) };
  return { dtype, shape, data: count === 0 ? data : fromField(tensor, dtype, count, encoding, where) };
}

/** The types of 4 bits, of which two elements share a byte, the first in its low half; and what holds them here. */
const halfBytes: Readonly<Record<string, { readonly dtype: 'int8' | 'uint8'; readonly signed: boolean }>> = {
  int4: { dtype: 'int8', signed: true },
  uint4: { dtype: 'uint8', signed: false },
};

export const isHalfByte = (code: number): boolean => onnxTypeName(code) in halfBytes;

/** As `decodeTensor`; elements of 4 bits come one to a byte. */
export function decodeInitializer(tensor: TensorProto, where: string, external?: ExternalFiles): Tensor {
  const packed = halfBytes[onnxTypeName(numberOf(tensor.dataType))];
  if (packed === undefined) return decodeTensor(tensor, where, external);
  const { shape, count } = shapeOf(tensor, where);
  const length = Math.ceil(count / 2);
  const bytes = decodeTensor({ ...tensor, dataType: onnxCodeOf('uint8'), dims: [length] }, where, external);
  const data = numbersFor(packed.dtype, count);
  for (let i = 0; i < count; i++) {
    const bits = (at(bytes.data, i >> 1) >> (4 * (i % 2))) & 15;
    data[i] = packed.signed && bits > 7 ? bits - 16 : bits;
  }
  return { dtype: packed.dtype, shape, data };
}

/** Zero but for some values at places: flat ones, or a row of indices each. */
export function decodeSparse(sparse: SparseTensorProto, where: string, external?: ExternalFiles): Tensor {
  const values = decodeTensor(sparse.values ?? {}, where, external);
  const indices = decodeTensor(sparse.indices ?? {}, `${where}, indices`, external);
  const { shape, count } = shapeOf({ dims: sparse.dims ?? null }, where);
  const strides = indices.shape.length < 2 ? [1] : stridesOf(shape);
  requireCount(indices.data.length, values.data.length * strides.length, 'indices', where);
  const data = numbersFor(values.dtype, count);
  values.data.forEach((value, i) => {
    const place = strides.reduce(
      (sum, stride, axis) => sum + stride * at(indices.data, i * strides.length + axis),
      0,
    );
    if (!(place >= 0 && place < count))
      throw new InputError({ where, found: `an index ${place}`, supported: `0 to ${count - 1}` });
    data[place] = value;
  });
  return { dtype: values.dtype, shape, data };
}

/** What is wrong with elements of ONNX's type `code`. */
export function typeError(code: number, where: string): InputError | undefined {
  const name = onnxTypeName(code);
  if (encodings[name] !== undefined && widerDtypeOfOnnx(code) !== undefined) return undefined;
  return new InputError({
    where,
    found: `elements of type ${name}`,
    supported: Object.keys(encodings).join(', '),
    todo: name.endsWith('int4')
      ? "write weights of 4 bits as MatMulNBits (onnxruntime's MatMulNBitsQuantizer with QuantFormat.QOperator), or export the model in float32"
      : 'export the model in float32',
  });
}

function typeOf(tensor: TensorProto, where: string): { dtype: DType; encoding: Encoding } {
  const code = numberOf(tensor.dataType);
  const error = typeError(code, where);
  if (error !== undefined) throw error;
  return {
    dtype: must(widerDtypeOfOnnx(code), 'a type without an error is held'),
    encoding: must(encodings[onnxTypeName(code)], 'a type without an error has an encoding'),
  };
}

function shapeOf(tensor: TensorProto, where: string): { shape: number[]; count: number } {
  const shape = listOf(tensor.dims).map(numberOf);
  const count = shape.reduce((product, n) => product * n, 1);
  if (shape.every((n) => Number.isSafeInteger(n) && n >= 0) && count <= largestTensor)
    return { shape, count };
  throw new InputError({
    where,
    found: `shape [${shape.join(', ')}]`,
    supported: `sizes of 0 or more, up to ${largestTensor} elements in all`,
  });
}

type Data = Tensor['data'];

function fromBytes(bytes: Uint8Array, dtype: DType, count: number, encoding: Encoding, where: string): Data {
  requireCount(bytes.length, count * encoding.bytes, 'bytes', where);
  // The bytes stand anywhere in the file, so no typed array can be laid over them.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = numbersFor(dtype, count);
  for (let i = 0; i < count; i++) data[i] = encoding.read(view, i * encoding.bytes);
  return data;
}

function fromField(
  tensor: TensorProto,
  dtype: DType,
  count: number,
  encoding: Encoding,
  where: string,
): Data {
  const values = listOf(encoding.field(tensor));
  requireCount(values.length, count, 'elements', where);
  const data = numbersFor(dtype, count);
  const { value = (number: number) => number } = encoding;
  // Files of 100 MB come this way: forEach took twice as long.
  for (let i = 0; i < count; i++) data[i] = value(numberOf(values[i]));
  return data;
}

function requireCount(found: number, wanted: number, unit: string, where: string): void {
  if (found === wanted) return;
  throw new InputError({
    where,
    found: `${found} ${unit} of data`,
    supported: `${wanted}, as its shape says`,
    todo: 'the file is cut off or damaged: export it again',
  });
}

function externalBytes(tensor: TensorProto, where: string, external: ExternalFiles | undefined): Uint8Array {
  const entries = new Map(
    listOf(tensor.externalData).map((entry) => [textOf(entry.key), textOf(entry.value)]),
  );
  const location = entries.get('location') ?? '';
  if (location === '' || /^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)/.test(location))
    throw new InputError({
      where,
      found: `data in the file '${location}'`,
      supported: 'files beside the model',
    });
  if (external === undefined)
    throw new InputError({
      where,
      found: `data in another file, '${location}'`,
      todo: `give that file too, beside the model, or export with the weights inside`,
    });
  return partOf(external(location), entries, `${where} in '${location}'`);
}

/** The stretch that `offset` and `length` name; the whole rest without a length. */
function partOf(file: Uint8Array, entries: ReadonlyMap<string, string>, where: string): Uint8Array {
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? file.length - offset);
  const whole = [offset, length].every((n) => Number.isSafeInteger(n) && n >= 0);
  if (whole && offset + length <= file.length) return file.subarray(offset, offset + length);
  throw new InputError({
    where,
    found: `${length} bytes at ${offset} of a file of ${file.length}`,
    todo: 'the file is cut off, or of another model: copy both files of one export',
  });
}
