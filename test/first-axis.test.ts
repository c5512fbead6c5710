/** A first axis above 1 is an axis like any other: what compiles is right, the rest is refused by name. */
import { expect, test } from 'vitest';
import { InputError } from '../src/base/errors.ts';
import { compile } from '../src/compile.ts';
import { emitC } from '../src/emit/package.ts';
import { evaluate, inputTensors } from '../src/ir/graph/evaluate.ts';
import { importOnnx } from '../src/ir/import/onnx.ts';
import { countOf } from '../src/ir/tensor.ts';
import { variantsOf } from '../src/lower/variants.ts';
import { canonicalize } from '../src/passes/canonicalize.ts';
import { decodeOutput, encodeInput } from '../src/program/values.ts';
import { simulate } from '../src/runtime/engines.ts';
import { runNative } from '../src/targets/native.ts';
import { holdsModel } from './support/model-law.ts';
import {
  encodeModel,
  floatTensor,
  int,
  ints,
  intTensor,
  type NodeSpec,
  valueInfo,
} from './support/onnx-model.ts';
import { testWith } from './support/toolchain.ts';

const wave = (count: number, phase = 1): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + phase));
const initializers = [
  floatTensor('w', [4, 3, 3, 3], wave(108)),
  floatTensor('shift', [3, 1, 1], wave(3)),
  floatTensor('k', [5, 6], wave(30)),
  ...['gain', 'bias', 'mean'].map((name, i) => floatTensor(name, [3], wave(3, i))),
  floatTensor('variance', [3], [1, 2, 3]),
  intTensor('shape', [2], [2, -1]),
];
const images = [2, 3, 4, 4];
const square = ints('kernel_shape', [2, 2]);
const node = (op: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = []) =>
  ({ op, inputs, attributes }) as const;
const norm = node('BatchNormalization', ['x', 'gain', 'bias', 'mean', 'variance']);

const cases: Readonly<Record<string, readonly [readonly number[], ...Omit<NodeSpec, 'outputs'>[]]>> = {
  relu: [images, node('Relu', ['x'])],
  sigmoid: [images, node('Sigmoid', ['x'])],
  convolution: [images, node('Conv', ['x', 'w'])],
  'max-pool': [images, node('MaxPool', ['x'], [square])],
  'average pool': [images, node('AveragePool', ['x'], [square])],
  'global average': [images, node('GlobalAveragePool', ['x'])],
  mean: [images, node('ReduceMean', ['x'], [ints('axes', [2, 3])])],
  'a constant per channel': [images, node('Add', ['x', 'shift'])],
  'a sum': [images, node('Relu', ['x']), node('Add', ['x', 't0'])],
  'batch normalization': [images, norm],
  'softmax of channels': [images, node('Softmax', ['x'], [int('axis', 1)])],
  'softmax of rows': [[2, 6], node('Softmax', ['x'], [int('axis', 1)])],
  'softmax of columns': [[2, 6], node('Softmax', ['x'], [int('axis', 0)])],
  'a linear layer': [[2, 6], node('Gemm', ['x', 'k'], [int('transB', 1)])],
  flatten: [images, node('Relu', ['x']), node('Flatten', ['t0'])],
  reshape: [images, node('Reshape', ['x', 'shape']), node('Relu', ['t0'])],
  transpose: [images, node('Relu', ['x']), node('Transpose', ['t0'], [ints('perm', [0, 2, 3, 1])])],
  'a vector': [[6], node('Relu', ['x'])],
  'softmax of a vector': [[6], node('Softmax', ['x'], [int('axis', 0)])],
  'a scalar': [[], node('Relu', ['x'])],
};

/** The farthest that the program is off the float network, or why there is none. */
function worst(
  shape: readonly number[],
  nodes: readonly NodeSpec[],
  arith: 'float32' | 'int8',
): number | string {
  const inputs = [valueInfo('x', shape)];
  const graph = importOnnx(encodeModel({ opset: 13, nodes, initializers, inputs, outputs: ['y'] }));
  const samples = Array.from({ length: 12 }, (_, i) => Float32Array.from(wave(countOf(shape), i)));
  try {
    const { program } = compile(graph, { name: 'net', arith, calibration: { inputs: samples } });
    const float = canonicalize.run(graph);
    return Math.max(
      ...samples.map((sample) => {
        const wanted = evaluate(float, inputTensors(float, sample)).get('y')!.data;
        const got = decodeOutput(program, simulate(program, encodeInput(program, sample)).output);
        return Math.max(...got.map((x, i) => Math.abs(x - wanted[i]!)));
      }),
    );
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

test.each(Object.entries(cases))('%s', (_, [shape, ...specs]) => {
  const nodes = specs.map((spec, i) => ({
    ...spec,
    outputs: [i === specs.length - 1 ? 'y' : `t${i}`],
  }));
  for (const arith of ['float32', 'int8'] as const) {
    const found = worst(shape, nodes, arith);
    if (typeof found === 'string') expect(found).toMatch(/softmax along axis/);
    else expect(found).toBeLessThan(arith === 'int8' ? 0.1 : 2e-6);
  }
});

function threeImages(): Uint8Array {
  const nodes = [
    { op: 'Conv', inputs: ['x', 'w'], outputs: ['t0'], attributes: [ints('pads', [1, 1, 1, 1])] },
    { op: 'Relu', inputs: ['t0'], outputs: ['t1'] },
    { op: 'MaxPool', inputs: ['t1'], outputs: ['t2'], attributes: [square] },
    { op: 'AveragePool', inputs: ['t2'], outputs: ['t3'], attributes: [square] },
    { op: 'Flatten', inputs: ['t3'], outputs: ['t4'] },
    { op: 'Gemm', inputs: ['t4', 'heads'], outputs: ['y'] },
  ];
  const heads = floatTensor('heads', [16, 3], wave(48));
  return encodeModel({
    ...{ opset: 13, nodes, outputs: ['y'] },
    initializers: [...initializers, heads],
    inputs: [valueInfo('x', [3, 3, 4, 4])],
  });
}

test('images one after the other: every engine, every proof', () => {
  const { int8 } = holdsModel(threeImages(), { seed: 5, float: 2e-6 });
  const table = int8.program.steps.flatMap(({ kernel }) =>
    kernel.tables.filter(({ data }) => data.length >= 108),
  );
  expect(table.map(({ data }) => data.length)).toEqual([108]);
});

testWith(['gcc', 'qemu-system-arm'])(
  'images one after the other: C with sanitizers, and with DSP instructions',
  async () => {
    const imported = importOnnx(threeImages());
    const samples = Array.from({ length: 12 }, (_, i) => Float32Array.from(wave(144, i)));
    for (const arith of ['float32', 'int8'] as const) {
      const { program } = compile(imported, { name: 'net', arith, calibration: { inputs: samples } });
      const variants = variantsOf(program);
      const files = emitC(program, { command: '', version: '', hash: '', golden: [], variants });
      const inputs = samples.slice(0, 3).map((x) => encodeInput(program, x));
      for (const target of ['host-gcc', 'cortex-m4'] as const) {
        const ran = await runNative(program, files, target, inputs, {});
        if (ran.kind !== 'ran') throw new Error('does not fit');
        expect(ran.outcomes.map(({ output }) => output)).toEqual(
          inputs.map((x) => simulate(program, x).output),
        );
      }
    }
  },
);
