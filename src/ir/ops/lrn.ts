import { at, complain, must } from '../../base/errors.ts';
import type { CanonicalOp, KernelContext } from '../graph/op.ts';
import { noFinerThan } from '../integers/quant.ts';
import { epilogue, type Requant, requantOf } from '../integers/requant.ts';
import {
  accumulate,
  add,
  and,
  call,
  constant,
  float,
  int,
  load,
  local,
  loop,
  maximum,
  minimum,
  mul,
  shr,
  store,
  sub,
  variable,
} from '../kernel/builders.ts';
import type { Expr, Kernel, Stmt, Table } from '../kernel/kernel.ts';
import { log2 } from '../kernel/prims/root.ts';
import type { Quant } from '../kernel/stored.ts';
import { channelCount, countOf, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import * as float32 from './common/float32.ts';
import { newestOpset, required, requireFloats } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { eachLine, linesOf } from './kernels/axis-lines.ts';
import { docOf } from './kernels/doc.ts';
import { holder } from './kernels/elementwise.ts';

export interface LrnAttrs {
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
  /** Channels of a window, and how many of them stand before one's own. */
  readonly size: number;
  readonly before: number;
}

const after = ({ size, before }: LrnAttrs): number => size - 1 - before;

/** x / (bias + alpha / size * sum of squares in the window)^beta */
function normalized(attrs: LrnAttrs, x: Tensor): Tensor {
  const { alpha, beta, bias, size } = attrs;
  const [channels, inner] = [channelCount(x.shape), countOf(x.shape.slice(2))];
  const made = Float64Array.from(x.data, (own, i) => {
    const c = Math.floor(i / inner) % channels;
    let sum = 0;
    for (let k = Math.max(0, c - attrs.before); k <= Math.min(channels - 1, c + after(attrs)); k++)
      sum += at(x.data, i + (k - c) * inner) ** 2;
    return own * (bias + (alpha / size) * sum) ** -beta;
  });
  return rounded(x.dtype, x.shape, made);
}

/** What 1 is among the powers: as large as products with differences of bytes let it be, 16 bits of it in a table. */
const one = 65535;
const moreBits = 6;
const powers = Array.from({ length: 257 }, (_, i) => Math.round(one * 2 ** (-i / 256)));

/**
 * y = R(x e) + zeroPoint with e = 2^-d and d = beta (log2(sum + constant) - log2 constant), where sum and constant are
 * in units of 2^short.
 */
export interface QuantizedLrn {
  readonly zero: number;
  /** The largest sum. */
  readonly largest: number;
  readonly short: number;
  readonly constant: number;
  /** 65536 log2 constant, and the most that the sum's logarithm is above it. */
  readonly log: number;
  readonly most: number;
  /** beta is power 2^-shift. */
  readonly power: number;
  readonly shift: number;
  readonly requant: Requant;
  readonly zeroPoint: number;
}

/** Sums of squares of bytes stay in int32. */
const widestWindow = 2 ** 15;

function quantized(attrs: LrnAttrs, channels: number, input: Quant, output: Quant): QuantizedLrn {
  const { alpha, beta, bias, size } = attrs;
  const whole = (bias * size) / (alpha * input.scale ** 2);
  const largest = 255 ** 2 * Math.min(size, channels);
  const short = Math.ceil(Math.log2((whole + largest) / 2 ** 30));
  const constant = Math.max(1, Math.round(whole * 2 ** -short));
  const most = Math.ceil(65536 * Math.log2(1 + (largest * 2 ** -short) / constant)) + 64;
  const shift = Math.max(0, Math.min(24, Math.floor(Math.log2((2 ** 31 - 1) / most / beta) - 0.001)));
  const scale = (input.scale * bias ** -beta) / output.scale / (one * 2 ** moreBits);
  return {
    zero: input.zeroPoint,
    largest,
    short,
    constant,
    log: log2.js(constant),
    most,
    power: Math.round(beta * 2 ** shift),
    shift,
    requant: requantOf('single', [scale]),
    zeroPoint: output.zeroPoint,
  };
}

/** What stands in the loops of a channel: `centre` is what is normalized, `each` goes through its window. */
interface Window {
  readonly centre: Expr;
  each(body: (x: Expr) => readonly Stmt[]): readonly Stmt[];
  put(y: Expr): Stmt;
}

function lrnKernel(
  attrs: LrnAttrs,
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
  tables: readonly Table[],
  body: (window: Window) => readonly Stmt[],
): Kernel {
  const [input, output] = [must(inputs[0], 'an input'), must(outputs[0], 'an output')];
  const lines = linesOf(input, 1);
  const count = countOf(input.shape);
  const last = lines.length - 1;
  const place = (first: Expr, c: Expr): Expr => add(first, mul(c, lines.step));
  const statements = eachLine(lines, (first) =>
    loop('c', lines.length, (c) => [
      constant('from', maximum(sub(c, attrs.before), 0)),
      constant('to', minimum(add(c, after(attrs)), last)),
      ...body({
        centre: load('in', elem, place(first, c)),
        each: (inner) =>
          loop('k', add(local('to'), 1), (k) => inner(load('in', elem, place(first, k))), {
            from: local('from'),
          }),
        put: (y) => store('out', elem, place(first, c), y),
      }),
    ]),
  );
  return {
    name,
    doc: docOf(`Local response normalization over ${attrs.size} channels`, [input], output, elem),
    params: [
      { name: 'in', role: 'in', elem, length: count },
      { name: 'out', role: 'out', elem, length: count },
    ],
    tables,
    body: statements,
    macs: 0,
  };
}

const clamped = (x: Expr, lo: number, hi: number): Expr => call('clamp', 'i32', x, int(lo), int(hi));

function int8Kernel(attrs: LrnAttrs, q: QuantizedLrn, context: KernelContext): Kernel {
  const table: Table = {
    name: `${context.name}_powers`,
    elem: 'u16',
    data: powers,
    says: `2 to the power -(entry / 256), 1.0 being ${one}.`,
  };
  const end = epilogue(context.name, q.requant, { zeroPoint: q.zeroPoint, lo: 0, hi: 255 });
  // Squares, which are not negative, are products to the proof.
  const total = clamped(local('sum'), 0, q.largest);
  const sum = q.short > 0 ? shr(total, q.short) : mul(total, 2 ** -q.short);
  const over = sub(call('log2_q16', 'i32', add(sum, q.constant)), q.log);
  const power = (i: Expr): Expr => load(table.name, 'u16', i);
  const [down, index, rest] = [local('down'), local('index'), and(local('down'), 255)];
  return lrnKernel(attrs, context, 'u8', [table, ...end.tables], ({ centre, each, put }) => [
    variable('sum', int(0)),
    ...each((x) => [constant('q', sub(x, q.zero)), accumulate('sum', mul(local('q'), local('q')))]),
    constant('down', shr(mul(clamped(over, 0, q.most), q.power), q.shift)),
    constant('index', and(shr(down, 8), 255)),
    constant('high', power(index)),
    constant('between', shr(mul(sub(local('high'), power(add(index, 1))), rest), 8)),
    constant('whole', clamped(shr(down, 16), 0, 31)),
    constant('e', shr(mul(sub(local('high'), local('between')), 2 ** moreBits), local('whole'))),
    put(end.value(mul(sub(centre, q.zero), local('e')), int(0))),
  ]);
}

function float32Kernel(attrs: LrnAttrs, context: KernelContext): Kernel {
  const { hold, statements } = holder();
  const sum = hold(
    'scaled',
    add(mul(local('sum', 'f32'), float(attrs.alpha / attrs.size)), float(attrs.bias)),
  );
  const log = hold('log', float32.log(sum, hold));
  const power = hold('power', float32.exp(hold('exponent', mul(log, float(-attrs.beta))), hold));
  return lrnKernel(attrs, context, 'f32', [], ({ centre, each, put }) => [
    variable('sum', float(0)),
    ...each((x) => [constant('q', x), accumulate('sum', mul(local('q', 'f32'), local('q', 'f32')))]),
    ...statements,
    put(mul(centre, power)),
  ]);
}

/** Each element over a power of the squares of its neighbours along the channels. ONNX LRN-1, 13. */
export const lrn: CanonicalOp<LrnAttrs, QuantizedLrn> = {
  kind: 'lrn',
  restrictions: `alpha, beta, bias and size above 0; int8: windows of at most ${widestWindow} channels`,
  onnx: {
    LRN: {
      since: 1,
      upTo: newestOpset,
      parse({ attributes }) {
        const attrs = {
          alpha: attributes.float('alpha', 1e-4),
          beta: attributes.float('beta', 0.75),
          bias: attributes.float('bias', 1),
          size: attributes.int('size', 1),
          before: Math.floor((attributes.int('size', 1) - 1) / 2),
        };
        if (!(attrs.bias > 0 && attrs.alpha > 0 && attrs.beta > 0 && attrs.size > 0))
          throw complain(
            `alpha ${attrs.alpha}, beta ${attrs.beta}, bias ${attrs.bias}, size ${attrs.size}`,
            'numbers above 0',
          );
        return attrs;
      },
    },
  },
  infer(_attrs, inputs) {
    requireFloats(inputs);
    const { dtype, shape } = required(inputs, 0, 'X');
    if (shape.length < 2) throw complain(`${shape.length} axes`, 'an axis of channels');
    return [{ dtype, shape }];
  },
  reference: (attrs, inputs) => [normalized(attrs, required(inputs, 0, 'X'))],
  channels: opaqueChannels,
  reads: strided,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  outputQuant: ({ inputQuants, attrs, range }) =>
    noFinerThan(
      must(inputQuants[0], 'the input is quantized').scale * attrs.bias ** -attrs.beta * 2 ** -20,
      range,
    ),
  quantize({ attrs, inputTypes, inputQuants, outputQuant }) {
    const channels = channelCount(required(inputTypes, 0, 'X').shape);
    if (Math.min(attrs.size, channels) > widestWindow)
      throw complain(`windows of ${attrs.size} channels in 8 bits`, `at most ${widestWindow}`);
    return quantized(attrs, channels, must(inputQuants[0], 'the input is quantized'), outputQuant);
  },
  rows: undefined,
  gradient: {
    of(attrs, steps) {
      const x = steps.input(0);
      const [channels, inner] = [channelCount(x.shape), countOf(x.shape.slice(2))];
      const squares = steps.product(x, x);
      const sums = steps.fixed(
        x.shape,
        (i) => {
          const c = Math.floor(i / inner) % channels;
          const [from, to] = [Math.max(0, c - attrs.before), Math.min(channels - 1, c + after(attrs))];
          const places = Array.from({ length: to - from + 1 }, (_, k) => i + (from + k - c) * inner);
          return places.map((place) => [squares, place, attrs.alpha / attrs.size] as const);
        },
        () => attrs.bias,
      );
      return steps.product(x, steps.curve(sums, { kind: 'power', attrs: { exponent: -attrs.beta } }));
    },
  },
  int8: int8Kernel,
  float32: float32Kernel,
};
