import type { CanonicalOp, ImportedOp, OnnxRule, OpDef } from '../graph/op.ts';
import { div, mul, neg, sub } from './arithmetic.ts';
import { avgPool } from './avg-pool.ts';
import { batchNorm } from './batch-norm.ts';
import { cast } from './cast.ts';
import { clipInputs } from './clip-inputs.ts';
import { concat } from './concat.ts';
import { constant } from './constant.ts';
import { constantOfShape } from './constant-of-shape.ts';
import { conv } from './conv.ts';
import { dropout } from './dropout.ts';
import { flatten } from './flatten.ts';
import { realOps } from './formula.ts';
import { gather } from './gather.ts';
import { gemm } from './gemm.ts';
import { globalAvgPool } from './global-avg-pool.ts';
import { identity } from './identity.ts';
import { linear } from './linear.ts';
import { matMul } from './mat-mul.ts';
import { maxPool } from './max-pool.ts';
import { pow } from './pow.ts';
import { preluSlopes } from './prelu-slopes.ts';
import { reduceMean } from './reduce-mean.ts';
import { reshape } from './reshape.ts';
import { reshapeInput } from './reshape-input.ts';
import { scaleShift } from './scale-shift.ts';
import { maxOf, meanOf, minOf, sumOf } from './several.ts';
import { shape } from './shape.ts';
import { slice } from './slice.ts';
import { softmax } from './softmax.ts';
import { softmaxFlattened } from './softmax-flattened.ts';
import { squeeze, unsqueeze } from './squeeze.ts';
import { transpose } from './transpose.ts';

/** The operators of every stage. To add one: its file, a line here, its test. */
const canonical: readonly CanonicalOp[] = [
  ...realOps,
  avgPool,
  batchNorm,
  conv,
  linear,
  maxPool,
  reshape,
  scaleShift,
  softmax,
  transpose,
];

/** Those of the imported stage only. */
const imported: readonly ImportedOp[] = [
  cast,
  clipInputs,
  concat,
  constant,
  constantOfShape,
  div,
  dropout,
  flatten,
  gather,
  gemm,
  globalAvgPool,
  identity,
  matMul,
  maxOf,
  meanOf,
  minOf,
  mul,
  neg,
  pow,
  preluSlopes,
  reduceMean,
  reshapeInput,
  shape,
  slice,
  softmaxFlattened,
  squeeze,
  sub,
  sumOf,
  unsqueeze,
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

/** The ONNX operator types that some opset has support for, with those opsets, sorted. */
export const supportedOnnx = (): readonly string[] =>
  [...byType]
    .map(([type, matches]) => {
      const [since, upTo] = [
        Math.min(...matches.map((m) => m.rule.since)),
        Math.max(...matches.map((m) => m.rule.upTo)),
      ];
      return `${type} (opset ${since} to ${upTo})`;
    })
    .sort();
