import { at, must } from '../../base/errors.ts';
import type { CanonicalOp, KernelContext, OnnxRule } from '../graph/op.ts';
import { assign, compare, constant, int, local, variable, when } from '../kernel/builders.ts';
import { type Kernel, scalarOf } from '../kernel/kernel.ts';
import { positionsOf } from '../kernel/memory-order.ts';
import { elemOf } from '../kernel/stored.ts';
import { countOf, type Shape, stridesOf, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { axisIn, newestOpset, required } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { groupsOf } from './kernels/axis-lines.ts';
import { docOf } from './kernels/doc.ts';
import { type Group, inGroups } from './kernels/reducing.ts';
import { reducedBy, reducedShape, targetsIn } from './reduce.ts';

export interface ArgExtremeAttrs {
  readonly axis: number;
  readonly keepDims: boolean;
  /** Of equal ones the last, instead of the first. */
  readonly last: boolean;
}

/** Index along an axis, of each row-major element. */
export function indicesAlong(shape: Shape, axis: number): Int32Array {
  const [step, size] = [at(stridesOf(shape), axis), at(shape, axis)];
  return Int32Array.from({ length: countOf(shape) }, (_, i) => Math.floor(i / step) % size);
}

const reduced = ({ axis, keepDims }: ArgExtremeAttrs, { length }: Shape) => ({
  axes: [axisIn(axis, length)],
  keepDims,
});

/** @param better whether the first number is before the second */
function indexOf(values: Float64Array, last: boolean, better: (a: number, b: number) => boolean): number {
  return values.reduce((best, x, i) => {
    const other = at(values, best);
    return better(x, other) || (last && x === other) ? i : best;
  }, 0);
}

function operator(kind: string, title: string, type: string, largest: boolean): CanonicalOp<ArgExtremeAttrs> {
  const better = (a: number, b: number): boolean => (largest ? a > b : a < b);
  const rule: OnnxRule<ArgExtremeAttrs> = {
    since: 1,
    upTo: newestOpset,
    parse: ({ attributes }) => ({
      axis: attributes.int('axis', 0),
      keepDims: attributes.int('keepdims', 1) !== 0,
      last: attributes.int('select_last_index', 0) !== 0,
    }),
  };

  function statements({ last }: ArgExtremeAttrs, elem: 'f32' | 'i32', { first, each, put }: Group) {
    const [x, best] = [local('x', elem), local('best', elem)];
    const test = compare(largest ? (last ? 'ge' : 'gt') : last ? 'le' : 'lt', x, best);
    return [
      variable('best', first),
      variable('index', int(0)),
      ...each('i', (value, [, , index = int(0)]) => [
        constant('x', value),
        when(test, [assign('best', x), assign('index', index)]),
      ]),
      put(local('index')),
    ];
  }

  function kernelOf(
    attrs: ArgExtremeAttrs,
    { name, inputs, outputs }: KernelContext,
    elem: 'u8' | 'f32',
  ): Kernel {
    const [input, output] = [must(inputs[0], 'an input'), must(outputs[0], 'an output')];
    const own = reduced(attrs, input.shape);
    const out = positionsOf(output);
    const targets = targetsIn(input.shape, own).map((element) => at(out, element));
    const index = indicesAlong(input.shape, at(own.axes, 0));
    const groups = groupsOf(input.shape, own.axes, [positionsOf(input), targets, index]);
    return inGroups({
      name,
      doc: docOf(`${title} of ${groups.size}`, [input], output, elem),
      elem: elemOf(input),
      outElem: 'i32',
      groups,
      counts: [countOf(input.shape), countOf(output.shape)],
      body: (group) => statements(attrs, scalarOf(elemOf(input)), group),
    });
  }

  return {
    kind,
    onnx: { [type]: rule },
    ownTypes: true,
    infer(attrs, inputs) {
      const { shape } = required(inputs, 0, 'data');
      return [{ dtype: 'int64', shape: reducedShape(shape, reduced(attrs, shape)) }];
    },
    reference(attrs, inputs) {
      const x = required(inputs, 0, 'data');
      const wide: Tensor = { ...x, dtype: 'int64' };
      return [reducedBy(wide, reduced(attrs, x.shape), (values) => indexOf(values, attrs.last, better))];
    },
    explicit: (attrs, inputs) => ({
      ...attrs,
      axis: axisIn(attrs.axis, required(inputs, 0, 'data').shape.length),
    }),
    channels: opaqueChannels,
    reads: strided,
    order: () => undefined,
    affine: { kind: 'opaque' },
    absorb: () => undefined,
    elementwise: false,
    anyZeroPoint: 'computes',
    sixteen: 'both',
    quantize: () => ({}),
    rows: undefined,
    gradient: 'none',
    int8: (attrs, _quantized, context) => kernelOf(attrs, context, 'u8'),
    float32: (attrs, context) => kernelOf(attrs, context, 'f32'),
  };
}

/** The index of the largest element along an axis. ONNX ArgMax-1, 11, 12, 13. */
export const argMax = operator('argMax', 'Index of the largest', 'ArgMax', true);
/** The index of the smallest element along an axis. ONNX ArgMin-1, 11, 12, 13. */
export const argMin = operator('argMin', 'Index of the smallest', 'ArgMin', false);
