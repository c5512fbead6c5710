import { at, complain, must } from '../../base/errors.ts';
import type { CanonicalOp, ImportedOp, InputType, KernelContext } from '../graph/op.ts';
import { noFinerThan } from '../integers/quant.ts';
import {
  accumulate,
  add,
  float,
  int,
  load,
  local,
  loop,
  mul,
  store,
  sub,
  variable,
} from '../kernel/builders.ts';
import type { Expr, Kernel, Table } from '../kernel/kernel.ts';
import { countOf, numbersFor, stridesOf, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { axisIn, constantScalar, known, newestOpset, required, requireFloats } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { eachLine, linesOf } from './kernels/axis-lines.ts';
import { docOf } from './kernels/doc.ts';
import { type ShiftedSum, shiftedEnd, shiftedSum } from './kernels/shifted-sum.ts';

interface RunningSumAttrs {
  readonly axis: number;
  /** Without the element itself. */
  readonly exclusive: boolean;
  /** From the end on. */
  readonly reverse: boolean;
}

/** Sums in float64, rounded as they are handed out. */
function runningSums({ axis, exclusive, reverse }: RunningSumAttrs, x: Tensor): Tensor {
  const [size, stride] = [at(x.shape, axis), at(stridesOf(x.shape), axis)];
  const data = numbersFor(x.dtype, x.data.length);
  for (let first = 0; first < data.length; first++) {
    if (Math.floor(first / stride) % size !== 0) continue;
    let sum = 0;
    for (let n = 0; n < size; n++) {
      const i = first + (reverse ? size - 1 - n : n) * stride;
      if (exclusive) data[i] = sum;
      sum += at(x.data, i);
      if (!exclusive) data[i] = sum;
    }
  }
  return { ...x, data };
}

/** A sum of bytes that stays below 2^30. */
const longestLine = 2 ** 22;

/** What differs between kinds of elements. */
interface Elements {
  readonly elem: 'u8' | 'f32';
  readonly tables: readonly Table[];
  /** What is added of an element. */
  term(x: Expr): Expr;
  made(sum: Expr): Expr;
}

function kernelOf(
  { axis, exclusive, reverse }: RunningSumAttrs,
  { name, inputs, outputs }: KernelContext,
  { elem, tables, term, made }: Elements,
): Kernel {
  const [input, output] = [must(inputs[0], 'an input'), must(outputs[0], 'an output')];
  const lines = linesOf(input, axis);
  const sum = local('sum', elem === 'f32' ? 'f32' : 'i32');
  const body = eachLine(lines, (first) => [
    variable('sum', elem === 'f32' ? float(0) : int(0)),
    ...loop('i', lines.length, (i) => {
      const place = add(first, mul(reverse ? sub(lines.length - 1, i) : i, lines.step));
      const added = accumulate('sum', term(load('in', elem, place)));
      const put = store('out', elem, place, made(sum));
      return exclusive ? [put, added] : [added, put];
    }),
  ]);
  const length = countOf(input.shape);
  return {
    name,
    doc: docOf(`Running sums of ${lines.length}`, [input], output, elem),
    params: [
      { name: 'in', role: 'in', elem, length },
      { name: 'out', role: 'out', elem, length },
    ],
    tables,
    body,
    macs: 0,
  };
}

interface QuantizedRunningSum extends ShiftedSum {
  readonly zero: number;
}

/** Sums of all elements up to each one along an axis. */
export const runningSum: CanonicalOp<RunningSumAttrs, QuantizedRunningSum> = {
  kind: 'runningSum',
  infer(_attrs, inputs) {
    requireFloats(inputs);
    const { dtype, shape } = required(inputs, 0, 'x');
    return [{ dtype, shape }];
  },
  reference: (attrs, inputs) => [runningSums(attrs, required(inputs, 0, 'x'))],
  channels: opaqueChannels,
  reads: strided,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  outputQuant: ({ inputQuants, range }) =>
    noFinerThan(must(inputQuants[0], 'the input is quantized').scale, range),
  quantize({ attrs, inputTypes, inputQuants, outputQuant }) {
    const size = at(required(inputTypes, 0, 'x').shape, attrs.axis);
    if (size > longestLine) throw complain(`running sums of ${size} in 8 bits`, `at most ${longestLine}`);
    const { scale, zeroPoint } = must(inputQuants[0], 'the input is quantized');
    return { ...shiftedSum(scale, 0, 0, outputQuant), zero: zeroPoint };
  },
  rows: undefined,
  gradient: {
    of({ axis, exclusive, reverse }, steps) {
      const { shape } = must(steps.types[0], 'inputs have types');
      const [size, stride] = [at(shape, axis), at(stridesOf(shape), axis)];
      const x = steps.input(0);
      return steps.fixed(shape, (i) => {
        const own = Math.floor(i / stride) % size;
        const [from, to] = reverse ? [own, size - 1] : [0, own];
        return Array.from({ length: to - from + 1 }, (_, k) => from + k)
          .filter((k) => !exclusive || k !== own)
          .map((k) => [x, i + (k - own) * stride, 1] as const);
      });
    },
  },
  int8(attrs, { zero, ...q }, context) {
    const { tables, value } = shiftedEnd(context.name, q);
    return kernelOf(attrs, context, { elem: 'u8', tables, term: (x) => sub(x, zero), made: value });
  },
  float32: (attrs, context) =>
    kernelOf(attrs, context, { elem: 'f32', tables: [], term: (x) => x, made: (sum) => sum }),
};

type Asked = Omit<RunningSumAttrs, 'axis'>;

const explicit = (asked: Asked, inputs: readonly (InputType | undefined)[]): RunningSumAttrs => ({
  ...asked,
  axis: axisIn(
    required([constantScalar(inputs[1], 'axis')], 0, 'axis'),
    required(inputs, 0, 'x').shape.length,
  ),
});

/** ONNX CumSum-11, 14: along a constant axis. */
export const cumSum: ImportedOp<Asked> = {
  kind: 'cumSum',
  restrictions: `a constant axis; int8: of at most ${longestLine} elements`,
  onnx: {
    CumSum: {
      since: 11,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        exclusive: attributes.int('exclusive', 0) !== 0,
        reverse: attributes.int('reverse', 0) !== 0,
      }),
    },
  },
  infer(_attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'x');
    return [{ dtype, shape }];
  },
  reference: (asked, inputs) => runningSum.reference(explicit(asked, inputs.map(known)), inputs),
  canonicalize: ({ attrs, inputs, outputs, inputTypes }) => [
    { op: runningSum, attrs: explicit(attrs, inputTypes), inputs: inputs.slice(0, 1), outputs },
  ],
};
