/** What an array's axes mean: samples (n), channels (c), rows (h), columns (w). */
import { at } from '../base/errors.ts';
import { type Shape, stridesOf } from '../ir/tensor.ts';

/** The arrangements that are understood, outermost axis first. A letter that is missing has size 1. */
export const layouts = ['nchw', 'nhwc', 'chw', 'hwc', 'nhw', 'ncw', 'hw', 'nw', 'cw', 'w'] as const;
export type AxisOrder = (typeof layouts)[number];

interface Axis {
  readonly size: number;
  /** In elements; 0 for axes of size 1, so that equal arrangements compare equal. */
  readonly stride: number;
}

/** An array seen as samples of channels, rows and columns. */
export interface View {
  readonly layout: AxisOrder;
  readonly n: Axis;
  readonly c: Axis;
  readonly h: Axis;
  readonly w: Axis;
}

function axisOf(layout: string, letter: string, shape: Shape, strides: Shape): Axis {
  const axis = layout.indexOf(letter);
  const size = axis < 0 ? 1 : at(shape, axis);
  return { size, stride: size === 1 ? 0 : at(strides, axis) };
}

export function viewAs(layout: AxisOrder, shape: Shape): View {
  const strides = stridesOf(shape);
  const axis = (letter: string): Axis => axisOf(layout, letter, shape, strides);
  return { layout, n: axis('n'), c: axis('c'), h: axis('h'), w: axis('w') };
}

/** Every way to see an array of this shape, the likelier ones first. */
export const viewsOf = (shape: Shape): readonly View[] =>
  layouts.filter((layout) => layout.length === shape.length).map((layout) => viewAs(layout, shape));

const sameAxis = (a: Axis, b: Axis): boolean => a.size === b.size && a.stride === b.stride;

/** Whether both read the same elements as the same pixels. */
export const sameView = (a: View, b: View): boolean =>
  sameAxis(a.n, b.n) && sameAxis(a.c, b.c) && sameAxis(a.h, b.h) && sameAxis(a.w, b.w);
