/** The element types of ONNX (TensorProto.DataType) and what they become here. */
import type { DType } from '../tensor.ts';

const names = [
  'undefined',
  'float32',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'float64',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
] as const;

const held: ReadonlyMap<string, DType> = new Map(
  (
    [
      ...(['float32', 'float64', 'bool'] as const),
      ...(['int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16', 'uint8'] as const),
    ] as const
  ).map((t) => [t, t]),
);

export const onnxTypeName = (code: number): string => names[code] ?? `element type ${code}`;

/** The type that holds all values of the named one: float32 for the 16-bit floats too. */
export const widerDtype = (name: string): DType | undefined =>
  name === 'float16' || name === 'bfloat16' ? 'float32' : held.get(name);

export const widerDtypeOfOnnx = (code: number): DType | undefined => widerDtype(onnxTypeName(code));

/** The number of an element type, 0 for one that ONNX does not have. */
export const onnxCodeOf = (name: string): number => Math.max(0, (names as readonly string[]).indexOf(name));
