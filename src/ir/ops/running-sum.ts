import { at, complain, must } from '../../base/errors.ts';
import type { CanonicalOp, ImportedOp, InputType, KernelContext } from '../graph/op.ts';
import { saturationOf } from '../integers/mac.ts';
import { noFinerThan } from '../integers/quant.ts';
import { epilogue, type Requant, requantOf } from '../integers/requant.ts';
import {
  accumulate,
  add,
  constant,
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
import { type Expr, type Kernel, scalarOf, type Table } from '../kernel/kernel.ts';
import { elemOf, type Quant } from '../kernel/stored.ts';
import { countOf, type Shape, stridesOf, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { axisIn, constantScalar, known, newestOpset, required } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { eachLine, linesOf } from './kernels/axis-lines.ts';
import { docOf } from './kernels/doc.ts';

interface Direction {
  /** Without the element itself. */
  readonly exclusive: boolean;
  /** From the last element to the first. */
  readonly reverse: boolean;
}

export interface RunningSumAttrs extends Direction {
  readonly axis: number;
}

export interface QuantizedRunningSum {
  readonly input: Quant;
  readonly output: Quant;
  readonly requant: Requant;
}

/** Longer sums of differences of bytes could leave int32. */
const longest = 2 ** 23;

/** The elements that are summed, of each one, one step after the other: [element, the one before it]. */
function chain({ axis, reverse }: RunningSumAttrs, shape: Shape) {
  const [size, stride] = [at(shape, axis), at(stridesOf(shape), axis)];
  const step = reverse ? -stride : stride;
  return Array.from({ length: countOf(shape) }, (_, k) => {
    const i = reverse ? countOf(shape) - 1 - k : k;
    const index = Math.floor(i / stride) % size;
    return { element: i, before: index === (reverse ? size - 1 : 0) ? undefined : i - step };
  });
}

function summed(attrs: RunningSumAttrs, x: Tensor): Tensor {
  const sums = new Float64Array(x.data.length);
  for (const { element, before } of chain(attrs, x.shape))
    sums[element] = at(x.data, element) + (before === undefined ? 0 : at(sums, before));
  const made = attrs.exclusive ? sums.map((sum, i) => sum - at(x.data, i)) : sums;
  return rounded(x.dtype, x.shape, made);
}

function kernelOf(
  { axis, exclusive, reverse }: RunningSumAttrs,
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
  term: (x: Expr) => Expr,
  finish: (sum: Expr) => Expr,
  tables: readonly Table[],
): Kernel {
  const [input, output] = [must(inputs[0], 'an input'), must(outputs[0], 'an output')];
  const outElem = elem === 'f32' ? elem : elemOf(output);
  const lines = linesOf(input, axis);
  const [count, scalar] = [countOf(input.shape), scalarOf(elem)];
  const sum = local('sum', scalar);
  const body = eachLine(lines, (first) => [
    variable('sum', elem === 'f32' ? float(0) : int(0)),
    ...loop('i', lines.length, (i) => {
      const place = add(first, mul(reverse ? sub(lines.length - 1, i) : i, lines.step));
      const more = accumulate('sum', term(load('in', elem, place)));
      const put = (value: Expr) => store('out', outElem, place, finish(value));
      return exclusive ? [constant('before', sum), more, put(local('before', scalar))] : [more, put(sum)];
    }),
  ]);
  return {
    name,
    doc: docOf(`Running sums of ${lines.length}`, [input], output, elem),
    params: [
      { name: 'in', role: 'in', elem, length: count },
      { name: 'out', role: 'out', elem: outElem, length: count },
    ],
    tables,
    body,
    macs: 0,
  };
}

/** The sum of all elements up to each one, along an axis. */
export const runningSum: CanonicalOp<RunningSumAttrs, QuantizedRunningSum> = {
  kind: 'runningSum',
  infer: (_attrs, inputs) => {
    const { dtype, shape } = required(inputs, 0, 'x');
    return [{ dtype, shape }];
  },
  reference: (attrs, inputs) => [summed(attrs, required(inputs, 0, 'x'))],
  reads: strided,
  channels: opaqueChannels,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  gradient: {
    of(attrs, steps) {
      const x = steps.input(0);
      const terms = new Map<number, readonly number[]>();
      for (const { element, before } of chain(attrs, x.shape))
        terms.set(element, [element, ...(before === undefined ? [] : (terms.get(before) ?? []))]);
      return steps.fixed(steps.output, (i) =>
        (terms.get(i) ?? []).slice(attrs.exclusive ? 1 : 0).map((element) => [x, element, 1] as const),
      );
    },
  },
  outputQuant: ({ inputQuants, range, outputBits }) =>
    noFinerThan(must(inputQuants[0], 'the input is quantized').scale, range, outputBits),
  sixteen: 'made',
  quantize({ attrs, inputTypes, inputQuants, outputQuant, mode }) {
    const input = must(inputQuants[0], 'the input is quantized');
    const size = at(required(inputTypes, 0, 'x').shape, attrs.axis);
    if (size > longest) throw complain(`running sums of ${size}`, `at most ${longest}`);
    const scale = Math.min(1, input.scale / outputQuant.scale);
    return {
      input,
      output: outputQuant,
      requant: requantOf(mode === 'ort-float' ? mode : 'single', [scale]),
    };
  },
  int8(attrs, { input, output, requant }, context) {
    const end = epilogue(context.name, requant, saturationOf(output, undefined));
    const term = (x: Expr): Expr => sub(x, input.zeroPoint);
    return kernelOf(attrs, context, 'u8', term, (sum) => end.value(sum, int(0)), end.tables);
  },
  float32: (attrs, context) =>
    kernelOf(
      attrs,
      context,
      'f32',
      (x) => x,
      (sum) => sum,
      [],
    ),
};

function attrsOf(direction: Direction, inputs: readonly (InputType | undefined)[]): RunningSumAttrs {
  const { shape } = required(inputs, 0, 'x');
  const axis = must(constantScalar(required(inputs, 1, 'axis'), 'axis'), 'an axis');
  return { ...direction, axis: axisIn(axis, shape.length) };
}

/** ONNX CumSum-11, 14. */
export const cumSum: ImportedOp<Direction> = {
  kind: 'cumSum',
  restrictions: `a constant axis; int8: along at most ${longest} elements`,
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
  infer: (_attrs, inputs) => {
    const { dtype, shape } = required(inputs, 0, 'x');
    return [{ dtype, shape }];
  },
  reference: (direction, inputs) => [summed(attrsOf(direction, inputs.map(known)), required(inputs, 0, 'x'))],
  canonicalize: ({ attrs, inputs, inputTypes, outputs }) => [
    { op: runningSum, attrs: attrsOf(attrs, inputTypes), inputs: inputs.slice(0, 1), outputs },
  ],
};
