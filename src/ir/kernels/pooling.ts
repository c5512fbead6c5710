/** Pooling over height x width x channel images; the window is cut off at the borders, never padded. */
import {
  accumulate,
  add,
  assign,
  call,
  constant,
  div,
  int,
  load,
  local,
  loop,
  maximum,
  mul,
  store,
  sub,
  variable,
} from '../build.ts';
import type { Expr, Kernel, Stmt, Table } from '../kernel.ts';
import type { WindowShape } from './window.ts';

export interface Pooling {
  readonly name: string;
  readonly doc: readonly string[];
  readonly window: WindowShape;
  readonly elem: 'u8' | 'f32';
  readonly tables: readonly Table[];
  /** Where a channel's running value begins. */
  readonly first: Expr;
  /** The running value (a local of `scalar` type) joined by one input. */
  readonly join: (name: string, value: Expr) => Stmt;
  /** What is stored; `count` is the number of inputs that the window has inside of the image. */
  readonly finish: (value: Expr, count: Expr) => Expr;
}

interface Span {
  readonly from: Expr;
  readonly to: Expr;
  readonly step: number;
  /** Inputs from `from` to before `to`, `step` apart. */
  readonly count: Expr;
  readonly declare: readonly Stmt[];
}

/** Of rows or of columns. */
interface Axis {
  readonly name: 'y' | 'x';
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
  readonly size: number;
  readonly outSize: number;
}

const rowsOf = (w: WindowShape): Axis => ({
  name: 'y',
  kernel: w.kernel[0],
  stride: w.strides[0],
  dilation: w.dilations[0],
  pad: w.padTop,
  size: w.height,
  outSize: w.outHeight,
});

const columnsOf = (w: WindowShape): Axis => ({
  name: 'x',
  kernel: w.kernel[1],
  stride: w.strides[1],
  dilation: w.dilations[1],
  pad: w.padLeft,
  size: w.width,
  outSize: w.outWidth,
});

/** The part of the window of output `out`, in input rows (or columns), that lies inside of the image. */
function spanOf({ name, kernel, stride, dilation: step, pad, size, outSize }: Axis, out: Expr): Span {
  const start = sub(mul(out, stride), pad);
  const extent = (kernel - 1) * step + 1;
  const inside = pad === 0 && (outSize - 1) * stride + extent <= size;
  if (inside) return { from: start, to: add(start, extent), step, count: int(kernel), declare: [] };
  const [from, to] = [`${name}_from`, `${name}_to`];
  const within = (i: Expr): Expr => call('clamp', 'i32', i, int(0), int(size));
  const length = sub(local(to), local(from));
  return {
    from: local(from),
    to: local(to),
    step,
    count: step === 1 ? length : div(add(length, step - 1), step),
    declare: [
      constant(from, within(step === 1 ? start : add(start, beforeImage(start, step)))),
      constant(to, within(add(start, extent))),
    ],
  };
}

/** From the window's start to the first of its inputs that is not before the image: ceil(-start / step) steps. */
const beforeImage = (start: Expr, step: number): Expr =>
  mul(div(maximum(sub(int(step - 1), start), int(0)), step), step);

export function pooling(p: Pooling): Kernel {
  const w = p.window;
  const scalar = p.elem === 'f32' ? 'f32' : 'i32';
  const body = loop('y', w.outHeight, (y) =>
    loop('x', w.outWidth, (x) => {
      const [rows, cols] = [spanOf(rowsOf(w), y), spanOf(columnsOf(w), x)];
      const count = mul(rows.count, cols.count);
      const at = (iy: Expr, ix: Expr, c: Expr) => add(mul(add(mul(iy, w.width), ix), w.channels), c);
      return [
        ...rows.declare,
        ...cols.declare,
        ...loop('c', w.channels, (c) => [
          variable('value', p.first),
          ...span('iy', rows, (iy) =>
            span('ix', cols, (ix) => [p.join('value', load('in', p.elem, at(iy, ix, c)))]),
          ),
          store(
            'out',
            p.elem,
            add(mul(add(mul(y, w.outWidth), x), w.channels), c),
            p.finish(local('value', scalar), count),
          ),
        ]),
      ];
    }),
  );
  return {
    name: p.name,
    doc: p.doc,
    params: [
      { name: 'in', role: 'in', elem: p.elem, length: w.height * w.width * w.channels },
      { name: 'out', role: 'out', elem: p.elem, length: w.outHeight * w.outWidth * w.channels },
    ],
    tables: p.tables,
    body,
    macs: 0,
  };
}

const span = (name: string, s: Span, body: (i: Expr) => readonly Stmt[]): readonly Stmt[] =>
  loop(name, s.to, body, { from: s.from, step: s.step });

/** Joins by the larger value. */
export const joinMax =
  (elem: 'u8' | 'f32') =>
  (name: string, value: Expr): Stmt =>
    assign(name, larger(name, value, elem));

const larger = (name: string, value: Expr, elem: 'u8' | 'f32'): Expr =>
  maximum(value, local(name, elem === 'f32' ? 'f32' : 'i32'));

export const joinSum = (name: string, value: Expr): Stmt => accumulate(name, value);
