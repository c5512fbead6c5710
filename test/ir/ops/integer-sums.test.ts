/** Layers that quantize their activations as they run. */
import { resolve } from 'node:path';
import proto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { type Compiled, compile } from '../../../src/compile.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { bench } from '../../support/cli.ts';
import { Draw } from '../../support/draw.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { readNpy, rowOf } from '../../support/npy.ts';
import { encodeModel, int, ints, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';
import { readBytes } from '../../support/shared.ts';

const folder = resolve(import.meta.dirname, '../../fixtures/dynamic');
const { INT8, UINT8 } = proto.onnx.TensorProto.DataType;

const compiled = (model: Uint8Array): Compiled =>
  compile(importOnnx(model), { name: 'net', arith: 'float32' });

/** Outputs on all engines, with every rule of C checked and every proof complete; the float network has the same. */
function outputs(
  { program, floatGraph }: Compiled,
  samples: readonly Float32Array[],
): readonly Float32Array[] {
  const facts = factsOf(program);
  requireProved(program, facts);
  const inputs = samples.map((sample) => encodeInput(program, sample));
  const made = simulated(program, inputs, facts).map(({ output }) => decodeOutput(program, output));
  const [input] = floatGraph.inputs;
  const { shape } = floatGraph.tensors.get(input!)!;
  made.forEach((y, i) => {
    const meant = evaluate(floatGraph, new Map([[input!, floats(shape, samples[i]!)]]));
    expect(y).toEqual(Float32Array.from([...meant.values()][0]!.data));
  });
  return made;
}

describe('models of quantize_dynamic have the numbers of onnxruntime', () => {
  test.each(['conv_relu-u8-pt', 'gemm_relu_gemm-s8-pc', 'gemm_relu_gemm-fused', 'two-fused'])(
    '%s',
    (name) => {
      const [x, y] = [readNpy(`${folder}/${name}.input.npy`), readNpy(`${folder}/${name}.output.npy`)];
      const rows = Array.from({ length: x.shape[0]! }, (_, i) => i);
      const samples = rows.map((i) => Float32Array.from(rowOf(x, i).data));
      const made = outputs(compiled(readBytes(`${folder}/${name}.onnx`)), samples);
      for (const i of rows) expect(made[i]).toEqual(rowOf(y, i).data);
    },
  );
});

interface Bytes {
  readonly dims: readonly number[];
  readonly signed: boolean;
  readonly data: readonly number[];
}

const tensor = (name: string, { dims, signed, data }: Bytes) => ({
  name,
  dims: [...dims],
  dataType: signed ? INT8 : UINT8,
  int32Data: [...data],
});

/** DynamicQuantizeLinear, the integer layer, and its sums as float32. */
const model = (shape: readonly number[], node: NodeSpec, weights: Bytes, zeros: Bytes): Uint8Array =>
  encodeModel({
    inputs: [valueInfo('x', shape)],
    nodes: [
      { op: 'DynamicQuantizeLinear', inputs: ['x'], outputs: ['q', 's', 'z'] },
      { ...node, inputs: ['q', 'w', 'z', 'wz'], outputs: ['sum'] },
      { op: 'Cast', inputs: ['sum'], attributes: [int('to', 1)] },
    ],
    initializers: [tensor('w', weights), tensor('wz', zeros)],
  });

/** The bytes less their zero point, of numbers whose grid is 1/255 of their range. */
function centred(x: Float32Array): Int32Array {
  const [lo, hi] = [Math.min(0, ...x), Math.max(0, ...x)];
  const scale = Math.fround(Math.fround(hi - lo) / 255);
  const zero = Math.round(Math.fround(-lo / scale));
  return Int32Array.from(x, (v) => Math.max(-zero, Math.min(255 - zero, Math.round(Math.fround(v / scale)))));
}

const draw = new Draw(11);
const bytes = (dims: readonly number[], signed: boolean): Bytes => ({
  dims,
  signed,
  data: Array.from({ length: dims.reduce((n, d) => n * d, 1) }, () => draw.int(0, 255) - (signed ? 128 : 0)),
});

describe('sums are those of the bytes less their zero points', () => {
  test.each([
    ['signed, a zero point each', true, [5]],
    ['unsigned, one zero point', false, []],
  ] as const)('matrices: %s', (_, signed, zeroDims) => {
    const [weights, zeros] = [bytes([7, 5], signed), bytes(zeroDims, signed)];
    const x = draw.floats(21, -2, 1);
    const q = centred(x);
    const wanted = Float32Array.from({ length: 15 }, (_value, at) => {
      const [i, j] = [Math.floor(at / 5), at % 5];
      let sum = 0;
      for (let k = 0; k < 7; k++)
        sum += q[i * 7 + k]! * (weights.data[k * 5 + j]! - zeros.data[j % zeros.data.length]!);
      return sum;
    });
    expect(outputs(compiled(model([3, 7], { op: 'MatMulInteger' }, weights, zeros)), [x])).toEqual([wanted]);
  });

  test.each([
    ['strides, dilations and uneven padding', [1, 2, 6, 7], [3, 2, 3, 2], [2, 1], [1, 2], [2, 0, 1, 3], 1],
    ['groups', [1, 4, 5, 4], [6, 2, 2, 3], [1, 1], [1, 1], [0, 1, 0, 1], 2],
    ['channels alone', [1, 3, 4, 4], [3, 1, 3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 3],
  ] as const)('windows: %s', (_, shape, dims, strides, dilations, pads, groups) => {
    const [weights, zeros] = [bytes(dims, true), bytes([dims[0]], true)];
    const attributes = [
      ints('strides', strides),
      ints('dilations', dilations),
      ints('pads', pads),
      int('group', groups),
    ];
    const x = draw.floats(
      shape.reduce((n: number, d) => n * d, 1),
      -1,
      1,
    );
    const q = centred(x);
    const [, , height, width] = shape;
    const [outs, depth, tall, wide] = dims;
    const rows = Math.floor((height + pads[0] + pads[2] - dilations[0] * (tall - 1) - 1) / strides[0]) + 1;
    const columns = Math.floor((width + pads[1] + pads[3] - dilations[1] * (wide - 1) - 1) / strides[1]) + 1;
    const wanted: number[] = [];
    for (let o = 0; o < outs; o++)
      for (let y = 0; y < rows; y++)
        for (let c = 0; c < columns; c++) {
          let sum = 0;
          for (let d = 0; d < depth; d++)
            for (let i = 0; i < tall; i++)
              for (let j = 0; j < wide; j++) {
                const [r, s] = [
                  y * strides[0] + i * dilations[0] - pads[0],
                  c * strides[1] + j * dilations[1] - pads[1],
                ];
                if (r < 0 || r >= height || s < 0 || s >= width) continue;
                const channel = Math.floor((o * groups) / outs) * depth + d;
                const weight = weights.data[((o * depth + d) * tall + i) * wide + j]! - zeros.data[o]!;
                sum += q[(channel * height + r) * width + s]! * weight;
              }
          wanted.push(sum);
        }
    const program = compiled(model(shape, { op: 'ConvInteger', attributes }, weights, zeros));
    expect(outputs(program, [x])[0]).toEqual(Float32Array.from(wanted));
  });
});

test('what cannot be is refused by name', () => {
  const refused = (weights: Bytes, zeros: Bytes) => () =>
    compiled(model([3, 7], { op: 'MatMulInteger' }, weights, zeros));
  expect(refused(bytes([7, 5], true), bytes([3], true))).toThrow(
    /zero points of shape 3; supported: one, or 5/,
  );
  expect(refused(bytes([7, 5], true), bytes([], false))).toThrow(/a zero point of type uint8 for int8/);
  expect(() => mixed(false)).toThrow(
    /measured as the network runs; supported: float32; compile with --type float32/,
  );
});

/** The model of two products as an int8 program. */
const mixed = (auto: boolean): Compiled =>
  compile(importOnnx(readBytes(`${folder}/two-fused.onnx`)), {
    name: 'net',
    arith: 'int8',
    float: { nodes: [], auto },
    calibration: { inputs: Array.from({ length: 20 }, () => draw.floats(60, -1, 1)) },
  });

test('in an int8 program they are parts that stay float32', () => {
  const { program, floatGraph } = mixed(true);
  const facts = factsOf(program);
  requireProved(program, facts);
  const x = draw.floats(60, -1, 1);
  const [made] = simulated(program, [encodeInput(program, x)], facts);
  const [wanted] = evaluate(floatGraph, new Map([['x', floats([1, 3, 20], x)]])).values();
  const y = decodeOutput(program, made!.output);
  const largest = Math.max(...wanted!.data.map(Math.abs));
  wanted!.data.forEach((v: number, i: number) => {
    expect(Math.abs(y[i]! - v) / largest).toBeLessThan(0.03);
  });
});

test('compile makes them float32 programs, and says so', async () => {
  const { code, out, err } = await bench().run('compile', `${folder}/two-fused.onnx`);
  expect({ code, err }).toEqual({
    code: 0,
    err: expect.stringContaining('computes in float32 with integers'),
  });
  expect(out).toContain('float32');
});
