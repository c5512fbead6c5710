/** Sums, differences, products, quotients and remainders of integers: what int32 holds, on every engine, in float32 and in int8 programs. */
import proto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { compile } from '../../../src/compile.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { outputPorts } from '../../../src/program/port.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { Draw } from '../../support/draw.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { encodeModel, int, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';

const { FLOAT, INT64, INT32, UINT8 } = proto.onnx.TensorProto.DataType;

const bytesOf = (...rows: readonly (readonly number[])[]) =>
  new Uint8Array(Int32Array.from(rows.flat()).buffer);
const integersOf = (bytes: Uint8Array) => [...new Int32Array(Uint8Array.from(bytes).buffer)];

const constantOf = (type: number, dims: readonly number[], numbers: readonly number[]) =>
  type === INT64
    ? { name: 'c', dims: [...dims], dataType: type, int64Data: [...numbers] }
    : { name: 'c', dims: [...dims], dataType: type, int32Data: [...numbers] };

interface Spec {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly type: number;
  readonly fmod?: 0 | 1;
  readonly constant?: { readonly dims: readonly number[]; readonly numbers: readonly number[] };
}

const [rows, columns] = [4, 5];

function built(arith: 'int8' | 'float32', { op, inputs, type, constant, fmod }: Spec) {
  const { dims, numbers } = constant ?? { dims: [1], numbers: [0] };
  const sizes = { x: [1, columns], y: [rows, 1] } as const;
  const given = (['x', 'y'] as const).filter((name) => inputs.includes(name));
  const model = encodeModel({
    nodes: [
      { op, inputs, outputs: ['z'], ...(fmod === undefined ? {} : { attributes: [int('fmod', fmod)] }) },
    ],
    inputs: given.map((name) => valueInfo(name, sizes[name], type)),
    initializers: [constantOf(type, dims, numbers)],
    outputs: ['z'],
  });
  const draw = new Draw(3);
  const count = given.reduce((sum, name) => sum + (name === 'x' ? columns : rows), 0);
  const calibration = {
    inputs: Array.from({ length: 8 }, () => Float32Array.from({ length: count }, () => draw.int(-90, 90))),
  };
  return compile(importOnnx(model), { name: 'net', arith, calibration }).program;
}

function outputOf(program: ReturnType<typeof built>, input: Uint8Array): readonly number[] {
  const facts = factsOf(program);
  requireProved(program, facts);
  return integersOf(simulated(program, [input], facts)[0]!.output);
}

const wrap = (x: bigint): number => Number(BigInt.asIntN(32, x));
const meanings = {
  Add: (x: bigint, y: bigint) => x + y,
  Sub: (x: bigint, y: bigint) => x - y,
  Mul: (x: bigint, y: bigint) => x * y,
} as const;

const xs = [0, 7, -9, 2 ** 31 - 1, -(2 ** 31)];
const ys = [3, -1, -(2 ** 31), 123_456_789];
const types = [
  ['int32', INT32],
  ['int64', INT64],
] as const;

describe.each(Object.entries(meanings))('%s', (op, meaning) => {
  const of = (x: number, y: number) => wrap(meaning(BigInt(x), BigInt(y)));

  test.each(['int8', 'float32'] as const)('of two inputs, wrapped around at 32 bits: %s', (arith) => {
    for (const [name, type] of types) {
      const program = built(arith, { op, inputs: ['x', 'y'], type });
      expect(outputPorts(program)[0]!.type).toBe(name);
      const wanted = ys.flatMap((y) => xs.map((x) => of(x, y)));
      expect(outputOf(program, bytesOf(xs, ys))).toEqual(wanted);
    }
  });

  test('of one input with itself, and with constants on either side', () => {
    const numbers = [1, -3, 70_000, 2 ** 30, 0];
    for (const [, type] of types) {
      expect(outputOf(built('float32', { op, inputs: ['x', 'x'], type }), bytesOf(xs))).toEqual(
        xs.map((x) => of(x, x)),
      );
      for (const dims of [[5], [1, 1, 5]]) {
        const constant = { dims, numbers };
        const behind = built('int8', { op, inputs: ['x', 'c'], type, constant });
        expect(outputOf(behind, bytesOf(xs))).toEqual(xs.map((x, i) => of(x, numbers[i]!)));
        const before = built('int8', { op, inputs: ['c', 'x'], type, constant });
        expect(outputOf(before, bytesOf(xs))).toEqual(xs.map((x, i) => of(numbers[i]!, x)));
      }
    }
  });

  test('of bytes, and with numbers that int32 does not hold: refused', () => {
    expect(() => built('float32', { op, inputs: ['x', 'y'], type: UINT8 })).toThrow(
      /of activations of type uint8.*float32, int32 and int64/s,
    );
    const constant = { dims: [1], numbers: [2 ** 31] };
    expect(() => built('float32', { op, inputs: ['x', 'c'], type: INT64, constant })).toThrow(
      /a constant of 2147483648 to 2147483648.*in 32 bits/s,
    );
  });
});

describe('by constants', () => {
  const divisors = [1, 3, 8, 2 ** 31 - 1, 7];
  const rest = (x: number, y: number) => ((x % y) + y) % y;
  test.each([
    ['Div', 0, (x: number, y: number) => Math.trunc(x / y)],
    ['Mod', 0, rest],
    ['Mod', 1, (x: number, y: number) => x % y],
  ] as const)('%s, fmod %i', (op, fmod, meaning) => {
    for (const [, type] of types) {
      const constant = { dims: [5], numbers: divisors };
      for (const arith of ['int8', 'float32'] as const) {
        const program = built(arith, { op, inputs: ['x', 'c'], type, constant, fmod });
        expect(outputOf(program, bytesOf(xs))).toEqual(xs.map((x, i) => meaning(x, divisors[i]!) + 0));
      }
    }
  });

  test('others are refused', () => {
    expect(() => built('int8', { op: 'Div', inputs: ['x', 'y'], type: INT32 })).toThrow(/another activation/);
    const constant = { dims: [2], numbers: [3, -1] };
    expect(() => built('int8', { op: 'Mod', inputs: ['y', 'c'], type: INT32, constant })).toThrow(
      /constant of 0 or below.*constants above 0/s,
    );
  });
});

test.each(['int8', 'float32'] as const)('an index and one, as a number again: %s', (arith) => {
  const cast: NodeSpec = { op: 'Cast', inputs: ['b'], outputs: ['z'], attributes: [int('to', FLOAT)] };
  const nodes = [
    { op: 'ArgMax', inputs: ['x'], outputs: ['a'], attributes: [int('axis', 1), int('keepdims', 0)] },
    { op: 'Add', inputs: ['a', 'c'], outputs: ['b'] },
    cast,
  ];
  const model = encodeModel({
    nodes,
    inputs: [valueInfo('x', [3, 4])],
    initializers: [constantOf(INT64, [], [1])],
    outputs: ['b', 'z'],
  });
  const draw = new Draw(4);
  const samples = Array.from({ length: 8 }, () => draw.floats(12, -1, 1));
  const { program } = compile(importOnnx(model), { name: 'net', arith, calibration: { inputs: samples } });
  const facts = factsOf(program);
  requireProved(program, facts);
  const wanted = (x: Float32Array) =>
    [0, 4, 8].map((row) => x.subarray(row, row + 4)).map((line) => 1 + line.indexOf(Math.max(...line)));
  const inputs = samples.map((x) => encodeInput(program, x));
  simulated(program, inputs, facts).forEach(({ output }, i) => {
    const rows = wanted(samples[i]!);
    expect([...decodeOutput(program, output)]).toEqual([...rows, ...rows]);
  });
});
