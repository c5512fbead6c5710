/**
 * Nodes that compute on integers as nodes that compute on what those stand for: DequantizeLinear of each input, the
 * float operator, QuantizeLinear of its output. What onnxruntime's optimizer writes in one node is several again.
 */
import { complain } from '../../base/errors.ts';
import { find, floatAttribute, intOf, Parts, present } from './call-parts.ts';
import type { Call } from './calls.ts';
import { type AttributeProto, attributeType, listOf, textOf } from './proto.ts';
import { bipolar, type Constants, quant } from './qonnx-calls.ts';

const without = (
  attributes: readonly AttributeProto[],
  ...names: readonly string[]
): readonly AttributeProto[] => attributes.filter(({ name }) => !names.includes(textOf(name)));
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

type Expansion = (parts: Parts, call: Call, constants: Constants) => void;

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

const qonnxDomain = 'qonnx.custom_op.general';
const qonnxDomains = new Set([qonnxDomain, 'onnx.brevitas', 'finn.custom_op.general']);
const qonnxCalls: Readonly<Record<string, Expansion>> = {
  Quant: quant,
  IntQuant: quant,
  BipolarQuant: bipolar,
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

/** The domains and types of all nodes that stand for others. */
export const expandedTypes: readonly Pick<Call, 'domain' | 'type'>[] = Object.entries({
  ...expansions,
  [qonnxDomain]: qonnxCalls,
}).flatMap(([domain, calls]) => Object.keys(calls).map((type) => ({ domain, type })));

/** A version of the default domain that has all operators of the expansions of other domains' nodes. */
const ownOpset = 21;

/**
 * The nodes that a node stands for: itself, of most types.
 * @param constants tensors whose values are known
 * @throws InputError for attributes that are not supported
 */
export function expanded(call: Call, constants: Constants): readonly Call[] {
  const own = expansions[call.domain]?.[call.type];
  const qonnx = qonnxDomains.has(call.domain) ? qonnxCalls[call.type] : undefined;
  if (qonnx !== undefined) {
    const parts = new Parts({ ...call, scope: { ...call.scope, opset: ownOpset } });
    qonnx(parts, call, constants);
    return parts.calls;
  }
  if (own === undefined) return [call];
  const parts = new Parts(call);
  own(parts, call, constants);
  return parts.calls;
}
