/** Operators that are computed where all that they read is constant, and have no kernel: the arithmetic of shapes. */
import { at, atOr0, complain, DynamicShapeError } from '../../base/errors.ts';
import { broadcastShape, broadcastTo, zip } from '../geometry/broadcast.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import {
  countOf,
  largestTensor,
  numbersFor,
  type Shape,
  showShape,
  stridesOf,
  type Tensor,
  type TensorType,
} from '../tensor.ts';
import { checkLegacyBroadcast, inferPair } from './common/elementwise.ts';
import { onlyOnConstants, usedOnActivations } from './common/imported.ts';
import { axisIn, constantScalar, isFloat, known, newestOpset, required } from './common/inputs.ts';

type Inputs = readonly (Tensor | undefined)[];
type Types = readonly (InputType | undefined)[];

interface Meaning {
  readonly type: string;
  /** The oldest opset with this meaning. */
  readonly since: number;
  readonly value: (inputs: Inputs, attributes: Attributes) => Tensor;
  /** What the output is, where types alone tell; else it is known with the value. */
  readonly infer?: (types: Types) => readonly TensorType[];
}

interface Attrs {
  readonly attributes: Attributes;
}

/** @throws DynamicShapeError where an input is not constant */
function inferByValue({ type, value }: Meaning, types: Types, attributes: Attributes): readonly TensorType[] {
  if (types.some((input) => input !== undefined && input.constant === undefined))
    throw new DynamicShapeError(usedOnActivations(type));
  const { dtype, shape } = value(
    types.map((input) => input?.constant),
    attributes,
  );
  return [{ dtype, shape }];
}

const onConstants = (meaning: Meaning): ImportedOp<Attrs> => ({
  kind: meaning.type.charAt(0).toLowerCase() + meaning.type.slice(1),
  folds: true,
  onnx: {
    [meaning.type]: {
      since: meaning.since,
      upTo: newestOpset,
      parse(node) {
        checkLegacyBroadcast(node);
        return { attributes: node.attributes };
      },
    },
  },
  infer: ({ attributes }, types) => meaning.infer?.(types) ?? inferByValue(meaning, types, attributes),
  reference: ({ attributes }, inputs) => [meaning.value(inputs, attributes)],
  canonicalize: onlyOnConstants(meaning.type),
});

/** @throws InputError for a size below 0, or beyond all memory */
function requireModest(shape: Shape): void {
  const whole = shape.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (whole && countOf(shape) <= largestTensor) return;
  throw complain(
    `an output of shape ${showShape(shape)}`,
    `sizes of 0 or more, up to ${largestTensor} elements`,
  );
}

/** Of pairs of elements, to truth. */
const comparison = (type: string, since: number, holds: (x: number, y: number) => boolean): Meaning => ({
  type,
  since,
  infer: (types) => inferPair(types).map(({ shape }) => ({ dtype: 'bool', shape })),
  value(inputs) {
    const [a, b] = [required(inputs, 0, 'A'), required(inputs, 1, 'B')];
    const truth: Tensor = { dtype: 'bool', shape: a.shape, data: a.data };
    return zip(truth, b, (x, y) => Number(holds(x, y)));
  },
});

function chosen(inputs: Inputs): Tensor {
  const [condition, a, b] = [
    required(inputs, 0, 'condition'),
    required(inputs, 1, 'X'),
    required(inputs, 2, 'Y'),
  ];
  const shape = broadcastShape(condition.shape, broadcastShape(a.shape, b.shape));
  const [which, x, y] = [condition, a, b].map((tensor) => broadcastTo(tensor, shape).data);
  const data = numbersFor(a.dtype, countOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = atOr0(atOr0(which, i) === 0 ? y : x, i);
  return { dtype: a.dtype, shape, data };
}

function numbersFrom(inputs: Inputs): Tensor {
  const { dtype } = required(inputs, 0, 'start');
  const [start, limit, delta] = ['start', 'limit', 'delta'].map((role, i) =>
    required([constantScalar(known(inputs[i]), role)], 0, role),
  ) as [number, number, number];
  if (delta === 0) throw complain('a step of 0');
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  requireModest([count]);
  const data = numbersFor(dtype, count).map((_, i) => start + i * delta);
  return { dtype, shape: [count], data };
}

/** Indices of an element in each axis. */
const placeOf = (index: number, shape: Shape, strides: readonly number[]): number[] =>
  shape.map((size, axis) => Math.floor(index / at(strides, axis)) % size);

function nonZero({ shape, data }: Tensor): Tensor {
  const strides = stridesOf(shape);
  const places = [...data.keys()].filter((i) => data[i] !== 0).map((i) => placeOf(i, shape, strides));
  const rows = shape.map((_, axis) => places.map((place) => at(place, axis)));
  return { dtype: 'int64', shape: [shape.length, places.length], data: Float64Array.from(rows.flat()) };
}

/** Sums of all elements up to each one along an axis, itself included or not; `reverse`: from the end on. */
function runningSums(inputs: Inputs, attributes: Attributes): Tensor {
  const x = required(inputs, 0, 'x');
  const axis = axisIn(required([constantScalar(known(inputs[1]), 'axis')], 0, 'axis'), x.shape.length);
  const [size, stride] = [at(x.shape, axis), at(stridesOf(x.shape), axis)];
  const [exclusive, reverse] = ['exclusive', 'reverse'].map((name) => attributes.int(name, 0) !== 0);
  const data = numbersFor(x.dtype, x.data.length);
  for (let n = 0; n < data.length; n++) {
    const i = reverse ? data.length - 1 - n : n;
    const before = reverse ? i + stride : i - stride;
    const own = Math.floor(i / stride) % size;
    const first = own === (reverse ? size - 1 : 0);
    const added = exclusive ? before : i;
    data[i] = (first ? 0 : at(data, before)) + (first && exclusive ? 0 : at(x.data, added));
  }
  return { ...x, data };
}

/** The upper or lower triangle of matrices, zero elsewhere. */
function triangle(inputs: Inputs, attributes: Attributes): Tensor {
  const x = required(inputs, 0, 'input');
  const k = constantScalar(known(inputs[1]), 'k') ?? 0;
  if (x.shape.length < 2) throw complain(`shape ${showShape(x.shape)}`, 'matrices');
  const [rows, columns] = [at(x.shape, x.shape.length - 2), at(x.shape, x.shape.length - 1)];
  const upper = attributes.int('upper', 1) !== 0;
  const data = x.data.map((value, i) => {
    const diagonal = (i % columns) - (Math.floor(i / columns) % rows) - k;
    return (upper ? diagonal >= 0 : diagonal <= 0) ? value : 0;
  });
  return { ...x, data };
}

/** In how many axes each row of indices points. */
function depthOf({ shape }: Tensor): number {
  const depth = shape.at(-1);
  if (depth === undefined) throw complain('scalar indices', 'rows of indices');
  return depth;
}

/** Where in `shape` the slices begin that rows of indices name, and how long each is. */
function slicesIn(
  shape: Shape,
  indices: Tensor,
): { readonly starts: readonly number[]; readonly length: number } {
  const depth = depthOf(indices);
  if (depth > shape.length) throw complain(`indices of ${depth} axes into ${showShape(shape)}`);
  const strides = stridesOf(shape);
  const starts = Array.from({ length: countOf(indices.shape.slice(0, -1)) }, (_, row) => {
    let start = 0;
    for (let i = 0; i < depth; i++) {
      const [index, size] = [at(indices.data, row * depth + i), at(shape, i)];
      if (index < -size || index >= size) throw complain(`index ${index} along an axis of ${size}`);
      start += (index < 0 ? index + size : index) * at(strides, i);
    }
    return start;
  });
  return { starts, length: countOf(shape.slice(depth)) };
}

function gathered(inputs: Inputs, attributes: Attributes): Tensor {
  if (attributes.int('batch_dims', 0) !== 0) throw complain('batch_dims', 'batch_dims = 0');
  const [x, indices] = [required(inputs, 0, 'data'), required(inputs, 1, 'indices')];
  const { starts, length } = slicesIn(x.shape, indices);
  const data = numbersFor(x.dtype, starts.length * length);
  starts.forEach((start, i) => {
    data.set(x.data.subarray(start, start + length), i * length);
  });
  const depth = depthOf(indices);
  return { dtype: x.dtype, shape: [...indices.shape.slice(0, -1), ...x.shape.slice(depth)], data };
}

function scattered(inputs: Inputs, attributes: Attributes): Tensor {
  const reduction = attributes.string('reduction', 'none');
  if (reduction !== 'none') throw complain(`reduction '${reduction}'`, `'none'`);
  const [x, indices, updates] = [
    required(inputs, 0, 'data'),
    required(inputs, 1, 'indices'),
    required(inputs, 2, 'updates'),
  ];
  const { starts, length } = slicesIn(x.shape, indices);
  if (updates.data.length !== starts.length * length)
    throw complain(`updates of shape ${showShape(updates.shape)}`, `${starts.length * length} elements`);
  const data = x.data.slice();
  starts.forEach((start, i) => {
    data.set(updates.data.subarray(i * length, (i + 1) * length), start);
  });
  return { ...x, data };
}

/** Of the sign of the divisor, or with `fmod` of the dividend. */
function remainder(x: number, y: number, fmod: boolean, float: boolean): number {
  if (y === 0 && !float) throw complain(`${x} modulo 0 in integers`);
  return fmod ? x % y : x - y * Math.floor(x / y);
}

const count: ImportedOp<Attrs> = {
  ...onConstants({
    type: 'Size',
    since: 1,
    value: (inputs) => ({
      dtype: 'int64',
      shape: [],
      data: Float64Array.of(countOf(required(inputs, 0, 'data').shape)),
    }),
    infer: () => [{ dtype: 'int64', shape: [] }],
  }),
  typesOnly: true,
};

const meanings: readonly Meaning[] = [
  comparison('Equal', 1, (x, y) => x === y),
  comparison('Greater', 1, (x, y) => x > y),
  comparison('GreaterOrEqual', 12, (x, y) => x >= y),
  comparison('Less', 1, (x, y) => x < y),
  comparison('LessOrEqual', 12, (x, y) => x <= y),
  comparison('And', 1, (x, y) => x !== 0 && y !== 0),
  comparison('Or', 1, (x, y) => x !== 0 || y !== 0),
  comparison('Xor', 1, (x, y) => (x !== 0) !== (y !== 0)),
  {
    type: 'Not',
    since: 1,
    infer: (types) => [{ dtype: 'bool', shape: required(types, 0, 'X').shape }],
    value(inputs) {
      const { shape, data } = required(inputs, 0, 'X');
      return { dtype: 'bool', shape, data: Uint8Array.from(data, (x) => Number(x === 0)) };
    },
  },
  {
    type: 'Where',
    since: 9,
    infer(types) {
      const [condition, a] = [required(types, 0, 'condition'), required(types, 1, 'X')];
      return inferPair(types.slice(1)).map(({ shape }) => ({
        dtype: a.dtype,
        shape: broadcastShape(condition.shape, shape),
      }));
    },
    value: chosen,
  },
  {
    type: 'Mod',
    since: 10,
    infer: inferPair,
    value(inputs, attributes) {
      const [a, b, fmod] = [
        required(inputs, 0, 'A'),
        required(inputs, 1, 'B'),
        attributes.int('fmod', 0) !== 0,
      ];
      return zip(a, b, (x, y) => remainder(x, y, fmod, isFloat(a.dtype)));
    },
  },
  { type: 'Range', since: 11, value: numbersFrom },
  { type: 'NonZero', since: 9, value: (inputs) => nonZero(required(inputs, 0, 'X')) },
  { type: 'CumSum', since: 11, value: runningSums },
  { type: 'Trilu', since: 14, value: triangle },
  { type: 'GatherND', since: 11, value: gathered },
  { type: 'ScatterND', since: 11, value: scattered },
];

export const constantOps: readonly ImportedOp[] = [...meanings.map(onConstants), count];
