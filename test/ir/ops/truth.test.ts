/** Comparisons, logic, choices and casts of activations: exact on every pair of bytes, and in float32. */
import proto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { compile } from '../../../src/compile.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { inputPorts, outputPorts } from '../../../src/program/port.ts';
import type { Program } from '../../../src/program/program.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { Draw } from '../../support/draw.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  floatTensor,
  int,
  intTensor,
  type ModelSpec,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';

const { FLOAT, BOOL, UINT8, INT8, INT16, INT32, INT64 } = proto.onnx.TensorProto.DataType;

/** All bytes of x in a row, and some of y in a column. */
const sizes = { x: [1, 256], y: [16, 1] } as const;
const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
const bytesOf = { x: bytes, y: bytes.filter((q) => q % 17 === 0) } as const;

interface Spec {
  readonly nodes: readonly NodeSpec[];
  readonly initializers?: ModelSpec['initializers'];
  readonly types?: readonly (readonly ['x' | 'y', number])[];
}

const bothFloats = [
  ['x', FLOAT],
  ['y', FLOAT],
] as const;

function built(arith: 'int8' | 'float32', { nodes, initializers = [], types = bothFloats }: Spec): Program {
  const inputs = types.map(([name, type]) => valueInfo(name, sizes[name], type));
  const model = importOnnx(encodeModel({ opset: 16, nodes, initializers, inputs, outputs: ['z'] }));
  const draw = new Draw(5);
  const sample = () =>
    Float32Array.from(
      types.flatMap(([name, type]) => [
        ...(type === FLOAT
          ? draw.floats(bytesOf[name].length, name === 'x' ? -1 : -3, name === 'x' ? 3 : 2)
          : draw.floats(bytesOf[name].length, 0, 2).map(Math.floor)),
      ]),
    );
  const calibration = { inputs: Array.from({ length: 16 }, sample) };
  return compile(model, { name: 'net', arith, calibration }).program;
}

/** What each byte of each input stands for. */
const realsOf = (program: Program): readonly Float32Array[] =>
  inputPorts(program).map(({ name, grids: [grid] }) =>
    Float32Array.from(bytesOf[name as 'x' | 'y'], (q) =>
      grid === undefined ? q : grid.scale * (q - grid.zeroPoint),
    ),
  );

/** In the order of what is broadcast from both. */
const pairsOf = (xs: Float32Array, ys: Float32Array) =>
  Array.from(ys).flatMap((y) => Array.from(xs, (x) => [x, y] as const));

/** The output of all bytes of all inputs, on all engines, with every proof complete. */
function onAllBytes(program: Program): Float32Array {
  const facts = factsOf(program);
  requireProved(program, facts);
  const input = Uint8Array.from(inputPorts(program).flatMap(({ name }) => [...bytesOf[name as 'x' | 'y']]));
  return decodeOutput(program, simulated(program, [input], facts)[0]!.output);
}

const node = (op: string, inputs: readonly string[], outputs: readonly string[]): NodeSpec => ({
  op,
  inputs,
  outputs,
});

const comparisons = {
  Equal: (x: number, y: number) => x === y,
  Greater: (x: number, y: number) => x > y,
  GreaterOrEqual: (x: number, y: number) => x >= y,
  Less: (x: number, y: number) => x < y,
  LessOrEqual: (x: number, y: number) => x <= y,
} as const;

describe.each(Object.entries(comparisons))('%s', (type, holds) => {
  test('of two inputs of different grids, on every pair of bytes', () => {
    const program = built('int8', { nodes: [node(type, ['x', 'y'], ['z'])] });
    const [xs, ys] = realsOf(program);
    const found = onAllBytes(program);
    expect(outputPorts(program)[0]!.type).toBe('bool');
    const wrong = pairsOf(xs!, ys!).filter(
      ([x, y], i) => (Math.abs(x - y) > 1e-5 || (x === 0 && y === 0)) && found[i] !== Number(holds(x, y)),
    );
    expect(wrong).toEqual([]);
  });

  test.each([0, 0.7, -0.3, 100, -100])('of bytes and the constant %d, on either side', (c) => {
    for (const turned of [false, true]) {
      const nodes = [node(type, turned ? ['c', 'x'] : ['x', 'c'], ['z'])];
      const spec = { nodes, initializers: [floatTensor('c', [], [c])], types: [['x', FLOAT]] } as const;
      const program = built('int8', spec);
      const [xs] = realsOf(program);
      onAllBytes(program).forEach((z, i) => {
        const x = xs![i]!;
        expect(z, `${x}`).toBe(Number(turned ? holds(c, x) : holds(x, c)));
      });
    }
  });

  test('in float32', () => {
    const program = built('float32', { nodes: [node(type, ['x', 'y'], ['z'])] });
    const facts = factsOf(program);
    requireProved(program, facts);
    const draw = new Draw(8);
    const [xs, ys] = [draw.floats(256, -1, 1), draw.floats(16, -1, 1)];
    xs.set(ys);
    const input = encodeInput(program, Float32Array.of(...xs, ...ys));
    const found = decodeOutput(program, simulated(program, [input], facts)[0]!.output);
    const wanted = Array.from(ys).flatMap((y) => Array.from(xs, (x) => Number(holds(x, y))));
    expect([...found]).toEqual(wanted);
  });
});

const connectives = {
  And: (x: boolean, y: boolean) => x && y,
  Or: (x: boolean, y: boolean) => x || y,
  Xor: (x: boolean, y: boolean) => x !== y,
} as const;

const bothBooleans = [
  ['x', BOOL],
  ['y', BOOL],
] as const;

describe.each(['int8', 'float32'] as const)('%s: booleans', (arith) => {
  test.each(Object.entries(connectives))('%s of two inputs, whatever bytes they are', (type, holds) => {
    const program = built(arith, { nodes: [node(type, ['x', 'y'], ['z'])], types: bothBooleans });
    const wanted = Array.from(bytesOf.y).flatMap((y) =>
      Array.from(bytes, (x) => Number(holds(x !== 0, y !== 0))),
    );
    expect([...onAllBytes(program)]).toEqual(wanted);
  });

  test('Not', () => {
    const program = built(arith, { nodes: [node('Not', ['x'], ['z'])], types: [['x', BOOL]] });
    expect([...onAllBytes(program)]).toEqual(Array.from(bytes, (x) => Number(x === 0)));
  });

  test.each([
    ['uint8', UINT8],
    ['bool', BOOL],
  ])('%s as float32', (_, type) => {
    const cast = { ...node('Cast', ['x'], ['z']), attributes: [int('to', FLOAT)] };
    const program = built(arith, { nodes: [cast], types: [['x', type]] });
    expect([...onAllBytes(program)]).toEqual([...bytes]);
  });
});

test.each([
  ['in 0..7, exact', 0, 7, 1],
  ['in -100..100, exact', -100, 100, 1],
  ['in -3000..9000, to the nearest step', -3000, 9000, 12000 / 255],
])('int32 %s as float32 in 8 bits', (_, lo, hi, step) => {
  const nodes = [{ ...node('Cast', ['x'], ['z']), attributes: [int('to', FLOAT)] }];
  const model = importOnnx(encodeModel({ nodes, inputs: [valueInfo('x', [1, 64], INT32)], outputs: ['z'] }));
  const draw = new Draw(9);
  const sample = () => Float32Array.from({ length: 64 }, (_, i) => (i < 2 ? [lo, hi][i]! : draw.int(lo, hi)));
  const calibration = { inputs: Array.from({ length: 16 }, sample) };
  const { program } = compile(model, { name: 'net', arith: 'int8', calibration });
  const grid = outputPorts(program)[0]!.grids[0]!;
  expect(grid.scale / step).toBeCloseTo(1, 2);
  const facts = factsOf(program);
  requireProved(program, facts);
  const x = Float32Array.from([...sample().slice(0, 60), 2 ** 31 - 128, -(2 ** 31), hi + 1e6, lo - 1e6]);
  const found = decodeOutput(program, simulated(program, [encodeInput(program, x)], facts)[0]!.output);
  const [least, most] = [0, 255].map((q) => (q - grid.zeroPoint) * grid.scale);
  const near = step === 1 ? 0 : grid.scale * 0.5001;
  found.forEach((y, i) => {
    expect(Math.abs(y - Math.max(least!, Math.min(most!, x[i]!))), `${x[i]}`).toBeLessThanOrEqual(near);
  });
});

test.each([
  ['uint8', UINT8, INT32],
  ['int8', INT8, INT64],
  ['int16', INT16, INT64],
  ['int32', INT32, INT64],
  ['int64', INT64, INT32],
])('%s as wider integers, or as wide ones', (_, from, to) => {
  const nodes = [{ ...node('Cast', ['x'], ['z']), attributes: [int('to', to)] }];
  const model = importOnnx(encodeModel({ nodes, inputs: [valueInfo('x', [1, 4], from)], outputs: ['z'] }));
  const numbers = [0, 127, from === UINT8 ? 200 : -128, from === INT32 || from === INT64 ? -(2 ** 31) : 5];
  for (const arith of ['int8', 'float32'] as const) {
    const calibration = { inputs: [Float32Array.from(numbers)] };
    const { program } = compile(model, { name: 'net', arith, calibration });
    expect(outputPorts(program)[0]!.type).toBe(to === INT32 ? 'int32' : 'int64');
    const facts = factsOf(program);
    requireProved(program, facts);
    const input = encodeInput(program, Float32Array.from(numbers));
    expect([...decodeOutput(program, simulated(program, [input], facts)[0]!.output)]).toEqual(numbers);
  }
});

test('Where chooses between two grids, to the nearest of its own, on every pair of bytes', () => {
  const nodes = [node('Greater', ['x', 'c'], ['t']), node('Where', ['t', 'x', 'y'], ['z'])];
  const program = built('int8', { nodes, initializers: [floatTensor('c', [], [0.5])] });
  const [xs, ys] = realsOf(program);
  const { scale, zeroPoint } = outputPorts(program)[0]!.grids[0]!;
  const shown = (v: number) => Math.max(-zeroPoint * scale, Math.min((255 - zeroPoint) * scale, v));
  const found = onAllBytes(program);
  const wrong = pairsOf(xs!, ys!).filter(
    ([x, y], i) => Math.abs(x - 0.5) > 1e-6 && Math.abs(found[i]! - shown(x > 0.5 ? x : y)) > 0.502 * scale,
  );
  expect(wrong).toEqual([]);
});

test('Where with a mask of constants, and one behind a softmax with -Infinity', () => {
  const nodes = [
    node('Where', ['m', 'low', 'x'], ['t']),
    { op: 'Softmax', inputs: ['t'], outputs: ['y'], attributes: [int('axis', -1)] },
  ];
  const mask = {
    name: 'm',
    dims: [1, 6],
    dataType: BOOL,
    int32Data: [0, 1, 0, 0, 1, 0],
  };
  const model = encodeModel({
    opset: 16,
    inputs: [valueInfo('x', [1, 6])],
    nodes,
    initializers: [mask, floatTensor('low', [], [Number.NEGATIVE_INFINITY])],
  });
  holdsModel(model, { seed: 4, lo: -3, hi: 3, float: 1e-6, int8: 28 });
});

test('softplus above a threshold, as PyTorch writes it, is one function; another threshold stays', () => {
  const model = (threshold: number) =>
    encodeModel({
      nodes: [
        node('Softplus', ['x'], ['s']),
        node('Greater', ['x', 'c'], ['t']),
        node('Where', ['t', 'x', 's'], ['y']),
      ],
      initializers: [floatTensor('c', [], [threshold])],
    });
  const steps = (threshold: number) =>
    compile(importOnnx(model(threshold)), { name: 'net', arith: 'float32' }).program.steps.length;
  expect([steps(20), steps(1)]).toEqual([1, 3]);
});

test.each([['real numbers made integers', FLOAT, INT32, /from float32 to int32/]])(
  '%s: refused',
  (_, from, to, found) => {
    const nodes = [
      { ...node('Cast', ['x'], ['f']), attributes: [int('to', to)] },
      node('Reshape', ['f', 's'], ['z']),
    ];
    const initializers = [intTensor('s', [2], [256, 1])];
    const compiled = () => built('int8', { nodes, initializers, types: [['x', from]] });
    expect(compiled).toThrow(InputError);
    expect(compiled).toThrow(found);
  },
);
