/**
 * The arithmetic of training in WebAssembly SIMD. Every activation is a group of 16 samples side by side
 * (`lanes`): one weight meets 16 numbers that are neighbours in memory, so a pruned weight costs nothing and no
 * kernel needs to know about rows of an image. Sums are float32 in a fixed order: the same on every machine.
 *
 * Addresses, offsets and lengths are bytes.
 */
import { at } from '../../base/errors.ts';
import { type Code, type Func, func, int, type Local, moduleOf, when } from '../../wasm/code.ts';
import {
  addFloat,
  and,
  anyTrue,
  equal,
  greater,
  lane,
  larger,
  less,
  loadInt,
  loadLanes,
  loadSplat,
  or,
  plus,
  product,
  smaller,
  splat,
  storeFloat,
  storeLanes,
  sum,
  sweep,
  times,
  without,
  zeroLanes,
} from '../../wasm/instructions.ts';

/** Samples in a group: four vectors of four. */
export const lanes = 16;
/** Of one activation element of a group. */
export const elementBytes = 4 * lanes;

const quarters = [0, 16, 32, 48] as const;
const accumulators = ['a0', 'a1', 'a2', 'a3'] as const;
type Accumulators = Readonly<Record<(typeof accumulators)[number], Local>>;
const four = (v: Accumulators) => [v.a0, v.a1, v.a2, v.a3] as const;
const each = (v: Accumulators, make: (a: Local, offset: number) => Code): Code =>
  four(v).flatMap((a, i) => make(a, at(quarters, i)));

const i32 = 'i32' as const;
/** Rows of products: row r has the terms `starts[r]` to `starts[r + 1]`; each pixel shifts where they read. */
const rowParams = {
  rows: i32,
  rowStarts: i32,
  offsets: i32,
  weights: i32,
  bias: i32,
  pixelStarts: i32,
  pixels: i32,
  x: i32,
  y: i32,
};
const rowLocals = [
  'row',
  'rowsEnd',
  'first',
  'end',
  'k',
  'pixel',
  'pixelsEnd',
  'at',
  'px',
  'toWeight',
] as const;

type RowLocals = Readonly<Record<keyof typeof rowParams | (typeof rowLocals)[number], Local>>;

/** `body` with `first` and `end` of each row's offsets. */
const forRows = (v: RowLocals, body: Code): Code => [
  ...v.rowsEnd.set(plus(v.rowStarts.get, times(v.rows.get, int(4)))),
  ...v.pixelsEnd.set(plus(v.pixelStarts.get, times(v.pixels.get, int(4)))),
  ...v.toWeight.set(plus(v.weights.get, times(v.offsets.get, int(-1)))),
  ...v.row.set(v.rowStarts.get),
  ...sweep(v.row, v.rowsEnd.get, 4, [
    ...v.first.set(plus(v.offsets.get, loadInt(v.row.get))),
    ...v.end.set(plus(v.offsets.get, loadInt(plus(v.row.get, int(4))))),
    ...body,
    ...v.bias.set(plus(v.bias.get, int(4))),
  ]),
];

/** y[row, pixel] = bias[row] + sum over the row's terms of w x[pixel start + offset] */
const forward = func('forward', rowParams, rowLocals, [...accumulators, 'w'], (v) => [
  forRows(v, [
    ...v.pixel.set(v.pixelStarts.get),
    ...sweep(v.pixel, v.pixelsEnd.get, 4, [
      ...each(v, (a) => a.set(loadSplat(v.bias.get))),
      ...v.at.set(plus(v.x.get, loadInt(v.pixel.get))),
      ...v.k.set(v.first.get),
      ...sweep(v.k, v.end.get, 4, [
        ...v.w.set(loadSplat(plus(v.k.get, v.toWeight.get))),
        ...v.px.set(plus(v.at.get, loadInt(v.k.get))),
        ...each(v, (a, offset) => a.set(sum(a.get, product(v.w.get, loadLanes(v.px.get, offset))))),
      ]),
      ...each(v, (a, offset) => storeLanes(v.y.get, a.get, offset)),
      ...v.y.set(plus(v.y.get, int(elementBytes))),
    ]),
  ]),
]);

const total = (v: Accumulators, scratch: Local): Code => [
  ...scratch.set(sum(sum(v.a0.get, v.a1.get), sum(v.a2.get, v.a3.get))),
  ...addFloat(
    addFloat(lane(scratch.get, 0), lane(scratch.get, 1)),
    addFloat(lane(scratch.get, 2), lane(scratch.get, 3)),
  ),
];

/**
 * Gradients of weights and biases, into `weights` and `bias`: the sum over pixels and samples of x dy. Here x is
 * the input and y the output's gradient.
 */
const weightGradients = func(
  'weightGradients',
  rowParams,
  [...rowLocals, 'dy'],
  [...accumulators, 's'],
  (v) => {
    const clear = each(v, (a) => a.set(zeroLanes));
    const overPixels = (body: Code): Code => [
      ...v.dy.set(v.y.get),
      ...v.pixel.set(v.pixelStarts.get),
      ...sweep(v.pixel, v.pixelsEnd.get, 4, [...body, ...v.dy.set(plus(v.dy.get, int(elementBytes)))]),
    ];
    return [
      forRows(v, [
        ...v.k.set(v.first.get),
        ...sweep(v.k, v.end.get, 4, [
          ...clear,
          ...v.at.set(plus(v.x.get, loadInt(v.k.get))),
          ...overPixels([
            ...v.px.set(plus(v.at.get, loadInt(v.pixel.get))),
            ...each(v, (a, offset) =>
              a.set(sum(a.get, product(loadLanes(v.px.get, offset), loadLanes(v.dy.get, offset)))),
            ),
          ]),
          ...storeFloat(plus(v.k.get, v.toWeight.get), total(v, v.s)),
        ]),
        ...clear,
        ...overPixels(each(v, (a, offset) => a.set(sum(a.get, loadLanes(v.dy.get, offset))))),
        ...storeFloat(v.bias.get, total(v, v.s)),
        ...v.y.set(v.dy.get),
      ]),
    ];
  },
);

/** The input's gradient, into x: x[pixel start + offset] += w dy. Pixels without any gradient are skipped. */
const inputGradients = func('inputGradients', rowParams, rowLocals, [...accumulators, 'w'], (v) => [
  forRows(v, [
    ...v.pixel.set(v.pixelStarts.get),
    ...sweep(v.pixel, v.pixelsEnd.get, 4, [
      ...each(v, (a, offset) => a.set(loadLanes(v.y.get, offset))),
      ...v.at.set(plus(v.x.get, loadInt(v.pixel.get))),
      ...v.k.set(v.first.get),
      ...when(anyTrue(or(or(v.a0.get, v.a1.get), or(v.a2.get, v.a3.get))), [
        ...sweep(v.k, v.end.get, 4, [
          ...v.w.set(loadSplat(plus(v.k.get, v.toWeight.get))),
          ...v.px.set(plus(v.at.get, loadInt(v.k.get))),
          ...each(v, (a, offset) =>
            storeLanes(v.px.get, sum(loadLanes(v.px.get, offset), product(v.w.get, a.get)), offset),
          ),
        ]),
      ]),
      ...v.y.set(plus(v.y.get, int(elementBytes))),
    ]),
  ]),
]);

const poolParams = {
  channels: i32,
  plane: i32,
  taps: i32,
  tapsEnd: i32,
  pixelStarts: i32,
  pixelsEnd: i32,
  x: i32,
  y: i32,
};

/** y[channel, pixel] = the largest x under the taps. Channels are `plane` bytes apart in x. */
const maxPool = func('maxPool', poolParams, ['pixel', 'tap', 'at', 'px', 'c'], accumulators, (v) => [
  sweep(v.c, v.channels.get, 1, [
    ...v.pixel.set(v.pixelStarts.get),
    ...sweep(v.pixel, v.pixelsEnd.get, 4, [
      ...v.at.set(plus(v.x.get, loadInt(v.pixel.get))),
      ...v.px.set(plus(v.at.get, loadInt(v.taps.get))),
      ...each(v, (a, offset) => a.set(loadLanes(v.px.get, offset))),
      ...v.tap.set(v.taps.get),
      ...sweep(v.tap, v.tapsEnd.get, 4, [
        ...v.px.set(plus(v.at.get, loadInt(v.tap.get))),
        ...each(v, (a, offset) => a.set(larger(a.get, loadLanes(v.px.get, offset)))),
      ]),
      ...each(v, (a, offset) => storeLanes(v.y.get, a.get, offset)),
      ...v.y.set(plus(v.y.get, int(elementBytes))),
    ]),
    ...v.x.set(plus(v.x.get, v.plane.get)),
  ]),
]);

/** The gradient goes to the first of equal largest inputs; gradients lie `toGradient` bytes behind values. */
const maxPoolGradients = func(
  'maxPoolGradients',
  { ...poolParams, toGradient: i32 },
  ['pixel', 'tap', 'at', 'px', 'c', 'dx'],
  ['dy', 'm', 'hit', 'taken'],
  (v) => {
    const quarter = (offset: number): Code => [
      ...v.m.set(loadLanes(v.y.get, offset)),
      ...v.dy.set(loadLanes(plus(v.y.get, v.toGradient.get), offset)),
      ...v.taken.set(zeroLanes),
      ...v.tap.set(v.taps.get),
      ...sweep(v.tap, v.tapsEnd.get, 4, [
        ...v.px.set(plus(v.at.get, loadInt(v.tap.get))),
        ...v.dx.set(plus(v.px.get, v.toGradient.get)),
        ...v.hit.set(without(equal(v.m.get, loadLanes(v.px.get, offset)), v.taken.get)),
        ...v.taken.set(or(v.taken.get, v.hit.get)),
        ...storeLanes(v.dx.get, sum(loadLanes(v.dx.get, offset), and(v.dy.get, v.hit.get)), offset),
      ]),
    ];
    return [
      sweep(v.c, v.channels.get, 1, [
        ...v.pixel.set(v.pixelStarts.get),
        ...sweep(v.pixel, v.pixelsEnd.get, 4, [
          ...v.at.set(plus(v.x.get, loadInt(v.pixel.get))),
          ...quarters.flatMap(quarter),
          ...v.y.set(plus(v.y.get, int(elementBytes))),
        ]),
        ...v.x.set(plus(v.x.get, v.plane.get)),
      ]),
    ];
  },
);

const clampParams = { x: i32, end: i32, lo: 'f32', hi: 'f32' } as const;

/** x = min(max(x, lo), hi), in place */
const clamp = func('clamp', clampParams, [], ['low', 'high'], (v) => [
  v.low.set(splat(v.lo.get)),
  v.high.set(splat(v.hi.get)),
  sweep(v.x, v.end.get, 16, storeLanes(v.x.get, smaller(larger(loadLanes(v.x.get), v.low.get), v.high.get))),
]);

/** The gradient of clamped values is 0 where a bound was reached. */
const clampGradients = func(
  'clampGradients',
  { ...clampParams, toGradient: i32 },
  ['dx'],
  ['low', 'high', 'value'],
  (v) => [
    v.low.set(splat(v.lo.get)),
    v.high.set(splat(v.hi.get)),
    sweep(v.x, v.end.get, 16, [
      ...v.value.set(loadLanes(v.x.get)),
      ...v.dx.set(plus(v.x.get, v.toGradient.get)),
      ...storeLanes(
        v.dx.get,
        and(loadLanes(v.dx.get), and(greater(v.value.get, v.low.get), less(v.value.get, v.high.get))),
      ),
    ]),
  ],
);

const functions: readonly Func[] = [
  forward,
  weightGradients,
  inputGradients,
  maxPool,
  maxPoolGradients,
  clamp,
  clampGradients,
];

type Numbers = (...args: readonly number[]) => void;
export type Kernels = Readonly<
  Record<
    | 'forward'
    | 'weightGradients'
    | 'inputGradients'
    | 'maxPool'
    | 'maxPoolGradients'
    | 'clamp'
    | 'clampGradients',
    Numbers
  >
>;

/** The module's bytes; it imports `env.memory`. */
export const kernelModule = (): Uint8Array => moduleOf(functions);
