/** Pooling over height x width x channel images; the window is cut off at the borders, never padded. */

import { extentOf, type WindowAxis } from '../../geometry/window.ts';
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
} from '../../kernel/builders.ts';
import {
  type Elem,
  type Expr,
  type Kernel,
  type PlainStmt,
  type Stmt,
  scalarOf,
  type Table,
} from '../../kernel/kernel.ts';
import { exprText, stmtText } from '../../kernel/text.ts';
import { typeOf } from '../../kernel/walk.ts';
import { formula, paddingWords } from './doc.ts';

export interface Pooling {
  readonly name: string;
  readonly doc: readonly string[];
  readonly plane: readonly [WindowAxis, WindowAxis];
  readonly channels: number;
  readonly elem: Elem;
  /** What comes out; as `elem` when absent. */
  readonly outElem?: Elem;
  readonly tables: readonly Table[];
  /** Where a channel's running value begins. */
  readonly first: Expr;
  /** The running value (a local of `scalar` type) joined by one input. */
  readonly join: (name: string, value: Expr) => PlainStmt;
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

/** The part of the window of output `out`, in input rows (or columns), that lies inside of the image. */
function spanOf(name: 'y' | 'x', axis: WindowAxis, out: Expr): Span {
  const { stride, dilation: step, in: size } = axis;
  const start = sub(mul(out, stride), axis.before);
  const extent = extentOf(axis);
  const inside = axis.before === 0 && (axis.out - 1) * stride + extent <= size;
  if (inside) return { from: start, to: add(start, extent), step, count: int(axis.kernel), declare: [] };
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
  const { channels, elem, outElem = elem } = p;
  const [vertical, horizontal] = p.plane;
  const at = (width: number, y: Expr, x: Expr, c: Expr): Expr => add(mul(add(mul(y, width), x), channels), c);
  const body = loop('y', vertical.out, (y) =>
    loop('x', horizontal.out, (x) => {
      const [rows, cols] = [spanOf('y', vertical, y), spanOf('x', horizontal, x)];
      const joined = (iy: Expr, c: Expr): readonly Stmt[] =>
        span('ix', cols, (ix) => [p.join('value', load('in', elem, at(horizontal.in, iy, ix, c)))]);
      return [
        ...rows.declare,
        ...cols.declare,
        ...loop('c', channels, (c) => [
          variable('value', p.first),
          ...span('iy', rows, (iy) => joined(iy, c)),
          store(
            'out',
            outElem,
            at(horizontal.out, y, x, c),
            p.finish(local('value', typeOf(p.first)), mul(rows.count, cols.count)),
          ),
        ]),
      ];
    }),
  );
  return {
    name: p.name,
    doc: [...p.doc, ...says(p)],
    params: [
      { name: 'in', role: 'in', elem, length: vertical.in * horizontal.in * channels },
      { name: 'out', role: 'out', elem: outElem, length: vertical.out * horizontal.out * channels },
    ],
    tables: p.tables,
    body,
    macs: 0,
  };
}

/** All that the numbers follow from. */
function says(p: Pooling): readonly string[] {
  const [y, x] = p.plane;
  const end = (axis: WindowAxis): number =>
    Math.max(0, (axis.out - 1) * axis.stride + extentOf(axis) - axis.before - axis.in);
  const around = { above: y.before, left: x.before, below: end(y), right: end(x) };
  const window = `Window ${y.kernel}x${x.kernel}, strides ${y.stride}x${x.stride}, dilations ${y.dilation}x${x.dilation}, ${paddingWords(around, 'which is left out')}.`;
  const scalar = typeOf(p.first);
  const joins = stmtText(p.join('value', local('x', scalarOf(p.elem))));
  return [
    window,
    `value starts at ${exprText(p.first)}; for each x of the n in the window: ${joins}.`,
    ...formula('out', p.finish(local('value', scalar), local('n'))),
  ];
}

const span = (name: string, s: Span, body: (i: Expr) => readonly Stmt[]): readonly Stmt[] =>
  loop(name, s.to, body, { from: s.from, step: s.step });

/** Joins by the larger value. */
export const joinMax =
  (elem: Elem) =>
  (name: string, value: Expr): PlainStmt =>
    assign(name, larger(name, value, elem));

const larger = (name: string, value: Expr, elem: Elem): Expr =>
  maximum(value, local(name, elem === 'f32' ? 'f32' : 'i32'));

export const joinSum = (name: string, value: Expr): PlainStmt => accumulate(name, value);
