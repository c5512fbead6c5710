/** The modules of torch.nn that a saved nn.Sequential may be made of. */

const classes: Readonly<Record<string, readonly string[]>> = {
  container: ['Sequential'],
  linear: ['Linear', 'Identity'],
  conv: ['Conv1d', 'Conv2d', 'ConvTranspose1d', 'ConvTranspose2d'],
  batchnorm: ['BatchNorm1d', 'BatchNorm2d'],
  normalization: ['LayerNorm', 'GroupNorm', 'RMSNorm'],
  instancenorm: ['InstanceNorm1d', 'InstanceNorm2d'],
  pooling: [
    ...['MaxPool1d', 'MaxPool2d', 'AvgPool1d', 'AvgPool2d'],
    ...['AdaptiveAvgPool1d', 'AdaptiveAvgPool2d', 'AdaptiveMaxPool1d', 'AdaptiveMaxPool2d'],
  ],
  activation: [
    ...['ReLU', 'ReLU6', 'Hardtanh', 'LeakyReLU', 'ELU', 'CELU', 'SELU', 'GELU', 'SiLU', 'Mish'],
    ...['Sigmoid', 'Tanh', 'Hardswish', 'Hardsigmoid', 'Softplus', 'Softsign', 'PReLU', 'Threshold'],
    ...['Hardshrink', 'Softshrink', 'LogSigmoid', 'GLU', 'Softmax', 'LogSoftmax', 'Softmin', 'Tanhshrink'],
  ],
  flatten: ['Flatten', 'Unflatten'],
  dropout: ['Dropout', 'Dropout1d', 'Dropout2d', 'Dropout3d', 'AlphaDropout', 'FeatureAlphaDropout'],
  padding: [
    ...['ZeroPad1d', 'ZeroPad2d', 'ConstantPad1d', 'ConstantPad2d'],
    ...['ReflectionPad1d', 'ReflectionPad2d', 'ReplicationPad1d', 'ReplicationPad2d'],
  ],
  upsampling: ['Upsample', 'UpsamplingNearest2d', 'UpsamplingBilinear2d'],
  pixelshuffle: ['PixelShuffle', 'PixelUnshuffle'],
  sparse: ['Embedding'],
};

/** Whole: `torch.nn.modules.conv.Conv2d`. */
export const moduleNames: ReadonlySet<string> = new Set(
  Object.entries(classes).flatMap(([file, names]) => names.map((name) => `torch.nn.modules.${file}.${name}`)),
);
