/** The ONNX protobuf schema, and what of it the rest of the importer works with. */
import type LongNumber from 'long';
import proto, { type onnx } from 'onnx-proto';
import { InputError } from '../../base/errors.ts';

declare global {
  /** onnx-proto's types name it as a global. */
  type Long = LongNumber;
}

export type TensorProto = onnx.ITensorProto;
export type AttributeProto = onnx.IAttributeProto;
export type NodeProto = onnx.INodeProto;
export type ValueInfoProto = onnx.IValueInfoProto;
export type FunctionProto = onnx.IFunctionProto;
export type SparseTensorProto = onnx.ISparseTensorProto;
export type GraphProto = onnx.IGraphProto;
export type ModelProto = onnx.IModelProto;

export const attributeType = proto.onnx.AttributeProto.AttributeType;
export const externalLocation = proto.onnx.TensorProto.DataLocation.EXTERNAL;

/** An int64 field as a number; beyond 2^53 the nearest. */
export const numberOf = (value: number | LongNumber | null | undefined): number =>
  typeof value === 'number' ? value : (value?.toNumber() ?? 0);

/** Above this, no microcontroller is meant, and a damaged length would only cost memory. */
export const largestFile = 256 * 2 ** 20;

/** @throws InputError when the bytes are not an ONNX model with a graph. */
export function decodeModel(bytes: Uint8Array, where: string): ModelProto & { readonly graph: GraphProto } {
  if (bytes.length === 0) throw notOnnx(where, 'an empty file');
  if (bytes.length > largestFile) {
    const size = `${Math.ceil(bytes.length / 2 ** 20)} MiB`;
    throw new InputError({ where, found: size, supported: `up to ${largestFile / 2 ** 20} MiB` });
  }
  const model = decoded(where, () => proto.onnx.ModelProto.decode(bytes));
  const { graph } = model;
  if (graph === null || graph === undefined) throw notOnnx(where, 'a protobuf message without a graph');
  return { ...model, graph };
}

/** @throws InputError when the bytes are no attribute */
export const decodeAttribute = (bytes: Uint8Array, where: string): AttributeProto =>
  decoded(where, () => proto.onnx.AttributeProto.decode(bytes));

/** @throws InputError when the bytes are no tensor */
export const decodeTensorProto = (bytes: Uint8Array, where: string): TensorProto =>
  decoded(where, () => proto.onnx.TensorProto.decode(bytes), noTensor);

function decoded<T>(where: string, decode: () => T, complaint = notOnnx): T {
  try {
    return decode();
  } catch (error) {
    throw complaint(
      where,
      `bytes that do not decode (${error instanceof Error ? error.message : String(error)})`,
    );
  }
}

const notOnnx = (where: string, found: string): InputError =>
  new InputError({
    where,
    found,
    supported: 'a complete ONNX model',
    todo: where.endsWith('.data')
      ? 'name the .onnx file: such a file beside it holds its weights'
      : 'export it again with torch.onnx.export, and copy it in binary mode',
  });

const noTensor = (where: string, found: string): InputError =>
  new InputError({ where, found, supported: 'a complete ONNX tensor (TensorProto)' });

/** The default domain has two spellings. */
export const isDefaultDomain = (domain: string | null | undefined): boolean =>
  ['', 'ai.onnx'].includes(textOf(domain));

/** Fields that were left out are undefined, null or empty; all mean the same. */
export const textOf = (value: string | null | undefined): string => value ?? '';
export const listOf = <T>(value: readonly T[] | null | undefined): readonly T[] => value ?? [];
