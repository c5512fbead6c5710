/** Random quantized networks, by onnxruntime and by their programs. */

import proto, { type onnx } from 'onnx-proto';
import { expect } from 'vitest';
import { compile } from '../../src/compile.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference } from '../../src/runtime/engines.ts';
import { Draw } from '../support/draw.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from '../support/onnx-model.ts';
import { onnxruntime, testWithOnnxruntime } from '../support/ort.ts';

const { DataType } = proto.onnx.TensorProto;
const shape = [1, 4, 6, 6] as const;

/** Nodes and constants of a network that is written one tensor after the other. */
class Network {
  readonly nodes: NodeSpec[] = [];
  readonly constants: onnx.ITensorProto[] = [];
  readonly draw: Draw;
  readonly signed: boolean;
  last = 'x';

  constructor(seed: number) {
    this.draw = new Draw(seed);
    this.signed = this.draw.int(0, 1) === 1;
  }

  constant(tensor: onnx.ITensorProto): string {
    const name = `c${this.constants.length}`;
    this.constants.push({ ...tensor, name });
    return name;
  }

  floats = (...numbers: readonly number[]): string =>
    this.constant(floatTensor('', [numbers.length], numbers));

  integers(dims: readonly number[], dataType: number, numbers: readonly number[]): string {
    return this.constant({ dims: [...dims], dataType, int32Data: [...numbers] });
  }

  node(op: string, inputs: readonly string[], attributes: readonly onnx.IAttributeProto[] = []): string {
    this.last = `t${this.nodes.length}`;
    this.nodes.push({ op, inputs, outputs: [this.last], attributes });
    return this.last;
  }

  /** A random grid, and the tensor on it. */
  pair(x: string, scale: number): number {
    const step = this.constant(floatTensor('', [], [scale]));
    const zero = this.draw.int(100, 156) - (this.signed ? 128 : 0);
    const zeroPoint = this.integers([], this.signed ? DataType.INT8 : DataType.UINT8, [zero]);
    const stored = this.node('QuantizeLinear', [x, step, zeroPoint]);
    this.node('DequantizeLinear', [stored, step, zeroPoint]);
    return Math.fround(scale);
  }

  /** Weights of 7 bits, which no processor saturates on, and biases in steps of the sums. */
  layer(
    op: string,
    x: string,
    dims: readonly number[],
    input: number,
    attributes: readonly onnx.IAttributeProto[],
  ): void {
    const [rows = 1, count] = [dims[0], dims.reduce((a, b) => a * b, 1)];
    const scales = Array.from({ length: rows }, () => Math.fround(this.draw.between(0.002, 0.01)));
    const numbers = Array.from({ length: count }, () => this.draw.int(-63, 63));
    const step = this.floats(...scales);
    const axis = int('axis', 0);
    const zeros = this.integers(
      [rows],
      DataType.INT8,
      scales.map(() => 0),
    );
    const weights = this.node(
      'DequantizeLinear',
      [this.integers(dims, DataType.INT8, numbers), step, zeros],
      [axis],
    );
    const biases = scales.map(() => this.draw.int(-3000, 3000));
    const biasStep = this.floats(...scales.map((s) => Math.fround(s * input)));
    const bias = this.node(
      'DequantizeLinear',
      [this.integers([rows], DataType.INT32, biases), biasStep],
      [axis],
    );
    this.node(op, [x, weights, bias], attributes);
  }
}

/** Two convolutions, what is between them at random, a mean and a linear layer. */
function networkOf(seed: number): Uint8Array {
  const net = new Network(seed);
  const { draw } = net;
  let step = net.pair('x', draw.between(0.01, 0.03));
  const first = net.last;
  net.layer('Conv', first, [4, 4, 3, 3], step, [ints('pads', [1, 1, 1, 1])]);
  step = net.pair(net.last, draw.between(0.02, 0.06));
  const middle = net.last;
  const between: readonly (() => void)[] = [
    () => net.node('Add', [middle, first]),
    () => net.node('Mul', [first, middle]),
    () => net.node('Sigmoid', [middle]),
    () => net.node('LeakyRelu', [middle]),
    () => net.node('AveragePool', [middle], [ints('kernel_shape', [3, 3]), ints('pads', [1, 1, 1, 1])]),
    () => net.node('Concat', [middle, first], [int('axis', 1)]),
    () => net.node('Softmax', [middle], [int('axis', -1)]),
  ];
  const which = draw.int(0, between.length - 1);
  between[which]!();
  step = net.pair(net.last, which === 6 ? 1 / 256 : draw.between(0.02, 0.06));
  net.node('GlobalAveragePool', [net.last]);
  step = net.pair(net.last, draw.between(0.01, 0.03));
  const flat = net.node('Flatten', [net.last]);
  step = net.pair(flat, step);
  net.layer('Gemm', net.last, [5, which === 5 ? 8 : 4], step, [int('transB', 1)]);
  net.pair(net.last, draw.between(0.005, 0.02));
  return encodeModel({
    opset: 17,
    nodes: net.nodes,
    initializers: net.constants,
    inputs: [valueInfo('x', shape)],
    outputs: [net.last],
  });
}

const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

testWithOnnxruntime('40 random networks have every byte of onnxruntime', async () => {
  const { InferenceSession, Tensor: Input } = onnxruntime();
  const differing: string[] = [];
  for (const seed of seeds) {
    const model = networkOf(seed);
    const { program } = compile(importOnnx(model), { name: 'net', arith: 'int8', requant: 'ort-float' });
    const run = inference(program);
    const session = await InferenceSession.create(model, {
      logSeverityLevel: 4,
      extra: { session: { qdqisint8allowed: '1' } },
    });
    for (let sample = 0; sample < 4; sample++) {
      const x = new Draw(1000 * seed + sample).floats(144, -4, 4);
      const [wanted] = Object.values(await session.run({ x: new Input('float32', x, shape) }));
      const made = decodeOutput(program, run(encodeInput(program, x)).output);
      if ([...made].join() !== [...(wanted!.data as Float32Array)].join())
        differing.push(`seed ${seed}, sample ${sample}`);
    }
    await session.release();
  }
  expect(differing).toEqual([]);
});
