/** Random ONNX graphs of as many operators as there are, for another runtime to compute too. */
import type { onnx } from 'onnx-proto';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { countOf, type Shape } from '../../src/ir/tensor.ts';
import { Draw } from './draw.ts';
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

export interface RandomGraph {
  readonly bytes: Uint8Array;
  readonly shape: Shape;
  readonly ops: readonly string[];
}

/** A tensor of float32 that is there. */
interface Made {
  readonly name: string;
  readonly shape: Shape;
}

const FLOAT = 1;

class Builder {
  readonly nodes: NodeSpec[] = [];
  readonly initializers: onnx.ITensorProto[] = [];
  readonly draw: Draw;
  readonly opset: number;
  #names = 0;

  constructor(draw: Draw, opset: number) {
    this.draw = draw;
    this.opset = opset;
  }

  fresh(): string {
    return `t${this.#names++}`;
  }

  /** One node of one output, unless more are named. */
  node(op: string, inputs: readonly string[], attributes: NodeSpec['attributes'] = [], outputs = 1): string {
    const names = Array.from({ length: outputs }, () => this.fresh());
    this.nodes.push({ op, inputs, outputs: names, attributes });
    return names[outputs - 1]!;
  }

  floats(shape: Shape, lo = -1, hi = 1): string {
    const name = this.fresh();
    this.initializers.push(floatTensor(name, shape, [...this.draw.floats(countOf(shape), lo, hi)]));
    return name;
  }

  scalar(value: number): string {
    const name = this.fresh();
    this.initializers.push(floatTensor(name, [], [value]));
    return name;
  }

  ints(values: readonly number[], shape: Shape = [values.length]): string {
    const name = this.fresh();
    this.initializers.push(intTensor(name, shape, values));
    return name;
  }

  flag(): number {
    return this.draw.int(0, 1);
  }
}

/** Makes something of a tensor; undefined where the tensor is not fit for it. */
type Layer = (b: Builder, x: Made, all: readonly Made[]) => string | undefined;

const unary =
  (op: string, attributes: (d: Draw) => NodeSpec['attributes'] = () => []): Layer =>
  (b, { name }) =>
    b.node(op, [name], attributes(b.draw));

const functions: Readonly<Record<string, Layer>> = {
  ...Object.fromEntries(
    ['Abs', 'Neg', 'Relu', 'Sigmoid', 'Tanh', 'Softplus', 'Softsign', 'Erf', 'Sin', 'Cos', 'Atan', 'Asinh']
      .concat(['Floor', 'Ceil', 'Round', 'Sign', 'Identity', 'HardSwish', 'Dropout'])
      .map((op) => [op, unary(op)]),
  ),
  Shrink: unary('Shrink', (d) => [float('lambd', d.between(0, 1)), float('bias', d.between(0, 0.5))]),
  LeakyRelu: unary('LeakyRelu', (d) => [float('alpha', d.between(0, 0.5))]),
  Elu: unary('Elu', (d) => [float('alpha', d.between(0.1, 2))]),
  Selu: unary('Selu'),
  Celu: unary('Celu', (d) => [float('alpha', d.between(0.5, 2))]),
  ThresholdedRelu: unary('ThresholdedRelu', (d) => [float('alpha', d.between(0, 1))]),
  HardSigmoid: unary('HardSigmoid', (d) => [float('alpha', d.between(0.1, 0.4))]),
  Mish: (b, { name }) => (b.opset < 18 ? undefined : b.node('Mish', [name])),
  Gelu: (b, { name }) =>
    b.opset < 20 ? undefined : b.node('Gelu', [name], [text('approximate', b.draw.of(['none', 'tanh']))]),
  Exp: (b, { name }) => b.node('Exp', [b.node('Clip', [name, b.scalar(-4), b.scalar(2)])]),
  Clip: (b, { name }) => b.node('Clip', [name, b.flag() === 1 ? b.scalar(-0.4) : '', b.scalar(0.6)]),
  Sqrt: (b, { name }) => b.node('Sqrt', [b.node('Abs', [name])]),
  Log: (b, { name }) => b.node('Log', [b.node('Add', [b.node('Abs', [name]), b.scalar(0.2)])]),
  Reciprocal: (b, { name }) => b.node('Reciprocal', [b.node('Add', [b.node('Abs', [name]), b.scalar(0.5)])]),
  Pow: (b, { name }) => b.node('Pow', [name, b.scalar(b.draw.int(2, 3))]),
};

/** As large as x along some axes, 1 along the others. */
const broadcastTo = (b: Builder, { shape }: Made): Shape => shape.map((n) => (b.flag() === 1 ? n : 1));

/** A constant, or another tensor of the shape. */
function other(b: Builder, x: Made, all: readonly Made[]): string {
  const alike = all.filter(({ shape }) => shape.join() === x.shape.join());
  return b.flag() === 1 ? b.draw.of(alike).name : b.floats(broadcastTo(b, x));
}

const binary =
  (op: string): Layer =>
  (b, x, all) => {
    const pair = [x.name, other(b, x, all)];
    return b.node(op, b.flag() === 1 ? pair : pair.toReversed());
  };

const compared =
  (op: string): Layer =>
  (b, x) =>
    b.node(op, [x.name, b.floats(broadcastTo(b, x))]);

const pairs: Readonly<Record<string, Layer>> = {
  ...Object.fromEntries(['Add', 'Sub', 'Mul', 'Min', 'Max', 'Sum', 'Mean'].map((op) => [op, binary(op)])),
  Div: (b, x, all) =>
    b.node('Div', [x.name, b.node('Add', [b.node('Abs', [other(b, x, all)]), b.scalar(0.5)])]),
  PRelu: (b, x) => b.node('PRelu', [x.name, b.floats(broadcastTo(b, x), 0, 1)]),
  Cast: (b, x, all) => {
    const test = compared(b.draw.of(['Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual']))(b, x, all)!;
    return b.node('Cast', [test], [int('to', FLOAT)]);
  },
  Where: (b, x, all) => {
    const tests = [0, 1].map(() => compared('Greater')(b, x, all)!);
    const both = b.node(b.draw.of(['And', 'Or', 'Xor']), tests);
    return b.node('Where', [b.flag() === 1 ? both : b.node('Not', [both]), x.name, other(b, x, all)]);
  },
};

/** An axis, counted from either end. */
const axisOf = (b: Builder, { shape }: Made): number => b.draw.int(-shape.length, shape.length - 1);

const shuffled = (b: Builder, n: number): number[] =>
  Array.from({ length: n }, (_, i) => [b.draw.unit(), i] as const)
    .sort(([p], [q]) => p - q)
    .map(([, i]) => i);

const sizeAt = ({ shape }: Made, axis: number): number => shape.at(axis)!;

const moves: Readonly<Record<string, Layer>> = {
  Transpose: (b, x) => b.node('Transpose', [x.name], [ints('perm', shuffled(b, x.shape.length))]),
  Reshape: (b, x) => {
    const cut = b.draw.int(1, x.shape.length);
    return b.node('Reshape', [x.name, b.ints([...x.shape.slice(0, cut - 1), -1])]);
  },
  Flatten: (b, x) => b.node('Flatten', [x.name], [int('axis', b.draw.int(0, x.shape.length))]),
  Unsqueeze: (b, x) =>
    x.shape.length > 4 ? undefined : b.node('Unsqueeze', [x.name, b.ints([b.draw.int(0, x.shape.length)])]),
  Squeeze: (b, x) => {
    const axis = x.shape.indexOf(1);
    return axis < 0 || x.shape.length < 2 ? undefined : b.node('Squeeze', [x.name, b.ints([axis])]);
  },
  Slice: (b, x) => {
    const axis = axisOf(b, x);
    const size = sizeAt(x, axis);
    const start = b.draw.int(0, size - 1);
    const turned = b.flag() === 1;
    const end = turned ? -size - 1 : b.draw.int(start + 1, size);
    const step = turned ? -1 : b.draw.int(1, 2);
    return b.node('Slice', [x.name, b.ints([start]), b.ints([end]), b.ints([axis]), b.ints([step])]);
  },
  Pad: (b, x) => {
    const mode = b.draw.of(['constant', 'reflect', 'edge']);
    const most = (n: number) => (mode === 'reflect' ? Math.min(2, n - 1) : 2);
    const pads = [...x.shape, ...x.shape].map((n) => b.draw.int(0, most(n)));
    return b.node(
      'Pad',
      [x.name, b.ints(pads), ...(mode === 'constant' ? [b.scalar(0.3)] : [])],
      [text('mode', mode)],
    );
  },
  Concat: (b, x, all) => {
    const alike = all.filter(({ shape }) => shape.join() === x.shape.join());
    return b.node('Concat', [x.name, b.draw.of(alike).name, b.floats(x.shape)], [int('axis', axisOf(b, x))]);
  },
  Split: (b, x) => {
    const axis = axisOf(b, x);
    const size = sizeAt(x, axis);
    if (size < 2) return undefined;
    const first = b.draw.int(1, size - 1);
    return b.node('Split', [x.name, b.ints([first, size - first])], [int('axis', axis)], 2);
  },
  Gather: (b, x) => {
    const axis = axisOf(b, x);
    const size = sizeAt(x, axis);
    const indices = Array.from({ length: b.draw.int(1, 4) }, () => b.draw.int(-size, size - 1));
    return b.node('Gather', [x.name, b.ints(indices)], [int('axis', axis)]);
  },
  GatherND: (b, x) => {
    const depth = b.draw.int(1, x.shape.length);
    const row = () => x.shape.slice(0, depth).map((n) => b.draw.int(-n, n - 1));
    return b.node('GatherND', [x.name, b.ints([row(), row(), row()].flat(), [3, depth])]);
  },
  GatherElements: (b, x) => {
    const axis = axisOf(b, x);
    const shape = x.shape.map((n) => b.draw.int(1, n));
    const size = sizeAt(x, axis);
    const index = Array.from({ length: countOf(shape) }, () => b.draw.int(-size, size - 1));
    return b.node('GatherElements', [x.name, b.ints(index, shape)], [int('axis', axis)]);
  },
  ScatterElements: (b, x) => {
    const axis = axisOf(b, x);
    const size = sizeAt(x, axis);
    const index = shuffled(b, size).slice(0, b.draw.int(1, size));
    const shape = x.shape.with(axis, index.length);
    const strides = countOf(shape.slice(axis < 0 ? axis + shape.length + 1 : axis + 1));
    const all = Array.from(
      { length: countOf(shape) },
      (_, i) => index[Math.floor(i / strides) % index.length]!,
    );
    const inputs = [x.name, b.ints(all, shape), b.floats(shape)];
    const reduction = b.opset < 18 || b.flag() === 1 ? 'none' : 'add';
    return b.node('ScatterElements', inputs, [int('axis', axis), text('reduction', reduction)]);
  },
  ScatterND: (b, x) => {
    const rows = shuffled(b, x.shape[0]!).slice(0, b.draw.int(1, x.shape[0]!));
    const updates = b.floats([rows.length, ...x.shape.slice(1)]);
    const reduction = text('reduction', b.draw.of(['none', 'add']));
    return b.node('ScatterND', [x.name, b.ints(rows, [rows.length, 1]), updates], [reduction]);
  },
  ReverseSequence: (b, x) => {
    if (x.shape.length < 2) return undefined;
    const batch = b.flag();
    const lengths = Array.from({ length: x.shape[batch]! }, () => b.draw.int(1, x.shape[1 - batch]!));
    return b.node(
      'ReverseSequence',
      [x.name, b.ints(lengths)],
      [int('batch_axis', batch), int('time_axis', 1 - batch)],
    );
  },
  Tile: (b, x) =>
    countOf(x.shape) > 300
      ? undefined
      : b.node('Tile', [x.name, b.ints(x.shape.map(() => b.draw.int(1, 2)))]),
  Expand: (b, x) =>
    countOf(x.shape) > 300
      ? undefined
      : b.node('Expand', [x.name, b.ints(x.shape.map((n) => (n === 1 ? b.draw.int(1, 3) : n)))]),
  DepthToSpace: (b, x) =>
    x.shape.length === 4 && x.shape[1]! % 4 === 0
      ? b.node('DepthToSpace', [x.name], [int('blocksize', 2), text('mode', b.draw.of(['DCR', 'CRD']))])
      : undefined,
  SpaceToDepth: (b, x) =>
    x.shape.length === 4 && x.shape[2]! % 2 === 0 && x.shape[3]! % 2 === 0
      ? b.node('SpaceToDepth', [x.name], [int('blocksize', 2)])
      : undefined,
};

const reduced =
  (op: string): Layer =>
  (b, x) => {
    const axes = shuffled(b, x.shape.length).slice(0, b.draw.int(1, x.shape.length));
    const keep = int('keepdims', b.flag());
    return b.opset >= 18 || op === 'ReduceSum'
      ? b.node(op, [x.name, b.ints(axes)], [keep])
      : b.node(op, [x.name], [keep, ints('axes', axes)]);
  };

const reductions: Readonly<Record<string, Layer>> = {
  ...Object.fromEntries(
    ['Mean', 'Sum', 'Max', 'Min', 'L1', 'L2', 'SumSquare', 'LogSumExp', 'Prod'].map((kind) => [
      `Reduce${kind}`,
      reduced(`Reduce${kind}`),
    ]),
  ),
  ...Object.fromEntries(
    ['ArgMax', 'ArgMin'].map((op): [string, Layer] => [
      op,
      (b, x) => {
        const attributes = [int('axis', axisOf(b, x)), int('select_last_index', b.flag())];
        return b.node('Cast', [b.node(op, [x.name], attributes)], [int('to', FLOAT)]);
      },
    ]),
  ),
  ReduceLogSum: (b, x, all) => reduced('ReduceLogSum')(b, { ...x, name: b.node('Exp', [x.name]) }, all),
  Hardmax: (b, x) => b.node('Hardmax', [x.name], [int('axis', axisOf(b, x))]),
  OneHot: (b, x) => {
    const index = b.node('ArgMax', [x.name], [int('axis', axisOf(b, x)), int('keepdims', 0)]);
    const values = b.floats([2]);
    return x.shape.length > 4 || x.shape.length < 2
      ? undefined
      : b.node('OneHot', [index, b.ints([b.draw.int(1, 5)], []), values], [int('axis', -1)]);
  },
  TopK: (b, x) => {
    const axis = axisOf(b, x);
    const k = b.ints([b.draw.int(1, sizeAt(x, axis))]);
    const of = [int('axis', axis), int('largest', b.flag())];
    b.nodes.push({ op: 'TopK', inputs: [x.name, k], outputs: [`top${k}`, `index${k}`], attributes: of });
    return `top${k}`;
  },
  CumSum: (b, x) =>
    b.node(
      'CumSum',
      [x.name, b.ints([axisOf(b, x)], [])],
      [int('exclusive', b.flag()), int('reverse', b.flag())],
    ),
  Softmax: (b, x) => b.node('Softmax', [x.name], [int('axis', axisOf(b, x))]),
  LogSoftmax: (b, x) => b.node('LogSoftmax', [x.name], [int('axis', axisOf(b, x))]),
};

/** Spatial sizes, of tensors that have one or two. */
const spatialOf = ({ shape }: Made): Shape | undefined =>
  shape.length === 3 || shape.length === 4 ? shape.slice(2) : undefined;

/** Attributes of windows that fit; padding stays below the kernel. */
function windows(
  b: Builder,
  sizes: Shape,
): { readonly kernel: Shape; readonly attributes: onnx.IAttributeProto[] } {
  const kernel = sizes.map((n) => b.draw.int(1, Math.min(3, n)));
  const strides = sizes.map(() => b.draw.int(1, 2));
  const pads = [...kernel, ...kernel].map((k) => b.draw.int(0, k - 1));
  const auto = b.draw.of(['NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID']);
  // onnxruntime refuses SAME where strides leave elements out.
  const steps = strides.map((n, i) => (auto.startsWith('SAME') ? Math.min(n, kernel[i]!) : n));
  const attributes = [ints('kernel_shape', kernel), ints('strides', steps)];
  attributes.push(auto === 'NOTSET' ? ints('pads', pads) : text('auto_pad', auto));
  return { kernel, attributes };
}

const spatial: Readonly<Record<string, Layer>> = {
  Conv: (b, x) => {
    const sizes = spatialOf(x);
    if (sizes === undefined) return undefined;
    const { kernel, attributes } = windows(b, sizes);
    const channels = x.shape[1]!;
    const groups = b.draw.of([1, channels]);
    const outs = groups * b.draw.int(1, 3);
    const inputs = [x.name, b.floats([outs, channels / groups, ...kernel]), b.floats([outs])];
    return b.node('Conv', inputs, [...attributes, int('group', groups)]);
  },
  ConvTranspose: (b, x) => {
    const sizes = spatialOf(x);
    if (sizes === undefined) return undefined;
    const kernel = sizes.map(() => b.draw.int(1, 3));
    const strides = sizes.map(() => b.draw.int(1, 2));
    const inputs = [x.name, b.floats([x.shape[1]!, 2, ...kernel]), b.floats([2])];
    return b.node('ConvTranspose', inputs, [ints('kernel_shape', kernel), ints('strides', strides)]);
  },
  MaxPool: (b, x) => {
    const sizes = spatialOf(x);
    return sizes && b.node('MaxPool', [x.name], windows(b, sizes).attributes);
  },
  AveragePool: (b, x) => {
    const sizes = spatialOf(x);
    const count = int('count_include_pad', b.flag());
    return sizes && b.node('AveragePool', [x.name], [...windows(b, sizes).attributes, count]);
  },
  GlobalAveragePool: (b, x) => spatialOf(x) && b.node('GlobalAveragePool', [x.name]),
  GlobalMaxPool: (b, x) => spatialOf(x) && b.node('GlobalMaxPool', [x.name]),
  BatchNormalization: (b, x) => {
    const c = x.shape[1];
    if (c === undefined) return undefined;
    const constants = [b.floats([c]), b.floats([c]), b.floats([c]), b.floats([c], 0.5, 2)];
    return b.node('BatchNormalization', [x.name, ...constants]);
  },
  InstanceNormalization: (b, x) => {
    const c = x.shape[1]!;
    const spread = countOf(x.shape.slice(2)) > 3;
    return spatialOf(x) && spread
      ? b.node('InstanceNormalization', [x.name, b.floats([c]), b.floats([c])], [float('epsilon', 0.1)])
      : undefined;
  },
  LRN: (b, x) =>
    x.shape.length === 4
      ? b.node('LRN', [x.name], [int('size', b.draw.of([1, 3, 5])), float('alpha', 0.1)])
      : undefined,
  Resize: (b, x) => {
    if (x.shape.length !== 4) return undefined;
    const name = b.fresh();
    const scale = b.draw.of([2, 0.5, 1.5]);
    b.initializers.push(floatTensor(name, [4], [1, 1, scale, 2]));
    const mode = b.draw.of(['nearest', 'linear']);
    const coordinates = b.draw.of(['half_pixel', 'asymmetric', 'pytorch_half_pixel']);
    const attributes = [text('mode', mode), text('coordinate_transformation_mode', coordinates)];
    return x.shape[2]! * scale < 1 ? undefined : b.node('Resize', [x.name, '', name], attributes);
  },
};

const recurrent =
  (op: string, gates: number): Layer =>
  (b, x) => {
    if (x.shape.length !== 3) return undefined;
    const direction = b.draw.of(['forward', 'reverse', 'bidirectional']);
    const [hidden, n] = [b.draw.int(1, 3), direction === 'bidirectional' ? 2 : 1];
    const inputs = [
      x.name,
      b.floats([n, gates * hidden, x.shape[2]!]),
      b.floats([n, gates * hidden, hidden]),
      b.floats([n, 2 * gates * hidden]),
    ];
    const attributes = [int('hidden_size', hidden), text('direction', direction)];
    if (op === 'GRU') attributes.push(int('linear_before_reset', b.flag()));
    return b.node(op, inputs, attributes);
  };

const products: Readonly<Record<string, Layer>> = {
  MatMul: (b, x) => b.node('MatMul', [x.name, b.floats([x.shape.at(-1)!, b.draw.int(1, 4)])]),
  MatMulOfTwo: (b, x) => {
    if (x.shape.length < 2) return undefined;
    const perm = x.shape.map((_, i) => i);
    const turned = [...perm.slice(0, -2), perm.length - 1, perm.length - 2];
    return b.node('MatMul', [x.name, b.node('Transpose', [x.name], [ints('perm', turned)])]);
  },
  Gemm: (b, x) => {
    if (x.shape.length !== 2) return undefined;
    const [k, n] = [x.shape[1]!, b.draw.int(1, 4)];
    const transB = b.flag();
    const inputs = [x.name, b.floats(transB ? [n, k] : [k, n]), b.floats([n])];
    return b.node('Gemm', inputs, [int('transB', transB), float('alpha', 0.5), float('beta', 2)]);
  },
  Einsum: (b, x) => {
    if (x.shape.length !== 3) return undefined;
    const [i, j, k] = x.shape as [number, number, number];
    const [equation, ...shapes] = b.draw.of<readonly [string, ...Shape[]]>([
      ['bij,jk->bki', [k, 3]],
      ['bij->jb'],
      ['bij,cj->b', [2, k]],
      ['bij,bkj->bik', [i, 2, k]],
      ['bij,ijk,jk->kb', [j, k, 2], [k, 2]],
    ]);
    return b.node(
      'Einsum',
      [x.name, ...shapes.map((shape) => b.floats(shape))],
      [text('equation', equation)],
    );
  },
  DFT: (b, x) => {
    if (x.shape.length < 2) return undefined;
    const [real, onesided] = [b.node('Unsqueeze', [x.name, b.ints([-1])]), b.flag()];
    const inputs = b.opset < 20 ? [real] : [real, '', b.ints([1], [])];
    const axis = b.opset < 20 ? [int('axis', 1)] : [];
    const made = b.node('DFT', inputs, [...axis, int('onesided', onesided)]);
    const n = x.shape[1]!;
    const bins = onesided === 1 ? Math.floor(n / 2) + 1 : n;
    // Sums that cancel are 0 or nearly so, and bins are equal in pairs: what rounds down, or finds the largest, would tell.
    return b.node('Add', [made, b.floats([...x.shape.with(1, bins), 2])]);
  },
  LayerNormalization: (b, x) => {
    const n = x.shape.at(-1)!;
    if (n < 4) return undefined;
    return b.node(
      'LayerNormalization',
      [x.name, b.floats([n]), b.floats([n])],
      [int('axis', -1), float('epsilon', 0.1)],
    );
  },
  MeanOfLayerNormalization: (b, x) => {
    const inputs = [x.name, b.floats([x.shape.at(-1)!])];
    return b.node('LayerNormalization', inputs, [float('epsilon', 0.1)], b.draw.int(2, 3));
  },
  LSTM: recurrent('LSTM', 4),
  GRU: recurrent('GRU', 3),
  RNN: recurrent('RNN', 1),
};

const layers: Readonly<Record<string, Layer>> = {
  ...functions,
  ...pairs,
  ...moves,
  ...reductions,
  ...spatial,
  ...products,
};

/** Larger tensors are not gone on with. */
const mostElements = 4000;

const shapes: readonly Shape[] = [
  [1, 6],
  [3, 5],
  [1, 4, 6],
  [2, 3, 4],
  [1, 4, 6, 6],
  [1, 3, 5, 7],
  [2, 4, 4, 3],
];

function encoded(b: Builder, shape: Shape, outputs: readonly string[]): Uint8Array {
  const { opset, nodes, initializers } = b;
  return encodeModel({ opset, nodes, initializers, inputs: [valueInfo('x', shape)], outputs });
}

/** Up to 8 layers, each on one of the last tensors, and all of them outputs; a shape is what the importer says of it. */
export function randomGraph(seed: number): RandomGraph {
  const draw = new Draw(seed);
  const b = new Builder(draw, draw.of([17, 18, 21]));
  const shape = draw.of(shapes);
  const all: Made[] = [{ name: 'x', shape }];
  const ops: string[] = [];
  const wanted = draw.int(2, 8);
  const names = Object.keys(layers);
  for (let tries = 0; tries < 60 && ops.length < wanted; tries++) {
    const [x, op] = [draw.of(all.filter((one) => one.shape.length > 0).slice(-3)), draw.of(names)];
    const counts = [b.nodes.length, b.initializers.length];
    const name = layers[op]!(b, x, all);
    const made =
      name === undefined ? undefined : importOnnx(encoded(b, shape, [name])).tensors.get(name)?.shape;
    if (name === undefined || made === undefined || countOf(made) > mostElements || countOf(made) === 0) {
      b.nodes.length = counts[0]!;
      b.initializers.length = counts[1]!;
      continue;
    }
    all.push({ name, shape: made });
    ops.push(op);
  }
  const outputs = all.slice(1).map(({ name }) => name);
  return { bytes: encoded(b, shape, outputs), shape, ops };
}
