/**
 * QONNX's nodes that round real numbers to integers of 1 to 32 bits and back: QuantizeLinear, Clip to the bits,
 * DequantizeLinear. Brevitas writes them with export_qonnx.
 */
import { at, complain } from '../../base/errors.ts';
import { onnxCodeOf } from '../graph/onnx-types.ts';
import type { Tensor } from '../tensor.ts';
import { intAttribute, intOf, type Parts, textAttribute } from './call-parts.ts';
import type { Call } from './calls.ts';

export type Constants = (name: string) => Tensor | undefined;

/** An input that must be in the file. */
function constantAt(call: Call, constants: Constants, index: number, what: string): Tensor {
  const tensor = constants(call.inputs[index] ?? '');
  if (tensor !== undefined) return tensor;
  throw complain(`a ${what} that is computed`, 'constants');
}

function numberAt(call: Call, constants: Constants, index: number, what: string): number {
  const { data } = constantAt(call, constants, index, what);
  if (data.length === 1) return at(data, 0);
  throw complain(`${data.length} numbers as ${what}`, 'one');
}

/** The numbers of one axis as a list, and that axis from the end. */
function listed(
  parts: Parts,
  name: string,
  { shape }: Tensor,
): { readonly name: string; readonly axis: number } {
  const long = shape.flatMap((size, axis) => (size > 1 ? [axis] : []));
  if (long.length > 1)
    throw complain(`scales along ${long.length} axes`, 'one scale, or one for each index of one axis');
  const axis = (long[0] ?? shape.length - 1) - shape.length;
  const to = parts.ints(long.length === 0 ? [] : [-1]);
  return { name: parts.node('Reshape', [name, to]), axis };
}

interface Width {
  readonly bits: number;
  readonly signed: boolean;
  readonly narrow: boolean;
}

function widthOf(call: Call, constants: Constants): Width {
  const bits = numberAt(call, constants, 3, 'bit width');
  const signed = intOf(call, 'signed', 1) === 1;
  const most = signed ? 32 : 16;
  if (!Number.isInteger(bits) || bits < 1 || bits > most)
    throw complain(`${signed ? 'signed' : 'unsigned'} integers of ${bits} bits`, `1 to ${most} bits`);
  const rounding = textAttribute(call, 'rounding_mode', 'ROUND').toUpperCase();
  if (rounding !== 'ROUND' && rounding !== 'HALF_EVEN')
    throw complain(`rounding_mode ${rounding}`, 'ROUND, HALF_EVEN');
  return { bits, signed, narrow: intOf(call, 'narrow', 0) === 1 };
}

/** The smallest type of ONNX's that holds them. */
function typeFor({ bits, signed }: Width): number {
  const size = bits <= 8 ? 8 : bits <= 16 ? 16 : 32;
  return onnxCodeOf(`${signed ? '' : 'u'}int${size}`);
}

/** The least and the largest integer. */
function endsOf({ bits, signed, narrow }: Width): readonly [number, number] {
  if (signed) return [-(2 ** (bits - 1)) + (narrow ? 1 : 0), 2 ** (bits - 1) - 1];
  return [0, 2 ** bits - 1 - (narrow ? 1 : 0)];
}

export function quant(parts: Parts, call: Call, constants: Constants): void {
  const width = widthOf(call, constants);
  if (width.bits === 1 && width.signed) {
    bipolar(parts, call, constants);
    return;
  }
  const scale = constantAt(call, constants, 1, 'scale');
  const zero = numberAt(call, constants, 2, 'zero point');
  if (!Number.isInteger(zero)) throw complain(`a zero point of ${zero}`, 'integers');
  const type = typeFor(width);
  const steps = listed(parts, call.inputs[1] ?? '', scale);
  const zeros = parts.node('Expand', [parts.int(zero, type), parts.node('Shape', [steps.name])]);
  const axis = [intAttribute('axis', steps.axis)];
  const integers = parts.node('QuantizeLinear', [call.inputs[0] ?? '', steps.name, zeros], axis);
  const [least, most] = endsOf(width);
  const isWhole = !width.narrow && [8, 16, 32].includes(width.bits);
  const bounds = isWhole ? [] : [parts.int(least, type), parts.int(most, type)];
  const cut = isWhole ? integers : parts.node('Clip', [integers, ...bounds]);
  parts.node('DequantizeLinear', [cut, steps.name, zeros], axis, call.outputs[0]);
}

/** Of weights: +1 or -1. */
export function bipolar(parts: Parts, call: Call, constants: Constants): void {
  const scale = constantAt(call, constants, 1, 'scale');
  if (constants(call.inputs[0] ?? '') === undefined) throw complain('activations of 1 bit', '2 to 16 bits');
  const steps = listed(parts, call.inputs[1] ?? '', scale);
  const type = onnxCodeOf('int8');
  const isPositive = parts.node('GreaterOrEqual', [
    call.inputs[0] ?? '',
    parts.int(0, onnxCodeOf('float32')),
  ]);
  const ends = [parts.int(1, type), parts.int(-1, type)];
  const signs = parts.node('Where', [isPositive, ...ends]);
  parts.node('DequantizeLinear', [signs, steps.name], [intAttribute('axis', steps.axis)], call.outputs[0]);
}
