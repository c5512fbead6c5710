import { at, complain, must } from '../../base/errors.ts';
import { stridedIndex } from '../geometry/strided.ts';
import type { CanonicalOp, ImportedOp, InputType, KernelContext } from '../graph/op.ts';
import { sameAsInput } from '../integers/quant.ts';
import {
  add,
  assign,
  compare,
  constant,
  int,
  load,
  local,
  loop,
  mul,
  select,
  store,
  variable,
  when,
} from '../kernel/builders.ts';
import { type Elem, type Expr, type Kernel, type Stmt, scalarOf } from '../kernel/kernel.ts';
import { positionsOf } from '../kernel/memory-order.ts';
import { elemOf } from '../kernel/stored.ts';
import { countOf, numbersFor, stridesOf, type Tensor } from '../tensor.ts';
import { indicesAlong } from './arg-extreme.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { axisIn, constantScalar, known, newestOpset, required } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { alongAxes, eachPlace, type Groups, groupsOf, otherAxes } from './kernels/axis-lines.ts';
import { docOf } from './kernels/doc.ts';

export interface TopKAttrs {
  readonly axis: number;
  readonly k: number;
  readonly largest: boolean;
}

/** The values and their indices, each kind of one row. */
function selected({ axis, k, largest }: TopKAttrs, x: Tensor): readonly [Tensor, Tensor] {
  const shape = x.shape.with(axis, k);
  const [values, indices] = [numbersFor(x.dtype, countOf(shape)), new Float64Array(countOf(shape))];
  const [from, to] = [at(stridesOf(x.shape), axis), at(stridesOf(shape), axis)];
  const starts = alongAxes(shape, otherAxes(shape, [axis]));
  alongAxes(x.shape, otherAxes(x.shape, [axis])).forEach((first, row) => {
    const value = (i: number): number => at(x.data, first + i * from);
    const order = Array.from({ length: at(x.shape, axis) }, (_, i) => i).sort((a, b) =>
      largest ? value(b) - value(a) || a - b : value(a) - value(b) || a - b,
    );
    for (let j = 0; j < k; j++) {
      values[at(starts, row) + j * to] = value(at(order, j));
      indices[at(starts, row) + j * to] = at(order, j);
    }
  });
  return [
    { dtype: x.dtype, shape, data: values },
    { dtype: 'int64', shape, data: indices },
  ];
}

/** Whether an element is worse than the last one that was taken, or as good and farther on; all are before the first. */
function isBehind(worse: 'lt' | 'gt', x: Expr, last: Expr, index: Expr): Expr {
  const farther = compare('gt', index, local('taken'));
  const asGood = select(compare('eq', x, last), farther, 0);
  return select(compare('lt', local('taken'), 0), 1, select(compare(worse, x, last), 1, asGood));
}

type Group = Parameters<Parameters<typeof eachPlace>[2]>[0];

/** The best of what is behind the last one, k times: no list of what was taken is needed. */
function rowBody(
  { k, largest }: TopKAttrs,
  elem: Elem,
  groups: Groups,
  puts: readonly ((step: Expr) => Stmt)[],
  [from = int(0)]: Group,
): readonly Stmt[] {
  const type = scalarOf(elem);
  const [x, best, last, index] = [local('x', type), local('best', type), local('last', type), local('index')];
  const element = (place: Expr): Expr => load('in', elem, place);
  const [worse, better] = largest ? (['lt', 'gt'] as const) : (['gt', 'lt'] as const);
  const wins = select(compare('lt', index, 0), 1, compare(better, x, best));
  return [
    variable('last', element(from)),
    variable('taken', int(-1)),
    ...loop('j', k, (j) => [
      variable('best', element(from)),
      variable('index', int(-1)),
      ...eachPlace('i', groups.members, ([offset = int(0), , place = int(0)]) => [
        constant('x', element(add(from, offset))),
        constant('behind', isBehind(worse, x, last, place)),
        when(local('behind'), [when(wins, [assign('best', x), assign('index', place)])]),
      ]),
      ...puts.map((put) => put(j)),
      assign('last', best),
      assign('taken', index),
    ]),
  ];
}

function kernelOf(attrs: TopKAttrs, { name, inputs, outputs }: KernelContext, words: 'u8' | 'f32'): Kernel {
  const { axis, k, largest } = attrs;
  const input = must(inputs[0], 'an input');
  const made = must(
    outputs.find((place) => place !== undefined),
    'an output',
  );
  const [elem, shape] = [elemOf(input), input.shape.with(axis, k)];
  const strides = stridesOf(shape);
  const rows = stridedIndex(0, input.shape, strides.with(axis, 0));
  const groups = groupsOf(input.shape, [axis], [positionsOf(input), rows, indicesAlong(input.shape, axis)]);
  const params = [
    { name: 'values', role: 'out', elem, length: countOf(shape) },
    { name: 'indices', role: 'out', elem: 'i32', length: countOf(shape) },
  ] as const;
  const read = params.filter((_, i) => outputs[i] !== undefined);
  const value = { values: local('best', scalarOf(elem)), indices: local('index') };
  const body = eachPlace('row', groups.starts, (first) => {
    const puts = read.map((param) => (j: Expr) => {
      const place = add(first[1] ?? int(0), mul(j, at(strides, axis)));
      return store(param.name, param.elem, place, value[param.name]);
    });
    return rowBody(attrs, elem, groups, puts, first);
  });
  return {
    name,
    doc: docOf(`${k} ${largest ? 'largest' : 'smallest'} of ${groups.size}`, [input], made, words),
    params: [{ name: 'in', role: 'in', elem, length: countOf(input.shape) }, ...read],
    tables: [],
    body,
    macs: 0,
  };
}

/** The k largest or smallest elements along an axis, in order, and their indices: of equal ones the first. */
export const topK: CanonicalOp<TopKAttrs> = {
  kind: 'topK',
  ownTypes: true,
  infer({ axis, k }, inputs) {
    const { dtype, shape } = required(inputs, 0, 'X');
    if (k < 1 || k > at(shape, axis))
      throw complain(`${k} of ${shape[axis]} elements`, `1 to ${shape[axis]}`);
    const made = shape.with(axis, k);
    return [
      { dtype, shape: made },
      { dtype: 'int64', shape: made },
    ];
  },
  reference: (attrs, inputs) => selected(attrs, required(inputs, 0, 'X')),
  channels: opaqueChannels,
  reads: strided,
  order: () => undefined,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  anyZeroPoint: 'moves',
  sixteen: 'both',
  outputQuant: sameAsInput,
  quantize: () => ({}),
  rows: undefined,
  gradient: 'none',
  int8: (attrs, _quantized, context) => kernelOf(attrs, context, 'u8'),
  float32: (attrs, context) => kernelOf(attrs, context, 'f32'),
};

interface Attrs {
  readonly axis: number;
  /** Before opset 10. */
  readonly k?: number;
  readonly largest: boolean;
}

function explicit({ axis, k, largest }: Attrs, inputs: readonly (InputType | undefined)[]): TopKAttrs {
  const { shape } = required(inputs, 0, 'X');
  const count = k ?? constantScalar(required(inputs, 1, 'K'), 'K') ?? 0;
  return { axis: axisIn(axis, shape.length), k: count, largest };
}

/** ONNX TopK-1 (k is an attribute), 10, 11, 24. Unsorted ones may come in any order: they are sorted too. */
export const topKInputs: ImportedOp<Attrs> = {
  kind: 'topKInputs',
  restrictions: 'a constant k',
  onnx: {
    TopK: {
      since: 1,
      upTo: newestOpset,
      parse({ attributes, opset }) {
        return {
          axis: attributes.int('axis', -1),
          ...(opset < 10 ? { k: attributes.int('k', 1) } : {}),
          largest: attributes.int('largest', 1) !== 0,
        };
      },
    },
  },
  infer: (attrs, inputs) => topK.infer(explicit(attrs, inputs), inputs.slice(0, 1)),
  reference: (attrs, inputs) => topK.reference(explicit(attrs, inputs.map(known)), inputs.slice(0, 1)),
  canonicalize: ({ attrs, inputs, outputs, inputTypes }) => [
    { op: topK, attrs: explicit(attrs, inputTypes), inputs: inputs.slice(0, 1), outputs },
  ],
};
