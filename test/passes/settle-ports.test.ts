/** Ports in the model's order: the same numbers as of ports that lie as images do, on every engine and in C. */
import proto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { artifactOf } from '../../src/artifact/make.ts';
import { at } from '../../src/base/errors.ts';
import { type Compiled, type CompileOptions, compile } from '../../src/compile.ts';
import { sampleShapeOf } from '../../src/data/prepare.ts';
import { emitC } from '../../src/emit/package.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { netOf } from '../../src/net/net.ts';
import { inputPort, outputPorts } from '../../src/program/port.ts';
import { portOrderText } from '../../src/program/summary.ts';
import { decodeOutputs, encodeInput } from '../../src/program/values.ts';
import { proveProgram } from '../../src/prove/prove.ts';
import { type EngineName, inference } from '../../src/runtime/engines.ts';
import { runNative } from '../../src/targets/native.ts';
import { encodeModel, floatTensor, int, ints, valueInfo } from '../support/onnx-model.ts';
import { hostTools, testWith } from '../support/toolchain.ts';

const wave = (count: number, phase = 0): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(i * 1.3 + phase));

const conv = (inputs: string[], output: string, size: number) => ({
  op: 'Conv',
  inputs,
  outputs: [output],
  attributes: [
    ints(
      'pads',
      Array.from({ length: 4 }, () => (size - 1) / 2),
    ),
  ],
});

/** An image that is an output and read on, an image behind it, and scores. */
const chw = encodeModel({
  opset: 13,
  inputs: [valueInfo('image', [1, 3, 5, 4])],
  outputs: ['features', 'deeper', 'scores'],
  initializers: [
    floatTensor('w', [4, 3, 3, 3], wave(108)),
    floatTensor('v', [2, 4, 1, 1], wave(8, 1)),
    floatTensor('k', [3, 40], wave(120, 2)),
  ],
  nodes: [
    conv(['image', 'w'], 'features', 3),
    conv(['features', 'v'], 'deeper', 1),
    { op: 'Flatten', inputs: ['deeper'], outputs: ['f'] },
    { op: 'Gemm', inputs: ['f', 'k'], outputs: ['scores'], attributes: [int('transB', 1)] },
  ],
});

/** As Keras has it: channels last at both ends. */
const hwc = encodeModel({
  opset: 13,
  inputs: [valueInfo('image', [1, 5, 4, 3])],
  outputs: ['features'],
  initializers: [floatTensor('w', [4, 3, 3, 3], wave(108))],
  nodes: [
    { op: 'Transpose', inputs: ['image'], outputs: ['i'], attributes: [ints('perm', [0, 3, 1, 2])] },
    conv(['i', 'w'], 'c', 3),
    { op: 'Transpose', inputs: ['c'], outputs: ['features'], attributes: [ints('perm', [0, 2, 3, 1])] },
  ],
});

/** Nothing asks for an order; an input that is an output; an input that nothing reads. */
const plain = encodeModel({
  opset: 13,
  inputs: [valueInfo('image', [1, 3, 5, 4]), valueInfo('unread', [1, 2, 2, 2])],
  outputs: ['y', 'same'],
  nodes: [
    { op: 'Relu', inputs: ['image'], outputs: ['y'] },
    { op: 'Identity', inputs: ['image'], outputs: ['same'] },
  ],
});

/** Bytes that become numbers before a layer asks for an image. */
const cast = encodeModel({
  opset: 13,
  inputs: [valueInfo('image', [1, 3, 5, 4], proto.onnx.TensorProto.DataType.UINT8)],
  outputs: ['features'],
  initializers: [floatTensor('w', [4, 3, 3, 3], wave(108))],
  nodes: [
    { op: 'Cast', inputs: ['image'], outputs: ['i'], attributes: [int('to', 1)] },
    conv(['i', 'w'], 'features', 3),
  ],
});

const models = { chw, hwc, plain };
type ModelName = keyof typeof models;
const sizeOf = (name: ModelName): number => (name === 'plain' ? 68 : 60);
const samples = (name: ModelName) =>
  [0, 1, 2, 3].map((seed) => Float32Array.from(wave(sizeOf(name), seed * 7)));

function made(name: ModelName, arith: 'int8' | 'float32', portOrder: 'memory' | 'model'): Compiled {
  const options: CompileOptions = { name: 'net', arith, portOrder, calibration: { inputs: samples(name) } };
  return compile(importOnnx(models[name], { name }), options);
}

const engines: readonly EngineName[] = ['wasm-simd', 'wasm', 'js', 'checked'];
const cases = (Object.keys(models) as ModelName[]).flatMap((name) =>
  (['int8', 'float32'] as const).map((arith) => [name, arith] as const),
);

describe.each(cases)('%s, %s', (name, arith) => {
  const [memory, model] = [made(name, arith, 'memory').program, made(name, arith, 'model').program];

  test('the same outputs on every engine', () => {
    for (const sample of samples(name)) {
      const [input, own] = [encodeInput(memory, sample), encodeInput(model, sample)];
      const expected = decodeOutputs(memory, inference(memory, 'checked')(input).output);
      for (const engine of engines)
        expect(decodeOutputs(model, inference(model, engine)(own).output), engine).toEqual(expected);
    }
  });

  test('all ports lie row-major, and everything is proven', () => {
    for (const { slot } of [inputPort(model), ...outputPorts(model)]) expect(slot.order).toBeUndefined();
    for (const { unproven } of proveProgram(model).values()) expect(unproven).toEqual([]);
    expect(outputPorts(model).map((port) => port.name)).toEqual(outputPorts(memory).map((port) => port.name));
    expect('channelsLast' in sampleShapeOf(inputPort(model))).toBe(name === 'hwc');
    expect(sampleShapeOf(inputPort(model))).toEqual(sampleShapeOf(inputPort(memory)));
  });

  testWith(hostTools)('and in C', async () => {
    const info = { command: '', version: '0', hash: '', build: '0', golden: [], ranges: new Map() };
    const inputs = samples(name).map((sample) => encodeInput(model, sample));
    const result = await runNative(model, emitC(model, info), 'host-gcc', inputs);
    const outcomes = result.kind === 'ran' ? result.outcomes : [];
    samples(name).forEach((sample, i) => {
      const { output } = inference(memory)(encodeInput(memory, sample));
      expect(decodeOutputs(model, at(outcomes, i).output)).toEqual(decodeOutputs(memory, output));
    });
  });
});

test('what it costs is said, and nothing is copied where nothing has to be', () => {
  const { program } = made('chw', 'int8', 'model');
  expect(portOrderText(program)).toMatch(/order: 180 B copied into another order by move1, move2, move3$/);
  expect(portOrderText(made('chw', 'int8', 'memory').program)).toBeUndefined();
  const { program: behind } = compile(importOnnx(cast, { name: 'cast' }), {
    name: 'net',
    arith: 'float32',
    portOrder: 'model',
  });
  expect(portOrderText(behind)).toMatch(/order: 560 B copied into another order by move1, move2$/);
  for (const name of ['hwc', 'plain'] as const)
    expect(portOrderText(made(name, 'float32', 'model').program)).toContain('nothing is copied');
});

test('header, manifest, report and net say it', () => {
  const compiled = made('chw', 'int8', 'model');
  const files = artifactOf(compiled, { command: '', version: '0', model: chw, preprocessing: {} });
  expect(files.get('net.h')).toContain(
    "row-major, in the model's own order:\n *   element (i, j, k) is input[(i * 5 + j) * 4 + k]",
  );
  expect(files.get('report.md')).toContain("inputs and outputs are in the model's order: 180 B copied");
  expect(JSON.parse(files.get('manifest.json')!).portOrder).toBe('model');
  expect(netOf(compiled).portOrder).toBe('model');
  const usual = made('chw', 'int8', 'memory');
  expect(netOf(usual).portOrder).toBe('memory');
  const other = artifactOf(usual, { command: '', version: '0', model: chw, preprocessing: {} });
  expect(JSON.parse(other.get('manifest.json')!)).not.toHaveProperty('portOrder');
});
