/** What PT2E writes between the layers of a quantized program: numbers to integers and back. */
import { complain } from '../../../base/errors.ts';
import type { DType } from '../../tensor.ts';
import type { AtenCall, Translation, Translations } from './aten-call.ts';
import { cast } from './aten-common.ts';
import { int, type OnnxAttributes } from './aten-draft.ts';

const ranges: Partial<Readonly<Record<DType, readonly [number, number]>>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** The type of the integers. */
function storedType(call: AtenCall): DType {
  const dtype = call.dtype('dtype');
  if (dtype !== undefined && dtype in ranges) return dtype;
  throw complain(`quantization to ${dtype ?? 'no type'}`, Object.keys(ranges).join(', '));
}

interface Grid {
  readonly scale: string;
  /** Left out where it is of int32, of which ONNX knows 0 alone. */
  readonly zeroPoint: string;
  readonly attributes: OnnxAttributes;
}

function gridOf(call: AtenCall, names: readonly [string, string]): Grid {
  const [scale, zero] = names.map((name) => call.tensor(name)) as [string, string];
  const dtype = storedType(call);
  const attributes: OnnxAttributes = call.arg('axis') === undefined ? {} : { axis: int(call.int('axis')) };
  const zeros = call.constantOf(zero)?.data.every((x) => x === 0) === true;
  if (dtype === 'int32' && zeros) return { scale: cast(call, scale, 'float32'), zeroPoint: '', attributes };
  return { scale: cast(call, scale, 'float32'), zeroPoint: cast(call, zero, dtype), attributes };
}

const given = ({ scale, zeroPoint }: Grid): readonly string[] =>
  zeroPoint === '' ? [scale] : [scale, zeroPoint];

/** Cut to `quant_min` and `quant_max` where those are narrower than the type. */
function quantized(names: readonly [string, string]): Translation {
  return (call) => {
    const dtype = storedType(call);
    const grid = gridOf(call, names);
    const made = call.make('QuantizeLinear', [call.tensor('input'), ...given(grid)], grid.attributes);
    const [least, largest] = ranges[dtype] ?? [0, 0];
    const [low, high] = [call.int('quant_min', least), call.int('quant_max', largest)];
    if (low <= least && high >= largest) return made;
    return call.make('Clip', [made, call.scalar(low, dtype), call.scalar(high, dtype)]);
  };
}

function dequantized(names: readonly [string, string]): Translation {
  return (call) => {
    const made = call.dtype('out_dtype') ?? 'float32';
    if (made !== 'float32') throw complain(`dequantization to ${made}`, 'float32');
    const grid = gridOf(call, names);
    return call.make('DequantizeLinear', [call.tensor('input'), ...given(grid)], grid.attributes);
  };
}

const perTensor = ['scale', 'zero_point'] as const;

export const quantizations: Translations = {
  'quantize_per_tensor.default': quantized(perTensor),
  'quantize_per_tensor.tensor': quantized(perTensor),
  'quantize_per_tensor.tensor2': quantized(perTensor),
  'quantize_per_channel.default': quantized(['scales', 'zero_points']),
  'dequantize_per_tensor.default': dequantized(perTensor),
  'dequantize_per_tensor.tensor': dequantized(perTensor),
  'dequantize_per_tensor.tensor2': dequantized(perTensor),
  'dequantize_per_channel.default': dequantized(['scales', 'zero_points']),
};
