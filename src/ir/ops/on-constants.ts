/** The arithmetic of shapes: operators that are computed where all that they read is constant, some with no other use. */
import { at, complain, DynamicShapeError } from '../../base/errors.ts';
import { zip } from '../geometry/broadcast.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { CanonicalOp, ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
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
import { choice } from './choice.ts';
import { checkLegacyBroadcast, inferPair } from './common/elementwise.ts';
import { onlyOnConstants, usedOnActivations } from './common/imported.ts';
import { constantScalar, isFloat, known, newestOpset, required } from './common/inputs.ts';
import { comparison, logic } from './truth.ts';

type Inputs = readonly (Tensor | undefined)[];
type Types = readonly (InputType | undefined)[];

interface Meaning {
  readonly type: string;
  /** The oldest opset with this meaning. */
  readonly since: number;
  readonly value: (inputs: Inputs, attributes: Attributes) => Tensor;
  /** What the output is, where types alone tell; else it is known with the value. */
  readonly infer?: (types: Types, attributes: Attributes) => readonly TensorType[];
  /** What it is on activations. Absent: nothing. */
  readonly canonicalize?: (node: NodeView<Attrs>) => readonly Replacement[];
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
  ...(meaning.canonicalize === undefined ? { folds: true } : {}),
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
  infer: ({ attributes }, types) =>
    meaning.infer?.(types, attributes) ?? inferByValue(meaning, types, attributes),
  reference: ({ attributes }, inputs) => [meaning.value(inputs, attributes)],
  canonicalize: meaning.canonicalize ?? onlyOnConstants(meaning.type),
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

/** As a canonical operator of the same inputs, which gives its meaning too. */
const asCanonical = <A>(type: string, since: number, op: CanonicalOp<A>, attrs: A): Meaning => ({
  type,
  since,
  infer: (types) => op.infer(attrs, types),
  value: (inputs) => required(op.reference(attrs, inputs), 0, 'output'),
  canonicalize: ({ inputs, outputs }) => [{ op, attrs, inputs, outputs }],
});

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
  asCanonical('Equal', 1, comparison, { how: 'eq' }),
  asCanonical('Greater', 1, comparison, { how: 'gt' }),
  asCanonical('GreaterOrEqual', 12, comparison, { how: 'ge' }),
  asCanonical('Less', 1, comparison, { how: 'lt' }),
  asCanonical('LessOrEqual', 12, comparison, { how: 'le' }),
  asCanonical('And', 1, logic, { how: 'and' }),
  asCanonical('Or', 1, logic, { how: 'or' }),
  asCanonical('Xor', 1, logic, { how: 'xor' }),
  asCanonical('Not', 1, logic, { how: 'not' }),
  asCanonical('Where', 9, choice, {}),
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
  { type: 'Trilu', since: 14, value: triangle },
  { type: 'ScatterND', since: 11, value: scattered },
];

export const constantOps: readonly ImportedOp[] = [...meanings.map(onConstants), count];
