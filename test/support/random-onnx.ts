/** Random small networks as ONNX files, of all the operators that have a canonical form. */
import fc from 'fast-check';
import type { onnx } from 'onnx-proto';
import { randomTensor } from './float-tensors.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  ints,
  intTensor,
  type NodeSpec,
  text,
  valueInfo,
} from './onnx-model.ts';

export interface RandomNet {
  readonly bytes: Uint8Array;
  readonly inputShape: readonly number[];
  readonly ops: readonly string[];
}

/** One layer's choices; each kind takes those that it needs. */
const layer = fc.record({
  kind: fc.constantFrom(
    ...([
      'conv',
      'depthwise',
      'relu',
      'relu6',
      'maxPool',
      'avgPool',
      'batchNorm',
      'identity',
      'dropout',
    ] as const),
    ...(['addSelf', 'addConstant', 'softmax', 'transpose', 'reduceMean'] as const),
  ),
  channels: fc.integer({ min: 1, max: 5 }),
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 2 }),
  pad: fc.integer({ min: 0, max: 1 }),
  autoPad: fc.constantFrom('NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
  flag: fc.boolean(),
});
type Layer = typeof layer extends fc.Arbitrary<infer T> ? T : never;

const head = fc.constantFrom('none', 'flatten', 'global', 'gemm', 'matMul');

class Builder {
  readonly nodes: NodeSpec[] = [];
  readonly initializers: onnx.ITensorProto[] = [];
  readonly ops: string[] = [];
  channels: number;
  size: number;
  name = 'x';
  readonly opset: number;
  readonly #seed: number;

  constructor(channels: number, size: number, opset: number, seed: number) {
    this.channels = channels;
    this.size = size;
    this.opset = opset;
    this.#seed = seed;
  }

  add(op: string, more: readonly string[] = [], attributes: readonly onnx.IAttributeProto[] = []): void {
    const to = `t${this.nodes.length}`;
    this.nodes.push({ op, inputs: [this.name, ...more], outputs: [to], attributes });
    this.ops.push(op);
    this.name = to;
  }

  weights(shape: readonly number[]): string {
    const name = `w${this.initializers.length}`;
    const { data } = randomTensor(shape, this.#seed + this.initializers.length);
    this.initializers.push(floatTensor(name, shape, [...data]));
    return name;
  }

  shapeConstant(values: readonly number[]): string {
    const name = `s${this.initializers.length}`;
    this.initializers.push(intTensor(name, [values.length], values));
    return name;
  }
}

const layers: Readonly<Record<Layer['kind'], (net: Builder, one: Layer) => void>> = {
  conv: (net, one) => addConv(net, one, 1),
  depthwise: (net, one) => addConv(net, { ...one, channels: net.channels }, net.channels),
  relu: (net) => net.add('Relu'),
  relu6: (net) =>
    net.opset < 11
      ? net.add('Clip', [], [float('min', -0.5), float('max', 0.5)])
      : net.add('Clip', [scalar(net, -0.5), scalar(net, 0.5)]),
  maxPool: (net, one) => addWindow(net, one, 'MaxPool', [int('ceil_mode', net.opset >= 10 ? +one.flag : 0)]),
  avgPool: (net, one) => addWindow(net, one, 'AveragePool', [int('count_include_pad', +one.flag)]),
  batchNorm: addBatchNorm,
  identity: (net) => net.add('Identity'),
  dropout: (net) => net.add('Dropout'),
  addSelf: (net) => net.add('Add', [net.name]),
  addConstant: (net) => net.add('Add', [net.weights([net.channels, 1, 1])]),
  softmax: (net, one) => net.add('Softmax', [], [int('axis', one.flag ? 1 : 3)]),
  transpose: (net) => net.add('Transpose', [], [ints('perm', [0, 1, 3, 2])]),
  reduceMean: addMean,
};

function scalar(net: Builder, value: number): string {
  const name = `c${net.initializers.length}`;
  net.initializers.push(floatTensor(name, [], [value]));
  return name;
}

function windowSize(net: Builder, one: Layer, ceil: boolean): number {
  if (one.autoPad.startsWith('SAME')) return Math.ceil(net.size / one.stride);
  const pad = one.autoPad === 'VALID' ? 0 : padOf(one);
  const room = net.size + 2 * pad - one.kernel;
  const steps = ceil ? Math.ceil(room / one.stride) : Math.floor(room / one.stride);
  return ceil && steps * one.stride >= net.size + pad ? steps : steps + 1;
}

const padOf = (one: Layer): number => Math.min(one.pad, one.kernel - 1);

const windowAttributes = (one: Layer): onnx.IAttributeProto[] => [
  ints('kernel_shape', [one.kernel, one.kernel]),
  ints('strides', [one.stride, one.stride]),
  ...(one.autoPad === 'NOTSET'
    ? [ints('pads', new Array<number>(4).fill(padOf(one)))]
    : [text('auto_pad', one.autoPad)]),
];

function addConv(net: Builder, one: Layer, groups: number): void {
  if (one.kernel > net.size) return;
  const size = windowSize(net, one, false);
  const w = net.weights([one.channels, net.channels / groups, one.kernel, one.kernel]);
  const b = one.flag ? [net.weights([one.channels])] : [];
  net.add('Conv', [w, ...b], [...windowAttributes(one), int('group', groups)]);
  net.channels = one.channels;
  net.size = size;
}

function addWindow(net: Builder, one: Layer, op: string, more: readonly onnx.IAttributeProto[]): void {
  if (one.kernel > net.size) return;
  const size = windowSize(net, one, op === 'MaxPool' && one.flag && net.opset >= 10);
  net.add(op, [], [...windowAttributes(one), ...more]);
  net.size = size;
}

function addBatchNorm(net: Builder): void {
  const [scale, bias, mean] = [1, 2, 3].map(() => net.weights([net.channels]));
  const variance = `v${net.initializers.length}`;
  net.initializers.push(
    floatTensor(
      variance,
      [net.channels],
      Array.from({ length: net.channels }, (_, i) => 1 + i),
    ),
  );
  net.add('BatchNormalization', [scale!, bias!, mean!, variance]);
}

function addMean(net: Builder): void {
  if (net.opset < 18) net.add('ReduceMean', [], [ints('axes', [2, 3])]);
  else net.add('ReduceMean', [net.shapeConstant([-1, -2])]);
  net.size = 1;
}

function addHead(net: Builder, kind: string): void {
  if (kind === 'none') return;
  if (kind === 'global') {
    net.add('GlobalAveragePool');
    return;
  }
  net.add('Flatten', [], [int('axis', 1)]);
  const features = net.channels * net.size * net.size;
  if (kind === 'gemm')
    net.add('Gemm', [net.weights([3, features]), net.weights([3])], [int('transB', 1), float('alpha', 0.5)]);
  if (kind === 'matMul') net.add('MatMul', [net.weights([features, 3])]);
}

export const randomOnnx: fc.Arbitrary<RandomNet> = fc
  .record({
    channels: fc.integer({ min: 1, max: 4 }),
    size: fc.integer({ min: 1, max: 7 }),
    opset: fc.constantFrom(9, 11, 13, 17, 18, 22),
    layers: fc.array(layer, { minLength: 1, maxLength: 6 }),
    head,
    seed: fc.nat({ max: 10_000 }),
  })
  .map(({ channels, size, opset, layers: chosen, head: last, seed }) => {
    const net = new Builder(channels, size, opset, seed);
    for (const one of chosen) layers[one.kind](net, one);
    addHead(net, last);
    if (net.nodes.length === 0) net.add('Relu');
    const bytes = encodeModel({
      opset,
      nodes: net.nodes,
      initializers: net.initializers,
      inputs: [valueInfo('x', ['batch', channels, size, size])],
      outputs: [net.name],
    });
    return { bytes, inputShape: [1, channels, size, size], ops: net.ops };
  });
