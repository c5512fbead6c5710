/**
 * Windows onto a height x width x channel image: where a tile of outputs finds its inputs. Without padding it
 * reads the image where it lies; with padding it copies the tile's inputs and the padding around them into a
 * small patch first, once for all output channels, so that the loops over weights never test for borders. Where
 * the padding is 0 and a tile is a whole row of outputs, what lies outside is left out instead: columns when the
 * code is made, rows by the bounds of a loop.
 */
import { at } from '../../../base/errors.ts';
import {
  add,
  call,
  compare,
  constant,
  copy,
  div,
  fill,
  int,
  local,
  loop,
  mul,
  store,
  sub,
  times,
  when,
} from '../../kernel/builders.ts';
import type { Expr, Param, Span, Stmt, Table } from '../../kernel/kernel.ts';

/** A window operator in two dimensions; sizes in elements of the image. */
export interface WindowShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Top and left; what lies below and right follows from the output's size. */
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Outputs that are computed together: `rows` x `cols` of them, the next tile `stepY`, `stepX` outputs on. */
export interface Tile {
  readonly rows: number;
  readonly cols: number;
  readonly stepY: number;
  readonly stepX: number;
  readonly countY: number;
  readonly countX: number;
  /** The last tile of a row is moved left to end at this output, and computes some outputs again. */
  readonly lastX?: number;
}

export interface Padding {
  readonly elem: 'u8' | 'i16' | 'f32';
  /** The stored value, per channel. */
  readonly values: readonly number[];
}

/** The part of a tile's windows that is inside the image; what is absent is inside as a whole. */
export interface Inside {
  /** Rows of a window. */
  readonly rows?: Span<Expr>;
  /** Columns of the window at each of the tile's columns; the first one begins so many left of the image. */
  readonly columns: readonly Span<number>[];
  readonly left: number;
}

/** How a tile's inputs are addressed: element `offset` of `base`, and the distance of two rows. */
export interface View {
  readonly base: string;
  readonly offset: Expr;
  readonly rowStride: number;
  /** Absent: all is read. */
  readonly inside?: Inside;
  /** Before the loops over weights. */
  readonly prepare: readonly Stmt[];
  readonly scratch: readonly Param[];
  readonly tables: readonly Table[];
}

const patchRows = (w: WindowShape, t: Tile): number =>
  (t.rows - 1) * w.strides[0] + (w.kernel[0] - 1) * w.dilations[0] + 1;
const patchCols = (w: WindowShape, t: Tile): number =>
  (t.cols - 1) * w.strides[1] + (w.kernel[1] - 1) * w.dilations[1] + 1;

/** Whether any tile reads outside of the image. */
export function isPadded(w: WindowShape, t: Tile): boolean {
  const lastColumn = t.lastX ?? (t.countX - 1) * t.stepX;
  const lastX = lastColumn * w.strides[1] - w.padLeft + patchCols(w, t) > w.width;
  return isBeyondRows(w, t) || w.padLeft > 0 || lastX;
}

/** Whether any tile reads above or below the image. */
function isBeyondRows(w: WindowShape, t: Tile): boolean {
  const lastY = (t.countY - 1) * t.stepY * w.strides[0] - w.padTop + patchRows(w, t) > w.height;
  return w.padTop > 0 || lastY;
}

/** @param name prefixes the tables. */
export function viewOf(name: string, w: WindowShape, t: Tile, ty: Expr, x: Expr, padding: Padding): View {
  const top = sub(mul(ty, t.stepY * w.strides[0]), w.padTop);
  const left = sub(mul(x, w.strides[1]), w.padLeft);
  const rowStride = w.width * w.channels;
  if (!isPadded(w, t))
    return {
      base: 'in',
      offset: add(mul(top, rowStride), mul(left, w.channels)),
      rowStride,
      prepare: [],
      scratch: [],
      tables: [],
    };
  return patch(name, w, t, top, left, padding);
}

/** Whether a tile is a row of outputs, and what it reads outside is 0: `lineOf` then reads no patch. */
export const isLine = (w: WindowShape, t: Tile, { values }: Padding): boolean =>
  isPadded(w, t) && t.rows === 1 && t.countX === 1 && values.every((value) => value === 0);

/** The view of a row of outputs, in the image itself. */
export function lineOf(w: WindowShape, t: Tile, ty: Expr): View {
  const rowStride = w.width * w.channels;
  const [rows, cols] = w.kernel;
  const down = w.dilations[0];
  const first = sub(mul(ty, t.stepY * w.strides[0]), w.padTop);
  const ceiling = (e: Expr): Expr => (down === 1 ? e : div(add(e, down - 1), down));
  const top = local('top');
  const isBeyond = isBeyondRows(w, t);
  const from = call('clamp', 'i32', ceiling(sub(0, top)), int(0), int(rows));
  const to = call('clamp', 'i32', ceiling(sub(w.height, top)), local('y_from'), int(rows));
  return {
    base: 'in',
    offset: mul(top, rowStride),
    rowStride,
    inside: {
      ...(isBeyond ? { rows: { from: local('y_from'), to: local('y_to') } } : {}),
      columns: times(t.cols, (x) => spanWithin(x * w.strides[1] - w.padLeft, w.dilations[1], cols, w.width)),
      left: w.padLeft,
    },
    prepare: [constant('top', first), ...(isBeyond ? [constant('y_from', from), constant('y_to', to)] : [])],
    scratch: [],
    tables: [],
  };
}

/** Of `count` places from `first` on, `step` apart, those from 0 to before `end`. */
function spanWithin(first: number, step: number, count: number, end: number): Span<number> {
  const before = (place: number): number => Math.min(count, Math.max(0, Math.ceil((place - first) / step)));
  return { from: before(0), to: Math.max(before(0), before(end)) };
}

function patch(name: string, w: WindowShape, t: Tile, top: Expr, left: Expr, padding: Padding): View {
  const rows = patchRows(w, t);
  const cols = patchCols(w, t);
  const rowStride = cols * w.channels;
  const [yFrom, yTo, xFrom, xTo] = ['y_from', 'y_to', 'x_from', 'x_to'].map((n) => local(n)) as [
    Expr,
    Expr,
    Expr,
    Expr,
  ];
  const table: Table = {
    name: `${name}_padding`,
    elem: padding.elem,
    data: [...padding.values],
    says: 'What stands in the padding, by input channel.',
  };
  const uniform = padding.values.every((v) => v === padding.values[0]);
  return {
    base: 'patch',
    offset: int(0),
    rowStride,
    scratch: [{ name: 'patch', role: 'scratch', elem: padding.elem, length: rows * rowStride }],
    tables: uniform ? [] : [table],
    prepare: [
      constant('top', top),
      constant('left', left),
      constant('y_from', call('clamp', 'i32', sub(0, local('top')), int(0), int(rows))),
      constant('y_to', call('clamp', 'i32', sub(w.height, local('top')), yFrom, int(rows))),
      constant('x_from', call('clamp', 'i32', sub(0, local('left')), int(0), int(cols))),
      constant('x_to', call('clamp', 'i32', sub(w.width, local('left')), xFrom, int(cols))),
      when(
        compare('lt', mul(sub(yTo, yFrom), sub(xTo, xFrom)), rows * cols),
        fillPatch(rows * cols, w.channels, padding, table, uniform),
      ),
      when(compare('lt', xFrom, xTo), copyRows(w, cols, padding.elem, yFrom, yTo, xFrom, xTo)),
    ],
  };
}

function fillPatch(
  pixels: number,
  channels: number,
  padding: Padding,
  table: Table,
  uniform: boolean,
): readonly Stmt[] {
  const { elem, values } = padding;
  if (elem === 'u8' && uniform) return [fill('patch', 'u8', 0, at(values, 0), pixels * channels)];
  const value = (c: Expr): Expr =>
    uniform
      ? elem === 'f32'
        ? { kind: 'float', value: at(values, 0) }
        : int(at(values, 0))
      : { kind: 'load', from: table.name, elem, index: c };
  return loop('pad', pixels, (p) =>
    loop('pad_c', channels, (c) => [store('patch', elem, add(mul(p, channels), c), value(c))]),
  );
}

function copyRows(
  w: WindowShape,
  cols: number,
  elem: Padding['elem'],
  yFrom: Expr,
  yTo: Expr,
  xFrom: Expr,
  xTo: Expr,
): readonly Stmt[] {
  const from = (y: Expr): Expr =>
    mul(add(mul(add(local('top'), y), w.width), local('left'), xFrom), w.channels);
  return loop(
    'row',
    yTo,
    (y) => [
      copy(
        elem,
        ['patch', mul(add(mul(y, cols), xFrom), w.channels)],
        ['in', from(y)],
        mul(sub(xTo, xFrom), w.channels),
      ),
    ],
    { from: yFrom },
  );
}
