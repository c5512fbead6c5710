import { complain, must } from '../../base/errors.ts';
import type { CanonicalOp, KernelContext } from '../graph/op.ts';
import {
  add,
  assign,
  call,
  compare,
  constant,
  div,
  float,
  load,
  local,
  loop,
  maximum,
  minimum,
  select,
  store,
  sub,
  variable,
} from '../kernel/builders.ts';
import type { Expr, Kernel, Param, Stmt } from '../kernel/kernel.ts';
import { countOf, type Tensor, type TensorType } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { newestOpset, required, requireFloats } from './common/inputs.ts';
import { docOf } from './kernels/doc.ts';

type Attrs = Readonly<Record<string, never>>;

const f = Math.fround;

/** Halves to even, of x cut to lo..hi; lo where x is no number. */
function nearestWithin(x: number, lo: number, hi: number): number {
  const cut = x > lo ? Math.min(x, hi) : lo;
  const floor = Math.floor(cut);
  const rest = cut - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

interface Grid {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The grid that holds 0 and all numbers. */
function gridOf(data: Tensor['data']): Grid {
  let [lo, hi] = [0, 0];
  for (const x of data) {
    if (x < lo) lo = x;
    if (x > hi) hi = x;
  }
  const scale = f(f(hi - lo) / 255) || 1;
  return { scale, zeroPoint: nearestWithin(f(-lo / scale), 0, 255) };
}

const byteOf = (x: number, { scale, zeroPoint }: Grid): number =>
  zeroPoint + nearestWithin(f(x / scale), -zeroPoint, 255 - zeroPoint);

const typesFor = ({ shape }: TensorType): readonly TensorType[] => [
  { dtype: 'uint8', shape },
  { dtype: 'float32', shape: [] },
  { dtype: 'uint8', shape: [] },
];

const [lo, hi, x, scale] = (['lo', 'hi', 'x', 'scale'] as const).map((name) => local(name, 'f32')) as [
  Expr,
  Expr,
  Expr,
  Expr,
];
const zero = local('zero');

/** What is no number is passed by. */
const measured = (count: number): readonly Stmt[] => [
  variable('lo', float(0)),
  variable('hi', float(0)),
  ...loop('i', count, (i) => [
    constant('x', load('in', 'f32', i)),
    assign('lo', minimum(x, lo)),
    assign('hi', maximum(x, hi)),
  ]),
  constant('step', div(sub(hi, lo), float(255))),
  constant('scale', select(compare('gt', local('step', 'f32'), float(0)), local('step', 'f32'), float(1))),
  constant('zero', call('nearest_within_f32', 'i32', div(sub(float(0), lo), scale), 0, 255)),
];

const stored = (count: number): readonly Stmt[] =>
  loop('j', count, (j) => {
    const steps = div(load('in', 'f32', j), scale);
    const nearest = call('nearest_within_f32', 'i32', steps, sub(0, zero), sub(255, zero));
    return [store('bytes', 'u8', j, call('clamp', 'i32', add(nearest, zero), 0, 255))];
  });

function kernelOf({ name, inputs, outputs }: KernelContext): Kernel {
  const input = must(inputs[0], 'an input');
  const count = countOf(input.shape);
  const makes: readonly (readonly [Param, readonly Stmt[]])[] = [
    [{ name: 'bytes', role: 'out', elem: 'u8', length: count }, stored(count)],
    [{ name: 'scale_out', role: 'out', elem: 'f32', length: 1 }, [store('scale_out', 'f32', 0, scale)]],
    [{ name: 'zero_out', role: 'out', elem: 'u8', length: 1 }, [store('zero_out', 'u8', 0, zero)]],
  ];
  const read = makes.filter((_, i) => outputs[i] !== undefined);
  const made = must(
    outputs.find((place) => place !== undefined),
    'an output',
  );
  return {
    name,
    doc: docOf('On the grid of bytes that the numbers at hand need', [input], made, 'f32'),
    params: [{ name: 'in', role: 'in', elem: 'f32', length: count }, ...read.map(([param]) => param)],
    tables: [],
    body: [...measured(count), ...read.flatMap(([, body]) => body)],
    macs: 0,
  };
}

/**
 * Bytes, the scale and the zero point of float32 numbers x on the grid that their range and 0 need. With lo = min(0, x) and
 * hi = max(0, x): scale = (hi - lo) / 255, 1 where that is 0; zero = rint(-lo / scale) in 0..255; bytes as ONNX's QuantizeLinear
 * makes them. All in float32, halves to even. ONNX DynamicQuantizeLinear-11.
 */
export const dynamicGrid: CanonicalOp<Attrs> = {
  kind: 'dynamicGrid',
  onnx: { DynamicQuantizeLinear: { since: 11, upTo: newestOpset, parse: () => ({}) } },
  only: 'float32',
  ownTypes: true,
  infer(_attrs, inputs) {
    requireFloats(inputs);
    return typesFor(required(inputs, 0, 'x'));
  },
  reference(_attrs, inputs) {
    const { shape, data } = required(inputs, 0, 'x');
    const grid = gridOf(data);
    return [
      { dtype: 'uint8', shape, data: Uint8Array.from(data, (value) => byteOf(value, grid)) },
      { dtype: 'float32', shape: [], data: Float32Array.of(grid.scale) },
      { dtype: 'uint8', shape: [], data: Uint8Array.of(grid.zeroPoint) },
    ];
  },
  channels: opaqueChannels,
  order: (_attrs, inputs, output) => {
    const { shape, order } = must(inputs[0], 'an input');
    return countOf(shape) === countOf(output) ? order : undefined;
  },
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  gradient: 'none',
  quantize() {
    throw complain('a grid that is measured as the network runs', 'float32', 'compile with --type float32');
  },
  float32: (_attrs, context) => kernelOf(context),
};
