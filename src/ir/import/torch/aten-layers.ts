/** Layers with weights, normalizations, pools and resizes. */
import { at, complain } from '../../../base/errors.ts';
import { type AtenCall, filled, type Translations } from './aten-call.ts';
import {
  batched,
  concatenated,
  cut,
  floating,
  forAxes,
  reshaped,
  trained,
  transposed,
  unsqueezed,
} from './aten-common.ts';
import { float, int, ints, type OnnxAttributes, text } from './aten-draft.ts';

/** Axes of a window: those of the weights but the first two. */
const spatial = (call: AtenCall, weight: string): number => call.rankOf(weight) - 2;

const bothSides = (pads: readonly number[]): readonly number[] => [...pads, ...pads];

function windowOf(call: AtenCall, axes: number): OnnxAttributes {
  return {
    strides: ints(forAxes(call.numbers('stride', [1]), axes)),
    dilations: ints(forAxes(call.numbers('dilation', [1]), axes)),
    group: int(call.int('groups', 1)),
  };
}

function layered(call: AtenCall, type: string, attributes: OnnxAttributes): string {
  const weight = call.tensor('weight');
  const bias = call.optional('bias');
  return batched(call, call.tensor('input'), call.rankOf(weight), (x) =>
    call.make(type, bias === '' ? [x, weight] : [x, weight, bias], attributes),
  );
}

function convolved(call: AtenCall): string {
  const axes = spatial(call, call.tensor('weight'));
  const pads = forAxes(call.numbers('padding', [0]), axes);
  return layered(call, 'Conv', { ...windowOf(call, axes), pads: ints(bothSides(pads)) });
}

/** Zeros, or as many as keep the size at a stride of 1, the odd one at the end. */
function namedPadding(call: AtenCall): string {
  const weight = call.tensor('weight');
  const axes = spatial(call, weight);
  const how = call.text('padding', 'valid');
  if (how !== 'valid' && how !== 'same') throw complain(`padding '${how}'`, `'valid' or 'same'`);
  const dilations = forAxes(call.numbers('dilation', [1]), axes);
  const all = dilations.map((d, i) => (how === 'same' ? d * (at(call.shapeOf(weight), i + 2) - 1) : 0));
  const pads = [...all.map((n) => Math.floor(n / 2)), ...all.map((n) => Math.ceil(n / 2))];
  return layered(call, 'Conv', { ...windowOf(call, axes), pads: ints(pads) });
}

function convTransposed(call: AtenCall): string {
  const axes = spatial(call, call.tensor('weight'));
  return layered(call, 'ConvTranspose', {
    ...windowOf(call, axes),
    pads: ints(bothSides(forAxes(call.numbers('padding', [0]), axes))),
    output_padding: ints(forAxes(call.numbers('output_padding', [0]), axes)),
  });
}

function convolution(call: AtenCall): string {
  if (call.flag('transposed')) return convTransposed(call);
  call.arg('output_padding');
  return convolved(call);
}

function linear(call: AtenCall): string {
  const [x, weight, bias] = [call.tensor('input'), call.tensor('weight'), call.optional('bias')];
  if (call.rankOf(x) === 2)
    return call.make('Gemm', bias === '' ? [x, weight] : [x, weight, bias], { transB: int(1) });
  const product = call.make('MatMul', [x, transposed(call, weight, [1, 0])]);
  return bias === '' ? product : call.make('Add', [product, bias]);
}

/** beta * self + alpha * (one @ other), batches of matrices too. */
function addedProduct(call: AtenCall, one: string, other: string): string {
  const [self, a, b] = [call.tensor('self'), call.tensor(one), call.tensor(other)];
  const [alpha, beta] = [call.number('alpha', 1), call.number('beta', 1)];
  if (alpha === 1 && beta === 1 && call.rankOf(a) === 2 && call.rankOf(b) === 2 && call.rankOf(self) === 1)
    return call.make('Gemm', [a, b, self]);
  const product = times(call, call.make('MatMul', [a, b]), alpha);
  return beta === 0 ? product : call.make('Add', [product, times(call, self, beta)]);
}

const times = (call: AtenCall, x: string, factor: number): string =>
  factor === 1 ? x : call.make('Mul', [x, call.scalar(factor, call.typeOf(x).dtype)]);

const product = (one: string, other: string) => (call: AtenCall) =>
  call.make('MatMul', [call.tensor(one), call.tensor(other)]);

/** Sums of products along an axis. */
function dotted(call: AtenCall, one: string, other: string, dim: number): string {
  const products = call.make('Mul', [call.tensor(one), call.tensor(other)]);
  return call.make('ReduceSum', [products, call.list([call.axis(dim, call.rankOf(products))])], {
    keepdims: int(0),
  });
}

/** a[i] * b[j]. */
const outer = (call: AtenCall): string =>
  call.make('Mul', [unsqueezed(call, call.tensor('self'), [1]), call.tensor('vec2')]);

function einsum(call: AtenCall): string {
  return call.make('Einsum', call.tensors('tensors'), { equation: text(call.text('equation')) });
}

/** A vector of a number per channel, where the call leaves it out. */
function perChannel(call: AtenCall, name: string, value: number, channels: number): string {
  const given = call.optional(name);
  return given === '' ? call.constant(filled(value, 'float32', [channels])) : given;
}

function normalizedByRunning(call: AtenCall): string {
  const x = call.tensor('input');
  const channels = at(call.shapeOf(x), 1);
  const [mean, variance] = [call.optional('running_mean'), call.optional('running_var')];
  if (mean === '' || variance === '')
    throw complain(
      'a batch normalization without running statistics',
      'track_running_stats=True',
      'export behind model.eval() of a model that tracks them',
    );
  const scale = perChannel(call, 'weight', 1, channels);
  const bias = perChannel(call, 'bias', 0, channels);
  return call.make('BatchNormalization', [x, scale, bias, mean, variance], {
    epsilon: float(call.number('eps')),
  });
}

/** Without running statistics it normalizes by its input in evaluation too. */
function batchNorm(call: AtenCall): string {
  if (call.arg('running_mean') === undefined) return normalizedByInput(call);
  if (call.flag('training', false)) call.note(trained);
  return normalizedByRunning(call);
}

/** Behind the normalization what a trainer keeps: statistics that nothing reads. */
function trainingNorm(call: AtenCall): readonly string[] {
  call.arg('training');
  call.note(trained);
  const kept = [call.tensor('running_mean'), call.tensor('running_var')];
  return [normalizedByRunning(call), ...kept, ...kept];
}

function layerNorm(call: AtenCall): string {
  const x = call.tensor('input');
  const shape = call.numbers('normalized_shape');
  const scale = call.optional('weight') || call.constant(filled(1, 'float32', shape));
  const bias = call.optional('bias');
  const attributes = { axis: int(-shape.length), epsilon: float(call.number('eps', 1e-5)) };
  return call.make('LayerNormalization', bias === '' ? [x, scale] : [x, scale, bias], attributes);
}

function groupNorm(call: AtenCall, groups: string): string {
  const x = call.tensor('input');
  const channels = at(call.shapeOf(x), 1);
  const scale = perChannel(call, 'weight', 1, channels);
  const bias = perChannel(call, 'bias', 0, channels);
  const attributes = { num_groups: int(call.int(groups)), epsilon: float(call.number('eps', 1e-5)) };
  return call.make('GroupNormalization', [x, scale, bias], attributes);
}

function nativeGroupNorm(call: AtenCall): string {
  for (const name of ['N', 'C', 'HxW']) call.arg(name);
  return groupNorm(call, 'group');
}

function instanceNorm(call: AtenCall): string {
  if (!call.flag('use_input_stats', true)) return normalizedByRunning(call);
  call.arg('running_mean');
  call.arg('running_var');
  const x = call.tensor('input');
  const channels = at(call.shapeOf(x), 1);
  const scale = perChannel(call, 'weight', 1, channels);
  const bias = perChannel(call, 'bias', 0, channels);
  return call.make('InstanceNormalization', [x, scale, bias], { epsilon: float(call.number('eps', 1e-5)) });
}

/** Over the numbers of each channel of each sample, as an instance normalization is decomposed. */
function normalizedByInput(call: AtenCall): string {
  call.arg('training');
  call.arg('running_var');
  const x = call.tensor('input');
  const channels = at(call.shapeOf(x), 1);
  if (at(call.shapeOf(x), 0) !== 1 || call.rankOf(x) < 3)
    throw complain('a batch normalization by the statistics of its batch', 'model.eval()');
  const scale = perChannel(call, 'weight', 1, channels);
  const bias = perChannel(call, 'bias', 0, channels);
  return call.make('InstanceNormalization', [x, scale, bias], { epsilon: float(call.number('eps')) });
}

/** The smallest float32 above 1, less 1: what PyTorch adds where no eps is given. */
const floatEpsilon = 2 ** -23;

function rmsNorm(call: AtenCall): string {
  const x = call.tensor('input');
  const shape = call.numbers('normalized_shape');
  const scale = call.optional('weight') || call.constant(filled(1, 'float32', shape));
  const epsilon = call.number('eps', floatEpsilon);
  return call.make('RMSNormalization', [x, scale], { axis: int(-shape.length), epsilon: float(epsilon) });
}

/** The kernel where no stride is given. */
function poolOf(call: AtenCall, axes: number): OnnxAttributes {
  const kernel = forAxes(call.numbers('kernel_size'), axes);
  const stride = call.numbers('stride', []);
  return {
    kernel_shape: ints(kernel),
    strides: ints(stride.length === 0 ? kernel : forAxes(stride, axes)),
    pads: ints(bothSides(forAxes(call.numbers('padding', [0]), axes))),
    ceil_mode: int(Number(call.flag('ceil_mode', false))),
  };
}

const maxPool = (axes: number) => (call: AtenCall) => {
  const dilations = ints(forAxes(call.numbers('dilation', [1]), axes));
  const attributes = { ...poolOf(call, axes), dilations };
  return batched(call, call.tensor('self'), axes + 2, (x) => call.make('MaxPool', [x], attributes));
};

function averaged(call: AtenCall, x: string, axes: number): string {
  const pool = poolOf(call, axes);
  const counted = call.flag('count_include_pad', true);
  const divisor = call.maybeNumber('divisor_override');
  const attributes = { ...pool, count_include_pad: int(Number(counted || divisor !== undefined)) };
  const mean = call.make('AveragePool', [x], attributes);
  if (divisor === undefined) return mean;
  if (call.flag('ceil_mode', false)) throw complain('divisor_override with ceil_mode', 'one of them');
  const size = forAxes(call.numbers('kernel_size'), axes).reduce((a, b) => a * b, 1);
  return times(call, mean, size / divisor);
}

const avgPool = (axes: number) => (call: AtenCall) =>
  batched(call, call.tensor('self'), axes + 2, (x) => averaged(call, x, axes));

/** Along the first of three axes alone, as a local response normalization has it. */
function avgPool3d(call: AtenCall): string {
  const x = call.tensor('self');
  const shape = call.shapeOf(x);
  const [kernel, stride, padding] = [
    forAxes(call.numbers('kernel_size'), 3),
    forAxes(call.numbers('stride', call.numbers('kernel_size')), 3),
    forAxes(call.numbers('padding', [0]), 3),
  ];
  const flat =
    [...kernel.slice(1), ...stride.slice(1)].every((n) => n === 1) && padding.every((n) => n === 0);
  const plain = flat && !call.flag('ceil_mode', false) && call.arg('divisor_override') === undefined;
  if (!plain || shape.length < 4) throw complain('a pool of three axes', 'one or two');
  call.arg('count_include_pad');
  const [rows, columns] = [
    at(shape, shape.length - 3),
    at(shape, shape.length - 2) * at(shape, shape.length - 1),
  ];
  const pooled = call.make(
    'AveragePool',
    [reshaped(call, x, [...shape.slice(0, -3).slice(0, 2), rows, columns])],
    {
      kernel_shape: ints([at(kernel, 0), 1]),
      strides: ints([at(stride, 0), 1]),
    },
  );
  return reshaped(call, pooled, [...shape.slice(0, -3), at(call.shapeOf(pooled), 2), ...shape.slice(-2)]);
}

interface Adaptive {
  readonly pool: string;
  readonly global: string;
  readonly reduce: string;
}

const adaptiveMean: Adaptive = { pool: 'AveragePool', global: 'GlobalAveragePool', reduce: 'ReduceMean' };
const adaptiveMax: Adaptive = { pool: 'MaxPool', global: 'GlobalMaxPool', reduce: 'ReduceMax' };

/** Bin i of n over L elements: from floor(i*L/n) to ceil((i+1)*L/n). */
function inBins(call: AtenCall, x: string, axis: number, bins: number, { reduce }: Adaptive): string {
  const size = at(call.shapeOf(x), axis);
  if (size === bins) return x;
  const parts = Array.from({ length: bins }, (_, i) => {
    const part = cut(call, x, axis, Math.floor((i * size) / bins), Math.ceil(((i + 1) * size) / bins));
    return call.make(reduce, [part, call.list([axis])], { keepdims: int(1) });
  });
  return concatenated(call, parts, axis);
}

function adaptive(call: AtenCall, x: string, axes: number, how: Adaptive): string {
  const sizes = call.shapeOf(x).slice(2);
  const wanted = forAxes(call.numbers('output_size'), axes).map((n, i) => (n < 0 ? at(sizes, i) : n));
  if (wanted.every((n) => n === 1)) return call.make(how.global, [x]);
  if (wanted.every((n, i) => n === sizes[i])) return x;
  if (wanted.every((n, i) => at(sizes, i) % n === 0)) {
    const kernel = ints(wanted.map((n, i) => at(sizes, i) / n));
    return call.make(how.pool, [x], { kernel_shape: kernel, strides: kernel });
  }
  return wanted.reduce((made, n, i) => inBins(call, made, i + 2, n, how), x);
}

const adaptivePool = (axes: number, how: Adaptive) => (call: AtenCall) =>
  batched(call, call.tensor('self'), axes + 2, (x) => adaptive(call, x, axes, how));

const rounded = new Float32Array(1);
const words = new Int32Array(rounded.buffer);

/** A float32 near the scale with which float32 arithmetic gives the size that float64 gives. */
function scaleFor(scale: number, size: number): number {
  rounded[0] = scale;
  const wanted = Math.floor(size * scale);
  const below = Math.floor(size * at(rounded, 0)) < wanted;
  if (below) words[0] = at(words, 0) + 1;
  return at(rounded, 0);
}

function resize(call: AtenCall, attributes: OnnxAttributes): string {
  const x = call.tensor('input');
  const shape = call.shapeOf(x);
  const [sizes, scales] = [call.maybeNumbers('output_size'), call.maybeNumbers('scale_factors')];
  if (sizes !== undefined)
    return call.make('Resize', [x, '', '', call.list([...shape.slice(0, 2), ...sizes])], attributes);
  if (scales === undefined) throw complain('a resize without size and scale');
  const data = Float32Array.from([1, 1, ...scales.map((scale, i) => scaleFor(scale, at(shape, i + 2)))]);
  return call.make(
    'Resize',
    [x, '', call.constant({ dtype: 'float32', shape: [data.length], data })],
    attributes,
  );
}

const coordinates = (how: string): OnnxAttributes => ({ coordinate_transformation_mode: text(how) });

const nearest = (call: AtenCall): string =>
  resize(call, { mode: text('nearest'), nearest_mode: text('floor'), ...coordinates('asymmetric') });

const nearestExact = (call: AtenCall): string =>
  resize(call, {
    mode: text('nearest'),
    nearest_mode: text('round_prefer_ceil'),
    ...coordinates('half_pixel'),
  });

/** Half pixels, or corners on corners. */
const smooth = (attributes: OnnxAttributes) => (call: AtenCall) =>
  resize(call, {
    ...attributes,
    ...coordinates(call.flag('align_corners') ? 'align_corners' : 'half_pixel'),
  });

const linearly = smooth({ mode: text('linear') });

const embedding = (call: AtenCall): string =>
  call.make('Gather', [call.tensor('weight'), call.tensor('indices')]);

/** PReLU: a slope for each index of axis 1. */
function prelu(call: AtenCall): string {
  const [x, weight] = [call.tensor('self'), call.tensor('weight')];
  const count = call.shapeOf(weight).reduce((product, n) => product * n, 1);
  const behind = Math.max(call.rankOf(x) - 2, 0);
  const slope = count === 1 ? weight : reshaped(call, weight, [count, ...new Array<number>(behind).fill(1)]);
  return call.make('PRelu', [floating(call, x), slope]);
}

/** g * v / |v|, the norm over all axes but one. */
function weightNorm(call: AtenCall): string {
  const [v, g] = [call.tensor('v'), call.tensor('g')];
  const kept = call.int('dim', 0);
  const axes = [...call.shapeOf(v).keys()].filter((axis) => axis !== kept);
  const norm = call.make('ReduceL2', [v, call.list(axes)], { keepdims: int(1) });
  return call.make('Mul', [v, call.make('Div', [g, norm])]);
}

/** Sums over i and j of a[i] * w[o, i, j] * b[j]. */
function bilinear(call: AtenCall): string {
  const [a, b, weight] = [call.tensor('input1'), call.tensor('input2'), call.tensor('weight')];
  const [outputs, first, second] = call.shapeOf(weight) as [number, number, number];
  const lead = call.shapeOf(a).slice(0, -1);
  const matrix = reshaped(call, transposed(call, weight, [1, 0, 2]), [first, outputs * second]);
  const half = reshaped(call, call.make('MatMul', [a, matrix]), [...lead, outputs, second]);
  const products = call.make('Mul', [half, unsqueezed(call, b, [lead.length])]);
  const sum = call.make('ReduceSum', [products, call.list([lead.length + 1])], { keepdims: int(0) });
  return call.arg('bias') === undefined ? sum : call.make('Add', [sum, call.tensor('bias')]);
}

function dropout(call: AtenCall): string {
  if (call.flag('train', false)) call.note(trained);
  return call.tensor(call.node.args.has('self') ? 'self' : 'input');
}

function nativeDropout(call: AtenCall): string {
  call.arg('train');
  call.note(trained);
  return call.tensor('input');
}

export const layers: Translations = {
  'conv1d.default': convolved,
  'conv2d.default': convolved,
  'conv3d.default': convolved,
  'conv1d.padding': namedPadding,
  'conv2d.padding': namedPadding,
  'conv_transpose1d.default': convTransposed,
  'conv_transpose2d.input': convTransposed,
  'convolution.default': convolution,
  'linear.default': linear,
  'addmm.default': (call) => addedProduct(call, 'mat1', 'mat2'),
  'baddbmm.default': (call) => addedProduct(call, 'batch1', 'batch2'),
  'mm.default': product('self', 'mat2'),
  'bmm.default': product('self', 'mat2'),
  'matmul.default': product('self', 'other'),
  'mv.default': product('self', 'vec'),
  'dot.default': product('self', 'tensor'),
  'outer.default': outer,
  'einsum.default': einsum,
  'batch_norm.default': batchNorm,
  '_native_batch_norm_legit_no_training.default': normalizedByRunning,
  '_native_batch_norm_legit_functional.default': trainingNorm,
  '_native_batch_norm_legit.no_stats': normalizedByInput,
  'layer_norm.default': layerNorm,
  'native_layer_norm.default': layerNorm,
  'group_norm.default': (call) => groupNorm(call, 'num_groups'),
  'native_group_norm.default': nativeGroupNorm,
  'instance_norm.default': instanceNorm,
  'rms_norm.default': rmsNorm,
  'max_pool1d.default': maxPool(1),
  'max_pool2d.default': maxPool(2),
  'max_pool2d_with_indices.default': maxPool(2),
  'max_pool1d_with_indices.default': maxPool(1),
  'avg_pool1d.default': avgPool(1),
  'avg_pool2d.default': avgPool(2),
  'avg_pool3d.default': avgPool3d,
  'adaptive_avg_pool1d.default': adaptivePool(1, adaptiveMean),
  'adaptive_avg_pool2d.default': adaptivePool(2, adaptiveMean),
  '_adaptive_avg_pool2d.default': adaptivePool(2, adaptiveMean),
  'adaptive_max_pool1d.default': adaptivePool(1, adaptiveMax),
  'adaptive_max_pool2d.default': adaptivePool(2, adaptiveMax),
  'upsample_nearest1d.vec': nearest,
  'upsample_nearest2d.vec': nearest,
  '_upsample_nearest_exact1d.vec': nearestExact,
  '_upsample_nearest_exact2d.vec': nearestExact,
  'upsample_linear1d.vec': linearly,
  'upsample_bilinear2d.vec': linearly,
  'upsample_bicubic2d.vec': smooth({ mode: text('cubic'), cubic_coeff_a: float(-0.75) }),
  'embedding.default': embedding,
  'addmv.default': (call) => addedProduct(call, 'mat', 'vec'),
  'linalg_vecdot.default': (call) => dotted(call, 'x', 'y', call.int('dim', -1)),
  'vdot.default': product('self', 'other'),
  '_weight_norm.default': weightNorm,
  '_weight_norm_interface.default': weightNorm,
  'bilinear.default': bilinear,
  'prelu.default': prelu,
  '_prelu_kernel.default': prelu,
  'dropout.default': dropout,
  'feature_dropout.default': dropout,
  'alpha_dropout.default': dropout,
  'native_dropout.default': nativeDropout,
};
