/** The integer model of a whole network: what every tensor of an int8 graph holds for one input. */

import type { Graph, Node } from '../../src/ir/graph/graph.ts';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import type { Quant } from '../../src/ir/kernel/stored.ts';
import type { QuantizedAdd } from '../../src/ir/ops/add.ts';
import type { ArgExtremeAttrs } from '../../src/ir/ops/arg-extreme.ts';
import type { QuantizedAttention } from '../../src/ir/ops/attention.ts';
import type { QuantizedAverage } from '../../src/ir/ops/avg-pool.ts';
import type { Lookup } from '../../src/ir/ops/common/pointwise.ts';
import type { QuantizedRecurrent } from '../../src/ir/ops/common/quantized-recurrent.ts';
import type { RecurrentAttrs } from '../../src/ir/ops/common/recurrent-cells.ts';
import type { ConvAttrs, QuantizedConv } from '../../src/ir/ops/conv.ts';
import type { AffineSum } from '../../src/ir/ops/kernels/affine-sum.ts';
import type { QuantizedNormalization } from '../../src/ir/ops/kernels/group-norm.ts';
import type { ShiftedSum } from '../../src/ir/ops/kernels/shifted-sum.ts';
import type { QuantizedMatrices } from '../../src/ir/ops/matrices.ts';
import type { PoolAttrs } from '../../src/ir/ops/max-pool.ts';
import type { MoveAttrs, QuantizedMove } from '../../src/ir/ops/move.ts';
import type { NormalizeAttrs } from '../../src/ir/ops/normalize-groups.ts';
import type { ReduceAttrs } from '../../src/ir/ops/reduce.ts';
import type { QuantizedResample, ResampleAttrs } from '../../src/ir/ops/resample.ts';
import type { ReshapeAttrs } from '../../src/ir/ops/reshape.ts';
import type { QuantizedRunningSum, RunningSumAttrs } from '../../src/ir/ops/running-sum.ts';
import type { QuantizedSoftmax, SoftmaxAttrs } from '../../src/ir/ops/softmax.ts';
import type { TransposeAttrs } from '../../src/ir/ops/transpose.ts';
import type { ComparisonAttrs, LogicAttrs } from '../../src/ir/ops/truth.ts';
import { realSamples } from '../support/functions.ts';
import { pairOf, pairSamples } from '../support/pairs.ts';
import { extremeOracle, normalizeOracle, sumOracle } from './along.ts';
import {
  attentionOracle,
  choiceOracle,
  comparisonOracle,
  embeddingOracle,
  firstLargest,
  logicOracle,
  matricesOracle,
  recurrentOracle,
  resampleOracle,
  runningSumOracle,
} from './mixing.ts';
import {
  addOracle,
  avgPoolOracle,
  type Bytes,
  clipOracle,
  convOracle,
  linearOracle,
  lookupOracle,
  maxPoolOracle,
  moveOracle,
  softmaxOracle,
  transposeOracle,
  wideSoftmaxOracle,
} from './operators.ts';
import { pairOracle } from './pairs.ts';

type Meaning = (
  node: Node,
  inputs: readonly Bytes[],
  gridOf: (tensor: string) => Quant | undefined,
  shape: readonly number[],
) => Bytes;

const lookedUp: Meaning = (n, [x]) => lookupOracle(n.quantized as Lookup, x!);

const meanings: Readonly<Record<string, Meaning>> = {
  conv: (n, [x]) => convOracle(n.attrs as ConvAttrs, n.quantized as QuantizedConv, x!),
  linear: (n, [x]) => linearOracle(n.quantized as QuantizedMac, x!),
  ...Object.fromEntries(
    pairSamples.map(({ op }): [string, Meaning] => [
      op.kind,
      (n, bytes, _gridOf, shape) => pairOracle(n, bytes, shape),
    ]),
  ),
  add: (n, bytes, gridOf, shape) => {
    const [a, b] = bytes;
    const q = n.quantized as QuantizedAdd;
    const isWide = [...n.inputs, ...n.outputs].some((tensor) => gridOf(tensor)?.bits === 16);
    if (isWide || pairOf(n) !== undefined || b === undefined || q.kind === 'channels')
      return pairOracle(n, bytes, shape);
    return addOracle(q, [gridOf(n.inputs[0]!)!, gridOf(n.inputs[1]!)!], gridOf(n.outputs[0]!)!, [a!, b!]);
  },
  meanAlong: (n, [x]) => sumOracle(n.attrs as ReduceAttrs, n.quantized as ShiftedSum, x!),
  sumAlong: (n, [x]) => sumOracle(n.attrs as ReduceAttrs, n.quantized as ShiftedSum, x!),
  largestAlong: (n, [x]) => extremeOracle(n.attrs as ReduceAttrs, 'max', x!),
  smallestAlong: (n, [x]) => extremeOracle(n.attrs as ReduceAttrs, 'min', x!),
  normalize: (n, [x]) =>
    normalizeOracle(n.attrs as NormalizeAttrs, n.quantized as QuantizedNormalization, x!),
  rmsNormalize: (n, [x]) =>
    normalizeOracle(n.attrs as NormalizeAttrs, n.quantized as QuantizedNormalization, x!),
  clip: (n, [x]) => clipOracle(n.quantized as AffineSum, x!),
  maxPool: (n, [x]) => maxPoolOracle(n.attrs as PoolAttrs, x!),
  avgPool: (n, [x]) => avgPoolOracle(n.attrs as PoolAttrs, n.quantized as QuantizedAverage, x!),
  softmax: (n, [x], gridOf) => {
    const { inputScale, isWide } = n.quantized as QuantizedSoftmax;
    const { axis } = n.attrs as SoftmaxAttrs;
    if (isWide === undefined) return softmaxOracle(axis, inputScale, x!);
    return wideSoftmaxOracle(axis, inputScale, gridOf(n.outputs[0]!)!.bits === undefined, x!);
  },
  resample: (n, [x], _gridOf, shape) =>
    resampleOracle(n.attrs as ResampleAttrs, n.quantized as QuantizedResample, x!, shape),
  runningSum: (n, [x]) =>
    runningSumOracle(n.attrs as RunningSumAttrs, n.quantized as QuantizedRunningSum, x!),
  matrices: (n, inputs, _gridOf, shape) => matricesOracle(n.quantized as QuantizedMatrices, inputs, shape),
  attention: (n, inputs, _gridOf, shape) => attentionOracle(n.quantized as QuantizedAttention, inputs, shape),
  comparison: (n, inputs, _gridOf, shape) =>
    comparisonOracle((n.attrs as ComparisonAttrs).how, n.quantized as never, inputs, shape),
  logic: (n, inputs, _gridOf, shape) =>
    logicOracle((n.attrs as LogicAttrs).how, n.quantized as never, inputs, shape),
  choice: (n, inputs, _gridOf, shape) => choiceOracle(n.quantized as never, inputs, shape),
  argMax: (n, [x], _gridOf, shape) => firstLargest((n.attrs as ArgExtremeAttrs).axis, x!, shape),
  embedding: (n, [x], _gridOf, shape) =>
    embeddingOracle((n.quantized as { readonly data: readonly number[] }).data, x!, shape),
  // Zeros and ones stand for themselves.
  conversion: (_n, [x]) => x!,
  ...Object.fromEntries(
    (['lstm', 'gru', 'rnn'] as const).map((cell): [string, Meaning] => [
      cell,
      (n, [x], _gridOf, shape) =>
        recurrentOracle(cell, n.attrs as RecurrentAttrs, n.quantized as QuantizedRecurrent, x!, shape),
    ]),
  ),
  move: (n, inputs) => moveOracle(n.attrs as MoveAttrs, n.quantized as QuantizedMove, inputs),
  ...Object.fromEntries(realSamples.map(({ op }) => [op.kind, lookedUp])),
  line: lookedUp,
  formula: lookedUp,
  reshape: (n, [x]) => ({ shape: (n.attrs as ReshapeAttrs).shape, data: x!.data }),
  transpose: (n, [x]) => transposeOracle((n.attrs as TransposeAttrs).perm, x!),
};

/** As they are stored, which loses nothing. */
function stored(graph: Graph<'int8'>, name: string, data: Bytes['data']): Uint8Array | Int16Array {
  const kept = graph.tensors.get(name)!.quant?.bits === 16 ? Int16Array.from(data) : Uint8Array.from(data);
  const i = data.findIndex((x: number, k: number) => x !== kept[k]);
  if (i >= 0) throw new Error(`the integer model has ${data[i]} of tensor '${name}', beyond what it stores`);
  return kept;
}

/**
 * @param input stored bytes, row-major
 * @returns by tensor name the stored numbers, row-major
 */
export function oracle(
  graph: Graph<'int8'>,
  input: Uint8Array,
): ReadonlyMap<string, Uint8Array | Int16Array> {
  const [name] = graph.inputs;
  const values = new Map<string, Bytes>([[name!, { shape: graph.tensors.get(name!)!.shape, data: input }]]);
  for (const node of graph.nodes) {
    const meaning = meanings[node.op.kind];
    if (meaning === undefined) throw new Error(`there is no oracle for ${node.op.kind}`);
    const activations = node.inputs.flatMap((tensor) => values.get(tensor) ?? []);
    values.set(
      node.outputs[0]!,
      meaning(
        node,
        activations,
        (tensor) => graph.tensors.get(tensor)?.quant,
        graph.tensors.get(node.outputs[0]!)!.shape,
      ),
    );
  }
  return new Map([...values].map(([tensor, { data }]) => [tensor, stored(graph, tensor, data)]));
}
