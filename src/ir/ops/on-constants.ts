/** The arithmetic of shapes: operators that are computed where all that they read is constant, some with no other use. */
import { at, complain } from '../../base/errors.ts';
import { zip } from '../geometry/broadcast.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { ImportedOp, NodeView, Replacement } from '../graph/op.ts';
import {
  countOf,
  type DType,
  numbersFor,
  type Shape,
  showShape,
  stridesOf,
  type Tensor,
  type TensorType,
} from '../tensor.ts';
import { choice } from './choice.ts';
import { inferPair } from './common/elementwise.ts';
import { constantScalar, isFloat, known, required } from './common/inputs.ts';
import {
  type Attrs,
  asCanonical,
  type Inputs,
  type Meaning,
  onConstants,
  requireModest,
  type Types,
} from './common/meanings.ts';
import { integerPair } from './integer-pairs.ts';
import { comparison, logic } from './truth.ts';

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

/** Of the sign of the divisor, or with `fmod` of the dividend. */
function remainder(x: number, y: number, fmod: boolean, float: boolean): number {
  if (y === 0 && !float) throw complain(`${x} modulo 0 in integers`);
  return fmod ? x % y : x - y * Math.floor(x / y);
}

/** Bits of the integers that have no sign. */
const widths: Partial<Readonly<Record<DType, number>>> = { uint8: 8, uint16: 16, uint32: 32, uint64: 64 };

/** Bits that leave the type are lost. @throws InputError for numbers that float64 does not hold */
function shifted(inputs: Inputs, attributes: Attributes): Tensor {
  const [a, b] = [required(inputs, 0, 'X'), required(inputs, 1, 'Y')];
  const width = widths[a.dtype];
  if (width === undefined) throw complain(`bits of ${a.dtype}`, Object.keys(widths).join(', '));
  const isLeft = attributes.string('direction', '') === 'LEFT';
  return zip(a, b, (x, y) => {
    const moved = isLeft ? BigInt.asUintN(width, BigInt(x) << BigInt(y)) : BigInt(x) >> BigInt(y);
    if (moved <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(moved);
    throw complain(`the number ${moved}`, `at most ${Number.MAX_SAFE_INTEGER}`);
  });
}

/** Booleans of each element. */
const test = (x: Tensor, holds: (x: number) => boolean): Tensor => ({
  dtype: 'bool',
  shape: x.shape,
  data: Uint8Array.from(x.data, (value) => Number(holds(value))),
});

const boolean = (types: Types): readonly TensorType[] => [
  { dtype: 'bool', shape: required(types, 0, 'X').shape },
];

function isInfinite(inputs: Inputs, attributes: Attributes): Tensor {
  const [negative, positive] = ['detect_negative', 'detect_positive'].map((n) => attributes.int(n, 1) !== 0);
  return test(
    required(inputs, 0, 'X'),
    (x) => (x === Infinity && positive === true) || (x === -Infinity && negative === true),
  );
}

/** NaN alone is not equal to itself; no integer is NaN. */
function isNotItself({ inputs: [x = ''], outputs: [to = ''] }: NodeView<Attrs>): readonly Replacement[] {
  const same = `${to}~same`;
  return [
    { op: comparison, attrs: { how: 'eq' }, inputs: [x, x], outputs: [same] },
    { op: logic, attrs: { how: 'not' }, inputs: [same], outputs: [to] },
  ];
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
    restrictions: 'of activations integers, by constants above 0',
    infer: inferPair,
    value(inputs, attributes) {
      const [a, b] = [required(inputs, 0, 'A'), required(inputs, 1, 'B')];
      const fmod = attributes.int('fmod', 0) !== 0;
      return zip(a, b, (x, y) => remainder(x, y, fmod, isFloat(a.dtype)));
    },
    canonicalize: ({ attrs, inputs, outputs }) => [
      {
        ...{ op: integerPair, inputs, outputs },
        attrs: { how: attrs.attributes.int('fmod', 0) === 0 ? 'modulus' : 'remainder' },
      },
    ],
  },
  { type: 'BitShift', since: 11, infer: inferPair, value: shifted },
  { type: 'IsInf', since: 10, infer: boolean, value: isInfinite },
  {
    type: 'IsNaN',
    since: 9,
    infer: boolean,
    value: ([x]) => test(required([x], 0, 'X'), Number.isNaN),
    canonicalize: isNotItself,
  },
  { type: 'Range', since: 11, value: numbersFrom },
  { type: 'NonZero', since: 9, value: (inputs) => nonZero(required(inputs, 0, 'X')) },
  { type: 'Trilu', since: 14, value: triangle },
];

export const constantOps: readonly ImportedOp[] = [...meanings.map(onConstants), count];
