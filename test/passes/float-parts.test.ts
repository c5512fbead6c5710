/** Parts of an int8 program that stay float32: their numbers, their borders, their ports. */
import { expect, test } from 'vitest';
import { artifactOf, loadArtifact } from '../../src/artifact/make.ts';
import { Distances } from '../../src/base/distance.ts';
import { type Compiled, compile } from '../../src/compile.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { floats } from '../../src/ir/tensor.ts';
import { programText } from '../../src/program/json.ts';
import { inputPort, outputPort } from '../../src/program/port.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { Draw } from '../support/draw.ts';
import { factsOf, requireProved, simulated } from '../support/kernel-laws.ts';
import { encodeModel, floatTensor, int, ints, valueInfo } from '../support/onnx-model.ts';

const draw = new Draw(71);
const samples = Array.from({ length: 80 }, () => draw.floats(2 * 36, -1, 1));

/** Convolution, pooling, sigmoid, residual, reshape, linear, softmax. */
const model = importOnnx(
  encodeModel({
    nodes: [
      {
        op: 'Conv',
        name: 'first',
        inputs: ['x', 'w', 'b'],
        outputs: ['c'],
        attributes: [ints('pads', [1, 1, 1, 1])],
      },
      { op: 'Relu', name: 'relu', inputs: ['c'], outputs: ['r'] },
      {
        op: 'Conv',
        name: 'second',
        inputs: ['r', 'w2'],
        outputs: ['d'],
        attributes: [ints('pads', [1, 1, 1, 1])],
      },
      { op: 'Tanh', name: 'tanh', inputs: ['d'], outputs: ['t'] },
      { op: 'Add', name: 'sum', inputs: ['t', 'r'], outputs: ['s'] },
      { op: 'Flatten', name: 'flat', inputs: ['s'], outputs: ['f'] },
      {
        op: 'Gemm',
        name: 'last',
        inputs: ['f', 'w3', 'b3'],
        outputs: ['l'],
        attributes: [int('transB', 1)],
      },
      { op: 'Softmax', name: 'shares', inputs: ['l'], outputs: ['y'] },
    ],
    initializers: [
      floatTensor('w', [4, 2, 3, 3], [...draw.floats(72, -0.5, 0.5)]),
      floatTensor('b', [4], [...draw.floats(4, -0.2, 0.2)]),
      floatTensor('w2', [4, 4, 3, 3], [...draw.floats(144, -0.4, 0.4)]),
      floatTensor('w3', [5, 144], [...draw.floats(720, -0.3, 0.3)]),
      floatTensor('b3', [5], [...draw.floats(5, -0.2, 0.2)]),
    ],
    inputs: [valueInfo('x', [1, 2, 6, 6])],
  }),
);
const names = ['first', 'relu', 'second', 'tanh', 'sum', 'flat', 'last', 'shares'];

const mixed = (nodes: readonly string[]): Compiled =>
  compile(model, {
    name: 'net',
    arith: 'int8',
    calibration: { inputs: samples.slice(0, 60), heldBack: samples.slice(60, 70) },
    float: { nodes },
  });

/** Every engine's bytes are equal, all is proved; the outputs in real numbers. */
function outputs({ program }: Compiled): readonly Float32Array[] {
  const facts = factsOf(program);
  requireProved(program, facts);
  const inputs = samples.slice(70, 76).map((x) => encodeInput(program, x));
  return simulated(program, inputs, facts).map(({ output }) => decodeOutput(program, output));
}

const wanted = ({ floatGraph }: Compiled): readonly Float32Array[] =>
  samples.slice(70, 76).map((x) => {
    const made = evaluate(floatGraph, new Map([['x', floats([1, 2, 6, 6], x)]]));
    return Float32Array.from([...made.values()][0]!.data);
  });

function sqnr(compiled: Compiled): number {
  const distances = new Distances();
  const real = wanted(compiled);
  outputs(compiled).forEach((y, i) => {
    y.forEach((value, at) => {
      distances.add(real[i]![at]!, value);
    });
  });
  return distances.result().sqnr;
}

const conversions = ({ program }: Compiled): readonly string[] =>
  program.steps.map(({ kernel }) => kernel.name).filter((name) => /^to_(real|stored)/.test(name));

test('all nodes float: the outputs of the float32 program, without a conversion', () => {
  const all = mixed(names);
  expect(conversions(all)).toEqual([]);
  expect([inputPort(all.program).slot.elem, outputPort(all.program).slot.elem]).toEqual(['f32', 'f32']);
  expect(outputs(all)).toEqual(outputs(compile(model, { name: 'net', arith: 'float32' })));
});

test('no node float: the int8 program as it is', () => {
  const options = { name: 'net', arith: 'int8', calibration: { inputs: samples.slice(0, 60) } } as const;
  const plain = compile(model, options);
  expect(compile(model, { ...options, float: { auto: true } }).program).toEqual(plain.program);
  expect(conversions(plain)).toEqual([]);
});

test('one conversion on each side of an island, and none at a port that it makes or reads alone', () => {
  expect(conversions(mixed(['tanh']))).toEqual(['to_real1', 'to_stored1']);
  const last = mixed(['Softmax']);
  expect(conversions(last)).toEqual(['to_real1']);
  expect(outputPort(last.program).grids).toEqual([]);
  const first = mixed(['first']);
  expect(conversions(first)).toEqual(['to_stored1']);
  expect(inputPort(first.program).slot.elem).toBe('f32');
  // The residual is read on both sides, in float32 once.
  expect(conversions(mixed(['second', 'tanh', 'sum']))).toEqual(['to_real1', 'to_stored1']);
});

test('parts are listed with the reason, in the manifest and the report', () => {
  const made = mixed(['last', 'Tanh']);
  expect(made.assembled.floatParts).toEqual([
    { node: 'tanh', kind: 'tanh', origin: ['tanh'], reason: 'asked for: Tanh' },
    { node: 'last', kind: 'linear', origin: ['last'], reason: 'asked for: last' },
  ]);
  const files = artifactOf(made, {
    command: 'thimble compile',
    version: '0',
    model: new Uint8Array(1),
    preprocessing: {},
  });
  const bytes = new Map(
    [...files].map(([name, text]) => [
      name,
      typeof text === 'string' ? new TextEncoder().encode(text) : text,
    ]),
  );
  const { manifest, program } = loadArtifact(bytes);
  expect(manifest.floatParts?.map(({ node }) => node)).toEqual(['tanh', 'last']);
  expect(programText(program)).toBe(programText(made.program));
  expect(files.get('report.md')).toContain('- float32: tanh (tanh), asked for: Tanh');
  expect(files.get('net.c')).toContain('FP_CONTRACT OFF');
  expect(files.get('CMakeLists.txt')).toContain('-ffp-contract=off');
});

test('raw pixels are bytes for every reader', () => {
  const { program } = compile(model, {
    name: 'net',
    arith: 'int8',
    calibration: { inputs: samples, raw: { mean: [128], std: [128] } },
    float: { nodes: ['first'] },
  });
  expect(inputPort(program).slot.elem).toBe('u8');
});

/** Weights with a scale for each block have no integers. */
const ofBlocks = importOnnx(
  encodeModel({
    nodes: [
      {
        ...{
          op: 'MatMulNBits',
          domain: 'com.microsoft',
          name: 'first',
          inputs: ['x', 'B', 's'],
          outputs: ['z'],
        },
        attributes: [int('K', 4), int('N', 3), int('bits', 8), int('block_size', 8)],
      },
      { op: 'Gemm', name: 'last', inputs: ['z', 'w'], outputs: ['y'] },
    ],
    initializers: [
      { name: 'B', dims: [3, 1, 8], dataType: 2, int32Data: [...draw.bytes(24)] },
      floatTensor('s', [3], [0.01, 0.02, 0.03]),
      floatTensor('w', [3, 3], [...draw.floats(9, -1, 1)]),
    ],
  }),
);

test('what has no integers is refused with advice, and float with auto', () => {
  const inputs = Array.from({ length: 20 }, () => draw.floats(4, -1, 1));
  const options = { name: 'net', arith: 'int8', calibration: { inputs } } as const;
  expect(() => compile(ofBlocks, options)).toThrow(
    /node 'first': weights on grids of blocks.*or leave it in float32 with --float first/,
  );
  const made = compile(ofBlocks, { ...options, float: { auto: true } });
  expect(made.assembled.floatParts).toMatchObject([
    { node: 'first', reason: 'no int8 form: weights on grids of blocks' },
  ]);
  expect(made.program.steps.map(({ kernel }) => kernel.name)).toEqual([
    'block_weights1',
    'to_stored1',
    'linear1',
  ]);
  requireProved(made.program, factsOf(made.program));
});

test('a name that no node has', () => {
  expect(() => mixed(['frist'])).toThrow(/--float: no node 'frist'; supported: .*Conv, Flatten, Gemm/);
});

test('random sets of float nodes: as near as int8, every byte on every engine', () => {
  const least = sqnr(mixed(['flat']));
  expect(least).toBeGreaterThan(25);
  let parts = 0;
  for (let i = 0; i < 8; i++) {
    const chosen = names.filter(() => draw.between(0, 1) < 0.4);
    if (chosen.length === 0) continue;
    const made = mixed(chosen);
    parts += made.assembled.floatParts?.length ?? 0;
    expect(sqnr(made), chosen.join()).toBeGreaterThan(least - 6);
  }
  expect(parts).toBeGreaterThan(10);
});
