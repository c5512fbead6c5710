/** Booleans of activations: comparisons, and what is made of them. They are stored as bytes, 0 and 1. */
import { complain, must } from '../../base/errors.ts';
import { broadcastShape, zip } from '../geometry/broadcast.ts';
import type { CanonicalOp, InputType, QuantizeContext } from '../graph/op.ts';
import { compare, int, mul, select, sub } from '../kernel/builders.ts';
import type { Expr } from '../kernel/kernel.ts';
import type { Quant } from '../kernel/stored.ts';
import { numbersFor, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { inferPair } from './common/elementwise.ts';
import { isFloat, required } from './common/inputs.ts';
import { type Constants, pairOrder } from './common/pairs.ts';
import { storedKernel } from './common/stored-operands.ts';

type How = 'eq' | 'gt' | 'ge' | 'lt' | 'le';

export interface ComparisonAttrs {
  readonly how: How;
}

const words: Readonly<Record<How, string>> = {
  eq: 'Whether two are equal',
  gt: 'Whether one is above another',
  ge: 'Whether one is another or above',
  lt: 'Whether one is below another',
  le: 'Whether one is another or below',
};

const holds: Readonly<Record<How, (x: number, y: number) => boolean>> = {
  eq: (x, y) => x === y,
  gt: (x, y) => x > y,
  ge: (x, y) => x >= y,
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
};

/** y how x instead of x how y. */
const turned: Readonly<Record<How, How>> = { eq: 'eq', gt: 'lt', ge: 'le', lt: 'gt', le: 'ge' };

/** Stored numbers x as (x - zero) multiplier, or as they are; constants in the same unit. */
interface QuantizedComparison {
  readonly constants: Constants;
  readonly operands: readonly (Unit | undefined)[];
}

interface Unit {
  readonly zero: number;
  readonly multiplier: number;
}

/**
 * x how c for a stored x: x > c is x > floor(c), x >= c is x >= ceil(c), and no x is equal to a c that is no integer.
 * A c is one where rounding alone may have kept it from that. Numbers beyond all stored ones stay beyond.
 */
function threshold(how: How, c: number): number {
  const [lo, hi] = [-(2 ** 30), 2 ** 30];
  const nearest = Math.max(lo, Math.min(hi, Math.round(c)));
  if (Math.abs(c - nearest) <= 1e-6 * Math.abs(c)) return nearest;
  if (how === 'eq') return lo;
  const down = how === 'gt' || how === 'le';
  return Math.max(lo, Math.min(hi, down ? Math.floor(c) : Math.ceil(c)));
}

/** The constant's numbers as steps of the other operand's grid. */
function thresholds(how: How, { shape, data }: Tensor, { scale, zeroPoint }: Quant): Tensor {
  const numbers = Int32Array.from(data, (c) => threshold(how, c / scale + zeroPoint));
  return { dtype: 'int32', shape, data: numbers };
}

/** Two grids in one unit: 255 2^22 is an int32, and 65,535 2^14 of 16 bits. */
function unitsOf([a, b]: readonly [Quant, Quant]): readonly (Unit | undefined)[] {
  if (a.scale === b.scale && a.zeroPoint === b.zeroPoint) return [undefined, undefined];
  const [largest, bits] = [
    Math.max(a.scale, b.scale),
    a.bits === undefined && b.bits === undefined ? 22 : 14,
  ];
  return [a, b].map(({ scale, zeroPoint }) => ({
    zero: zeroPoint,
    multiplier: Math.round((scale / largest) * 2 ** bits),
  }));
}

function quantized({
  attrs: { how },
  inputTypes,
  inputQuants,
}: QuantizeContext<ComparisonAttrs>): QuantizedComparison {
  const [a, b] = inputQuants;
  const constants = inputTypes.map((type) => type?.constant);
  const [x, y] = constants;
  if (a !== undefined && b !== undefined) return { constants, operands: unitsOf([a, b]) };
  if (a !== undefined && y !== undefined)
    return { constants: [undefined, thresholds(how, y, a)], operands: [] };
  if (b !== undefined && x !== undefined)
    return { constants: [thresholds(turned[how], x, b), undefined], operands: [] };
  return { constants, operands: [] };
}

const inUnit = (x: Expr, unit: Unit | undefined): Expr =>
  unit === undefined ? x : mul(sub(x, unit.zero), unit.multiplier);

/** What all operators on booleans have. */
export const onBooleans = {
  channels: opaqueChannels,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  ownTypes: true,
  rows: undefined,
  gradient: 'none',
  order: pairOrder,
} as const;

/** Whether x is above, below or equal to y: numbers of one type. In 8 bits grids are compared, a constant exactly. */
export const comparison: CanonicalOp<ComparisonAttrs, QuantizedComparison> = {
  ...onBooleans,
  kind: 'comparison',
  infer: (_attrs, inputs) => inferPair(inputs).map(({ shape }) => ({ dtype: 'bool', shape })),
  reference({ how }, inputs) {
    const [a, b] = [required(inputs, 0, 'A'), required(inputs, 1, 'B')];
    const truth: Tensor = { dtype: 'bool', shape: a.shape, data: a.data };
    return [zip(truth, b, (x, y) => Number(holds[how](x, y)))];
  },
  sixteen: 'both',
  quantize: quantized,
  int8: ({ how }, { constants, operands }, context) =>
    storedKernel(words[how], context, constants, (x) => {
      const [a, b] = x.map((value, i) => inUnit(value, operands[i]));
      return compare(how, must(a, 'an operand'), must(b, 'another'));
    }),
  float32: ({ how }, context, constants) =>
    storedKernel(words[how], context, constants, ([a, b]) =>
      compare(how, must(a, 'an operand'), must(b, 'another')),
    ),
};

type Connective = 'and' | 'or' | 'xor' | 'not';

export interface LogicAttrs {
  readonly how: Connective;
}

const connected: Readonly<Record<Connective, (x: boolean, y: boolean) => boolean>> = {
  and: (x, y) => x && y,
  or: (x, y) => x || y,
  xor: (x, y) => x !== y,
  not: (x) => !x,
};

const isSet = (x: Expr): Expr => compare('ne', x, 0);

function logicValue(how: Connective, [x = int(0), y = int(0)]: readonly Expr[]): Expr {
  switch (how) {
    case 'and':
      return select(isSet(x), isSet(y), 0);
    case 'or':
      return select(isSet(x), 1, isSet(y));
    case 'xor':
      return compare('ne', isSet(x), isSet(y));
    case 'not':
      return compare('eq', x, 0);
    default:
      return how satisfies never;
  }
}

function logicShape(inputs: readonly (InputType | undefined)[]) {
  const types = inputs.map((_, i) => required(inputs, i, 'a condition'));
  const odd = types.find(({ dtype }) => isFloat(dtype));
  if (odd !== undefined)
    throw complain(`conditions of type ${odd.dtype}`, 'bool', 'compare the numbers first');
  const [first, ...others] = types.map(({ shape }) => shape);
  return others.reduce(broadcastShape, must(first, 'an input'));
}

/** And, or, exclusive or of two; not of one. */
export const logic: CanonicalOp<LogicAttrs, Constants> = {
  ...onBooleans,
  kind: 'logic',
  infer: (_attrs, inputs) => [{ dtype: 'bool', shape: logicShape(inputs) }],
  reference({ how }, inputs) {
    const a = required(inputs, 0, 'A');
    const b = inputs[1] ?? { ...a, shape: [], data: numbersFor('bool', 1) };
    const truth: Tensor = { dtype: 'bool', shape: a.shape, data: a.data };
    return [zip(truth, b, (x, y) => Number(connected[how](x !== 0, y !== 0)))];
  },
  quantize: ({ inputTypes }) => inputTypes.map((type) => type?.constant),
  int8: ({ how }, constants, context) =>
    storedKernel(`Logical ${how}`, context, constants, (x) => logicValue(how, x)),
  float32: ({ how }, context, constants) =>
    storedKernel(`Logical ${how}`, context, constants, (x) => logicValue(how, x)),
};
