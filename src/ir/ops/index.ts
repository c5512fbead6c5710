import type { CanonicalOp, ImportedOp, OnnxRule, OpDef } from '../graph/op.ts';
import { argMax, argMin } from './arg-extreme.ts';
import { addition, div, mul, neg, sub } from './arithmetic.ts';
import { attention } from './attention.ts';
import { attentionOfHeads, rotaryEmbedding } from './attention-heads.ts';
import { avgPool } from './avg-pool.ts';
import { batchNorm } from './batch-norm.ts';
import { blockWeights } from './block-weights.ts';
import { toReal, toStored } from './borders.ts';
import { cast } from './cast.ts';
import { choice } from './choice.ts';
import { normalizer, scaler } from './classical.ts';
import { clipInputs } from './clip-inputs.ts';
import { col2im } from './col2im.ts';
import { concat } from './concat.ts';
import { constant } from './constant.ts';
import { constantOfShape } from './constant-of-shape.ts';
import { conv } from './conv.ts';
import { convTranspose } from './conv-transpose.ts';
import { conversion } from './conversion.ts';
import { depthToSpace, spaceToDepth } from './depth-to-space.ts';
import { dropout } from './dropout.ts';
import { dynamicGrid } from './dynamic-grid.ts';
import { einsum } from './einsum.ts';
import { embedding } from './embedding.ts';
import { flatten } from './flatten.ts';
import { realOps } from './formula.ts';
import { fourier } from './fourier.ts';
import { gather } from './gather.ts';
import { gatherNd } from './gather-nd.ts';
import { gemm } from './gemm.ts';
import { generators } from './generators.ts';
import { globalAvgPool, globalLpPool, globalMaxPool } from './global-pools.ts';
import { grid } from './grid.ts';
import { gridSample } from './grid-sample.ts';
import { identity } from './identity.ts';
import { integerLayers } from './integer-layers.ts';
import { integerPair } from './integer-pairs.ts';
import { convInteger, integerConv, integerMatrices, matMulInteger } from './integer-sums.ts';
import { linear } from './linear.ts';
import { logSoftmax } from './log-softmax.ts';
import { lrn } from './lrn.ts';
import { matMul } from './mat-mul.ts';
import { matrices } from './matrices.ts';
import { maxPool } from './max-pool.ts';
import { maxPoolIndices } from './max-pool-indices.ts';
import { move } from './move.ts';
import { normalize, rmsNormalize } from './normalize-groups.ts';
import { norms } from './norms.ts';
import { constantOps } from './on-constants.ts';
import { hardmax, hardmaxFlattened, oneHot } from './one-hot.ts';
import { pad } from './pad.ts';
import { pick } from './pick.ts';
import { pow } from './pow.ts';
import { preluSlopes } from './prelu-slopes.ts';
import { dequantizeLinear, quantizeLinear } from './quantize-linear.ts';
import { gru, lstm, rnn } from './recurrent.ts';
import { gruLayer, lstmLayer, rnnLayer } from './recurrent-layers.ts';
import { reduceOps } from './reduced.ts';
import { reductions } from './reductions.ts';
import { resample } from './resample.ts';
import { reshape } from './reshape.ts';
import { reshapeInput } from './reshape-input.ts';
import { resize } from './resizing.ts';
import { rowClip } from './row-clip.ts';
import { cumSum, runningSum } from './running-sum.ts';
import { scaleShift } from './scale-shift.ts';
import { scatters } from './scatter.ts';
import { maxOf, meanOf, minOf, sumOf } from './several.ts';
import { shape } from './shape.ts';
import { slice } from './slice.ts';
import { softmax } from './softmax.ts';
import { logSoftmaxFlattened, softmaxFlattened } from './softmax-flattened.ts';
import { split } from './split.ts';
import { squeeze, unsqueeze } from './squeeze.ts';
import { expand, tile } from './tile.ts';
import { topK, topKInputs } from './top-k.ts';
import { transpose } from './transpose.ts';
import { comparison, logic } from './truth.ts';

/** The operators of every stage. To add one: its file, a line here, its test. */
const canonical: readonly CanonicalOp[] = [
  ...realOps,
  attention,
  avgPool,
  batchNorm,
  blockWeights,
  choice,
  comparison,
  conv,
  dynamicGrid,
  embedding,
  conversion,
  gru,
  integerConv,
  integerMatrices,
  integerPair,
  linear,
  logic,
  lstm,
  matrices,
  maxPool,
  move,
  pick,
  resample,
  reshape,
  runningSum,
  rnn,
  rowClip,
  scaleShift,
  softmax,
  toReal,
  toStored,
  transpose,
  ...reductions,
  normalize,
  rmsNormalize,
  argMax,
  argMin,
  topK,
  logSoftmax,
  lrn,
  grid,
];

/** Those of the imported stage only. */
const imported: readonly ImportedOp[] = [
  addition,
  attentionOfHeads,
  rotaryEmbedding,
  cast,
  normalizer,
  scaler,
  clipInputs,
  col2im,
  concat,
  constant,
  constantOfShape,
  convInteger,
  convTranspose,
  cumSum,
  depthToSpace,
  div,
  dequantizeLinear,
  dropout,
  einsum,
  expand,
  flatten,
  gather,
  gatherNd,
  gemm,
  globalAvgPool,
  globalLpPool,
  globalMaxPool,
  gridSample,
  gruLayer,
  identity,
  lstmLayer,
  matMul,
  matMulInteger,
  maxOf,
  maxPoolIndices,
  hardmax,
  hardmaxFlattened,
  oneHot,
  meanOf,
  minOf,
  mul,
  pad,
  pow,
  neg,
  preluSlopes,
  quantizeLinear,
  reshapeInput,
  resize,
  rnnLayer,
  shape,
  slice,
  softmaxFlattened,
  spaceToDepth,
  split,
  squeeze,
  sub,
  tile,
  sumOf,
  unsqueeze,
  ...constantOps,
  ...fourier,
  ...generators,
  ...scatters,
  ...reduceOps,
  ...norms,
  ...integerLayers,
  topKInputs,
  logSoftmaxFlattened,
];

/** Every operator. */
export const ops: readonly OpDef[] = [...canonical, ...imported];

export interface OnnxMatch {
  readonly op: OpDef;
  readonly rule: OnnxRule<unknown>;
}

const byType: ReadonlyMap<string, readonly OnnxMatch[]> = grouped();

function grouped(): Map<string, OnnxMatch[]> {
  const found = new Map<string, OnnxMatch[]>();
  for (const op of ops)
    for (const [type, rule] of Object.entries(op.onnx ?? {}))
      found.set(type, [...(found.get(type) ?? []), { op, rule }]);
  return found;
}

/** The operator that the ONNX type means in an opset of the default domain. */
export const opOfOnnx = (type: string, opset: number): OnnxMatch | undefined =>
  byType.get(type)?.find(({ rule }) => rule.since <= opset && opset <= rule.upTo);

/** The opsets in which the ONNX type means something here, `5 to 25`; undefined where there are none. */
export function opsetsOf(type: string): string | undefined {
  const rules = byType.get(type)?.map(({ rule }) => rule);
  if (rules === undefined) return undefined;
  return `${Math.min(...rules.map((rule) => rule.since))} to ${Math.max(...rules.map((rule) => rule.upTo))}`;
}

/** The ONNX operator types that some opset has support for, with those opsets, sorted. */
export const supportedOnnx = (): readonly string[] =>
  [...byType.keys()].map((type) => `${type} (opset ${opsetsOf(type)})`).sort();
