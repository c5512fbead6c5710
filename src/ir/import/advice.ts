/** What to do about operators that have no counterpart here. */

const features = 'compute features before the network, in code of your own, and export what comes behind';
const behind = 'leave this step to code behind the network, and export what comes before';
const loops =
  'export with torch.onnx.export of the module itself, without torch.jit.script: a loop is unrolled then';
const lists =
  'lists have lengths that depend on data: index tensors with numbers that are fixed at the export';
const shapes = 'what it makes has a size that depends on data: multiply by a mask, or use torch.where';
const random = 'call model.eval() before the export, and take noise as an input';
const training = 'a loss is for training alone: export the module in eval(), without it';
const classical = 'export the layers of a neural network alone';

/** By type, of the default domain. */
export const adviceOfType: Readonly<Record<string, string>> = {
  ...{ Loop: loops, Scan: loops },
  ...{ SequenceAt: lists, SequenceConstruct: lists, SequenceEmpty: lists, SequenceInsert: lists },
  ...{ SequenceErase: lists, SequenceLength: lists, SequenceMap: lists, SplitToSequence: lists },
  ...{ ConcatFromSequence: lists, Optional: lists, OptionalGetElement: lists, OptionalHasElement: lists },
  ...{ Unique: shapes, NonMaxSuppression: behind },
  ...{ MelWeightMatrix: features, ImageDecoder: features },
  ...{ NegativeLogLikelihoodLoss: training, SoftmaxCrossEntropyLoss: training },
  ...{ MaxUnpool: 'upsample by Resize or ConvTranspose' },
  ...{
    StringNormalizer: features,
    TfIdfVectorizer: features,
    RegexFullMatch: features,
    StringSplit: features,
  },
  ...{ RandomNormal: random, RandomNormalLike: random, RandomUniform: random, RandomUniformLike: random },
  ...{ Bernoulli: random, Multinomial: random },
};

/** By domain: of all its types. */
export const adviceOfDomain: Readonly<Record<string, string>> = {
  'ai.onnx.ml': classical,
  'com.microsoft': 'export without the optimizations of onnxruntime, which write operators of its own',
  'org.pytorch.aten': 'export with operator_export_type=OperatorExportTypes.ONNX',
};

/** Undefined where there is nothing to say but to do without it. */
export const adviceFor = (domain: string, type: string): string | undefined =>
  domain === '' ? adviceOfType[type] : adviceOfDomain[domain];
