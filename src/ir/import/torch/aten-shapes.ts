/** Shapes, places and pieces: what moves elements and computes none. */
import { at, complain } from '../../../base/errors.ts';
import { countOf, type Shape } from '../../tensor.ts';
import type { AtenCall, Translation, Translations } from './aten-call.ts';
import {
  cast,
  concatenated,
  counted,
  cut,
  expanded,
  forAxes,
  replaced,
  reshaped,
  selected,
  squeezed,
  transposed,
  unsqueezed,
} from './aten-common.ts';
import { int, text } from './aten-draft.ts';

const self = (call: AtenCall): string => call.tensor('self');
const shapeOfSelf = (call: AtenCall): Shape => call.shapeOf(self(call));
const axisOf = (call: AtenCall, name: string, otherwise?: number, rank = shapeOfSelf(call).length): number =>
  call.axis(call.int(name, otherwise), rank);

/** Sizes of `count` elements in all; one may be -1. */
function wholeSizes(sizes: Shape, count: number): Shape {
  const others = sizes.reduce((product, n) => (n === -1 ? product : product * n), 1);
  const found = sizes.map((n) => (n === -1 ? count / others : n));
  if (countOf(found) === count) return found;
  throw complain(
    `a view of ${count} elements as ${sizes.join('x')}`,
    'as many elements',
    'the batch is 1 here',
  );
}

const viewed =
  (name: string): Translation =>
  (call) =>
    reshaped(call, self(call), wholeSizes(call.numbers(name), countOf(shapeOfSelf(call))));

const likeOther: Translation = (call) => reshaped(call, self(call), call.shapeOf(call.tensor('other')));

function flatten(call: AtenCall): string {
  const shape = shapeOfSelf(call);
  if (shape.length === 0) return reshaped(call, self(call), [1]);
  const [first, last] = [axisOf(call, 'start_dim', 0), axisOf(call, 'end_dim', -1)];
  if (shape.length === 2 && first === 1) return self(call);
  if (first === 1 && last === shape.length - 1) return call.make('Flatten', [self(call)], { axis: int(1) });
  const middle = countOf(shape.slice(first, last + 1));
  return reshaped(call, self(call), [...shape.slice(0, first), middle, ...shape.slice(last + 1)]);
}

function unflatten(call: AtenCall): string {
  const shape = shapeOfSelf(call);
  const axis = axisOf(call, 'dim');
  const sizes = wholeSizes(call.numbers('sizes'), at(shape, axis));
  return reshaped(call, self(call), [...shape.slice(0, axis), ...sizes, ...shape.slice(axis + 1)]);
}

/** Axes of other sizes than 1 are left. */
function squeeze(call: AtenCall): string {
  const shape = shapeOfSelf(call);
  const named = call.maybeNumbers('dim')?.map((axis) => call.axis(axis, shape.length));
  const axes = (named ?? [...shape.keys()]).filter((axis) => shape[axis] === 1);
  return axes.length === 0 ? self(call) : squeezed(call, self(call), axes);
}

const unsqueeze: Translation = (call) =>
  unsqueezed(call, self(call), [axisOf(call, 'dim', undefined, shapeOfSelf(call).length + 1)]);

const permute: Translation = (call) =>
  transposed(
    call,
    self(call),
    call.numbers('dims').map((axis) => call.axis(axis, shapeOfSelf(call).length)),
  );

function swapped(call: AtenCall, a: number, b: number): string {
  const axes = [...shapeOfSelf(call).keys()];
  return axes.length === 0 ? self(call) : transposed(call, self(call), axes.with(a, b).with(b, a));
}

const swap =
  (a: string, b: string): Translation =>
  (call) =>
    swapped(call, axisOf(call, a), axisOf(call, b));

/** The last two axes, of which a vector has none. */
function matrixTransposed(call: AtenCall): string {
  const rank = shapeOfSelf(call).length;
  return rank < 2 ? self(call) : swapped(call, rank - 2, rank - 1);
}

function movedim(call: AtenCall): string {
  const rank = shapeOfSelf(call).length;
  const [from, to] = ['source', 'destination'].map((name) =>
    call.numbers(name).map((axis) => call.axis(axis, rank)),
  );
  const rest = [...shapeOfSelf(call).keys()].filter((axis) => from?.includes(axis) !== true);
  const perm = shapeOfSelf(call).map((_, axis) => {
    const place = to?.indexOf(axis) ?? -1;
    return place < 0 ? (rest.shift() ?? 0) : at(from ?? [], place);
  });
  return transposed(call, self(call), perm);
}

/** An index of Python: negative from the end, cut to the axis. */
const clampedTo = (index: number, size: number): number =>
  Math.min(size, Math.max(0, index < 0 ? index + size : index));

function slice(call: AtenCall): string {
  const axis = axisOf(call, 'dim', 0);
  const size = at(shapeOfSelf(call), axis);
  const start = clampedTo(call.maybeInt('start') ?? 0, size);
  const end = Math.max(start, clampedTo(call.maybeInt('end') ?? size, size));
  const step = call.int('step', 1);
  return start === 0 && end === size && step === 1
    ? self(call)
    : cut(call, self(call), axis, start, end, step);
}

function narrow(call: AtenCall): string {
  const axis = axisOf(call, 'dim');
  const start = clampedTo(call.int('start'), at(shapeOfSelf(call), axis));
  return cut(call, self(call), axis, start, start + call.int('length'));
}

function indexWithin(index: number, size: number): number {
  if (index >= -size && index < size) return index < 0 ? index + size : index;
  throw complain(`index ${index} along an axis of ${size}`);
}

function select(call: AtenCall): string {
  const axis = axisOf(call, 'dim');
  return selected(call, self(call), axis, indexWithin(call.int('index'), at(shapeOfSelf(call), axis)));
}

/** Pieces of an axis, by their lengths. */
function pieces(call: AtenCall, axis: number, lengths: readonly number[]): readonly string[] {
  if (lengths.length === 1) return [self(call)];
  return call.makeAll('Split', [self(call), call.list(lengths)], { axis: int(axis) }, lengths.length);
}

/** Of `length` each but the last. */
const evenly = (size: number, length: number): readonly number[] =>
  Array.from({ length: Math.max(1, Math.ceil(size / length)) }, (_, i) =>
    Math.min(length, size - i * length),
  );

/** Pieces of ceil(n / chunks), which may be fewer. */
function chunk(call: AtenCall): readonly string[] {
  const axis = axisOf(call, 'dim', 0);
  const size = at(shapeOfSelf(call), axis);
  return pieces(call, axis, evenly(size, Math.ceil(size / call.int('chunks'))));
}

function split(call: AtenCall): readonly string[] {
  const axis = axisOf(call, 'dim', 0);
  return pieces(call, axis, evenly(at(shapeOfSelf(call), axis), call.int('split_size')));
}

const splitWithSizes: Translation = (call) =>
  pieces(call, axisOf(call, 'dim', 0), call.numbers('split_sizes'));

/** As equal as can be, the longer ones first. */
function sections(call: AtenCall): readonly string[] {
  const axis = axisOf(call, 'dim', 0);
  const [size, count] = [at(shapeOfSelf(call), axis), call.int('sections')];
  return pieces(
    call,
    axis,
    Array.from({ length: count }, (_, i) => Math.floor(size / count) + Number(i < size % count)),
  );
}

function unbind(call: AtenCall): readonly string[] {
  const axis = axisOf(call, 'dim', 0);
  const size = at(shapeOfSelf(call), axis);
  return Array.from({ length: size }, (_, i) =>
    squeezed(call, cut(call, self(call), axis, i, i + 1), [axis]),
  );
}

function cat(call: AtenCall): string {
  const all = call.tensors('tensors');
  // An empty vector joins anything.
  const parts = all.filter((x) => call.shapeOf(x).length !== 1 || call.shapeOf(x)[0] !== 0);
  const first = at(parts, 0);
  const axis = call.axis(call.int('dim', 0), call.rankOf(first));
  return concatenated(call, parts, axis);
}

function stack(call: AtenCall): string {
  const parts = call.tensors('tensors');
  const axis = call.axis(call.int('dim', 0), call.rankOf(at(parts, 0)) + 1);
  return concatenated(
    call,
    parts.map((x) => unsqueezed(call, x, [axis])),
    axis,
  );
}

/** Side by side: along axis 1, of vectors along their only one. */
const hstack: Translation = (call) => {
  const parts = call.tensors('tensors');
  return concatenated(call, parts, call.rankOf(at(parts, 0)) < 2 ? 0 : 1);
};

function expand(call: AtenCall): string {
  const shape = shapeOfSelf(call);
  const sizes = call.numbers('size');
  const missing = sizes.length - shape.length;
  return expanded(
    call,
    self(call),
    sizes.map((n, i) => (n === -1 ? at(shape, i - missing) : n)),
  );
}

const expandAs: Translation = (call) => expanded(call, self(call), call.shapeOf(call.tensor('other')));

const tiled =
  (name: string): Translation =>
  (call) => {
    const repeats = call.numbers(name);
    const shape = shapeOfSelf(call);
    const missing = Math.max(0, repeats.length - shape.length);
    const whole = [...new Array<number>(Math.max(0, shape.length - repeats.length)).fill(1), ...repeats];
    const x =
      missing === 0
        ? self(call)
        : reshaped(call, self(call), [...new Array<number>(missing).fill(1), ...shape]);
    return call.make('Tile', [x, call.list(whole)]);
  };

/** Elements at other places along an axis. */
const picked = (call: AtenCall, x: string, axis: number, index: readonly number[]): string =>
  call.make('Gather', [x, call.list(index)], { axis: int(axis) });

function repeatInterleaved(call: AtenCall): string {
  call.arg('output_size');
  const flat = call.arg('dim') === undefined;
  const x = flat ? reshaped(call, self(call), [countOf(shapeOfSelf(call))]) : self(call);
  const axis = flat ? 0 : axisOf(call, 'dim');
  const count = call.int('repeats');
  const index = Array.from({ length: at(call.shapeOf(x), axis) * count }, (_, i) => Math.floor(i / count));
  return picked(call, x, axis, index);
}

function roll(call: AtenCall): string {
  const [shifts, dims] = [call.numbers('shifts'), call.numbers('dims', [])];
  if (dims.length === 0) throw complain('a roll over all elements', 'with dims');
  return dims.reduce((x, dim, i) => {
    const axis = call.axis(dim, call.rankOf(x));
    const size = at(call.shapeOf(x), axis);
    const shift = ((at(shifts, i) % size) + size) % size;
    if (shift === 0) return x;
    return concatenated(
      call,
      [cut(call, x, axis, size - shift, size), cut(call, x, axis, 0, size - shift)],
      axis,
    );
  }, self(call));
}

function flip(call: AtenCall): string {
  const axes = call.numbers('dims').map((axis) => call.axis(axis, shapeOfSelf(call).length));
  const each = (value: number): string => call.list(axes.map(() => value));
  return call.make('Slice', [self(call), each(-1), each(-(2 ** 31)), call.list(axes), each(-1)]);
}

/** Groups of r x r channels to pixels. */
const pixelShuffle: Translation = (call) =>
  call.make('DepthToSpace', [self(call)], { blocksize: int(call.int('upscale_factor')), mode: text('CRD') });

/** Pixels to channels, those of one channel next to each other. */
function pixelUnshuffle(call: AtenCall): string {
  const r = call.int('downscale_factor');
  const shape = shapeOfSelf(call);
  const lead = shape.slice(0, -3);
  const [channels, height, width] = shape.slice(-3) as [number, number, number];
  const split = reshaped(call, self(call), [...lead, channels, height / r, r, width / r, r]);
  const n = lead.length;
  const order = [...lead.keys(), n, n + 2, n + 4, n + 1, n + 3];
  return reshaped(call, transposed(call, split, order), [...lead, channels * r * r, height / r, width / r]);
}

function channelShuffle(call: AtenCall): string {
  const shape = shapeOfSelf(call);
  const groups = call.int('groups');
  const [batch, channels, ...rest] = shape as [number, number, ...number[]];
  const split = reshaped(call, self(call), [batch, groups, channels / groups, ...rest]);
  const order = [0, 2, 1, ...rest.map((_, i) => i + 3)];
  return reshaped(call, transposed(call, split, order), shape);
}

const padModes: ReadonlyMap<string, string> = new Map([
  ['constant', 'constant'],
  ['reflect', 'reflect'],
  ['replicate', 'edge'],
  ['circular', 'wrap'],
]);

/** Pairs from the last axis on; below 0 they cut. */
function padded(call: AtenCall): string {
  const value = call.maybeNumber('value') ?? 0;
  const mode = padModes.get(call.text('mode', 'constant'));
  if (mode === undefined) throw complain(`padding '${call.text('mode')}'`, [...padModes.keys()].join(', '));
  const pairs = call.numbers('pad');
  const rank = shapeOfSelf(call).length;
  const pads = (side: 0 | 1): readonly number[] =>
    Array.from({ length: rank }, (_, axis) => pairs[2 * (rank - 1 - axis) + side] ?? 0);
  const [before, behind] = [pads(0), pads(1)];
  const inner = before.reduce((x, n, axis) => {
    const size = at(call.shapeOf(x), axis);
    const [start, end] = [Math.max(0, -n), size + Math.min(0, at(behind, axis))];
    return start === 0 && end === size ? x : cut(call, x, axis, start, end);
  }, self(call));
  const around = [...before, ...behind].map((n) => Math.max(0, n));
  if (around.every((n) => n === 0)) return inner;
  const inputs = [inner, call.list(around)];
  if (value !== 0) inputs.push(call.scalar(value, call.typeOf(inner).dtype));
  return call.make('Pad', inputs, { mode: text(mode) });
}

/** Places where a constant mask is set, along its only axis. */
function placesOf(call: AtenCall, index: string): string {
  const { dtype, shape } = call.typeOf(index);
  if (dtype !== 'bool') return cast(call, index, 'int64');
  const { data } = call.constantOf(index) ?? {};
  if (data === undefined || shape.length !== 1)
    throw complain(
      'a mask as an index',
      'a constant one of one axis',
      'multiply by the mask, or use torch.where',
    );
  return call.list([...data.keys()].filter((i) => data[i] !== 0));
}

/** `x[:, i, j]`: indices that are broadcast to each other, in the place of the axes that they index. */
const indexed: Translation = (call) => indexedBy(call, self(call));

function indexedBy(call: AtenCall, x: string): string {
  const given = call
    .someTensors('indices')
    .flatMap((index, axis) => (index === undefined ? [] : [{ index, axis }]));
  const indices = given.map(({ index }) => placesOf(call, index));
  const axes = given.map(({ axis }) => axis);
  const [first] = indices;
  if (first === undefined) return x;
  if (indices.length === 1) return call.make('Gather', [x, first], { axis: int(at(axes, 0)) });
  return indexedTogether(call, x, axes, indices);
}

function indexedTogether(
  call: AtenCall,
  x: string,
  axes: readonly number[],
  indices: readonly string[],
): string {
  const rank = call.rankOf(x);
  const rest = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !axes.includes(axis));
  const ranks = indices.map((index) => call.rankOf(index));
  const common = broadcastOf(indices.map((index) => call.shapeOf(index)));
  const rows = concatenated(
    call,
    indices.map((index) => unsqueezed(call, expanded(call, index, common), [Math.max(...ranks)])),
    common.length,
  );
  const found = call.make('GatherND', [transposed(call, x, [...axes, ...rest]), rows]);
  const neighbours = axes.every((axis, i) => axis === at(axes, 0) + i);
  const before = neighbours ? at(axes, 0) : 0;
  const places = [...common.keys()];
  const kept = rest.map((_, i) => common.length + i);
  return transposed(call, found, [...kept.slice(0, before), ...places, ...kept.slice(before)]);
}

function broadcastOf(shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) =>
    Math.max(...shapes.map((shape) => shape[i - rank + shape.length] ?? 1)),
  );
}

const indexSelect: Translation = (call) =>
  call.make('Gather', [self(call), call.tensor('index')], { axis: int(axisOf(call, 'dim')) });

const gather: Translation = (call) => {
  call.arg('sparse_grad');
  return call.make('GatherElements', [self(call), call.tensor('index')], { axis: int(axisOf(call, 'dim')) });
};

const columns: Translation = (call) => {
  const x = self(call);
  const [kernel, dilation, padding, stride] = ['kernel_size', 'dilation', 'padding', 'stride'].map((name) =>
    forAxes(call.numbers(name), 2),
  ) as [Pair, Pair, Pair, Pair];
  const around = [0, 0, ...padding, 0, 0, ...padding];
  const whole = around.every((n) => n === 0) ? x : call.make('Pad', [x, call.list(around)], {});
  const [batch, channels, ...sizes] = call.shapeOf(whole) as [number, number, number, number];
  const starts = sizes.map((size, i) =>
    windowStarts(size, at(dilation, i) * (at(kernel, i) - 1) + 1, at(stride, i)),
  );
  const taken = starts.reduce((rows, list, i) => {
    const index = Array.from({ length: at(kernel, i) }, (_, k) =>
      list.map((start) => start + k * at(dilation, i)),
    );
    const one = picked(call, rows, 2 * i + 2, index.flat());
    return reshaped(call, one, [
      ...call.shapeOf(one).slice(0, 2 * i + 2),
      at(kernel, i),
      list.length,
      ...call.shapeOf(one).slice(2 * i + 3),
    ]);
  }, whole);
  const windows = starts.reduce((product, list) => product * list.length, 1);
  return reshaped(call, transposed(call, taken, [0, 1, 2, 4, 3, 5]), [
    batch,
    channels * countOf(kernel),
    windows,
  ]);
};

type Pair = readonly [number, number];

const windowStarts = (size: number, length: number, stride: number): readonly number[] =>
  Array.from({ length: Math.floor((size - length) / stride) + 1 }, (_, i) => i * stride);

/** Windows along an axis, each along a new last one. */
function unfold(call: AtenCall): string {
  const axis = axisOf(call, 'dimension');
  const shape = shapeOfSelf(call);
  const [size, step] = [call.int('size'), call.int('step')];
  const starts = windowStarts(at(shape, axis), size, step);
  const index = starts.flatMap((start) => Array.from({ length: size }, (_, i) => start + i));
  const split = reshaped(call, picked(call, self(call), axis, index), [
    ...shape.slice(0, axis),
    starts.length,
    size,
    ...shape.slice(axis + 1),
  ]);
  const axes = Array.from({ length: shape.length + 1 }, (_, i) => i).filter((i) => i !== axis + 1);
  return transposed(call, split, [...axes, axis + 1]);
}

/** The diagonal of two axes, along a new last one. */
function diagonal(call: AtenCall): string {
  const shape = shapeOfSelf(call);
  const [a, b, offset] = [axisOf(call, 'dim1', 0), axisOf(call, 'dim2', 1), call.int('offset', 0)];
  const [rows, columns] = [at(shape, a), at(shape, b)];
  const rest = [...shape.keys()].filter((axis) => axis !== a && axis !== b);
  const length = Math.max(0, Math.min(rows - Math.max(0, -offset), columns - Math.max(0, offset)));
  const index = Array.from(
    { length },
    (_, i) => (i + Math.max(0, -offset)) * columns + i + Math.max(0, offset),
  );
  const last = rest.map((axis) => at(shape, axis));
  const flat = reshaped(call, transposed(call, self(call), [...rest, a, b]), [...last, rows * columns]);
  return picked(call, flat, rest.length, index);
}

/** Values at constant places, or one value where a mask of the whole shape is set. */
function indexPut(call: AtenCall): string {
  if (call.flag('accumulate', false)) throw complain('index_put that adds', 'one that replaces');
  const x = self(call);
  const { dtype, shape } = call.typeOf(x);
  const values = cast(call, call.tensor('values'), dtype);
  const [mask] = call.someTensors('indices');
  const isMask =
    mask !== undefined && call.typeOf(mask).dtype === 'bool' && call.rankOf(mask) === shape.length;
  if (isMask && countOf(call.shapeOf(values)) === 1) return call.make('Where', [mask, values, x]);
  const found = indexedBy(call, counted(call, shape));
  const places = call.constantOf(found)?.data;
  if (places === undefined) throw complain('a write at places that depend on data', 'constant places');
  return replaced(call, x, Array.from(places), expanded(call, values, call.shapeOf(found)));
}

/** One value at some indices of an axis. */
function indexFill(call: AtenCall): string {
  const x = self(call);
  const axis = axisOf(call, 'dim');
  const index = call.constantOf(call.tensor('index'));
  if (index === undefined) throw complain('a write at places that depend on data', 'constant places');
  const size = at(shapeOfSelf(call), axis);
  const places = [...new Set(Array.from(index.data, (i) => (i < 0 ? i + size : i)))];
  const value = call.isTensor('value')
    ? call.tensor('value')
    : call.scalar(call.number('value'), call.typeOf(x).dtype);
  return scattered(call, x, expanded(call, value, call.shapeOf(x).with(axis, places.length)), axis, places);
}

const broadcast: Translation = (call) => {
  const all = call.tensors('tensors');
  const shape = broadcastOf(all.map((x) => call.shapeOf(x)));
  return all.map((x) => expanded(call, x, shape));
};

/** Each vector along an axis of its own; `xy` swaps the first two. */
function meshgrid(call: AtenCall): readonly string[] {
  const all = call.tensors('tensors');
  const order = call.text('indexing', 'ij') === 'xy' ? [1, 0] : [0, 1];
  const axes = all.map((_, i) => order[i] ?? i);
  const shape = axes.map((axis) => countOf(call.shapeOf(at(all, axis))));
  return all.map((x, i) => {
    const own = shape.map((n, k) => (axes[k] === i ? n : 1));
    return expanded(call, reshaped(call, x, own), shape);
  });
}

const vstack: Translation = (call) => {
  const rows = call.tensors('tensors').map((x) => (call.rankOf(x) < 2 ? reshaped(call, x, [1, -1]) : x));
  return concatenated(call, rows, 0);
};

/** The differences of neighbours. */
function differences(call: AtenCall): string {
  if (call.int('n', 1) !== 1) throw complain('differences of differences', 'n=1');
  const axis = axisOf(call, 'dim', -1);
  const size = at(shapeOfSelf(call), axis);
  return call.make('Sub', [cut(call, self(call), axis, 1, size), cut(call, self(call), axis, 0, size - 1)]);
}

/** Where the index is the place along a new last axis. */
function oneHot(call: AtenCall): string {
  const x = self(call);
  const count = call.int('num_classes', -1);
  if (count < 0) throw complain('one_hot without num_classes', 'one_hot with num_classes');
  const places = call.list(Array.from({ length: count }, (_, i) => i));
  const found = call.make('Equal', [unsqueezed(call, cast(call, x, 'int64'), [call.rankOf(x)]), places]);
  return cast(call, found, 'int64');
}

/** A tensor with the elements from `start` on along an axis, every `step`-th, taken from another. */
function scattered(call: AtenCall, x: string, src: string, axis: number, places: readonly number[]): string {
  const size = at(call.shapeOf(x), axis);
  const from = Array.from({ length: size }, (_, i) => i);
  places.forEach((place, i) => {
    from[place] = size + i;
  });
  return picked(call, concatenated(call, [x, src], axis), axis, from);
}

function sliceScatter(call: AtenCall): string {
  const x = self(call);
  const axis = axisOf(call, 'dim', 0);
  const size = at(shapeOfSelf(call), axis);
  const start = clampedTo(call.maybeInt('start') ?? 0, size);
  const end = clampedTo(call.maybeInt('end') ?? size, size);
  const step = call.int('step', 1);
  const places = Array.from(
    { length: Math.max(0, Math.ceil((end - start) / step)) },
    (_, i) => start + i * step,
  );
  const src = expanded(
    call,
    cast(call, call.tensor('src'), call.typeOf(x).dtype),
    call.shapeOf(x).with(axis, places.length),
  );
  return places.length === size ? src : scattered(call, x, src, axis, places);
}

function selectScatter(call: AtenCall): string {
  const x = self(call);
  const axis = axisOf(call, 'dim');
  const place = indexWithin(call.int('index'), at(shapeOfSelf(call), axis));
  const src = unsqueezed(call, cast(call, call.tensor('src'), call.typeOf(x).dtype), [axis]);
  return scattered(call, x, src, axis, [place]);
}

export const shapes: Translations = {
  'view.default': viewed('size'),
  'reshape.default': viewed('shape'),
  '_unsafe_view.default': viewed('size'),
  '_reshape_alias.default': viewed('size'),
  'view_as.default': likeOther,
  'reshape_as.default': likeOther,
  'ravel.default': (call) => reshaped(call, self(call), [countOf(shapeOfSelf(call))]),
  'flatten.using_ints': flatten,
  'unflatten.int': unflatten,
  'squeeze.default': squeeze,
  'squeeze.dim': squeeze,
  'squeeze.dims': squeeze,
  'unsqueeze.default': unsqueeze,
  'permute.default': permute,
  'transpose.int': swap('dim0', 'dim1'),
  'transpose.default': swap('dim0', 'dim1'),
  'swapaxes.default': swap('axis0', 'axis1'),
  'swapdims.default': swap('dim0', 'dim1'),
  't.default': matrixTransposed,
  'mT.default': matrixTransposed,
  'movedim.int': movedim,
  'movedim.intlist': movedim,
  'slice.Tensor': slice,
  'narrow.default': narrow,
  'select.int': select,
  'chunk.default': chunk,
  'split.Tensor': split,
  'split_with_sizes.default': splitWithSizes,
  'split.sizes': (call) => pieces(call, axisOf(call, 'dim', 0), call.numbers('split_size')),
  'tensor_split.sections': sections,
  'unbind.int': unbind,
  'cat.default': cat,
  'concat.default': cat,
  'stack.default': stack,
  'hstack.default': hstack,
  'expand.default': expand,
  'expand_as.default': expandAs,
  'repeat.default': tiled('repeats'),
  'tile.default': tiled('dims'),
  'repeat_interleave.self_int': repeatInterleaved,
  'roll.default': roll,
  'flip.default': flip,
  'pixel_shuffle.default': pixelShuffle,
  'pixel_unshuffle.default': pixelUnshuffle,
  'channel_shuffle.default': channelShuffle,
  'pad.default': padded,
  'constant_pad_nd.default': padded,
  'index.Tensor': indexed,
  'index_put.default': indexPut,
  '_unsafe_index.Tensor': indexed,
  'index_fill.int_Scalar': indexFill,
  'index_fill.int_Tensor': indexFill,
  'im2col.default': columns,
  'unfold.default': unfold,
  'diagonal.default': diagonal,
  'broadcast_tensors.default': broadcast,
  'meshgrid.default': meshgrid,
  'meshgrid.indexing': meshgrid,
  'vstack.default': vstack,
  'diff.default': differences,
  'one_hot.default': oneHot,
  'index_select.default': indexSelect,
  'gather.default': gather,
  'slice_scatter.default': sliceScatter,
  'select_scatter.default': selectScatter,
};
