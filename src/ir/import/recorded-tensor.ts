/** A tensor that was recorded beside an ONNX model: a file `input_0.pb` or `output_0.pb` of a `test_data_set_0`. */
import type { Tensor } from '../tensor.ts';
import { decodeTensorProto, textOf } from './proto.ts';
import { decodeTensor } from './tensor-proto.ts';

/** @throws InputError for what is no ONNX tensor (sequences and optionals too), and element types without a counterpart */
export function importTensor(
  bytes: Uint8Array,
  where: string,
): { readonly name: string; readonly tensor: Tensor } {
  const proto = decodeTensorProto(bytes, where);
  return { name: textOf(proto.name), tensor: decodeTensor(proto, where) };
}
