/** Models of which the weights alone are quantized: float32 programs whose tables hold the integers. */
import type { onnx } from 'onnx-proto';
import { expect, test } from 'vitest';
import { compile } from '../../../src/compile.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { countOf, floats } from '../../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { Draw } from '../../support/draw.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { largestDifference } from '../../support/npy.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';

const types = { uint8: 2, int8: 3, uint4: 21, int4: 22 } as const;

interface Case {
  readonly type: keyof typeof types;
  readonly dims: readonly number[];
  /** Of the scales. */
  readonly scales: readonly number[];
  readonly attributes?: readonly onnx.IAttributeProto[];
  readonly zero?: (i: number) => number;
  readonly input: readonly number[];
  readonly nodes: readonly NodeSpec[];
  /** Bytes of the table of codes; undefined: weights are float32. */
  readonly bytes: number | undefined;
}

function modelOf({ type, dims, scales, attributes = [], zero = () => 0, input, nodes }: Case): Uint8Array {
  const draw = new Draw(3);
  const [least, most] = { uint8: [0, 255], int8: [-128, 127], uint4: [0, 15], int4: [-8, 7] }[type] as [
    number,
    number,
  ];
  const list = (count: number, number: (i: number) => number) =>
    Array.from({ length: count }, (_, i) => number(i));
  const packed = (name: string, shape: readonly number[], numbers: readonly number[]) => ({
    ...{ name, dims: [...shape], dataType: types[type] },
    rawData: type.endsWith('4')
      ? Uint8Array.from(
          { length: Math.ceil(numbers.length / 2) },
          (_, i) => (numbers[2 * i]! & 15) | ((numbers[2 * i + 1]! & 15) << 4),
        )
      : Uint8Array.from(numbers, (q) => q & 255),
  });
  return encodeModel({
    opset: 21,
    nodes: [{ op: 'DequantizeLinear', inputs: ['q', 's', 'z'], outputs: ['w'], attributes }, ...nodes],
    initializers: [
      packed(
        'q',
        dims,
        list(countOf(dims), () => draw.int(least, most)),
      ),
      packed('z', scales, list(countOf(scales), zero)),
      floatTensor(
        's',
        scales,
        list(countOf(scales), () => draw.between(0.01, 0.02)),
      ),
      floatTensor(
        'b',
        [6],
        list(6, () => draw.between(-1, 1)),
      ),
      floatTensor('m', [6], [0.5, -0.25, 2, -3, 0.1, 1]),
      floatTensor(
        'k',
        [4, 2, 3, 3],
        list(72, () => draw.between(-1, 1)),
      ),
    ],
    inputs: [valueInfo('x', input)],
  });
}

const matMul: readonly NodeSpec[] = [{ op: 'MatMul', inputs: ['x', 'w'] }];
const gemm: readonly NodeSpec[] = [
  { op: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['g'], attributes: [int('transB', 1)] },
  { op: 'Relu', inputs: ['g'] },
];
const flattened: readonly NodeSpec[] = [
  { op: 'Conv', inputs: ['x', 'k'], outputs: ['c'], attributes: [ints('pads', [1, 1, 1, 1])] },
  { op: 'Flatten', inputs: ['c'], outputs: ['f'] },
  { op: 'Gemm', inputs: ['f', 'w', 'b'], attributes: [int('transB', 1)] },
];
/** A product whose scales, of both signs, come behind it. */
const scaledBehind = (weights: string): readonly NodeSpec[] => [
  { op: 'Cast', inputs: ['q'], outputs: ['whole'], attributes: [int('to', 1)] },
  { op: 'MatMul', inputs: ['x', weights], outputs: ['p'] },
  { op: 'Mul', inputs: ['p', 'm'], outputs: ['scaled'] },
  { op: 'Add', inputs: ['scaled', 'b'] },
];
const conv: readonly NodeSpec[] = [{ op: 'Conv', inputs: ['x', 'w', 'b'] }];
const axis0 = [int('axis', 0)];
const blocks = [int('axis', 0), int('block_size', 16)];

const cases: Readonly<Record<string, Case>> = {
  'int8, one scale': {
    type: 'int8',
    dims: [20, 6],
    scales: [],
    input: [1, 20],
    nodes: matMul,
    bytes: 6 * 24,
  },
  'int8 per channel': {
    type: 'int8',
    dims: [20, 6],
    scales: [6],
    input: [1, 20],
    nodes: matMul,
    bytes: 6 * 24,
  },
  'uint8 about zero points of their own': {
    type: 'uint8',
    dims: [6, 20],
    scales: [6],
    attributes: axis0,
    zero: (i) => 40 * i,
    input: [1, 20],
    nodes: gemm,
    bytes: 6 * 24,
  },
  'int4, several rows': {
    type: 'int4',
    dims: [20, 6],
    scales: [6],
    input: [1, 5, 20],
    nodes: matMul,
    bytes: 6 * 12,
  },
  'int4 in blocks': {
    type: 'int4',
    dims: [40, 6],
    scales: [3, 6],
    attributes: blocks,
    input: [1, 40],
    nodes: matMul,
    bytes: 6 * 3 * 8,
  },
  'uint4 in blocks about zero points': {
    type: 'uint4',
    dims: [40, 6],
    scales: [3, 6],
    attributes: blocks,
    zero: (i) => i % 16,
    input: [1, 40],
    nodes: matMul,
    bytes: 6 * 3 * 8,
  },
  'int4 behind an image': {
    type: 'int4',
    dims: [6, 64],
    scales: [6],
    attributes: axis0,
    input: [1, 2, 4, 4],
    nodes: flattened,
    bytes: 6 * 32,
  },
  'int4 of a 1x1 convolution': {
    type: 'int4',
    dims: [6, 5, 1, 1],
    scales: [6],
    attributes: axis0,
    input: [1, 5, 3, 4],
    nodes: conv,
    bytes: 6 * 4,
  },
  'int4 scaled behind': {
    ...{ type: 'int4', dims: [20, 6], scales: [6], input: [1, 20] },
    ...{ nodes: scaledBehind('w'), bytes: 6 * 12 },
  },
  'int8 that is cast, and scaled behind': {
    ...{ type: 'int8', dims: [20, 6], scales: [6], input: [1, 20] },
    ...{ nodes: scaledBehind('whole'), bytes: 6 * 24 },
  },
  'int8 of a 3x3 convolution': {
    type: 'int8',
    dims: [6, 5, 3, 3],
    scales: [6],
    attributes: axis0,
    input: [1, 5, 4, 4],
    nodes: conv,
    bytes: undefined,
  },
  'a scale for each input': {
    type: 'int8',
    dims: [20, 6],
    scales: [20],
    attributes: axis0,
    input: [1, 20],
    nodes: matMul,
    bytes: undefined,
  },
};

test.each(Object.entries(cases))('%s', (_name, one) => {
  const { program, floatGraph } = compile(importOnnx(modelOf(one)), { name: 'net', arith: 'float32' });
  const codes = program.steps.flatMap(({ kernel }) => kernel.tables.filter(({ elem }) => elem === 'u8'));
  expect(codes.find(({ name }) => name.endsWith('_weights'))?.data.length).toBe(one.bytes);
  const facts = factsOf(program);
  requireProved(program, facts);
  const sample = Float32Array.from(new Draw(5).floats(countOf(one.input), -1, 1));
  const [made] = simulated(program, [encodeInput(program, sample)], facts);
  const wanted = evaluate(floatGraph, new Map([['x', floats(one.input, sample)]])).get('y')!.data;
  const largest = Math.max(...Array.from(wanted, Math.abs));
  expect(largest).toBeGreaterThan(0.1);
  expect(largestDifference(decodeOutput(program, made!.output), wanted)).toBeLessThan(2e-6 * largest);
});
