/** Operators that set one element along an axis: the one of an index, or the largest. */
import { at, complain, must } from '../../base/errors.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { countOf, type DType, numbersFor, type Shape, type Tensor, type TensorType } from '../tensor.ts';
import { argMax } from './arg-extreme.ts';
import { choice } from './choice.ts';
import { reshapeTo } from './common/imported.ts';
import { axisIn, constantOf, constantScalar, known, newestOpset, required } from './common/inputs.ts';
import { conversion } from './conversion.ts';
import { comparison, logic } from './truth.ts';

interface Attrs {
  readonly axis: number;
}

type Inputs = readonly (InputType | undefined)[];

interface Plan {
  readonly axis: number;
  readonly depth: number;
  readonly shape: Shape;
  /** The indices with an axis of 1 where the others go. */
  readonly grown: Shape;
  readonly dtype: DType;
}

function planOf({ axis }: Attrs, inputs: Inputs): Plan {
  const indices = required(inputs, 0, 'indices').shape;
  const depth = Math.trunc(must(constantScalar(required(inputs, 1, 'depth'), 'depth'), 'a depth'));
  const place = axisIn(axis, indices.length + 1);
  const around = (size: number): Shape => [...indices.slice(0, place), size, ...indices.slice(place)];
  const { dtype } = required(inputs, 2, 'values');
  return { axis: place, depth, shape: around(depth), grown: around(1), dtype };
}

function valuesOf(values: Tensor): readonly [off: number, on: number] {
  const [off, on] = values.data;
  if (off === undefined || on === undefined) throw complain('values without two elements', '[off, on]');
  return [off, on];
}

/** Counted along an axis, from `first` on. */
function counting(dtype: DType, shape: Shape, axis: number, depth: number, first: number): Tensor {
  const own = shape.map((_, i) => (i === axis ? depth : 1));
  return { dtype, shape: own, data: numbersFor(dtype, depth).map((_, i) => first + i) };
}

/** Indices from -depth on count from the end; others set nothing. */
function oneHotOf(attrs: Attrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const { axis, depth, shape, dtype } = planOf(attrs, inputs.map(known));
  const [off, on] = valuesOf(required(inputs, 2, 'values'));
  const inner = countOf(shape.slice(axis + 1));
  const data = numbersFor(dtype, countOf(shape)).fill(off);
  required(inputs, 0, 'indices').data.forEach((index: number, i: number) => {
    const place = Math.trunc(index) < 0 ? Math.trunc(index) + depth : Math.trunc(index);
    if (place < 0 || place >= depth) return;
    data[(Math.floor(i / inner) * depth + place) * inner + (i % inner)] = on;
  });
  return { dtype, shape, data };
}

/** on where index = i or index = i - depth. */
function canonicalOneHot(node: NodeView<Attrs>): readonly Replacement[] {
  const { axis, depth, shape, grown, dtype } = planOf(node.attrs, node.inputTypes);
  const indices = required(node.inputTypes, 0, 'indices');
  if (!/int/.test(indices.dtype)) throw complain(`indices of ${indices.dtype}`, 'integers');
  const [off, on] = valuesOf(must(constantOf(node.inputTypes[2], 'values'), 'values'));
  const [from = '', to = ''] = [node.inputs[0], node.outputs[0]];
  const name = (part: string): string => `${to}~${part}`;
  const number = (value: number): Tensor => {
    const own = dtype === 'float64' ? 'float32' : dtype;
    return { dtype: own, shape: [], data: numbersFor(own, 1).fill(value) };
  };
  const equal = (first: number, of: string, made: string): Replacement => ({
    ...{ op: comparison, attrs: { how: 'eq' }, inputs: [name('indices'), of], outputs: [made] },
    constants: new Map([[of, counting(indices.dtype, shape, axis, depth, first)]]),
  });
  return [
    reshapeTo(from, name('indices'), grown),
    equal(0, name('numbers'), name('front')),
    equal(-depth, name('negative'), name('back')),
    { op: logic, attrs: { how: 'or' }, inputs: [name('front'), name('back')], outputs: [name('set')] },
    {
      ...{ op: choice, attrs: {}, inputs: [name('set'), name('on'), name('off')], outputs: [to] },
      constants: new Map([
        [name('on'), number(on)],
        [name('off'), number(off)],
      ]),
    },
  ];
}

/** ONNX OneHot-9, 11. */
export const oneHot: ImportedOp<Attrs> = {
  kind: 'oneHot',
  restrictions: 'a constant depth and constant values; of activations integer indices',
  onnx: {
    OneHot: {
      since: 9,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ axis: attributes.int('axis', -1) }),
    },
  },
  infer(attrs, inputs) {
    const { dtype, shape } = planOf(attrs, inputs);
    return [{ dtype, shape }];
  },
  reference: (attrs, inputs) => [oneHotOf(attrs, inputs)],
  canonicalize: canonicalOneHot,
};

interface HardmaxAttrs extends Attrs {
  /** Before opset 13: all axes from `axis` on are one. */
  readonly flattened: boolean;
}

/** The shape in which it is along one axis, and which. */
function along({ axis, flattened }: HardmaxAttrs, { shape }: TensorType): { shape: Shape; axis: number } {
  const place = axisIn(axis, shape.length);
  if (!flattened) return { shape, axis: place };
  return { shape: [countOf(shape.slice(0, place)), countOf(shape.slice(place))], axis: 1 };
}

const largestAt = (axis: number, x: Tensor): Tensor =>
  must(argMax.reference({ axis, keepDims: true, last: false }, [x])[0], 'an index');

function hardmaxOf(attrs: HardmaxAttrs, x: Tensor): Tensor {
  const { shape, axis } = along(attrs, x);
  const indices = largestAt(axis, { ...x, shape });
  const numbers = counting('int64', shape, axis, at(shape, axis), 0);
  const [made] = comparison.reference({ how: 'eq' }, [numbers, indices]);
  const data = numbersFor(x.dtype, x.data.length);
  data.set(must(made, 'booleans').data);
  return { ...x, data };
}

/** Whether an element's index is that of the largest, as a number. */
function canonicalHardmax(node: NodeView<HardmaxAttrs>): readonly Replacement[] {
  const x = required(node.inputTypes, 0, 'input');
  const { shape, axis } = along(node.attrs, x);
  const [from = '', to = ''] = [node.inputs[0], node.outputs[0]];
  const name = (part: string): string => `${to}~${part}`;
  return [
    reshapeTo(from, name('matrix'), shape),
    {
      ...{ op: argMax, attrs: { axis, keepDims: true, last: false } },
      ...{ inputs: [name('matrix')], outputs: [name('index')] },
    },
    {
      ...{ op: comparison, attrs: { how: 'eq' } },
      ...{ inputs: [name('index'), name('numbers')], outputs: [name('largest')] },
      constants: new Map([[name('numbers'), counting('int64', shape, axis, at(shape, axis), 0)]]),
    },
    {
      ...{ op: conversion, attrs: { from: 'bool', to: 'float32' } },
      ...{ inputs: [name('largest')], outputs: [name('ones')] },
    },
    reshapeTo(name('ones'), to, x.shape),
  ];
}

/** ONNX Hardmax-1, 11, 13. */
const hardmaxSince = (since: number, upTo: number, flattened: boolean): ImportedOp<HardmaxAttrs> => ({
  kind: flattened ? 'hardmaxFlattened' : 'hardmax',
  onnx: {
    Hardmax: {
      since,
      upTo,
      parse: ({ attributes }) => ({ axis: attributes.int('axis', flattened ? 1 : -1), flattened }),
    },
  },
  infer(attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'input');
    along(attrs, { dtype, shape });
    return [{ dtype, shape }];
  },
  reference: (attrs, inputs) => [hardmaxOf(attrs, required(inputs, 0, 'input'))],
  canonicalize: canonicalHardmax,
});

export const hardmax = hardmaxSince(13, newestOpset, false);
export const hardmaxFlattened = hardmaxSince(1, 12, true);
