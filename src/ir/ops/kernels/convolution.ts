/**
 * Direct convolution over height x width x channel images, int8 and float32 alike. A tile of outputs (the
 * window of a fused max-pool, or a few neighbours) is accumulated together, so that one load of a weight
 * serves them all; the maximum is taken before requantization, which is monotone, so that the convolution
 * never exists unpooled.
 */

import { at } from '../../../base/errors.ts';
import { unrollOf } from '../../formats/dense.ts';
import type { RowsOfWeights } from '../../formats/expansion.ts';
import { type RowStore, rowSum, startRows, storeRows, weightsOf } from '../../formats/index.ts';
import type { Arithmetic } from '../../integers/mac.ts';
import {
  add,
  assign,
  call,
  compare,
  constant,
  int,
  load,
  local,
  loop,
  maximum,
  mul,
  store,
  sub,
  times,
  variable,
  when,
} from '../../kernel/builders.ts';
import type { Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import { dense8, formatName, type WeightLayout } from '../../kernel/weight-format.ts';
import { formula, joined, paddingWords } from './doc.ts';
import { isLine, lineOf, type Padding, type Tile, type View, viewOf, type WindowShape } from './window.ts';

type Plane = readonly [number, number];

/** `Shuffle` of height and width. */
export interface PlaneShuffle {
  readonly block: Plane;
  readonly neighbours: 'pixels' | 'channels';
  readonly crop: Plane;
  readonly size: Plane;
}

export interface Convolution {
  readonly name: string;
  readonly doc: readonly string[];
  readonly window: WindowShape;
  readonly outChannels: number;
  readonly groups: number;
  /** A fused max-pool without padding; windows that do not fit are dropped. */
  readonly pool?: { readonly kernel: readonly [number, number]; readonly strides: readonly [number, number] };
  /** Channels that become pixels, instead of a pool. */
  readonly shuffle?: PlaneShuffle;
  readonly padding: readonly number[];
  /** Sums that are accumulated at a time, where pooling leaves the choice. */
  readonly lanes: number;
  /** From the last tile of outputs to the first. */
  readonly backward: boolean;
  readonly arithmetic: Arithmetic;
}

/** A pointwise convolution does not care for rows, unless it is pooled: its image is one row of all pixels. */
function flattened({ window: w, pool, shuffle }: Convolution): WindowShape {
  const pointwise =
    pool === undefined &&
    shuffle === undefined &&
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

/** Where a tile's accumulators belong: `windows` neighbouring outputs of `perWindow` sums each. */
interface Tiling {
  readonly tile: Tile;
  readonly windows: number;
  /** Outputs of the kernel in a row. */
  readonly outputs: number;
  /** Sums from one window to the next. */
  readonly step: number;
  /** Row and column of each sum of a window. */
  readonly sums: readonly (readonly [number, number])[];
}

/**
 * So many windows of a tile: fewer where the last tile of a row would make many outputs again, or a few more. Every tile
 * loads all weights, which counts like one more window.
 */
function windowsOf(outputs: number, usual: number, most: number): number {
  const work = (windows: number): number => Math.ceil(outputs / windows) * (windows + 1);
  const all = Math.min(outputs, usual);
  const others = times(Math.min(outputs, most), (i) => i + 1).filter((n) => n >= all / 2 && n !== all);
  const better = others.filter((n) => work(n) < 0.9 * work(all));
  return better.reduce((best, n) => (work(n) <= work(best) ? n : best), all);
}

/**
 * Four sums are the most that no chip spills, and a fifth costs less than outputs that are made twice: the first layer of
 * a DS-CNN, rows of five, is 18 to 29 % fewer instructions than with tiles of three.
 */
const mostSums = (c: Convolution): number =>
  c.pool === undefined && c.arithmetic.elem !== 'f32' ? Math.max(c.lanes, 5) : c.lanes;

function tilingOf(c: Convolution, w: WindowShape): Tiling {
  const line = tiled(c, w, w.outWidth);
  return isLineOf(c, w, line.tile) ? line : tiled(c, w, undefined);
}

/**
 * Whether a tile is a row of a depthwise layer, which reads no patch. Of 16 outputs a third of the sums are spilled on
 * Cortex-M, and it still takes 15 to 25 % fewer instructions than tiles of four with their patches, on an RV32IMC half.
 * Rows of more would be much code, and overlap their inputs less.
 */
const isLineOf = (c: Convolution, w: WindowShape, tile: Tile): boolean =>
  isShort(c) && c.pool === undefined && w.outWidth <= 4 * c.lanes && isLine(w, tile, paddingOf(c));

/** @param all windows of a tile, or what suits the number of lanes */
function tiled(c: Convolution, w: WindowShape, all: number | undefined): Tiling {
  const [rows, cols] = c.pool?.kernel ?? [1, 1];
  const [stepY, step] = c.pool?.strides ?? [1, 1];
  const countY = Math.floor((w.outHeight - rows) / stepY) + 1;
  const outputs = Math.floor((w.outWidth - cols) / step) + 1;
  const within = (sums: number): number => Math.max(1, Math.floor(sums / (rows * cols)));
  const windows = all ?? windowsOf(outputs, within(c.lanes), within(mostSums(c)));
  const countX = Math.ceil(outputs / windows);
  const tile = { rows, cols: (windows - 1) * step + cols, stepY, stepX: windows * step, countY, countX };
  const last = outputs % windows === 0 ? {} : { lastX: (outputs - windows) * step };
  const sums = times(rows * cols, (i) => [Math.floor(i / cols), i % cols] as const);
  return { tile: { ...tile, ...last }, windows, outputs, step, sums };
}

/** What the loops over weights need to know. */
interface Plan {
  readonly c: Convolution;
  readonly w: WindowShape;
  readonly tiling: Tiling;
  readonly view: View;
  readonly store: RowStore;
  /** Element offsets of the tile's outputs' inputs from the first one's. */
  readonly lanes: readonly number[];
  /** Channels that are accumulated together. */
  readonly depth: number;
}

const lane = (i: number): string => `acc${i}`;

/** What the code of a tile turned out to need. */
interface Used {
  readonly scratch: View['scratch'];
  readonly tables: readonly Table[];
  readonly weights: Kernel['weights'];
}

export function convolution(c: Convolution): Kernel {
  const w = flattened(c);
  const tiling = tilingOf(c, w);
  const { tile, windows, step } = tiling;
  const padding = paddingOf(c);
  const isInPlace = isLineOf(c, w, tile);
  let used: Used = { scratch: [], tables: [], weights: undefined };
  const body = inOrder(c, 'y', tile.countY, (y) =>
    inOrder(c, 'x', tile.countX, (x) => {
      const first = tile.lastX === undefined ? mul(x, windows) : local('first');
      const column = mul(first, step);
      const view = isInPlace ? lineOf(w, tile, y) : viewOf(c.name, w, tile, y, column, padding);
      const depth = depthOf(c, tiling);
      const rows = rowsOf(c, w, view.rowStride, depth);
      const store = storedFor(c, rows);
      const left = view.inside?.left ?? 0;
      const lanes = times(windows, (k) =>
        tiling.sums.map(
          ([row, col]) =>
            row * w.strides[0] * view.rowStride + ((k * step + col) * w.strides[1] - left) * w.channels,
        ),
      ).flat();
      const plan: Plan = { c, w, tiling, view, store, lanes, depth };
      used = {
        scratch: view.scratch,
        tables: [...store.tables, c.arithmetic.bias, ...c.arithmetic.tables, ...view.tables],
        weights: c.arithmetic.weightElem === 'i8' ? weightsOf(store.stored, rows) : undefined,
      };
      return [
        ...(tile.lastX === undefined ? [] : [constant('first', firstOutput(tiling, x))]),
        ...view.prepare,
        ...(c.shuffle === undefined
          ? channels(plan, (channel, sums) => output(plan, y, first, channel, sums))
          : shuffledChannels(plan, c.shuffle, y, first)),
      ];
    }),
  );
  return kernelOf(c, w, tiling, body, used);
}

/** How far windows reach beyond an image of `size`, at its end. */
const beyond = (size: number, out: number, stride: number, extent: number, before: number): number =>
  Math.max(0, (out - 1) * stride + extent - before - size);

/** All that the numbers follow from, besides the tables. */
function says(c: Convolution): readonly string[] {
  const { window: w, pool, arithmetic } = c;
  const [rows, cols] = [0, 1].map((i) => (at(w.kernel, i) - 1) * at(w.dilations, i) + 1);
  const around = {
    above: w.padTop,
    left: w.padLeft,
    below: beyond(w.height, w.outHeight, w.strides[0], rows ?? 1, w.padTop),
    right: beyond(w.width, w.outWidth, w.strides[1], cols ?? 1, w.padLeft),
  };
  const isUniform = c.padding.every((value) => value === c.padding[0]);
  const value = isUniform ? `each element ${c.padding[0]}` : `${c.name}_padding[channel]`;
  const one = local('sum', arithmetic.accumulator);
  const window = `Window ${joined(w.kernel)}, strides ${joined(w.strides)}, dilations ${joined(w.dilations)}, ${c.groups === 1 ? '1 group' : `${c.groups} groups`} of channels, ${paddingWords(around, value)}.`;
  const largest =
    pool === undefined ? '' : `, the largest of ${joined(pool.kernel)}, strides ${joined(pool.strides)}`;
  return [
    window,
    `sum = ${arithmetic.bias.name}[c] + window * weights of output c${largest}.`,
    ...formula('out', arithmetic.finish(one, local('c'))),
    ...(c.shuffle === undefined ? [] : [shuffleWords(c, c.shuffle)]),
  ];
}

/** Where the sums of the rows of weights go. */
function shuffleWords(
  { outChannels, groups }: Convolution,
  { block, neighbours, crop }: PlaneShuffle,
): string {
  const parts = block[0] * block[1];
  const made = outChannels / groups / parts;
  const own =
    neighbours === 'pixels'
      ? `oc * ${parts} + by * ${block[1]} + bx`
      : `(by * ${block[1]} + bx) * ${made} + oc`;
  return `Sum c = group * ${made * parts} + ${own} of window (y, x) is channel group * ${made} + oc of pixel (y * ${block[0]} + by - ${crop[0]}, x * ${block[1]} + bx - ${crop[1]}).`;
}

/** Tiles along an axis, from the first to the last or the other way round. */
function inOrder(
  { backward }: Convolution,
  name: 'y' | 'x',
  count: number,
  body: (i: Expr) => readonly Stmt[],
): readonly Stmt[] {
  if (!backward || count === 1) return loop(name, count, body);
  return loop(`${name}_done`, count, (done) => [constant(name, sub(count - 1, done)), ...body(local(name))]);
}

function kernelOf(c: Convolution, w: WindowShape, tiling: Tiling, body: readonly Stmt[], used: Used): Kernel {
  const { elem, outElem } = c.arithmetic;
  const outputs =
    c.shuffle === undefined
      ? tiling.tile.countY * tiling.outputs * c.outChannels
      : (c.shuffle.size[0] * c.shuffle.size[1] * c.outChannels) / (c.shuffle.block[0] * c.shuffle.block[1]);
  const depth = w.channels / c.groups;
  return {
    name: c.name,
    doc: [...c.doc, ...says(c)],
    params: [
      { name: 'in', role: 'in', elem, length: w.height * w.width * w.channels },
      { name: 'out', role: 'out', elem: outElem, length: outputs },
      ...used.scratch,
    ],
    tables: used.tables,
    body,
    macs: w.outHeight * w.outWidth * c.outChannels * w.kernel[0] * w.kernel[1] * depth,
    ...(used.weights === undefined ? {} : { weights: used.weights }),
  };
}

const paddingOf = (c: Convolution): Padding => ({ elem: c.arithmetic.elem, values: c.padding });

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
        data[(channel * taps + tap) * depth + i] = at(weights, (channel * depth + i) * taps + tap);
  return data;
}

/** Runs of inputs that lie side by side: a whole row of the window, or one pixel where columns are apart. */
function layoutOf(c: Convolution, w: WindowShape, rowStride: number, lanes: number): WeightLayout {
  const depth = w.channels / c.groups;
  const joined = w.dilations[1] === 1 && c.groups === 1;
  return {
    rows: c.outChannels,
    segments: w.kernel[0],
    segmentStride: w.dilations[0] * rowStride,
    pieces: joined ? 1 : w.kernel[1],
    pieceStride: w.dilations[1] * w.channels,
    run: joined ? w.kernel[1] * depth : depth,
    lanes,
  };
}

const rowsOf = (c: Convolution, w: WindowShape, rowStride: number, depth: number): RowsOfWeights => ({
  name: c.name,
  layout: layoutOf(c, w, rowStride, depth),
  values: orderedWeights(c, w),
  elem: c.arithmetic.weightElem,
  ...(c.arithmetic.codebook === undefined ? {} : { codebook: c.arithmetic.codebook }),
  ...(c.arithmetic.scales === undefined ? {} : { scales: c.arithmetic.scales }),
  terms: 'window row, window column, input channel',
});

/** Stores a channel's accumulators, from number `sums` on. */
type Finish = (channel: Expr, sums: number) => readonly Stmt[];

/**
 * Chips with an FPU have 16 to 32 registers of floats: with 4 places a channel an operation takes 2.25 loads and
 * products, with 4 channels 1.5. Integers have fewer registers.
 */
function depthOf(c: Convolution, { windows, sums }: Tiling): number {
  if (c.arithmetic.weightElem !== 'f32' || c.groups > 1 || c.shuffle !== undefined) return 1;
  return unrollOf(c.outChannels, Math.max(1, Math.floor(16 / (windows * sums.length))));
}

/** Short depthwise windows are unrolled: neighbouring outputs then share inputs in registers. */
const isShort = (c: Convolution): boolean =>
  isDepthwise(c) &&
  c.window.kernel[0] * c.window.kernel[1] <= 25 &&
  formatName(c.arithmetic.format) === formatName(dense8);

function storedFor(c: Convolution, rows: RowsOfWeights): RowStore {
  const { format } = c.arithmetic;
  if (rows.layout.lanes > 1) return storeRows(rows, format, 'turns');
  return storeRows(rows, format, isShort(c) ? 'straight' : 'runs');
}

/** The output channel, and where the inputs of its group begin, by the names of the loops in `channels`. */
function current({ c, w, depth }: Plan): { readonly channel: Expr; readonly skip: Expr } {
  if (c.groups > 1 && !isDepthwise(c))
    return { channel: local('c'), skip: mul(local('group'), w.channels / c.groups) };
  // A loop of one pass has no counter.
  const channel = c.outChannels <= depth && c.shuffle === undefined ? int(0) : local('c');
  return { channel, skip: isDepthwise(c) ? channel : int(0) };
}

/** The loops over output channels around `finish`, which stores the tile's accumulators of one channel. */
function channels(p: Plan, finish: Finish): readonly Stmt[] {
  const { c, store } = p;
  const start = startRows(store.stored);
  const perGroup = c.outChannels / c.groups;
  const body = oneChannel(p, finish);
  if (c.groups === 1 || isDepthwise(c))
    return [start, ...loop('c', c.outChannels, () => body, { step: p.depth })];
  return [
    start,
    ...loop('group', c.groups, (group) =>
      loop('member', perGroup, (member) => [constant('c', add(mul(group, perGroup), member)), ...body]),
    ),
  ];
}

/** The next output channels of the tile: bias, the window's taps, the end. */
function oneChannel(p: Plan, finish: Finish): readonly Stmt[] {
  const { bias, accumulator } = p.c.arithmetic;
  const { channel, skip } = current(p);
  const all = times(p.depth, (row) => ({ channel: add(channel, row), row, sums: row * p.lanes.length }));
  return [
    ...all.flatMap((of) => {
      const first = load(bias.name, bias.elem, of.channel);
      return p.lanes.map((_, i) =>
        variable(lane(of.sums + i), i === 0 ? first : local(lane(of.sums), accumulator)),
      );
    }),
    sumOf(p, channel, skip),
    ...all.flatMap((of) => finish(of.channel, of.sums)),
  ];
}

/** Each lane gets its channel's row over its own inputs. */
const sumOf = ({ c, view, store, lanes, depth }: Plan, row: Expr, skip: Expr): Stmt =>
  rowSum({
    stored: store.stored,
    row,
    from: view.base,
    elem: c.arithmetic.elem,
    first: view.offset,
    skip,
    ...(view.inside?.rows === undefined ? {} : { segments: view.inside.rows }),
    type: c.arithmetic.accumulator,
    sums: times(depth, (r) =>
      lanes.map((offset, j) => {
        const pieces = view.inside?.columns[j];
        const one = { local: lane(r * lanes.length + j), row: r, offset };
        return pieces === undefined ? one : { ...one, pieces };
      }),
    ).flat(),
    suffix: '',
  });

/** The last tile of a row is moved left to end with the row, and computes some outputs again. */
const firstOutput = ({ windows, outputs }: Tiling, x: Expr): Expr =>
  call('clamp', 'i32', mul(x, windows), int(0), int(outputs - windows));

/** Stores a channel's results: of each window the maximum. */
function output({ c, tiling }: Plan, y: Expr, first: Expr, channel: Expr, sums: number): readonly Stmt[] {
  const { outElem, finish, accumulator } = c.arithmetic;
  const at = add(mul(add(mul(y, tiling.outputs), first), c.outChannels), channel);
  const perWindow = tiling.sums.length;
  return times(tiling.windows, (k) => {
    const name = lane(sums + k * perWindow);
    const best = local(name, accumulator);
    const others = times(perWindow - 1, (i) => local(lane(sums + k * perWindow + 1 + i), accumulator));
    return [
      ...others.map((value) => assign(name, maximum(value, best))),
      store('out', outElem, add(at, k * c.outChannels), finish(best, channel)),
    ];
  }).flat();
}

/** Pixel `part` of block `i` along an axis; `inside` says where some are not kept. */
function pixelOf(shuffle: PlaneShuffle, axis: 0 | 1, blocks: number, i: Expr, part: Expr) {
  const [block, crop, size] = [shuffle.block[axis], shuffle.crop[axis], shuffle.size[axis]];
  const inside = (place: Expr, body: readonly Stmt[]): readonly Stmt[] => {
    const ended = blocks * block - crop > size ? [when(compare('lt', place, size), body)] : body;
    return crop > 0 ? [when(compare('ge', place, 0), ended)] : ended;
  };
  return { place: sub(add(mul(i, block), part), crop), inside };
}

/** A new channel and a pixel of its block. */
interface Spread {
  readonly made: Expr;
  readonly row: Expr;
  readonly column: Expr;
}

/** The loops over rows of weights in their order, each as one pixel of a block. */
function shuffledChannels(p: Plan, shuffle: PlaneShuffle, y: Expr, first: Expr): readonly Stmt[] {
  const { c, store } = p;
  const [height, width] = shuffle.block;
  const perGroup = c.outChannels / c.groups;
  const made = perGroup / (height * width);
  const pixels = (body: (row: Expr, column: Expr) => readonly Stmt[]): readonly Stmt[] =>
    loop('by', height, (row) => loop('bx', width, (column) => body(row, column)));
  const channels = (body: (channel: Expr) => readonly Stmt[]) => loop('oc', made, body);
  const one = (group: Expr, oc: Expr, row: Expr, column: Expr): readonly Stmt[] => {
    const part = add(mul(row, width), column);
    const own =
      shuffle.neighbours === 'pixels' ? add(mul(oc, height * width), part) : add(mul(part, made), oc);
    const channel = constant('c', add(mul(group, perGroup), own));
    return [channel, ...onePixel(p, shuffle, { made: add(mul(group, made), oc), row, column }, y, first)];
  };
  const ofGroup = (group: Expr): readonly Stmt[] =>
    shuffle.neighbours === 'pixels'
      ? channels((oc) => pixels((row, column) => one(group, oc, row, column)))
      : pixels((row, column) => channels((oc) => one(group, oc, row, column)));
  return [startRows(store.stored), ...loop('group', c.groups, ofGroup)];
}

/** The sums of row `c`, and their places; those that are not kept are computed too, for their weights are passed. */
function onePixel(
  p: Plan,
  shuffle: PlaneShuffle,
  { made, row, column }: Spread,
  y: Expr,
  first: Expr,
): readonly Stmt[] {
  const { c, tiling } = p;
  const { outElem, finish, accumulator } = c.arithmetic;
  const channels = c.outChannels / (shuffle.block[0] * shuffle.block[1]);
  const line = pixelOf(shuffle, 0, tiling.tile.countY, y, row);
  const across = times(tiling.windows, (k) => pixelOf(shuffle, 1, tiling.outputs, add(first, k), column));
  const stores = across.flatMap(({ inside }, k) => {
    const x = local(`out_x${k}`);
    const to = add(mul(add(mul(local('out_y'), shuffle.size[1]), x), channels), made);
    return inside(x, [store('out', outElem, to, finish(local(lane(k), accumulator), local('c')))]);
  });
  return [
    constant('out_y', line.place),
    ...across.map(({ place }, k) => constant(`out_x${k}`, place)),
    ...oneChannel(p, () => line.inside(local('out_y'), stores)),
  ];
}
