/** Layers of onnxruntime's own domain that quantize as they run: what its optimizer makes of several nodes. */
import { at, must } from '../../base/errors.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import type { Tensor } from '../tensor.ts';
import { add } from './add.ts';
import { known, newestOpset, required } from './common/inputs.ts';
import { conversion } from './conversion.ts';
import { dynamicGrid } from './dynamic-grid.ts';
import { integerMatrices, withZeros } from './integer-sums.ts';
import { product } from './products.ts';

type Attrs = Readonly<Record<string, never>>;
type Types = readonly (InputType | undefined)[];

/** Names of tensors, '' where the node has none, and their types. */
interface RealSums {
  readonly factors: readonly [a: string, b: string];
  readonly factorTypes: Types;
  readonly scales: readonly [a: string, b: string];
  readonly scaleTypes: Types;
  readonly zeros: readonly [a: string, b: string];
  readonly bias: string;
  readonly to: string;
}

/**
 * float(sum of (a - za) (b - zb)) (sa sb) + bias, each operation rounded to float32. The product of scales that are known
 * is a constant.
 */
function realSums({
  factors,
  factorTypes,
  scales,
  scaleTypes,
  zeros,
  bias,
  to,
}: RealSums): readonly Replacement[] {
  const [sum, real, step] = [`${to}~sum`, `${to}~real`, `${to}~step`];
  const scaled = bias === '' ? to : `${to}~scaled`;
  const steps = scaleTypes.map((type) => type?.constant);
  const isKnown = !steps.includes(undefined);
  const constants: ReadonlyMap<string, Tensor> = new Map(
    isKnown ? [[step, at(product.reference({}, steps), 0)]] : [],
  );
  return [
    withZeros(integerMatrices, {}, [...factors, ...zeros], factorTypes, sum),
    { op: conversion, attrs: { from: 'int32', to: 'float32' }, inputs: [sum], outputs: [real] },
    ...(isKnown ? [] : [{ op: product, attrs: {}, inputs: scales, outputs: [step] }]),
    { op: product, attrs: {}, inputs: [real, step], outputs: [scaled], constants },
    ...(bias === '' ? [] : [{ op: add, attrs: {}, inputs: [scaled, bias], outputs: [to] }]),
  ];
}

/** The first output of nodes that read each other's, the first of which read `given`. */
function made(parts: readonly Replacement[], given: ReadonlyMap<string, Tensor>, to: string): Tensor {
  const tensors = new Map(given);
  for (const { op, attrs, inputs, outputs, constants = new Map<string, Tensor>() } of parts) {
    for (const [name, tensor] of constants) tensors.set(name, tensor);
    const results = op.reference(
      attrs,
      inputs.map((name) => tensors.get(name)),
    );
    outputs.forEach((name, i) => {
      tensors.set(name, at(results, i));
    });
  }
  return must(tensors.get(to), 'the last node makes it');
}

type Layer = Pick<NodeView<Attrs>, 'inputs' | 'inputTypes' | 'outputs'>;

/** An operator of matrices A and B that is the nodes that `parts` gives. */
function layer(type: string, parts: (node: Layer) => readonly Replacement[]): ImportedOp<Attrs> {
  return {
    kind: `${type.charAt(0).toLowerCase()}${type.slice(1)}`,
    restrictions: 'one zero point of A; no vectors',
    only: 'float32',
    onnx: { [`com.microsoft.${type}`]: { since: 1, upTo: newestOpset, parse: () => ({}) } },
    infer(_attrs, inputs) {
      const integers = inputs
        .slice(0, 2)
        .map((input): InputType | undefined => input && { ...input, dtype: 'uint8' });
      return [{ dtype: 'float32', shape: at(integerMatrices.infer({}, integers), 0).shape }];
    },
    reference(_attrs, inputs) {
      const names = inputs.map((input, i) => (input === undefined ? '' : `in${i}`));
      const given = new Map(
        inputs.flatMap((tensor, i) => (tensor === undefined ? [] : [[`in${i}`, tensor] as const])),
      );
      const node = { inputs: names, inputTypes: inputs.map(known), outputs: ['out'] };
      return [made(parts(node), given, 'out')];
    },
    canonicalize: parts,
  };
}

/** A of float32, on the grid that its numbers need, times B; its scale, zero point, and a bias. */
const dynamicQuantizeMatMul = layer('DynamicQuantizeMatMul', ({ inputs, inputTypes, outputs }) => {
  const [a = '', b = '', scale = '', zero = '', bias = ''] = inputs;
  const to = at(outputs, 0);
  const [bytes, step, from] = [`${to}~bytes`, `${to}~scale`, `${to}~zero`];
  const { shape } = required(inputTypes, 0, 'A');
  return [
    { op: dynamicGrid, attrs: {}, inputs: [a], outputs: [bytes, step, from] },
    ...realSums({
      factors: [bytes, b],
      factorTypes: [{ dtype: 'uint8', shape }, inputTypes[1]],
      scales: [step, scale],
      scaleTypes: [undefined, inputTypes[2]],
      zeros: [from, zero],
      bias,
      to,
    }),
  ];
});

/** A and B of integers; both scales, both zero points, and a bias. */
const matMulIntegerToFloat = layer('MatMulIntegerToFloat', ({ inputs, inputTypes, outputs }) => {
  const [a = '', b = '', scaleA = '', scaleB = '', zeroA = '', zeroB = '', bias = ''] = inputs;
  return realSums({
    factors: [a, b],
    factorTypes: inputTypes.slice(0, 2),
    scales: [scaleA, scaleB],
    scaleTypes: inputTypes.slice(2, 4),
    zeros: [zeroA, zeroB],
    bias,
    to: at(outputs, 0),
  });
});

/** com.microsoft DynamicQuantizeMatMul-1 and MatMulIntegerToFloat-1. */
export const integerLayers: readonly ImportedOp<Attrs>[] = [dynamicQuantizeMatMul, matMulIntegerToFloat];
