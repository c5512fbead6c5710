/** The kinds of reduction. */
import { at } from '../../base/errors.ts';
import type { Steps, Value } from '../graph/gradient.ts';
import type { CanonicalOp } from '../graph/op.ts';
import { noFinerThan } from '../integers/quant.ts';
import { largestFloat } from '../integers/row-clamp.ts';
import {
  accumulate,
  add,
  assign,
  call,
  constant,
  div,
  float,
  int,
  local,
  maximum,
  minimum,
  mul,
  shr,
  sub,
  variable,
} from '../kernel/builders.ts';
import type { Interval } from '../kernel/interval.ts';
import type { Expr, Stmt } from '../kernel/kernel.ts';
import { storageOf } from '../kernel/stored.ts';
import { countOf } from '../tensor.ts';
import * as float32 from './common/float32.ts';
import { holder } from './kernels/elementwise.ts';
import {
  exponentialTable,
  type Logarithm,
  logarithm,
  logOf,
  logValue,
  powerIn,
} from './kernels/logarithm.ts';
import type { Group } from './kernels/reducing.ts';
import { finestShifted, type ShiftedSum, shiftedEnd, shiftedSum } from './kernels/shifted-sum.ts';
import { longestInt8Softmax } from './kernels/softmax.ts';
import { type Root, rootOf, rootValue } from './kernels/square-root.ts';
import { logSumExpSteps, type RowGroups, reduction } from './reduce.ts';

/** Bytes: their sum stays below 2^30. */
const longestSum = 2 ** 22;
/** Squares of differences of bytes. */
const longestSquares = Math.floor((2 ** 31 - 1) / 255 ** 2);

const total = (values: Float64Array): number => values.reduce((sum, x) => sum + x, 0);
const largest = (values: Float64Array): number => values.reduce((most, x) => Math.max(most, x), -Infinity);
const square = (x: Expr): Expr => mul(x, x);
const magnitudeOf = (zero: Expr) => (x: Expr) => maximum(x, sub(zero, x));
const itself = (x: Expr): Expr => x;

/** The sum of `f` of elements, from which `centre` is taken, and what is made of it. */
const summed =
  (zero: Expr, f: (x: Expr) => Expr, finish: (sum: Expr) => Expr, centre = 0) =>
  ({ each, put }: Group): readonly Stmt[] => {
    const [x, sum] =
      zero.kind === 'float' ? [local('x', 'f32'), local('sum', 'f32')] : [local('x'), local('sum')];
    return [
      variable('sum', zero),
      ...each('i', (value) => [
        constant('x', centre === 0 ? value : sub(value, centre)),
        accumulate('sum', f(x)),
      ]),
      put(finish(sum)),
    ];
  };

/** The sum of each group, all with one weight. */
const summedSteps = (steps: Steps, x: Value, { starts, members }: RowGroups, weight = 1): Value =>
  steps.fixed(steps.output, (i) =>
    Array.from(members, (member) => [x, at(starts, i) + member, weight] as const),
  );

/** The sum of a function of each element. */
const sumOf =
  (f: (steps: Steps, x: Value) => Value) =>
  (steps: Steps, groups: RowGroups): Value =>
    summedSteps(steps, f(steps, steps.input(0)), groups);

const squared = (steps: Steps, x: Value): Value => steps.product(x, x);

function plainSum(name: string, q: ShiftedSum) {
  const { tables, value } = shiftedEnd(name, q);
  return { tables, statements: summed(int(0), itself, value) };
}

export const mean = reduction<ShiftedSum>({
  kind: 'meanAlong',
  title: 'Mean',
  value: (values) => total(values) / values.length,
  float32: (count) => summed(float(0), itself, (sum) => div(sum, float(count))),
  longest: longestSum,
  anyZeroPoint: 'computes',
  commutes: () => true,
  outputQuant: (input, count, range, bits) =>
    noFinerThan(finestShifted(input.scale / count, count, input, bits), range, bits),
  sixteen: 'both',
  quantize: (input, output, count) => shiftedSum(input.scale / count, count, input, output),
  int8: plainSum,
  gradient: (steps, groups) => summedSteps(steps, steps.input(0), groups, 1 / groups.members.length),
});

export const sum = reduction<ShiftedSum>({
  kind: 'sumAlong',
  title: 'Sum',
  value: total,
  float32: () => summed(float(0), itself, itself),
  longest: longestSum,
  anyZeroPoint: 'computes',
  outputQuant: (input, count, range, bits) =>
    noFinerThan(finestShifted(input.scale, count, input, bits), range, bits),
  sixteen: 'both',
  quantize: (input, output, count) => shiftedSum(input.scale, count, input, output),
  int8: plainSum,
  gradient: sumOf((_steps, x) => x),
});

/** Sums of functions of what stored numbers are without their zero point. */
interface CentredSum extends ShiftedSum {
  readonly zero: number;
}

const centredSum =
  (f: (x: Expr) => Expr) =>
  (name: string, { zero, ...q }: CentredSum) => {
    const { tables, value } = shiftedEnd(name, q);
    return { tables, statements: summed(int(0), f, value, zero) };
  };

export const l1 = reduction<CentredSum>({
  kind: 'l1Along',
  title: 'L1 norm',
  value: (values) => total(values.map(Math.abs)),
  float32: () => summed(float(0), magnitudeOf(float(0)), itself),
  longest: longestSum,
  outputQuant: ({ scale }, _count, range) => noFinerThan(scale, range),
  quantize: ({ scale, zeroPoint }, output) => ({
    zero: zeroPoint,
    ...shiftedSum(scale, 0, { zeroPoint: 0 }, output),
  }),
  int8: centredSum(magnitudeOf(int(0))),
  gradient: sumOf((steps, x) => steps.curve(x, { kind: 'abs', attrs: {} })),
});

export const sumSquare = reduction<CentredSum>({
  kind: 'sumSquareAlong',
  title: 'Sum of squares',
  value: (values) => total(values.map((x) => x * x)),
  float32: () => summed(float(0), square, itself),
  longest: longestSquares,
  outputQuant: ({ scale }, _count, range) => noFinerThan(scale ** 2, range),
  quantize: ({ scale, zeroPoint }, output) => ({
    zero: zeroPoint,
    ...shiftedSum(scale ** 2, 0, { zeroPoint: 0 }, output),
  }),
  int8: centredSum(square),
  gradient: sumOf(squared),
});

interface QuantizedL2 extends Root {
  readonly zero: number;
}

export const l2 = reduction<QuantizedL2>({
  kind: 'l2Along',
  title: 'L2 norm',
  value: (values) => Math.sqrt(total(values.map((x) => x * x))),
  float32: () => summed(float(0), square, (sum) => call('sqrt_f32', 'f32', sum)),
  longest: longestSquares,
  outputQuant: ({ scale }, _count, range) => noFinerThan(scale, range),
  quantize: ({ scale, zeroPoint }, output) => ({ zero: zeroPoint, ...rootOf(scale, output) }),
  int8: (_name, { zero, ...root }) => ({
    statements: ({ each, put }) => [
      variable('sum', int(0)),
      ...each('i', (x) => [constant('x', sub(x, zero)), accumulate('sum', square(local('x')))]),
      ...rootValue(root, local('sum'), put),
    ],
  }),
  gradient: (steps, groups) => steps.curve(sumOf(squared)(steps, groups), { kind: 'sqrt', attrs: {} }),
});

function largestSteps(steps: Steps, x: Value, { starts, members }: RowGroups): Value {
  const plane = countOf(x.shape);
  const shape = [1, 1, starts.length];
  const made = steps.largest({ ...x, shape: [1, 1, plane] }, shape, { plane, taps: members, starts });
  return { ...made, shape: steps.output };
}

/** ln(sum of e^x) = largest + ln(sum of e^(x - largest)). */
const sumOfPowers = (x: Expr): Expr => call('exp_f32', 'f32', sub(x, local('largest', 'f32')));

function logSumExpFloat({ each, put }: Group): readonly Stmt[] {
  const { hold, statements } = holder();
  const log = float32.log(local('sum', 'f32'), hold);
  return [
    variable('largest', float(-largestFloat)),
    ...each('i', (x) => [
      constant('x', x),
      assign('largest', maximum(local('x', 'f32'), local('largest', 'f32'))),
    ]),
    variable('sum', float(0)),
    ...each('j', (x) => [accumulate('sum', sumOfPowers(x))]),
    ...statements,
    put(add(local('largest', 'f32'), log)),
  ];
}

function logSumExpInt8(name: string, q: Logarithm, count: number) {
  const table = exponentialTable(name, q, count);
  return {
    tables: [table],
    statements: ({ each, put }: Group): readonly Stmt[] => [
      variable('largest', int(0)),
      ...each('i', (x) => [constant('x', x), assign('largest', maximum(local('x'), local('largest')))]),
      variable('sum', int(0)),
      ...each('j', (x) => [accumulate('sum', powerIn(table, x))]),
      logOf(q, local('sum'), count),
      put(logValue(q, local('largest'))),
    ],
  };
}

export const logSumExp = reduction<Logarithm>({
  kind: 'logSumExpAlong',
  title: 'Logarithm of the sum of exponentials',
  value(values) {
    const most = largest(values);
    return most + Math.log(total(values.map((x) => Math.exp(x - most))));
  },
  float32: () => logSumExpFloat,
  longest: longestInt8Softmax,
  anyZeroPoint: 'computes',
  quantize: (input, output, count) => logarithm(input, output, count, 1, input.zeroPoint),
  int8: logSumExpInt8,
  gradient: (steps, groups) => {
    const largestOnes = largestSteps(steps, steps.input(0), groups);
    const { log } = logSumExpSteps(steps, largestOnes, groups);
    return steps.fixed(steps.output, (i) => [
      [largestOnes, i, 1],
      [log, i, 1],
    ]);
  },
});

/** The largest or the smallest element. */
const extreme = (which: 'largest' | 'smallest', value: (values: Float64Array) => number) => {
  const better = which === 'largest' ? maximum : minimum;
  const body =
    (zero: Expr) =>
    ({ each, put }: Group): readonly Stmt[] => {
      const type = zero.kind === 'float' ? 'f32' : 'i32';
      return [
        variable('best', zero),
        ...each('i', (x) => [
          constant('x', x),
          assign('best', better(local('x', type), local('best', type))),
        ]),
        put(local('best', type)),
      ];
    };
  const negative = (steps: Steps, x: Value): Value => steps.fixed(x.shape, (i) => [[x, i, -1]]);
  return reduction<Interval>({
    kind: `${which}Along`,
    title: which === 'largest' ? 'Largest' : 'Smallest',
    value,
    float32: () => body(float(which === 'largest' ? -largestFloat : largestFloat)),
    anyZeroPoint: 'moves',
    sixteen: 'both',
    commutes: (gain) => gain.every((g) => g >= 0),
    outputQuant: (input) => input,
    quantize(input) {
      const { lo, hi } = storageOf(input);
      return { lo, hi };
    },
    int8: (_name, { lo, hi }) => ({ statements: body(int(which === 'largest' ? lo : hi)) }),
    gradient: (steps, groups) =>
      which === 'largest'
        ? largestSteps(steps, steps.input(0), groups)
        : negative(steps, largestSteps(steps, negative(steps, steps.input(0)), groups)),
  });
};

export const largestElement = extreme('largest', largest);
export const smallestElement = extreme('smallest', (values) =>
  values.reduce((least, x) => Math.min(least, x), Infinity),
);

/** As many factors as this have a product in int32. */
const mostFactors = 4;

interface QuantizedProduct extends ShiftedSum {
  readonly zero: number;
}

/** Of four factors a quarter. */
const productUnit = (scale: number, count: number): number => (count === 4 ? 4 : 1) * scale ** count;

export const product = reduction<QuantizedProduct>({
  kind: 'productAlong',
  title: 'Product',
  value: (values) => values.reduce((all, x) => all * x, 1),
  float32:
    () =>
    ({ each, put }) => [
      variable('product', float(1)),
      ...each('i', (x) => [assign('product', mul(local('product', 'f32'), x))]),
      put(local('product', 'f32')),
    ],
  longest: mostFactors,
  outputQuant: ({ scale }, count, range) => noFinerThan(productUnit(scale, count), range),
  quantize: ({ scale, zeroPoint }, output, count) => ({
    zero: zeroPoint,
    ...shiftedSum(productUnit(scale, count), 0, { zeroPoint: 0 }, output),
  }),
  int8(name, { zero, ...q }, count) {
    const { tables, value } = shiftedEnd(name, q);
    // Each factor quarters the product first: without loss up to the fourth, of which 2^30 is the bound.
    const quarter = shr(add(local('product'), 2), 2);
    return {
      tables,
      statements: ({ each, put }) => [
        variable('product', int(4 ** Math.min(3, count))),
        ...each('i', (x) => [assign('product', mul(quarter, sub(x, zero)))]),
        put(value(local('product'))),
      ],
    };
  },
});

export const reductions: readonly CanonicalOp[] = [
  mean,
  sum,
  l1,
  l2,
  sumSquare,
  logSumExp,
  largestElement,
  smallestElement,
  product,
];
