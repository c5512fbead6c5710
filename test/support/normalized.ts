/** Networks around one batch normalization, as ONNX files, for every place it can stand in. */
import type { onnx } from 'onnx-proto';
import { Draw } from './draw.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from './onnx-model.ts';

export interface Normalized {
  readonly seed: number;
  /** What stands before the normalization. */
  readonly before: 'input' | 'conv' | 'conv relu' | 'conv relu pool' | 'conv relu average' | 'sum';
  /** The convolution behind it. */
  readonly behind: 'dense' | 'depthwise' | 'grouped' | 'linear';
  readonly padded: boolean;
  /** Shifts are in -beta..beta. */
  readonly beta: number;
  /** Gains are between these, and of both signs with `negative`. */
  readonly gains: readonly [number, number];
  readonly negative?: boolean;
  /** The channels' variances are spread over this range, evenly in the exponent. */
  readonly variances: readonly [number, number];
  /** Channels that always are 0 after the ReLU, and variance 1e-12 to the normalization. */
  readonly dead?: number;
  /** Share of the weights behind the normalization that are 0. */
  readonly sparsity?: number;
}

const channels = 8;
const side = 8;

/** Standard deviations by channel. */
function spreads({ variances: [lo, hi] }: Normalized): number[] {
  return Array.from({ length: channels }, (_, c) => Math.sqrt(lo * (hi / lo) ** (c / (channels - 1))));
}

function gaussian(draw: Draw): number {
  return draw.between(-1, 1) + draw.between(-1, 1) + draw.between(-1, 1);
}

const before = {
  input: 0,
  conv: 1,
  'conv relu': 2,
  'conv relu pool': 2,
  'conv relu average': 2,
  sum: 1,
} as const satisfies Record<Normalized['before'], number>;

/** The mean and variance that the normalization was trained on: those of the channel as it is. */
export function normalizedNetwork(n: Normalized): {
  readonly model: Uint8Array;
  readonly inputs: readonly Float32Array[];
} {
  const draw = new Draw(n.seed);
  const deviations = spreads(n);
  const isInput = before[n.before] === 0;
  const inputChannels = isInput ? channels : 2;
  const inputs = Array.from({ length: 48 }, () =>
    Float32Array.from({ length: inputChannels * side * side }, (_, i) => {
      const c = Math.floor(i / (side * side));
      return gaussian(draw) * (isInput ? (deviations[c] ?? 1) : 1);
    }),
  );
  const nodes: NodeSpec[] = [];
  const initializers: onnx.ITensorProto[] = [];
  const constant = (name: string, dims: readonly number[], data: readonly number[]): string => {
    initializers.push(floatTensor(name, dims, data));
    return name;
  };
  const numbers = (count: number, f: (i: number) => number): number[] =>
    Array.from({ length: count }, (_, i) => f(i));
  let tensor = 'x';
  let size = side;
  const push = (op: string, inputsOf: readonly string[], attributes: onnx.IAttributeProto[] = []): void => {
    const output = `t${nodes.length}`;
    nodes.push({ op, name: `${op}_${nodes.length}`, inputs: inputsOf, outputs: [output], attributes });
    tensor = output;
  };
  const dead = n.dead ?? 0;
  if (!isInput) {
    // Sums of 18 inputs of variance 1 with weights of variance 1/3: of the channel's own spread.
    const w = numbers(
      channels * 2 * 9,
      (i) => draw.between(-1, 1) * (deviations[Math.floor(i / 18)] ?? 1) * 0.4,
    );
    const b = numbers(channels, (c) => (c < dead ? -40 * (deviations[c] ?? 1) : 0));
    push(
      'Conv',
      [tensor, constant('w1', [channels, 2, 3, 3], w), constant('b1', [channels], b)],
      [ints('pads', [1, 1, 1, 1])],
    );
    if (n.before === 'sum') push('Add', [tensor, tensor]);
    if (n.before !== 'conv' && n.before !== 'sum') push('Relu', [tensor]);
    if (n.before === 'conv relu pool')
      push('MaxPool', [tensor], [ints('kernel_shape', [2, 2]), ints('strides', [2, 2])]);
    if (n.before === 'conv relu average')
      push('AveragePool', [tensor], [ints('kernel_shape', [2, 2]), ints('strides', [2, 2])]);
    if (n.before.includes('pool') || n.before.includes('average')) size = side / 2;
  }
  const sign = (): number => (n.negative && draw.unit() < 0.5 ? -1 : 1);
  const gain = numbers(channels, () => sign() * draw.between(n.gains[0], n.gains[1]));
  const shift = numbers(channels, () => draw.between(-n.beta, n.beta));
  const mean = numbers(channels, (c) => (isInput || c < dead ? 0 : 0.5 * (deviations[c] ?? 1)));
  const variance = numbers(channels, (c) => (c < dead ? 1e-12 : (deviations[c] ?? 1) ** 2));
  push('BatchNormalization', [
    tensor,
    constant('g', [channels], gain),
    constant('h', [channels], shift),
    constant('m', [channels], mean),
    constant('v', [channels], variance),
  ]);
  const kept = (): number => (draw.unit() < (n.sparsity ?? 0) ? 0 : draw.between(-1, 1));
  if (n.behind === 'linear') {
    const count = channels * size * size;
    push('Flatten', [tensor]);
    push('Gemm', [tensor, constant('w2', [4, count], numbers(4 * count, kept))], [int('transB', 1)]);
  } else {
    const groups = { dense: 1, depthwise: channels, grouped: 2 }[n.behind];
    const outs = n.behind === 'depthwise' ? channels : 4;
    const w = numbers((outs * channels * 9) / groups, kept);
    push(
      'Conv',
      [tensor, constant('w2', [outs, channels / groups, 3, 3], w)],
      [int('group', groups), ints('pads', n.padded ? [1, 1, 1, 1] : [0, 0, 0, 0])],
    );
  }
  const model = encodeModel({
    nodes,
    initializers,
    inputs: [valueInfo('x', [1, inputChannels, side, side])],
    outputs: [tensor],
  });
  return { model, inputs };
}
