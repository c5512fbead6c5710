import { at, complain, must } from '../../base/errors.ts';
import type { Steps, Value } from '../graph/gradient.ts';
import type { CanonicalOp, KernelContext } from '../graph/op.ts';
import { largestFloat } from '../integers/row-clamp.ts';
import {
  accumulate,
  assign,
  call,
  constant,
  float,
  int,
  local,
  maximum,
  store,
  sub,
  variable,
} from '../kernel/builders.ts';
import type { Expr, Kernel, Stmt } from '../kernel/kernel.ts';
import { positionsOf } from '../kernel/memory-order.ts';
import { countOf, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import * as float32 from './common/float32.ts';
import { axisIn, newestOpset, required } from './common/inputs.ts';
import { oneAxis } from './common/one-axis.ts';
import { strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { alongAxes, groupsOf, otherAxes } from './kernels/axis-lines.ts';
import { docOf } from './kernels/doc.ts';
import { holder } from './kernels/elementwise.ts';
import {
  exponentialTable,
  type Logarithm,
  logarithm,
  logOf,
  logValue,
  powerIn,
} from './kernels/logarithm.ts';
import { type Group, inGroups } from './kernels/reducing.ts';
import { longestInt8Softmax } from './kernels/softmax.ts';
import { logSumExpSteps } from './reduce.ts';
import type { SoftmaxAttrs } from './softmax.ts';

/** x - largest - ln(sum of e^(x - largest)) along an axis. */
function logSoftmaxAlong(x: Tensor, axis: number): Tensor {
  const made = new Float64Array(x.data.length);
  const members = [...alongAxes(x.shape, [axis])];
  for (const start of alongAxes(x.shape, otherAxes(x.shape, [axis]))) {
    const values = members.map((member) => at(x.data, start + member));
    const largest = values.reduce((most, value) => Math.max(most, value), -Infinity);
    const log = largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
    members.forEach((member, i) => {
      made[start + member] = at(values, i) - log;
    });
  }
  return rounded(x.dtype, x.shape, made);
}

const largestOfGroup = ({ first, each }: Group, type: 'i32' | 'f32'): readonly Stmt[] => [
  variable('largest', type === 'f32' ? float(-largestFloat) : first),
  ...each('i', (x) => [
    constant('x', x),
    assign('largest', maximum(local('x', type), local('largest', type))),
  ]),
];

function float32Body(group: Group): readonly Stmt[] {
  const { hold, statements } = holder();
  const largest = local('largest', 'f32');
  const log = float32.log(local('sum', 'f32'), hold);
  return [
    ...largestOfGroup(group, 'f32'),
    variable('sum', float(0)),
    ...group.each('j', (x) => [accumulate('sum', call('exp_f32', 'f32', sub(x, largest)))]),
    ...statements,
    constant('log', log),
    ...group.each('k', (x, [place = int(0)]) => [
      store('out', 'f32', place, sub(sub(x, largest), local('log', 'f32'))),
    ]),
  ];
}

function kernelOf(
  { axis }: SoftmaxAttrs,
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
  integers?: Logarithm,
): Kernel {
  const [input, output] = [must(inputs[0], 'an input'), must(outputs[0], 'an output')];
  const groups = groupsOf(input.shape, [axis], [positionsOf(input)]);
  const count = countOf(input.shape);
  const common = { name, doc: docOf('Log softmax', [input], output, elem), elem, groups };
  if (integers === undefined) return inGroups({ ...common, counts: [count, count], body: float32Body });
  const table = exponentialTable(name, integers, groups.size);
  const difference = (x: Expr): Expr => sub(x, local('largest'));
  const body = (group: Group): readonly Stmt[] => [
    ...largestOfGroup(group, 'i32'),
    variable('sum', int(0)),
    ...group.each('j', (x) => [accumulate('sum', powerIn(table, x))]),
    logOf(integers, local('sum'), groups.size),
    ...group.each('k', (x, [place = int(0)]) => [
      store('out', 'u8', place, logValue(integers, difference(x))),
    ]),
  ];
  return inGroups({ ...common, counts: [count, count], tables: [table], body });
}

function logSoftmaxSteps(steps: Steps, axis: number): Value {
  const x = steps.input(0);
  const [members, starts] = [alongAxes(x.shape, [axis]), alongAxes(x.shape, otherAxes(x.shape, [axis]))];
  const plane = countOf(x.shape);
  const all = { ...x, shape: [1, 1, plane] };
  const largest = steps.largest(all, [1, 1, starts.length], { plane, taps: members, starts });
  const { less, group, log } = logSumExpSteps(steps, largest, { starts, members });
  return steps.fixed(steps.output, (i) => [
    [less, i, 1],
    [log, at(group, i), -1],
  ]);
}

/** ONNX LogSoftmax-13: along one axis. */
export const logSoftmax: CanonicalOp<SoftmaxAttrs, Logarithm> = {
  kind: 'logSoftmax',
  restrictions: `int8: over at most ${longestInt8Softmax} elements`,
  onnx: {
    LogSoftmax: { since: 13, upTo: newestOpset, parse: oneAxis.parse },
  },
  infer: oneAxis.infer,
  reference({ axis }, inputs) {
    const x = required(inputs, 0, 'input');
    return [logSoftmaxAlong(x, axisIn(axis, x.shape.length))];
  },
  explicit: oneAxis.explicit,
  reads: strided,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  channels: opaqueChannels,
  anyZeroPoint: 'computes',
  rows: undefined,
  gradient: { of: ({ axis }, steps) => logSoftmaxSteps(steps, axis) },
  quantize({ attrs: { axis }, inputTypes, inputQuants, outputQuant }) {
    const count = at(required(inputTypes, 0, 'input').shape, axis);
    if (count > longestInt8Softmax)
      throw complain(`log softmax over ${count} numbers`, `at most ${longestInt8Softmax}`);
    return logarithm(must(inputQuants[0], 'the input is quantized'), outputQuant, count, -1, 0);
  },
  int8: (attrs, q, context) => kernelOf(attrs, context, 'u8', q),
  float32: (attrs, context) => kernelOf(attrs, context, 'f32'),
};
