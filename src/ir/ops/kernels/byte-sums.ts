/** Sums of products of integers less their zero points, in int32: of matrices, and of windows over images. */
import { at, must } from '../../../base/errors.ts';
import type { WindowAxis } from '../../geometry/window.ts';
import type { KernelContext } from '../../graph/op.ts';
import {
  accumulate,
  add,
  compare,
  constant,
  int,
  load,
  local,
  loop,
  mul,
  store,
  sub,
  variable,
  when,
} from '../../kernel/builders.ts';
import type { Elem, Expr, Kernel, Stmt, Table } from '../../kernel/kernel.ts';
import { memoryStrides, type Order, spatialOrder } from '../../kernel/memory-order.ts';
import { elemOf, elemOfType, type StoredTensor } from '../../kernel/stored.ts';
import { countOf, type Tensor } from '../../tensor.ts';
import { stackedProduct } from '../common/stacked-product.ts';
import { extents, grouped } from './doc.ts';
import { dotted, eachMatrix, elementAt, matricesIn } from './matrix-loops.ts';

/** An activation, or a table. */
interface Operand {
  readonly array: string;
  readonly elem: Elem;
  readonly place: StoredTensor;
  readonly table?: Table;
  /** Of a constant that is one number. */
  readonly number?: number;
}

/** The numbers, the weights, and the zero point of each. */
interface Operands {
  readonly x: Operand;
  readonly w: Operand;
  readonly xZero: Operand;
  readonly wZero: Operand;
}

function constantOperand(name: string, { dtype, shape, data }: Tensor, order: Order): Operand {
  const elem = must(elemOfType(dtype), 'integers are stored');
  const [first] = data;
  const own = order === undefined ? { shape } : { shape, order };
  const numbers = Array.from(data, (_, i) => at(data, order === undefined ? i : at(order, i)));
  const alike = first !== undefined && data.every((n: number) => n === first);
  const table: Table = { name, elem, data: numbers };
  return { array: name, elem, place: own, table, ...(alike ? { number: first } : {}) };
}

function operandsOf(
  { name, inputs }: KernelContext,
  constants: readonly (Tensor | undefined)[],
  weightOrder: (shape: readonly number[]) => Order,
): Operands {
  const activations = inputs.values();
  const [x, w, xZero, wZero] = ['x', 'w', 'x_zero', 'w_zero'].map((letter, i): Operand => {
    const constant = constants[i];
    if (constant !== undefined)
      return constantOperand(
        `${name}_${letter}`,
        constant,
        i === 1 ? weightOrder(constant.shape) : undefined,
      );
    const place = must(activations.next().value, 'what is no constant is an activation');
    return { array: letter, elem: elemOf(place), place };
  });
  return {
    x: must(x, 'numbers'),
    w: must(w, 'weights'),
    xZero: must(xZero, 'a zero point'),
    wZero: must(wZero, 'zero points'),
  };
}

/** One of the zero points: `index` among several. */
const zeroAt = ({ array, elem, place, number }: Operand, index: Expr): Expr =>
  number === undefined ? load(array, elem, countOf(place.shape) === 1 ? 0 : index) : int(number);

function kernelOf(
  { name, inputs, outputs }: KernelContext,
  { x, w, xZero, wZero }: Operands,
  words: string,
  macs: number,
  body: readonly Stmt[],
): Kernel {
  const output = must(outputs[0], 'an output');
  const from = inputs.map((place) => extents(place, elemOf(place))).join(' + ');
  const params = [x, w, xZero, wZero].flatMap(({ array, elem, place, table }) =>
    table === undefined ? [{ name: array, role: 'in', elem, length: countOf(place.shape) } as const] : [],
  );
  const factors = [x, w].flatMap(({ table }) => table ?? []);
  const zeros = [xZero, wZero].flatMap(({ table, number }) =>
    table === undefined || number !== undefined ? [] : [table],
  );
  return {
    name,
    doc: [`${words}, in integers.`, `${from} -> ${extents(output, 'i32')}.  ${grouped(macs)} MAC.`],
    params: [...params, { name: 'out', role: 'out', elem: 'i32', length: countOf(output.shape) }],
    tables: [...factors, ...zeros],
    body: [constant('zx', zeroAt(xZero, int(0))), ...body],
    macs,
  };
}

/** The weights of one output one after the other. */
function columnMajor([rows = 1, columns = 1, ...more]: readonly number[]): Order {
  if (more.length > 0) return undefined;
  return Array.from({ length: rows * columns }, (_, i) => (i % rows) * columns + Math.floor(i / rows));
}

/** x[..., M, K] times w[..., K, N], less zero points: one of x, one or N of w. */
export function integerProduct(context: KernelContext, constants: readonly (Tensor | undefined)[]): Kernel {
  const operands = operandsOf(context, constants, columnMajor);
  const { x, w, wZero } = operands;
  const { m, k, n, stack } = stackedProduct(x.place.shape, w.place.shape);
  const output = matricesIn(must(context.outputs[0], 'an output'), 'out', 'i32', stack.length);
  const a = { ...matricesIn(x.place, x.array, x.elem, stack.length), zeroPoint: local('zx') };
  const b = { ...matricesIn(w.place, w.array, w.elem, stack.length), zeroPoint: local('zw') };
  const body = eachMatrix(stack, (index) =>
    loop('i', m, (i) =>
      loop('j', n, (j) => [
        constant('zw', zeroAt(wZero, j)),
        ...dotted('acc', [a, b], index, k, i, j),
        store('out', 'i32', elementAt(output, index, i, j), local('acc')),
      ]),
    ),
  );
  const macs = countOf(stack) * m * k * n;
  return kernelOf(context, operands, `Products of matrices ${m}x${k} and ${k}x${n}`, macs, body);
}

/** Where the tap lies along an axis, and the condition that it lies inside. */
function inside({ in: size, out, kernel, stride, dilation, before }: WindowAxis, place: Expr) {
  const ends = (out - 1) * stride + (kernel - 1) * dilation - before >= size;
  return (body: readonly Stmt[]): readonly Stmt[] => {
    const ended = ends ? [when(compare('lt', place, size), body)] : body;
    return before > 0 ? [when(compare('ge', place, 0), ended)] : ended;
  };
}

const stridesOf = (place: StoredTensor): readonly number[] =>
  must(memoryStrides(place), 'a stride for each axis');

interface Windows {
  readonly operands: Operands;
  readonly axes: readonly WindowAxis[];
  readonly groups: number;
  /** Channels of a window, and outputs of a group. */
  readonly depth: number;
  readonly perGroup: number;
  /** Strides of the numbers, the weights and the sums. */
  readonly xs: readonly number[];
  readonly ws: readonly number[];
  readonly os: readonly number[];
}

/** An element less its zero point. */
const beyond = ({ array, elem }: Operand, place: Expr, zero: string): Expr =>
  sub(load(array, elem, place), local(zero));

/** The products of a window, from a place in the numbers and one in the weights on. */
function taps(p: Windows, axis: number, x: Expr, w: Expr, outputs: readonly Expr[]): readonly Stmt[] {
  const { operands, axes, depth, xs, ws } = p;
  const window = axes[axis];
  if (window === undefined)
    return loop('d', depth, (d) => {
      const [a, b] = [add(x, mul(d, at(xs, 1))), add(w, mul(d, at(ws, 1)))];
      return [accumulate('acc', mul(beyond(operands.x, a, 'zx'), beyond(operands.w, b, 'zw')))];
    });
  const { kernel, stride, dilation, before } = window;
  const place = local(`at${axis}`);
  return loop(`k${axis}`, kernel, (k) => {
    const [a, b] = [add(x, mul(place, at(xs, axis + 2))), add(w, mul(k, at(ws, axis + 2)))];
    return [
      constant(`at${axis}`, sub(add(mul(at(outputs, axis), stride), mul(k, dilation)), before)),
      ...inside(window, place)(taps(p, axis + 1, a, b, outputs)),
    ];
  });
}

/** One output of a group, at a pixel of an image. */
function oneSum(
  p: Windows,
  image: Expr,
  group: Expr,
  member: Expr,
  outputs: readonly Expr[],
): readonly Stmt[] {
  const { operands, depth, perGroup, xs, ws, os } = p;
  const first = add(mul(image, at(xs, 0)), mul(mul(group, depth), at(xs, 1)));
  const pixel = outputs.map((y, axis) => mul(y, at(os, axis + 2)));
  const c = local('c');
  return [
    constant('c', add(mul(group, perGroup), member)),
    constant('zw', zeroAt(operands.wZero, c)),
    variable('acc', int(0)),
    ...taps(p, 0, first, mul(c, at(ws, 0)), outputs),
    store('out', 'i32', add(mul(image, at(os, 0)), mul(c, at(os, 1)), ...pixel), local('acc')),
  ];
}

type AtPixel = (outputs: readonly Expr[]) => readonly Stmt[];

function eachPixel(
  axes: readonly WindowAxis[],
  body: AtPixel,
  outputs: readonly Expr[] = [],
): readonly Stmt[] {
  const window = axes[outputs.length];
  if (window === undefined) return body(outputs);
  return loop(`y${outputs.length}`, window.out, (y) => eachPixel(axes, body, [...outputs, y]));
}

/** x[N, C, ...] under windows of w[O, C / groups, ...], less zero points: one of x, one or O of w. Padding adds nothing. */
export function integerConvolution(
  context: KernelContext,
  constants: readonly (Tensor | undefined)[],
  axes: readonly WindowAxis[],
  groups: number,
): Kernel {
  const operands = operandsOf(context, constants, spatialOrder);
  const { x, w } = operands;
  const out = must(context.outputs[0], 'an output');
  const [outs = 1, depth = 1] = w.place.shape;
  const perGroup = outs / groups;
  const [xs, ws, os] = [stridesOf(x.place), stridesOf(w.place), stridesOf(out)];
  const p: Windows = { operands, axes, groups, depth, perGroup, xs, ws, os };
  const body = loop('image', at(out.shape, 0), (image) =>
    eachPixel(axes, (outputs) =>
      loop('group', groups, (group) =>
        loop('member', perGroup, (member) => oneSum(p, image, group, member, outputs)),
      ),
    ),
  );
  const window = axes.map(({ kernel }) => kernel);
  const parts = groups > 1 ? ` in ${groups} groups` : '';
  const words = `${window.join('x')} convolution ${depth * groups} -> ${outs}${parts}`;
  return kernelOf(context, operands, words, countOf(out.shape) * depth * countOf(window), body);
}
