/**
 * Direct convolution over height x width x channel images, int8 and float32 alike. A tile of outputs (the
 * window of a fused max-pool, or a few neighbours) is accumulated together, so that one load of a weight
 * serves them all; the maximum is taken before requantization, which is monotone, so that the convolution
 * never exists unpooled.
 */
import {
  accumulate,
  add,
  assign,
  constant,
  load,
  local,
  loop,
  maximum,
  mul,
  store,
  times,
  variable,
} from '../build.ts';
import { DefectError } from '../errors.ts';
import { unrolledWalk } from '../formats/dense.ts';
import { dense8, formatName, termsOf, type WeightLayout } from '../formats/format.ts';
import { storedAs, walkOf } from '../formats/index.ts';
import type { RowsOfWeights, RowUse, Walk } from '../formats/walk.ts';
import type { Expr, Kernel, Stmt, Table } from '../kernel.ts';
import type { Arithmetic } from '../mac.ts';
import {
  firstColumn,
  type Padding,
  pointInto,
  type Tile,
  type View,
  viewOf,
  type WindowShape,
} from './window.ts';

export interface Convolution {
  readonly name: string;
  readonly doc: readonly string[];
  readonly window: WindowShape;
  readonly outChannels: number;
  readonly groups: number;
  /** A fused max-pool without padding; windows that do not fit are dropped. */
  readonly pool?: { readonly kernel: readonly [number, number]; readonly strides: readonly [number, number] };
  readonly padding: readonly number[];
  readonly arithmetic: Arithmetic;
}

/** Accumulators in registers at a time: more would be spilled on Cortex-M (13 usable registers). */
const tileWidth = 4;

/** A pointwise convolution does not care for rows, unless it is pooled: its image is one row of all pixels. */
function flattened({ window: w, pool }: Convolution): WindowShape {
  const pointwise =
    pool === undefined &&
    w.kernel.every((k) => k === 1) &&
    w.strides.every((s) => s === 1) &&
    w.padTop === 0 &&
    w.padLeft === 0 &&
    w.outHeight === w.height &&
    w.outWidth === w.width;
  if (!pointwise) return w;
  const pixels = w.height * w.width;
  return { ...w, height: 1, width: pixels, outHeight: 1, outWidth: pixels };
}

function tileOf(c: Convolution, w: WindowShape): Tile {
  if (c.pool !== undefined) {
    const [rows, cols] = c.pool.kernel;
    const [stepY, stepX] = c.pool.strides;
    const countY = Math.floor((w.outHeight - rows) / stepY) + 1;
    const countX = Math.floor((w.outWidth - cols) / stepX) + 1;
    return { rows, cols, stepY, stepX, countY, countX };
  }
  const cols = Math.min(tileWidth, w.outWidth);
  const countX = Math.ceil(w.outWidth / cols);
  const tile = { rows: 1, cols, stepY: 1, stepX: cols, countY: w.outHeight, countX };
  return w.outWidth % cols === 0 ? tile : { ...tile, lastX: w.outWidth - cols };
}

/** What the loops over weights need to know. */
interface Plan {
  readonly c: Convolution;
  readonly w: WindowShape;
  readonly tile: Tile;
  readonly view: View;
  readonly walk: Walk;
  /** Element offsets of the tile's outputs' inputs from the first one's. */
  readonly lanes: readonly number[];
}

const lane = (i: number): string => `acc${i}`;
const lanesOf = (p: Plan): Expr[] => p.lanes.map((_, i) => local(lane(i), p.c.arithmetic.accumulator));

/** What the code of a tile turned out to need. */
interface Used {
  readonly scratch: View['scratch'];
  readonly tables: readonly Table[];
  readonly weights: Kernel['weights'];
}

export function convolution(c: Convolution): Kernel {
  const w = flattened(c);
  const tile = tileOf(c, w);
  const padding: Padding = { elem: c.arithmetic.elem, values: c.padding };
  let used: Used = { scratch: [], tables: [], weights: undefined };
  const body = loop('y', tile.countY, (y) =>
    loop('x', tile.countX, (x) => {
      const column = tile.lastX === undefined ? firstColumn(tile, x) : local('column');
      const view = viewOf(c.name, w, tile, y, column, padding);
      const rows = rowsOf(c, w, view.rowStride);
      const walk = walkFor(c, rows);
      used = {
        scratch: view.scratch,
        tables: [...walk.tables, c.arithmetic.bias, ...c.arithmetic.tables, ...view.tables],
        weights: c.arithmetic.elem === 'u8' ? storedAs(rows, c.arithmetic.format) : undefined,
      };
      const lanes = times(tile.rows * tile.cols, (i) => {
        const [row, col] = [Math.floor(i / tile.cols), i % tile.cols];
        return row * w.strides[0] * view.rowStride + col * w.strides[1] * w.channels;
      });
      const plan: Plan = { c, w, tile, view, walk, lanes };
      return [
        ...(tile.lastX === undefined ? [] : [constant('column', firstColumn(tile, x))]),
        ...view.prepare,
        ...channels(plan, (channel, lanesDone) => output(plan, y, x, column, channel, lanesDone)),
      ];
    }),
  );
  return kernelOf(c, w, tile, body, used);
}

function kernelOf(c: Convolution, w: WindowShape, tile: Tile, body: readonly Stmt[], used: Used): Kernel {
  const { elem } = c.arithmetic;
  const outputs = tile.countY * (c.pool === undefined ? w.outWidth : tile.countX) * c.outChannels;
  const depth = w.channels / c.groups;
  return {
    name: c.name,
    doc: c.doc,
    params: [
      { name: 'in', role: 'in', elem, length: w.height * w.width * w.channels },
      { name: 'out', role: 'out', elem, length: outputs },
      ...used.scratch,
    ],
    tables: used.tables,
    body,
    macs: w.outHeight * w.outWidth * c.outChannels * w.kernel[0] * w.kernel[1] * depth,
    ...(used.weights === undefined ? {} : { weights: used.weights }),
  };
}

const isDepthwise = (c: Convolution): boolean =>
  c.groups > 1 && c.groups === c.window.channels && c.outChannels === c.window.channels;

/** Weights from [out][in / groups][ky][kx] to the order of use: [out][ky][kx][in / groups]. */
function orderedWeights(c: Convolution, w: WindowShape): Arithmetic['weights'] {
  const { weights } = c.arithmetic;
  const depth = w.channels / c.groups;
  const taps = w.kernel[0] * w.kernel[1];
  const data = weights.slice();
  for (let channel = 0; channel < c.outChannels; channel++)
    for (let i = 0; i < depth; i++)
      for (let tap = 0; tap < taps; tap++)
        data[(channel * taps + tap) * depth + i] = weights[(channel * depth + i) * taps + tap] ?? 0;
  return data;
}

/** Runs of inputs that lie side by side: a whole row of the window, or one pixel where columns are apart. */
function layoutOf(c: Convolution, w: WindowShape, rowStride: number): WeightLayout {
  const depth = w.channels / c.groups;
  const joined = w.dilations[1] === 1 && c.groups === 1;
  return {
    rows: c.outChannels,
    segments: w.kernel[0],
    segmentStride: w.dilations[0] * rowStride,
    pieces: joined ? 1 : w.kernel[1],
    pieceStride: w.dilations[1] * w.channels,
    run: joined ? w.kernel[1] * depth : depth,
    lanes: 1,
  };
}

const rowsOf = (c: Convolution, w: WindowShape, rowStride: number): RowsOfWeights => ({
  name: c.name,
  layout: layoutOf(c, w, rowStride),
  values: orderedWeights(c, w),
  elem: c.arithmetic.weightElem,
  ...(c.arithmetic.codebook === undefined ? {} : { codebook: c.arithmetic.codebook }),
});

type Finish = (channel: Expr, lanes: readonly Expr[]) => readonly Stmt[];

/** Short depthwise windows are unrolled: neighbouring outputs then share inputs in registers. */
function walkFor(c: Convolution, rows: RowsOfWeights): Walk {
  const { format } = c.arithmetic;
  const unrolled = isDepthwise(c) && termsOf(rows.layout) <= 25 && formatName(format) === formatName(dense8);
  return unrolled ? unrolledWalk(rows) : walkOf(rows, format);
}

/** The loops over output channels around `finish`, which stores the tile's accumulators of one channel. */
function channels(p: Plan, finish: Finish): readonly Stmt[] {
  const { c, walk } = p;
  const depth = p.w.channels / c.groups;
  const perGroup = c.outChannels / c.groups;
  if (isDepthwise(c))
    return [...walk.start, ...loop('c', c.outChannels, (channel) => oneChannel(p, channel, channel, finish))];
  if (c.groups === 1)
    return [...walk.start, ...loop('c', c.outChannels, (channel) => oneChannel(p, channel, 0, finish))];
  return [
    ...walk.start,
    ...loop('group', c.groups, (group) =>
      loop('member', perGroup, (member) => [
        constant('c', add(mul(group, perGroup), member)),
        ...oneChannel(p, local('c'), mul(group, depth), finish),
      ]),
    ),
  ];
}

/** One output channel of the tile: bias, the window's taps, the end. `skip`: where its group's inputs begin. */
function oneChannel(p: Plan, channel: Expr, skip: Expr | number, finish: Finish): readonly Stmt[] {
  const { bias, accumulator } = p.c.arithmetic;
  const first = load(bias.name, bias.elem, channel);
  return [
    ...p.lanes.map((_, i) => variable(lane(i), i === 0 ? first : local(lane(0), accumulator))),
    ...p.walk.row(rowUse(p, skip)),
    ...finish(channel, lanesOf(p)),
  ];
}

/** One weight serves all lanes. */
function rowUse({ view, c, lanes }: Plan, skip: Expr | number): RowUse {
  const { elem, accumulator } = c.arithmetic;
  let weights = 0;
  return {
    from: (offset) => pointInto(view, elem, add(skip, offset)),
    use(weight, at) {
      const name = `w${weights++}`;
      const product = (offset: number): Expr => mul(load('px', elem, offset + at), local(name, accumulator));
      return [constant(name, weight), ...lanes.map((offset, j) => accumulate(lane(j), product(offset)))];
    },
  };
}

/** Stores a channel's results: the pool window's maximum, or every lane at its own place. */
function output(
  p: Plan,
  y: Expr,
  x: Expr,
  column: Expr,
  channel: Expr,
  lanes: readonly Expr[],
): readonly Stmt[] {
  const { c, tile, w } = p;
  const { elem, finish, accumulator } = c.arithmetic;
  const [first] = lanes;
  if (first === undefined) throw new DefectError(`${c.name}: a tile without outputs`);
  if (c.pool !== undefined) {
    const at = add(mul(add(mul(y, tile.countX), x), c.outChannels), channel);
    const best = local(lane(0), accumulator);
    return [
      ...lanes.slice(1).map((value) => assign(lane(0), maximum(value, best))),
      store('out', elem, at, finish(best, channel)),
    ];
  }
  const at = add(mul(add(mul(y, w.outWidth), column), c.outChannels), channel);
  return lanes.map((value, i) => store('out', elem, add(at, i * c.outChannels), finish(value, channel)));
}
