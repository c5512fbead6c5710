/** Pooling over height x width x channel images; the window is cut off at the borders, never padded. */
import {
  accumulate,
  add,
  assign,
  call,
  constant,
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
  /** to - from */
  readonly count: Expr;
  readonly declare: readonly Stmt[];
}

/** The part of a window, in input rows (or columns), that lies inside of the image. */
function spanOf(
  axis: 'y' | 'x',
  out: Expr,
  stride: number,
  pad: number,
  kernel: number,
  size: number,
  outSize: number,
): Span {
  const start = sub(mul(out, stride), pad);
  const inside = pad === 0 && (outSize - 1) * stride + kernel <= size;
  if (inside) return { from: start, to: add(start, kernel), count: int(kernel), declare: [] };
  const [from, to] = [`${axis}_from`, `${axis}_to`];
  return {
    from: local(from),
    to: local(to),
    count: sub(local(to), local(from)),
    declare: [
      constant(from, call('clamp', 'i32', start, int(0), int(size))),
      constant(to, call('clamp', 'i32', add(start, kernel), int(0), int(size))),
    ],
  };
}

export function pooling(p: Pooling): Kernel {
  const w = p.window;
  const scalar = p.elem === 'f32' ? 'f32' : 'i32';
  const body = loop('y', w.outHeight, (y) =>
    loop('x', w.outWidth, (x) => {
      const rows = spanOf('y', y, w.strides[0], w.padTop, w.kernel[0], w.height, w.outHeight);
      const cols = spanOf('x', x, w.strides[1], w.padLeft, w.kernel[1], w.width, w.outWidth);
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
  loop(name, s.to, body, { from: s.from });

/** Joins by the larger value. */
export const joinMax =
  (elem: 'u8' | 'f32') =>
  (name: string, value: Expr): Stmt =>
    assign(name, larger(name, value, elem));

const larger = (name: string, value: Expr, elem: 'u8' | 'f32'): Expr =>
  maximum(value, local(name, elem === 'f32' ? 'f32' : 'i32'));

export const joinSum = (name: string, value: Expr): Stmt => accumulate(name, value);
