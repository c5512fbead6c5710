import { at, complain, must } from '../../base/errors.ts';
import type { CanonicalOp, InputType, KernelContext } from '../graph/op.ts';
import { sameAsInput } from '../integers/quant.ts';
import { add, constant, copy, int, load, local, loop, mul, store } from '../kernel/builders.ts';
import type { Elem, Expr, Kernel, Stmt } from '../kernel/kernel.ts';
import { elemOf } from '../kernel/stored.ts';
import {
  countOf,
  numbersFor,
  type Shape,
  showShape,
  stridesOf,
  type Tensor,
  type TensorType,
} from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { required } from './common/inputs.ts';
import { nearestIndex, rowAt } from './common/row-index.ts';
import { docOf } from './kernels/doc.ts';

/**
 * Which element of the data an index is of: `slices`, whole ones in all blocks before the axis alike, as ONNX Gather has
 * it; `rows`, slices again, by a row of indices, one for each axis from `axis` on, of its own block (GatherND); `single`,
 * the element at the index's own place in the other axes (GatherElements).
 */
export interface PickAttrs {
  readonly how: 'slices' | 'rows' | 'single';
  readonly axis: number;
}

type Inputs = readonly (InputType | undefined)[];

function shapeOf({ how, axis }: PickAttrs, data: Shape, indices: Shape): Shape {
  if (how === 'slices') return [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
  if (how === 'rows') return [...indices.slice(0, -1), ...data.slice(axis + (indices.at(-1) ?? 0))];
  if (indices.length !== data.length || indices.some((size, i) => i !== axis && size !== data[i]))
    throw complain(
      `single elements of ${showShape(data)} by indices of shape ${showShape(indices)}`,
      `sizes that differ along axis ${axis} alone`,
    );
  return indices;
}

function typeOf(attrs: PickAttrs, inputs: Inputs): TensorType {
  const [data, indices] = [required(inputs, 0, 'data'), required(inputs, 1, 'indices')];
  if (!/^u?int\d+$/.test(indices.dtype)) throw complain(`indices of type ${indices.dtype}`, 'integers');
  return { dtype: data.dtype, shape: shapeOf(attrs, data.shape, indices.shape) };
}

/** Blocks of the data, sizes of the axes that an index names in each, how many it makes of them, and how large these are. */
interface Loops {
  readonly outer: number;
  readonly sizes: Shape;
  readonly count: number;
  readonly inner: number;
}

function loopsOf({ how, axis }: PickAttrs, data: Shape, indices: Shape): Loops {
  const end = axis + (how === 'rows' ? (indices.at(-1) ?? 0) : 1);
  const among = how === 'slices' ? indices : how === 'rows' ? indices.slice(axis, -1) : [at(indices, axis)];
  return {
    outer: countOf(data.slice(0, axis)),
    sizes: data.slice(axis, end),
    count: countOf(among),
    inner: countOf(data.slice(end)),
  };
}

function picked(attrs: PickAttrs, data: Tensor, indices: Tensor): Tensor {
  const { sizes, count, inner } = loopsOf(attrs, data.shape, indices.shape);
  const [shape, strides] = [shapeOf(attrs, data.shape, indices.shape), stridesOf(sizes)];
  const numbers = numbersFor(data.dtype, countOf(shape)).map((_, i) => {
    const [row, column] = [Math.floor(i / inner), i % inner];
    const first = attrs.how === 'single' ? i : attrs.how === 'rows' ? row * sizes.length : row % count;
    const named = sizes.map((size, k) => nearestIndex(at(indices.data, first + k), size) * at(strides, k));
    const block = Math.floor(row / count) * countOf(sizes);
    return at(data.data, (block + named.reduce((sum, x) => sum + x, 0)) * inner + column);
  });
  return { dtype: data.dtype, shape, data: numbers };
}

/** As few elements as this are not worth a call of memcpy. */
const fewest = 4;

const moved = (elem: Elem, to: Expr, from: Expr, count: number): readonly Stmt[] =>
  count < fewest
    ? loop('j', count, (j) => [store('out', elem, add(to, j), load('in', elem, add(from, j)))])
    : [copy(elem, ['out', to], ['in', from], count)];

/** A local `row`: where in its block the slice is that `indices` name from a place on. */
function rowFrom(indices: readonly Expr[], sizes: Shape): readonly Stmt[] {
  const [only] = indices;
  if (indices.length === 1 && only !== undefined) return rowAt(only, at(sizes, 0));
  const strides = stridesOf(sizes);
  const rows = indices.map((_, k) => mul(local(`row${k}`), at(strides, k)));
  return [
    ...indices.flatMap((index, k) => rowAt(index, at(sizes, k), `${k}`)),
    constant('row', add(...rows)),
  ];
}

function bodyOf(attrs: PickAttrs, { outer, sizes, count, inner }: Loops, elem: Elem, word: Elem) {
  const whole = attrs.how === 'single' ? 1 : inner;
  const put = (block: Expr, index: Expr, to: Expr, column: Expr): readonly Stmt[] => [
    ...rowFrom(
      sizes.map((_, k) => load('indices', word, add(index, k))),
      sizes,
    ),
    constant('from', add(mul(add(mul(block, countOf(sizes)), local('row')), inner), column)),
    ...moved(elem, to, local('from'), whole),
  ];
  return loop('block', outer, (block) =>
    loop('i', count, (i) => {
      const row = add(mul(block, count), i);
      const to = mul(row, inner);
      if (attrs.how === 'slices') return put(block, i, to, int(0));
      if (attrs.how === 'rows') return put(block, mul(row, sizes.length), to, int(0));
      return loop('column', inner, (column) => put(block, add(to, column), add(to, column), column));
    }),
  );
}

function kernelOf(attrs: PickAttrs, { name, inputs, outputs }: KernelContext): Kernel {
  const [data, indices] = [must(inputs[0], 'data'), must(inputs[1], 'indices')];
  const output = must(outputs[0], 'an output');
  const loops = loopsOf(attrs, data.shape, indices.shape);
  const [elem, word] = [elemOf(data), elemOf(indices)];
  const what = `${attrs.how === 'single' ? 'Elements' : 'Slices'} by index, of ${loops.sizes.join('x')}`;
  return {
    name,
    doc: [
      ...docOf(what, [data], output, elem),
      'Negative indices count from the end; those beyond either end are the first or the last.',
    ],
    params: [
      { name: 'in', role: 'in', elem, length: countOf(data.shape) },
      { name: 'indices', role: 'in', elem: word, length: countOf(indices.shape) },
      { name: 'out', role: 'out', elem, length: countOf(output.shape) },
    ],
    tables: [],
    body: bodyOf(attrs, loops, elem, word),
    macs: 0,
  };
}

/**
 * Elements of an activation by indices that are computed too, along one axis. Negative indices count from the end;
 * those that are out of range are the first or the last, so that no index reads beyond the data.
 */
export const pick: CanonicalOp<PickAttrs> = {
  kind: 'pick',
  ownTypes: true,
  infer: (attrs, inputs) => [typeOf(attrs, inputs)],
  reference: (attrs, inputs) => [picked(attrs, required(inputs, 0, 'data'), required(inputs, 1, 'indices'))],
  reads: (_attrs, inputs) => inputs.map(() => undefined),
  order: () => undefined,
  channels: opaqueChannels,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  anyZeroPoint: 'moves',
  sixteen: 'both',
  outputQuant: sameAsInput,
  quantize: () => ({}),
  rows: undefined,
  gradient: 'none',
  int8: (attrs, _quantized, context) => kernelOf(attrs, context),
  float32: (attrs, context) => kernelOf(attrs, context),
};
