/**
 * Nodes that compute on integers as nodes that compute on what those stand for: DequantizeLinear of each input, the
 * float operator, QuantizeLinear of its output. What onnxruntime's optimizer writes in one node is several again.
 */
import { complain } from '../../base/errors.ts';
import type { Call } from './calls.ts';
import { type AttributeProto, attributeType, listOf, numberOf, textOf } from './proto.ts';

const intAttribute = (name: string, i: number): AttributeProto => ({ name, type: attributeType.INT, i });
const floatAttribute = (name: string, f: number): AttributeProto => ({ name, type: attributeType.FLOAT, f });

/** Gathers the nodes that a call becomes. */
class Parts {
  readonly calls: Call[] = [];
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  /** A node of the default domain. Returns what it makes: the tensor `to`, or a new one. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: readonly AttributeProto[] = [],
    to?: string,
  ): string {
    const { name, outputs } = this.#call;
    const made = to ?? `${outputs[0]}~${this.calls.length}`;
    const own = to === undefined ? `${name}~${this.calls.length}` : name;
    this.calls.push({
      ...this.#call,
      name: own,
      type,
      domain: '',
      inputs,
      attributes,
      outputs: [made],
      captured: [],
    });
    return made;
  }

  /** What an integer tensor stands for; `at` is the index of the tensor, its scale and its zero point. */
  real(at: number, axis = 1): string {
    const [x = '', scale = '', zero = ''] = this.#call.inputs.slice(at, at + 3);
    return x === ''
      ? ''
      : this.node('DequantizeLinear', present([x, scale, zero]), [intAttribute('axis', axis)]);
  }

  /** A bias of integers in steps of both scales' product. */
  bias(at: number, a: string, b: string): readonly string[] {
    const bias = this.#call.inputs[at] ?? '';
    if (bias === '') return [];
    const step = this.node('Mul', [a, b]);
    return [this.node('DequantizeLinear', [bias, step], [intAttribute('axis', -1)])];
  }

  input(index: number): string {
    return this.#call.inputs[index] ?? '';
  }

  /** The last node: the call's output on the grid at input `at`, or real where there is none. */
  finish(real: (to?: string) => string, at: number): void {
    const to = this.#call.outputs[0];
    if (this.input(at) === '') real(to);
    else this.node('QuantizeLinear', present([real(), this.input(at), this.input(at + 1)]), [], to);
  }
}

/** Without the omitted ones at the end. */
const present = (names: readonly string[]): readonly string[] =>
  names.slice(0, names.findLastIndex((n) => n !== '') + 1);

const without = (
  attributes: readonly AttributeProto[],
  ...names: readonly string[]
): readonly AttributeProto[] => attributes.filter(({ name }) => !names.includes(textOf(name)));
const find = ({ attributes }: Call, name: string): AttributeProto | undefined =>
  attributes.find((attribute) => textOf(attribute.name) === name);
const intOf = (call: Call, name: string): number => numberOf(find(call, name)?.i);
const floatOf = (call: Call, name: string, otherwise: number): number => find(call, name)?.f ?? otherwise;

/** Axes of images as the operators of the default domain have them, and back. */
const toChannelsFirst: AttributeProto = { name: 'perm', type: attributeType.INTS, ints: [0, 3, 1, 2] };
const toChannelsLast: AttributeProto = { name: 'perm', type: attributeType.INTS, ints: [0, 2, 3, 1] };

/** An operator of images, with channels last where the node has them there. */
function ofImages(parts: Parts, call: Call, type: string, inputs: readonly string[], to?: string): string {
  const attributes = without(call.attributes, 'channels_last');
  if (intOf(call, 'channels_last') !== 1) return parts.node(type, inputs, attributes, to);
  const [x = '', ...others] = inputs;
  const made = parts.node(type, [parts.node('Transpose', [x], [toChannelsFirst]), ...others], attributes);
  return parts.node('Transpose', [made], [toChannelsLast], to);
}

type Expansion = (parts: Parts, call: Call) => void;

/** One tensor, its grid, the output's grid. */
const unary =
  (type: string): Expansion =>
  (parts, call) => {
    const x = parts.real(0);
    parts.finish((to) => ofImages(parts, call, type, [x], to), 3);
  };

const binary =
  (type: string): Expansion =>
  (parts) => {
    const both = [parts.real(0), parts.real(3)];
    parts.finish((to) => parts.node(type, both, [], to), 6);
  };

function qLinearConv(parts: Parts, call: Call): void {
  const both = [parts.real(0), parts.real(3, 0)];
  const bias = parts.bias(8, parts.input(1), parts.input(4));
  parts.finish((to) => ofImages(parts, call, 'Conv', [...both, ...bias], to), 6);
}

function qLinearMatMul(parts: Parts): void {
  const both = [parts.real(0), parts.real(3, -1)];
  parts.finish((to) => parts.node('MatMul', both, [], to), 6);
}

function qGemm(parts: Parts, call: Call): void {
  const both = [parts.real(0), parts.real(3, intOf(call, 'transB') === 1 ? 0 : 1)];
  const alpha = floatOf(call, 'alpha', 1);
  const factor = alpha === 1 ? [] : [parts.node('Constant', [], [floatAttribute('value_float', alpha)])];
  const step = factor.reduce((scale, name) => parts.node('Mul', [name, scale]), parts.input(1));
  const bias = parts.bias(6, step, parts.input(4));
  parts.finish((to) => parts.node('Gemm', [...both, ...bias], call.attributes, to), 7);
}

/** onnxruntime's attribute `opset` says which Softmax it is. */
function qLinearSoftmax(parts: Parts, call: Call): void {
  const x = parts.real(0);
  parts.finish((to) => parts.node('Softmax', [x], without(call.attributes, 'opset'), to), 3);
  const opset = intOf(call, 'opset');
  if (opset === 0) return;
  parts.calls.forEach((part, i) => {
    if (part.type === 'Softmax') parts.calls[i] = { ...part, scope: { ...part.scope, opset } };
  });
}

function qLinearConcat(parts: Parts, call: Call): void {
  const count = Math.floor((call.inputs.length - 2) / 3);
  const all = Array.from({ length: count }, (_, i) => parts.real(2 + 3 * i));
  parts.finish((to) => parts.node('Concat', all, call.attributes, to), 0);
}

/** The activation that onnxruntime put into a layer; its parameters are in the order of its own attributes. */
function activated(parts: Parts, call: Call, x: (to?: string) => string): void {
  const [to] = call.outputs;
  const type = new TextDecoder().decode(find(call, 'activation')?.s ?? new Uint8Array());
  const params = listOf(find(call, 'activation_params')?.floats).map(Number);
  const alpha = find(call, 'activation_alpha')?.f ?? params[0];
  const beta = find(call, 'activation_beta')?.f ?? params[1];
  const names = type === 'Clip' ? [] : ['alpha', 'beta'];
  const given = [alpha, beta].flatMap((value, i) => {
    const name = names[i];
    return value === undefined || name === undefined ? [] : [floatAttribute(name, value)];
  });
  if (type === '') x(to);
  else if (type === 'Clip') {
    const bounds = [alpha, beta].map((value) =>
      parts.node('Constant', [], [floatAttribute('value_float', value ?? 0)]),
    );
    parts.node('Clip', [x(), ...bounds], [], to);
  } else if (['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid'].includes(type))
    parts.node(type, [x()], given, to);
  else throw complain(`activation ${type}`, 'Relu, Clip, Sigmoid, Tanh, LeakyRelu, HardSigmoid');
}

const fusedAttributes = [
  'activation',
  'activation_params',
  'activation_alpha',
  'activation_beta',
  'activation_gamma',
];

function fusedConv(parts: Parts, call: Call): void {
  const [sums, added] = [call.inputs.slice(0, 3), call.inputs[3] ?? ''];
  const attributes = without(call.attributes, ...fusedAttributes);
  activated(parts, call, (to) => {
    if (added === '') return parts.node('Conv', present(sums), attributes, to);
    return parts.node('Add', [parts.node('Conv', present(sums), attributes), added], [], to);
  });
}

function fusedGemm(parts: Parts, call: Call): void {
  const attributes = without(call.attributes, ...fusedAttributes);
  activated(parts, call, (to) => parts.node('Gemm', call.inputs, attributes, to));
}

/** Integers of the file itself: the operator of the default domain. */
const asOnnx: Expansion = (parts, call) => {
  parts.node(call.type, call.inputs, call.attributes, call.outputs[0]);
};

const expansions: Readonly<Record<string, Readonly<Record<string, Expansion>>>> = {
  '': { QLinearConv: qLinearConv, QLinearMatMul: qLinearMatMul },
  'com.microsoft': {
    ...{ QuantizeLinear: asOnnx, DequantizeLinear: asOnnx, QLinearConv: qLinearConv, QGemm: qGemm },
    ...{ QLinearAdd: binary('Add'), QLinearMul: binary('Mul'), QLinearConcat: qLinearConcat },
    ...{ QLinearAveragePool: unary('AveragePool'), QLinearGlobalAveragePool: unary('GlobalAveragePool') },
    ...{
      QLinearSigmoid: unary('Sigmoid'),
      QLinearLeakyRelu: unary('LeakyRelu'),
      QLinearSoftmax: qLinearSoftmax,
    },
    ...{ FusedConv: fusedConv, FusedGemm: fusedGemm },
  },
};

/** The nodes that a node stands for: itself, of most types. @throws InputError for attributes that are not supported */
export function expanded(call: Call): readonly Call[] {
  const expansion = expansions[call.domain]?.[call.type];
  if (expansion === undefined) return [call];
  const parts = new Parts(call);
  expansion(parts, call);
  return parts.calls;
}
