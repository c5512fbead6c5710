/** Elements that indices name one by one: gathered from their places, or put there. */

import { at, complain, must } from '../../base/errors.ts';
import { indexIn } from '../geometry/index-in.ts';
import { type Piece, piecesBetween, stridedIndex } from '../geometry/strided.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { ImportedOp, NodeView, Replacement } from '../graph/op.ts';
import { countOf, numbersFor, type Shape, sameShape, showShape, stridesOf, type Tensor } from '../tensor.ts';
import { add } from './add.ts';
import { axisIn, constantOf, known, required } from './common/inputs.ts';
import { type Attrs, type Inputs, type Meaning, onConstants, type Types } from './common/meanings.ts';
import { asMove } from './common/moves.ts';
import { move } from './move.ts';
import { pick } from './pick.ts';

const reductions = ['none', 'add', 'mul', 'min', 'max'] as const;
type Reduction = (typeof reductions)[number];

const joined: Readonly<Record<Reduction, (x: number, y: number) => number>> = {
  none: (_x, y) => y,
  add: (x, y) => x + y,
  mul: (x, y) => x * y,
  min: Math.min,
  max: Math.max,
};

function reductionOf(attributes: Attributes): Reduction {
  const name = attributes.string('reduction', 'none');
  const found = reductions.find((one) => one === name);
  if (found === undefined) throw complain(`reduction '${name}'`, reductions.join(', '));
  return found;
}

/** What the elements that `indices` names are: at its own places, but for the index along one axis. */
function placesAlong(shape: Shape, indices: Tensor, attributes: Attributes): Int32Array {
  const axis = axisIn(attributes.int('axis', 0), shape.length);
  const fits = indices.shape.every((size, i) => i === axis || size <= at(shape, i));
  if (indices.shape.length !== shape.length || !fits)
    throw complain(`indices of shape ${showShape(indices.shape)}`, `a part of ${showShape(shape)}`);
  const strides = stridesOf(shape);
  const places = stridedIndex(0, indices.shape, strides.with(axis, 0));
  return places.map((place, i) => place + indexIn(at(indices.data, i), at(shape, axis)) * at(strides, axis));
}

/** All elements of the slices that rows of indices name. */
function placesOfSlices(shape: Shape, indices: Tensor): Int32Array {
  const depth = indices.shape.at(-1);
  if (depth === undefined || depth > shape.length)
    throw complain(`indices of shape ${showShape(indices.shape)}`, `rows of up to ${shape.length} indices`);
  const [strides, length] = [stridesOf(shape), countOf(shape.slice(depth))];
  const made = new Int32Array((indices.data.length / Math.max(1, depth)) * length);
  for (let i = 0; i < made.length; i++) {
    const row = Math.floor(i / length) * depth;
    const start = strides
      .slice(0, depth)
      .reduce((sum, step, axis) => sum + indexIn(at(indices.data, row + axis), at(shape, axis)) * step, 0);
    made[i] = start + (i % length);
  }
  return made;
}

/** Where in the data its elements go. */
type Places = (shape: Shape, indices: Tensor, attributes: Attributes) => Int32Array;

function requireUpdates({ length }: Int32Array, { shape }: { readonly shape: Shape }): void {
  if (countOf(shape) === length) return;
  throw complain(`updates of shape ${showShape(shape)}`, `${length} elements, one of each place`);
}

function scattered(places: Places, inputs: Inputs, attributes: Attributes): Tensor {
  const join = joined[reductionOf(attributes)];
  const [x, updates] = [required(inputs, 0, 'data'), required(inputs, 2, 'updates')];
  const to = places(x.shape, required(inputs, 1, 'indices'), attributes);
  requireUpdates(to, updates);
  const data = x.data.slice();
  to.forEach((place, i) => {
    data[place] = join(at(data, place), at(updates.data, i));
  });
  return { ...x, data };
}

/** Which update is the last at each place of the data; -1: none. */
function lastAt(to: Int32Array, count: number): Int32Array {
  const last = new Int32Array(count).fill(-1);
  to.forEach((place, i) => {
    last[place] = i;
  });
  return last;
}

/** The elements of one input that are taken: those whose entry is not below 0. */
function taken(input: number, from: Int32Array): readonly Piece[] {
  const to = Int32Array.from(from.keys()).filter((place) => at(from, place) >= 0);
  return piecesBetween(
    input,
    to.map((place) => at(from, place)),
    to,
  );
}

/** @throws InputError for updates that would have to be computed one after the other */
function canonical(places: Places, node: NodeView<Attrs>): readonly Replacement[] {
  const { attributes } = node.attrs;
  const reduction = reductionOf(attributes);
  const [{ shape }, updates] = [
    required(node.inputTypes, 0, 'data'),
    required(node.inputTypes, 2, 'updates'),
  ];
  const to = places(
    shape,
    must(constantOf(required(node.inputTypes, 1, 'indices'), 'indices'), 'indices'),
    attributes,
  );
  requireUpdates(to, updates);
  const last = lastAt(to, countOf(shape));
  const [data = '', , values = ''] = node.inputs;
  if (reduction === 'none') {
    const kept = last.map((update, place) => (update < 0 ? place : -1));
    return [
      asMove({ ...node, inputs: [data, values] }, 'Scatter', [...taken(0, kept), ...taken(1, last)], {
        read: 2,
      }),
    ];
  }
  if (reduction !== 'add' || last.filter((update) => update >= 0).length < to.length)
    throw complain(
      `reduction '${reduction}' of activations${reduction === 'add' ? ' at indices that are there twice' : ''}`,
      `'none', and 'add' at indices of which no two are the same`,
    );
  const moved = `${node.outputs[0]}~scattered`;
  const view = { ...node, inputs: [values], outputs: [moved] };
  return [
    asMove(view, 'Scatter', taken(0, last), { fill: 0 }),
    { op: add, attrs: {}, inputs: [data, moved], outputs: node.outputs },
  ];
}

const scatter = (type: string, since: number, places: Places): Meaning => ({
  type,
  since,
  restrictions: `constant indices; reductions of activations: 'add' at places that differ`,
  infer(types) {
    const [x, updates] = [required(types, 0, 'data'), required(types, 2, 'updates')];
    if (x.dtype !== updates.dtype) throw complain(`updates of ${updates.dtype} of ${x.dtype}`, 'one type');
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  value: (inputs, attributes) => scattered(places, inputs, attributes),
  canonicalize: (node) => canonical(places, node),
});

const gatherType = (types: Types) => ({
  dtype: required(types, 0, 'data').dtype,
  shape: required(types, 1, 'indices').shape,
});

/** By computed indices: of the part of the data that is as large as they are in the other axes. */
function pickedAlong({ attrs, inputs, outputs, inputTypes }: NodeView<Attrs>): readonly Replacement[] {
  const [data, indices] = [required(inputTypes, 0, 'data'), required(inputTypes, 1, 'indices')];
  const axis = axisIn(attrs.attributes.int('axis', 0), data.shape.length);
  const [from = '', chosen = ''] = inputs;
  const shape = indices.shape.with(axis, at(data.shape, axis));
  const taken = `${outputs[0]}~taken`;
  const part = partOf(data.shape, shape);
  const pickFrom = (name: string): Replacement => ({
    ...{ op: pick, attrs: { how: 'single', axis }, inputs: [name, chosen], outputs },
  });
  if (sameShape(shape, data.shape)) return [pickFrom(from)];
  return [
    { op: move, attrs: { shape, pieces: [part], words: 'Slice' }, inputs: [from], outputs: [taken] },
    pickFrom(taken),
  ];
}

/** The first elements along each axis. */
function partOf(from: Shape, shape: Shape): Piece {
  const places = (of: Shape) => ({ first: 0, strides: stridesOf(of) });
  return { input: 0, counts: shape, from: places(from), to: places(shape) };
}

const gatherElements: Meaning = {
  type: 'GatherElements',
  since: 11,
  restrictions: 'of a constant constant indices',
  infer: (types) => [gatherType(types)],
  value(inputs, attributes) {
    const x = required(inputs, 0, 'data');
    const { dtype, shape } = gatherType(inputs.map(known));
    const from = placesAlong(x.shape, required(inputs, 1, 'indices'), attributes);
    return { dtype, shape, data: numbersFor(dtype, from.length).map((_, i) => at(x.data, at(from, i))) };
  },
  canonicalize(node) {
    const [data, given] = [required(node.inputTypes, 0, 'data'), required(node.inputTypes, 1, 'indices')];
    if (data.constant === undefined && given.constant === undefined) return pickedAlong(node);
    const indices = must(constantOf(given, 'indices'), 'indices');
    const from = placesAlong(data.shape, indices, node.attrs.attributes);
    return [asMove(node, 'Gather elements', taken(0, from))];
  },
};

/** Indices along axis 1 - batch_axis of each sequence in the batch: those before its length backward. */
function reversedPlaces(shape: Shape, lengths: Tensor, attributes: Attributes): Int32Array {
  const [batch, time] = [attributes.int('batch_axis', 1), attributes.int('time_axis', 0)];
  if (batch === time || Math.min(batch, time) < 0 || Math.max(batch, time) > 1 || shape.length < 2)
    throw complain(`batch_axis ${batch} and time_axis ${time} of ${showShape(shape)}`, '0 and 1, or 1 and 0');
  if (lengths.data.length !== at(shape, batch))
    throw complain(`${lengths.data.length} lengths of ${at(shape, batch)} sequences`);
  const strides = stridesOf(shape);
  return Int32Array.from({ length: countOf(shape) }, (_, i) => {
    const [sequence, step] = [batch, time].map((axis) => Math.floor(i / at(strides, axis)) % at(shape, axis));
    const [t, length] = [must(step, 'a step'), at(lengths.data, must(sequence, 'a sequence'))];
    if (!Number.isInteger(length) || length < 1 || length > at(shape, time))
      throw complain(`a length of ${length}`, `1 to ${at(shape, time)}`);
    return t < length ? i + (length - 1 - 2 * t) * at(strides, time) : i;
  });
}

const reverseSequence: Meaning = {
  type: 'ReverseSequence',
  since: 10,
  restrictions: 'constant lengths',
  infer: (types) => [{ dtype: required(types, 0, 'input').dtype, shape: required(types, 0, 'input').shape }],
  value(inputs, attributes) {
    const x = required(inputs, 0, 'input');
    const from = reversedPlaces(x.shape, required(inputs, 1, 'lengths'), attributes);
    return { ...x, data: x.data.map((_, i) => at(x.data, at(from, i))) };
  },
  canonicalize(node) {
    const lengths = must(constantOf(required(node.inputTypes, 1, 'lengths'), 'lengths'), 'lengths');
    const from = reversedPlaces(required(node.inputTypes, 0, 'input').shape, lengths, node.attrs.attributes);
    return [asMove(node, 'Reverse sequences', taken(0, from))];
  },
};

/** What is kept where a condition holds, along an axis or, without one, of all elements in a row. */
function compressed(
  types: Types,
  attributes: Attributes,
): { readonly shape: Shape; readonly from: Int32Array } {
  const x = required(types, 0, 'input');
  const condition = must(constantOf(required(types, 1, 'condition'), 'condition'), 'a condition');
  const given = attributes.get('axis', 'int');
  const own = given === undefined ? [countOf(x.shape)] : x.shape;
  const axis = axisIn(given ?? 0, own.length);
  const kept = Array.from(condition.data.keys()).filter((i) => at(condition.data, i) !== 0);
  if (kept.some((i) => i >= at(own, axis)))
    throw complain(`a condition of ${condition.data.length}`, `${at(own, axis)} at most`);
  const [shape, strides] = [own.with(axis, kept.length), stridesOf(own)];
  const from = stridedIndex(0, shape, strides.with(axis, 0));
  const inner = countOf(shape.slice(axis + 1));
  const along = (i: number): number => at(kept, Math.floor(i / inner) % kept.length);
  return { shape, from: from.map((place, i) => place + along(i) * at(strides, axis)) };
}

const compress: Meaning = {
  type: 'Compress',
  since: 9,
  restrictions: 'a constant condition',
  infer: (types, attributes) => [
    { dtype: required(types, 0, 'input').dtype, shape: compressed(types, attributes).shape },
  ],
  value(inputs, attributes) {
    const x = required(inputs, 0, 'input');
    const { shape, from } = compressed(inputs.map(known), attributes);
    return {
      dtype: x.dtype,
      shape,
      data: numbersFor(x.dtype, from.length).map((_, i) => at(x.data, at(from, i))),
    };
  },
  canonicalize: (node) => [
    asMove(node, 'Compress', taken(0, compressed(node.inputTypes, node.attrs.attributes).from)),
  ],
};

/** ONNX Compress-9, 11; GatherElements-11, 13; Scatter-9, ScatterElements-11, 13, 16, 18; ScatterND-11, 13, 16, 18; ReverseSequence-10. */
export const scatters: readonly ImportedOp<Attrs>[] = [
  gatherElements,
  scatter('ScatterND', 11, placesOfSlices),
  scatter('ScatterElements', 11, placesAlong),
  scatter('Scatter', 9, placesAlong),
  reverseSequence,
  compress,
].map(onConstants);
