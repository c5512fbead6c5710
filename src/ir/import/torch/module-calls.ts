/** What each module of torch.nn calls when it is evaluated (torch 1.13 to 2.15): ATen's names and arguments. */
import { at, complain } from '../../../base/errors.ts';
import type { AtenArg } from './aten-program.ts';
import { type Module, modulePrefix } from './module.ts';

type Arg =
  | AtenArg
  /** What the module is given. */
  | { readonly kind: 'given' }
  /** What the call before has made. */
  | { readonly kind: 'made' }
  /** A parameter or buffer of the module's own; none where it is None. */
  | { readonly kind: 'own'; readonly name: string };

export interface Call {
  readonly target: string;
  /** By the names of ATen's schema. */
  readonly args: Readonly<Record<string, Arg>>;
  /** Tensors that it makes, of which the first counts; 1 when absent. */
  readonly outputs?: number;
}

/** @param rank axes of what the module is given, with the batch */
type Calls = (module: Module, rank: number) => readonly Call[];

const given: Arg = { kind: 'given' };
const made: Arg = { kind: 'made' };
const none: Arg = { kind: 'none' };
const own = (name: string): Arg => ({ kind: 'own', name });
const int = (value: number): Arg => ({ kind: 'int', value });
const float = (value: number): Arg => ({ kind: 'float', value });
const flag = (value: boolean): Arg => ({ kind: 'flag', value });
const text = (value: string): Arg => ({ kind: 'text', value });
const numbers = (values: readonly number[]): Arg => ({ kind: 'numbers', values });

const aten = (name: string, args: Call['args'], outputs?: number): Call => ({
  target: `aten.${name}`,
  args,
  ...(outputs === undefined ? {} : { outputs }),
});

const nothing: Calls = () => [];

/** One call of `self` with floats of attributes of the same names, or others after a colon. */
const ofEach =
  (name: string, ...attributes: readonly string[]): Calls =>
  (m) => {
    const args = attributes.map((attribute) => {
      const [arg, from = arg] = attribute.split(':');
      return [arg, float(m.number(from ?? ''))];
    });
    return [aten(`${name}.default`, { self: given, ...Object.fromEntries(args) })];
  };

/** Windows along `axes` axes. */
const window = (m: Module, names: readonly string[]): Record<string, Arg> =>
  Object.fromEntries(names.map((name) => [name, numbers(m.numbers(name))]));

/** Margins that are no zeros are made by a call of their own. */
const conv =
  (name: string): Calls =>
  (m) => {
    const layer = { weight: own('weight'), bias: own('bias'), groups: int(m.number('groups')) };
    const moves = window(m, ['stride', 'dilation']);
    const mode = m.text('padding_mode', 'zeros');
    const padding = m.value('padding');
    if (mode !== 'zeros') {
      const margins = numbers(m.numbers('_reversed_padding_repeated_twice'));
      const padded = aten('pad.default', { self: given, pad: margins, mode: text(mode) });
      return [padded, aten(`${name}.default`, { input: made, ...layer, ...moves, padding: numbers([0]) })];
    }
    if (typeof padding === 'string')
      return [aten(`${name}.padding`, { input: given, ...layer, ...moves, padding: text(padding) })];
    return [aten(`${name}.default`, { input: given, ...layer, ...moves, ...window(m, ['padding']) })];
  };

const convTranspose =
  (name: string): Calls =>
  (m) => [
    aten(name, {
      ...{ input: given, weight: own('weight'), bias: own('bias'), groups: int(m.number('groups')) },
      ...window(m, ['stride', 'padding', 'output_padding', 'dilation']),
    }),
  ];

/** What both normalizations with statistics are given. */
const statistics = (m: Module): Record<string, Arg> => ({
  ...{ input: given, weight: own('weight'), bias: own('bias') },
  ...{ momentum: float(0.1), eps: float(m.number('eps', 1e-5)), cudnn_enabled: flag(false) },
});

const running = { running_mean: own('running_mean'), running_var: own('running_var') };

const batchNorm: Calls = (m) => {
  if (m.tensor('running_mean') === undefined)
    throw complain(
      'no running statistics (track_running_stats=False): it normalizes with those of the batch',
    );
  return [aten('batch_norm.default', { ...statistics(m), ...running, training: flag(false) })];
};

const instanceNorm: Calls = (m) => {
  const isTracked = m.flag('track_running_stats', false);
  const own = isTracked ? running : { running_mean: none, running_var: none };
  return [aten('instance_norm.default', { ...statistics(m), ...own, use_input_stats: flag(!isTracked) })];
};

const layerNorm: Calls = (m) => [
  aten('layer_norm.default', {
    ...{ input: given, normalized_shape: numbers(m.numbers('normalized_shape')) },
    ...{ weight: own('weight'), bias: own('bias'), eps: float(m.number('eps', 1e-5)) },
  }),
];

const groupNorm: Calls = (m) => [
  aten('group_norm.default', {
    ...{ input: given, num_groups: int(m.number('num_groups')) },
    ...{ weight: own('weight'), bias: own('bias'), eps: float(m.number('eps', 1e-5)) },
  }),
];

const rmsNorm: Calls = (m) => [
  aten('rms_norm.default', {
    ...{ input: given, normalized_shape: numbers(m.numbers('normalized_shape')), weight: own('weight') },
    eps: m.value('eps') === undefined ? none : float(m.number('eps')),
  }),
];

const maxPool =
  (name: string): Calls =>
  (m) => {
    m.require('return_indices', false);
    const windows = window(m, ['kernel_size', 'stride', 'padding', 'dilation']);
    return [
      aten(`${name}.default`, { self: given, ...windows, ceil_mode: flag(m.flag('ceil_mode', false)) }),
    ];
  };

const avgPool =
  (name: string): Calls =>
  (m) => {
    const divisor = m.value('divisor_override');
    const args = {
      ...{ self: given, ...window(m, ['kernel_size', 'stride', 'padding']) },
      ceil_mode: flag(m.flag('ceil_mode', false)),
      count_include_pad: flag(m.flag('count_include_pad', true)),
      ...(divisor === undefined ? {} : { divisor_override: int(m.number('divisor_override')) }),
    };
    return [aten(`${name}.default`, args)];
  };

const repeated = (values: readonly number[], count: number): readonly number[] =>
  values.length === 1 ? Array.from({ length: count }, () => at(values, 0)) : values;

const adaptivePool =
  (name: string, axes: number, outputs?: number): Calls =>
  (m) => {
    if (outputs !== undefined) m.require('return_indices', false);
    const output_size = numbers(repeated(m.numbers('output_size'), axes));
    return [aten(`${name}.default`, { self: given, output_size }, outputs)];
  };

/** Without `dim` PyTorch takes the first axis of 0, 1 or 3 axes, else the second. */
const softmax = (name: string, self: Arg, m: Module, rank: number): Call => {
  const missing = [0, 1, 3].includes(rank) ? 0 : 1;
  return aten(name, { self, dim: int(m.number('dim', missing)), dtype: none });
};

const alongDim =
  (name: string): Calls =>
  (m, rank) => [softmax(name, given, m, rank)];

const softmin: Calls = (m, rank) => [
  aten('neg.default', { self: given }),
  softmax('softmax.int', made, m, rank),
];

const softsign: Calls = () => [
  aten('abs.default', { self: given }),
  aten('add.Tensor', { self: made, other: int(1) }),
  aten('div.Tensor', { self: given, other: made }),
];

const tanhshrink: Calls = () => [
  aten('tanh.default', { self: given }),
  aten('sub.Tensor', { self: given, other: made }),
];

const flatten: Calls = (m) => [
  aten('flatten.using_ints', {
    ...{ self: given, start_dim: int(m.number('start_dim', 1)), end_dim: int(m.number('end_dim', -1)) },
  }),
];

const unflatten: Calls = (m) => [
  aten('unflatten.int', {
    ...{ self: given, dim: int(m.number('dim')), sizes: numbers(m.numbers('unflattened_size')) },
  }),
];

const pad =
  (axes: number, mode: string): Calls =>
  (m) => {
    const margins = numbers(repeated(m.numbers('padding'), 2 * axes));
    const value = mode === 'constant' ? { value: float(m.number('value', 0)) } : {};
    return [aten('pad.default', { self: given, pad: margins, mode: text(mode), ...value })];
  };

/** By mode, with the number of axes behind the channels. */
const resizing: Readonly<Record<string, (axes: number) => string>> = {
  nearest: (axes) => `upsample_nearest${axes}d.vec`,
  'nearest-exact': (axes) => `_upsample_nearest_exact${axes}d.vec`,
  linear: () => 'upsample_linear1d.vec',
  bilinear: () => 'upsample_bilinear2d.vec',
  bicubic: () => 'upsample_bicubic2d.vec',
};

const upsample: Calls = (m, rank) => {
  const mode = m.text('mode', 'nearest');
  const target = resizing[mode];
  if (target === undefined || rank < 3 || rank > 4)
    throw complain(`mode '${mode}' on ${rank} axes`, `${Object.keys(resizing).join(', ')} on 3 or 4 axes`);
  m.require('recompute_scale_factor', false);
  const axes = rank - 2;
  const list = (name: string): Arg =>
    m.value(name) === undefined ? none : numbers(repeated(m.numbers(name), axes));
  const corners = /linear|cubic/.test(mode) ? { align_corners: flag(m.flag('align_corners', false)) } : {};
  const args = { input: given, output_size: list('size'), ...corners, scale_factors: list('scale_factor') };
  return [aten(target(axes), args)];
};

const embedding: Calls = (m) => {
  if (m.value('max_norm') !== undefined) throw complain('max_norm, which changes the weights as it runs');
  return [aten('embedding.default', { weight: own('weight'), indices: given })];
};

const linear: Calls = () => [
  aten('linear.default', { input: given, weight: own('weight'), bias: own('bias') }),
];

const glu: Calls = (m) => [aten('glu.default', { self: given, dim: int(m.number('dim', -1)) })];

const shuffle =
  (name: string, factor: string): Calls =>
  (m) => [aten(`${name}.default`, { self: given, [factor]: int(m.number(factor)) })];

const gelu: Calls = (m) => [
  aten('gelu.default', { self: given, approximate: text(m.text('approximate', 'none')) }),
];

const prelu: Calls = () => [aten('prelu.default', { self: given, weight: own('weight') })];

/** By the class's name below `torch.nn.modules`. */
const table: Readonly<Record<string, Calls>> = {
  'linear.Identity': nothing,
  'dropout.Dropout': nothing,
  'dropout.Dropout1d': nothing,
  'dropout.Dropout2d': nothing,
  'dropout.Dropout3d': nothing,
  'dropout.AlphaDropout': nothing,
  'dropout.FeatureAlphaDropout': nothing,
  'linear.Linear': linear,
  'conv.Conv1d': conv('conv1d'),
  'conv.Conv2d': conv('conv2d'),
  'conv.ConvTranspose1d': convTranspose('conv_transpose1d.default'),
  'conv.ConvTranspose2d': convTranspose('conv_transpose2d.input'),
  'batchnorm.BatchNorm1d': batchNorm,
  'batchnorm.BatchNorm2d': batchNorm,
  'instancenorm.InstanceNorm1d': instanceNorm,
  'instancenorm.InstanceNorm2d': instanceNorm,
  'normalization.LayerNorm': layerNorm,
  'normalization.GroupNorm': groupNorm,
  'normalization.RMSNorm': rmsNorm,
  'pooling.MaxPool1d': maxPool('max_pool1d'),
  'pooling.MaxPool2d': maxPool('max_pool2d'),
  'pooling.AvgPool1d': avgPool('avg_pool1d'),
  'pooling.AvgPool2d': avgPool('avg_pool2d'),
  'pooling.AdaptiveAvgPool1d': adaptivePool('adaptive_avg_pool1d', 1),
  'pooling.AdaptiveAvgPool2d': adaptivePool('adaptive_avg_pool2d', 2),
  'pooling.AdaptiveMaxPool1d': adaptivePool('adaptive_max_pool1d', 1, 2),
  'pooling.AdaptiveMaxPool2d': adaptivePool('adaptive_max_pool2d', 2, 2),
  'activation.ReLU': ofEach('relu'),
  'activation.ReLU6': ofEach('hardtanh', 'min_val', 'max_val'),
  'activation.Hardtanh': ofEach('hardtanh', 'min_val', 'max_val'),
  'activation.LeakyReLU': ofEach('leaky_relu', 'negative_slope'),
  'activation.ELU': ofEach('elu', 'alpha'),
  'activation.CELU': ofEach('celu', 'alpha'),
  'activation.SELU': ofEach('selu'),
  'activation.GELU': gelu,
  'activation.SiLU': ofEach('silu'),
  'activation.Mish': ofEach('mish'),
  'activation.Sigmoid': ofEach('sigmoid'),
  'activation.Tanh': ofEach('tanh'),
  'activation.Hardswish': ofEach('hardswish'),
  'activation.Hardsigmoid': ofEach('hardsigmoid'),
  'activation.Softplus': ofEach('softplus', 'beta', 'threshold'),
  'activation.Softsign': softsign,
  'activation.Tanhshrink': tanhshrink,
  'activation.PReLU': prelu,
  'activation.Threshold': ofEach('threshold', 'threshold', 'value'),
  'activation.Hardshrink': ofEach('hardshrink', 'lambd'),
  'activation.Softshrink': ofEach('softshrink', 'lambd'),
  'activation.LogSigmoid': ofEach('log_sigmoid'),
  'activation.GLU': glu,
  'activation.Softmax': alongDim('softmax.int'),
  'activation.LogSoftmax': alongDim('log_softmax.int'),
  'activation.Softmin': softmin,
  'flatten.Flatten': flatten,
  'flatten.Unflatten': unflatten,
  'padding.ZeroPad1d': pad(1, 'constant'),
  'padding.ZeroPad2d': pad(2, 'constant'),
  'padding.ConstantPad1d': pad(1, 'constant'),
  'padding.ConstantPad2d': pad(2, 'constant'),
  'padding.ReflectionPad1d': pad(1, 'reflect'),
  'padding.ReflectionPad2d': pad(2, 'reflect'),
  'padding.ReplicationPad1d': pad(1, 'replicate'),
  'padding.ReplicationPad2d': pad(2, 'replicate'),
  'upsampling.Upsample': upsample,
  'upsampling.UpsamplingNearest2d': upsample,
  'upsampling.UpsamplingBilinear2d': upsample,
  'padding.CircularPad1d': pad(1, 'circular'),
  'padding.CircularPad2d': pad(2, 'circular'),
  'channelshuffle.ChannelShuffle': shuffle('channel_shuffle', 'groups'),
  'pixelshuffle.PixelShuffle': shuffle('pixel_shuffle', 'upscale_factor'),
  'pixelshuffle.PixelUnshuffle': shuffle('pixel_unshuffle', 'downscale_factor'),
  'sparse.Embedding': embedding,
};

/** Whole: `torch.nn.modules.conv.Conv2d`. */
export const moduleNames: ReadonlySet<string> = new Set(
  ['container.Sequential', ...Object.keys(table)].map((name) => modulePrefix + name),
);

/** @throws InputError for modules and attributes that are not read */
export function callsOf(module: Module, rank: number): readonly Call[] {
  const calls = Object.hasOwn(table, module.name) ? table[module.name] : undefined;
  if (calls === undefined) throw complain('a module that is not read', undefined, 'export with torch.export');
  return calls(module, rank);
}

/** Axes of what it makes of `rank` axes. */
export function rankBehind(module: Module, rank: number): number {
  if (module.type === 'Embedding') return rank + 1;
  if (module.type === 'Unflatten') return rank + module.numbers('unflattened_size').length - 1;
  if (module.type !== 'Flatten') return rank;
  const axis = (name: string, missing: number): number => (module.number(name, missing) + rank) % rank;
  return rank - Math.max(0, axis('end_dim', -1) - axis('start_dim', 1));
}
