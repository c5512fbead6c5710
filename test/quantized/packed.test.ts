/** Weights that a model has in few bits are stored so, without being asked for. */
import { expect, test } from 'vitest';
import { certify } from '../../src/artifact/certify.ts';
import { type Compiled, compile } from '../../src/compile.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import { floats } from '../../src/ir/tensor.ts';
import { assemble } from '../../src/plan/assemble.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { simulate } from '../../src/runtime/engines.ts';
import { Draw } from '../support/draw.ts';
import { largestDifference } from '../support/npy.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../support/onnx-model.ts';

/** Of ONNX's element types. */
const types = { uint8: 2, int8: 3, uint4: 21, int4: 22 } as const;
type Type = keyof typeof types;

interface Weights {
  readonly type: Type;
  /** One, or one for each output channel. */
  readonly zeros: readonly number[];
  readonly least: number;
  readonly most: number;
}

/** Of 4 bits two to a byte, the first in the lower half. */
function bytesOf(type: Type, numbers: readonly number[]): Uint8Array {
  if (!type.endsWith('4')) return Uint8Array.from(numbers, (q) => q & 255);
  return Uint8Array.from({ length: Math.ceil(numbers.length / 2) }, (_, i) => {
    const [low = 0, high = 0] = [numbers[2 * i], numbers[2 * i + 1]];
    return (low & 15) | ((high & 15) << 4);
  });
}

const [outputs, inputs] = [12, 40];

const numbersOf = ({ least, most }: Weights): number[] => {
  const draw = new Draw(7);
  return [least, most, ...Array.from({ length: outputs * inputs - 2 }, () => draw.int(least, most))];
};

const gains = Array.from({ length: outputs }, (_, i) => (i % 2 === 0 ? 0.5 + i / 10 : -1));

/** x[1,40] on a grid of uint8, times the transpose of the weights, and gains where asked, on a grid again. */
function gemm(weights: Weights, gained = false): Uint8Array {
  const { type, zeros } = weights;
  const integers = (name: string, dims: readonly number[], numbers: readonly number[], of: Type = type) => ({
    ...{ name, dims: [...dims], dataType: types[of], rawData: bytesOf(of, numbers) },
  });
  const perRow = zeros.length > 1 ? [outputs] : [];
  const pair = (x: string, y: string, grid: readonly string[]) => [
    { op: 'QuantizeLinear', inputs: [x, ...grid], outputs: [`${y}_q`] },
    { op: 'DequantizeLinear', inputs: [`${y}_q`, ...grid], outputs: [y] },
  ];
  return encodeModel({
    opset: 21,
    nodes: [
      ...pair('x', 'x_', ['sx', 'zx']),
      { op: 'DequantizeLinear', inputs: ['w', 'sw', 'zw'], outputs: ['w_'], attributes: [int('axis', 0)] },
      { op: 'Gemm', inputs: ['x_', 'w_'], outputs: ['sums'], attributes: [int('transB', 1)] },
      { op: 'Mul', inputs: ['sums', 'gains'], outputs: ['gained'] },
      ...pair(gained ? 'gained' : 'sums', 'y', ['sy', 'zx']),
    ],
    initializers: [
      integers('w', [outputs, inputs], numbersOf(weights)),
      integers('zw', perRow, zeros),
      integers('zx', [], [128], 'uint8'),
      floatTensor(
        'sw',
        perRow,
        zeros.map((_, i) => 0.01 + i / 1000),
      ),
      floatTensor('gains', [outputs], gains),
      floatTensor('sx', [], [0.02]),
      floatTensor('sy', [], [0.05]),
    ],
    inputs: [valueInfo('x', [1, inputs])],
    outputs: ['y'],
  });
}

/** The program with a byte for each weight. */
function plain({ assembled }: Compiled) {
  const graph = assembled as Graph<'int8'>;
  const nodes = graph.nodes.map((node) => {
    const { format: _, ...quantized } = (node.quantized ?? {}) as Partial<QuantizedMac>;
    return node.quantized === undefined ? node : { ...node, quantized };
  });
  return assemble({ ...graph, nodes }, { name: 'net', strategy: 'overlap' }).program;
}

const cases: readonly (readonly [string, Weights, string])[] = [
  ['int4', { type: 'int4', zeros: [0], least: -8, most: 7 }, 'dense4'],
  ['int4 per channel', { type: 'int4', zeros: Array(outputs).fill(0), least: -8, most: 7 }, 'dense4'],
  ['uint4 about its middle', { type: 'uint4', zeros: [8], least: 0, most: 15 }, 'dense4'],
  ['uint4 about 3, by a codebook', { type: 'uint4', zeros: [3], least: 0, most: 15 }, 'dense4'],
  ['uint4 above its zero point', { type: 'uint4', zeros: [0], least: 0, most: 15 }, 'dense4'],
  [
    'uint4 of a zero point for each channel',
    { type: 'uint4', zeros: Array.from({ length: outputs }, (_, i) => i), least: 0, most: 15 },
    'dense8',
  ],
  ['4 bits in int8', { type: 'int8', zeros: [0], least: -8, most: 7 }, 'dense4'],
  ['ternary in int8', { type: 'int8', zeros: [0], least: -1, most: 1 }, 'dense2'],
  ['5 bits in int8', { type: 'int8', zeros: [0], least: -9, most: 8 }, 'dense8'],
  ['all of int8', { type: 'int8', zeros: [0], least: -128, most: 127 }, 'dense8'],
];

test.each(cases)('%s', (_name, weights, format) => {
  const options = { name: 'net', arith: 'int8', requant: 'ort-float' } as const;
  const compiled = compile(importOnnx(gemm(weights)), {
    ...options,
    formats: { objective: 'zeros', target: 'cortex-m4' },
  });
  const graph = compiled.assembled as Graph<'int8'>;
  const { layers, holds } = certify(compiled.program, graph);
  expect(holds).toBe(true);
  expect(layers.map((layer) => layer.format.split(' ')[0])).toEqual([format]);
  const { weights: stored } = graph.nodes.find(({ op }) => op.rows !== undefined)!.quantized as QuantizedMac;
  const zeroOf = (i: number): number => weights.zeros[weights.zeros.length > 1 ? Math.floor(i / inputs) : 0]!;
  expect([...stored]).toEqual(numbersOf(weights).map((q, i) => q - zeroOf(i)));
  const bytes = Uint8Array.from({ length: inputs }, (_, i) => (97 * i) & 255);
  expect(simulate(compiled.program, bytes).output).toEqual(simulate(plain(compiled), bytes).output);
  // Formats that are not asked for are those of the file too.
  const free = compile(importOnnx(gemm(weights)), options);
  const [layer] = certify(free.program, free.assembled as Graph<'int8'>).layers;
  expect(layer!.format.split(' ')[0]).toBe(format);
});

test('-128 is a weight of one byte', () => {
  const model = importOnnx(gemm({ type: 'int8', zeros: [0], least: -128, most: 127 }));
  const formats = { objective: 'speed', target: 'cortex-m4' } as const;
  const [choice] = compile(model, { name: 'net', arith: 'int8', formats }).formats!;
  expect(choice!.candidates[0]!.format).toEqual({ kind: 'dense', bits: 8 });
});

test('a normalization behind a layer changes its scales, and not its integers', () => {
  const weights: Weights = { type: 'int4', zeros: [0], least: -7, most: 7 };
  const compiled = compile(importOnnx(gemm(weights, true)), {
    name: 'net',
    arith: 'int8',
    requant: 'ort-float',
  });
  expect(compiled.scales).toEqual({ file: 2, calibrated: [], rounded: [], cut: [] });
  const graph = compiled.assembled as Graph<'int8'>;
  const { weights: stored } = graph.nodes.find(({ op }) => op.rows !== undefined)!.quantized as QuantizedMac;
  const wanted = numbersOf(weights).map((q, i) => (gains[Math.floor(i / inputs)]! < 0 ? -q : q));
  expect(Array.from(stored, (q) => q + 0)).toEqual(wanted.map((q) => q + 0));
  const sample = Float32Array.from({ length: inputs }, (_, i) => Math.sin(i));
  const real = evaluate(compiled.floatGraph, new Map([['x', floats([1, inputs], sample)]])).get('y')!.data;
  const made = decodeOutput(
    compiled.program,
    simulate(compiled.program, encodeInput(compiled.program, sample)).output,
  );
  expect(largestDifference(made, real)).toBeLessThan(1e-6);
});
