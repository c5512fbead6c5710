/**
 * QONNX's nodes that round real numbers to integers of 1 to 32 bits and back: QuantizeLinear, Clip to the bits,
 * DequantizeLinear. Brevitas writes them with export_qonnx.
 */
import { at, complain } from '../../base/errors.ts';
import { onnxCodeOf } from '../graph/onnx-types.ts';
import type { Tensor } from '../tensor.ts';
import { floatAttribute, intAttribute, intOf, type Parts, textAttribute } from './call-parts.ts';
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

type Rounding = 'ROUND' | 'CEIL' | 'FLOOR' | 'UP' | 'DOWN' | 'HALF_UP' | 'HALF_DOWN';

/** Of ONNX's nodes: a tensor rounded. UP and DOWN are away from 0 and towards it, and so are halves. */
const roundings: Readonly<Record<Rounding, (parts: Parts, x: string) => string>> = {
  ROUND: (parts, x) => parts.node('Round', [x]),
  CEIL: (parts, x) => parts.node('Ceil', [x]),
  FLOOR: (parts, x) => parts.node('Floor', [x]),
  UP: (parts, x) => ofSize(parts, x, 'Ceil', 0),
  DOWN: (parts, x) => ofSize(parts, x, 'Floor', 0),
  HALF_UP: (parts, x) => ofSize(parts, x, 'Floor', 0.5),
  HALF_DOWN: (parts, x) => ofSize(parts, x, 'Ceil', -0.5),
};

/** sign(x) rounded(|x| + shift) */
function ofSize(parts: Parts, x: string, rounded: 'Ceil' | 'Floor', shift: number): string {
  const size = parts.node('Add', [parts.node('Abs', [x]), realOf(parts, shift)]);
  return parts.node('Mul', [parts.node('Sign', [x]), parts.node(rounded, [size])]);
}

const realOf = (parts: Parts, x: number): string =>
  parts.node('Constant', [], [floatAttribute('value_float', x)]);

const otherNames: Readonly<Record<string, Rounding>> = { HALF_EVEN: 'ROUND', ROUND_TO_ZERO: 'DOWN' };

function roundingOf(call: Call): Rounding {
  const name = textAttribute(call, 'rounding_mode', 'ROUND').toUpperCase();
  const found = otherNames[name] ?? name;
  if (found in roundings) return found as Rounding;
  throw complain(`rounding_mode ${name}`, [...Object.keys(roundings), ...Object.keys(otherNames)].join(', '));
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
  const scale = constantAt(call, constants, 1, 'scale');
  const zero = numberAt(call, constants, 2, 'zero point');
  if (width.bits === 1 && width.signed) {
    if (zero !== 0) throw complain(`a zero point of ${zero} of 1 bit`, '0');
    bipolar(parts, call, constants);
    return;
  }
  if (!Number.isInteger(zero)) throw complain(`a zero point of ${zero}`, 'integers');
  const type = typeFor(width);
  const steps = listed(parts, call.inputs[1] ?? '', scale);
  const zeros = parts.node('Expand', [parts.int(zero, type), parts.node('Shape', [steps.name])]);
  const axis = [intAttribute('axis', steps.axis)];
  const rounding = roundingOf(call);
  if (rounding !== 'ROUND' || (zero !== 0 && constants(call.inputs[0] ?? '') !== undefined)) {
    const integers = roundedConstant(parts, call, constants, { rounding, width, type });
    parts.node('DequantizeLinear', [integers, steps.name, zeros], axis, call.outputs[0]);
    return;
  }
  const integers = parts.node('QuantizeLinear', [call.inputs[0] ?? '', steps.name, zeros], axis);
  const [least, most] = endsOf(width);
  const isWhole = !width.narrow && [8, 16, 32].includes(width.bits);
  const bounds = isWhole ? [] : [parts.int(least, type), parts.int(most, type)];
  const cut = isWhole ? integers : parts.node('Clip', [integers, ...bounds]);
  parts.node('DequantizeLinear', [cut, steps.name, zeros], axis, call.outputs[0]);
}

interface Way {
  readonly rounding: Rounding;
  readonly width: Width;
  readonly type: number;
}

/** As QONNX has it: x / scale + zero point, cut to the bits, rounded. */
function roundedConstant(parts: Parts, call: Call, constants: Constants, way: Way): string {
  const { rounding, width, type } = way;
  const [x = '', scale = '', zero = ''] = call.inputs;
  if (constants(x) === undefined)
    throw complain(
      `rounding_mode ${rounding} of activations`,
      'ROUND and HALF_EVEN; others of weights',
      'quantize activations with rounding mode ROUND',
    );
  const steps = parts.node('Add', [parts.node('Div', [x, scale]), zero]);
  const cut = parts.node('Clip', [steps, ...endsOf(width).map((end) => realOf(parts, end))]);
  return parts.node('Cast', [roundings[rounding](parts, cut)], [intAttribute('to', type)]);
}

/** The scale, or of numbers below 0 its negative: of activations on the grid of two integers. */
export function bipolar(parts: Parts, call: Call, constants: Constants): void {
  const [x = ''] = call.inputs;
  const scale = constantAt(call, constants, 1, 'scale');
  const steps = listed(parts, call.inputs[1] ?? '', scale);
  const type = onnxCodeOf('int8');
  const isPositive = parts.node('GreaterOrEqual', [x, parts.int(0, onnxCodeOf('float32'))]);
  const signs = (ends: readonly string[]): string => parts.node('Where', [isPositive, ...ends]);
  if (constants(x) !== undefined) {
    const integers = signs([parts.int(1, type), parts.int(-1, type)]);
    const axis = [intAttribute('axis', steps.axis)];
    parts.node('DequantizeLinear', [integers, steps.name], axis, call.outputs[0]);
    return;
  }
  if (scale.data.length !== 1)
    throw complain(`${scale.data.length} scales of activations of 1 bit`, 'one scale for the whole tensor');
  const grid = [steps.name, parts.int(0, type)];
  const integers = parts.node('QuantizeLinear', [
    signs([steps.name, parts.node('Neg', [steps.name])]),
    ...grid,
  ]);
  parts.node('DequantizeLinear', [integers, ...grid], [], call.outputs[0]);
}
