import { at, complain, must } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import { broadcastShape, broadcastTo } from '../geometry/broadcast.ts';
import type { CanonicalOp, InputType, QuantizeContext, Range, ScaleContext } from '../graph/op.ts';
import { holding, noFinerThan } from '../integers/quant.ts';
import { compare, select } from '../kernel/builders.ts';
import type { Expr } from '../kernel/kernel.ts';
import type { Quant } from '../kernel/stored.ts';
import { countOf, numbersFor, type Tensor } from '../tensor.ts';
import { required } from './common/inputs.ts';
import type { Constants } from './common/pairs.ts';
import { storedKernel } from './common/stored-operands.ts';
import { type AffineSum, affineSumValue, finestSumStep, nearestAffineSum } from './kernels/affine-sum.ts';
import { onBooleans } from './truth.ts';

const typesOf = (inputs: readonly (InputType | undefined)[]) =>
  [required(inputs, 0, 'condition'), required(inputs, 1, 'X'), required(inputs, 2, 'Y')] as const;

export function chosenType(inputs: readonly (InputType | undefined)[]) {
  const [condition, x, y] = typesOf(inputs);
  if (x.dtype !== y.dtype) throw complain(`inputs of type ${x.dtype} and ${y.dtype}`, 'one type');
  return { dtype: x.dtype, shape: broadcastShape(condition.shape, broadcastShape(x.shape, y.shape)) };
}

export function chosen(inputs: readonly (Tensor | undefined)[]): Tensor {
  const { dtype, shape } = chosenType(inputs);
  const [which, x, y] = [0, 1, 2].map((i) => broadcastTo(required(inputs, i, 'input'), shape).data);
  const data = numbersFor(dtype, countOf(shape));
  const [from, a, b] = [must(which, 'a condition'), must(x, 'X'), must(y, 'Y')];
  for (let i = 0; i < data.length; i++) data[i] = at(at(from, i) === 0 ? b : a, i);
  return { dtype, shape, data };
}

export interface ChoiceAttrs {
  /** Set where softmaxes alone read it: they make 0 of what is far below the rest. */
  readonly hides?: true;
}

/** What only masks hold. */
const hidden = -1000;
/** A softmax of bytes makes 0 of what is this far below its largest. */
const margin = 12;

/** The numbers of a constant that a grid must hold. */
const shownOf = ({ data }: Tensor): Range | undefined => {
  const shown = data.filter((x: number) => x > hidden);
  return shown.length === 0 ? undefined : { lo: smallestOf(shown), hi: largestOf(shown) };
};

const rangeOf = ({ scale, zeroPoint }: Quant): Range => ({
  lo: -zeroPoint * scale,
  hi: (255 - zeroPoint) * scale,
});

/**
 * What the output is to hold: what it took, or where a constant hides elements, the rest, and room below it for what is
 * hidden, which is stored as the least byte.
 */
function shownRange({ attrs, inputTypes, inputQuants, range }: ScaleContext<ChoiceAttrs>): Range {
  if (attrs.hides === undefined) return range;
  const constants = inputTypes.slice(1).flatMap((type) => type?.constant ?? []);
  if (!constants.some(({ data }) => data.some((x: number) => x <= hidden))) return range;
  const ranges = [
    ...inputQuants.slice(1).flatMap((quant) => (quant === undefined ? [] : [rangeOf(quant)])),
    ...constants.flatMap((constant) => shownOf(constant) ?? []),
  ];
  const lo = Math.min(0, ...ranges.map((r) => r.lo));
  return holding(
    { lo: lo - margin, hi: 0 },
    ranges.map((r) => r.hi),
  );
}

const gridsOf = ({ inputQuants }: ScaleContext<unknown>): readonly Quant[] =>
  inputQuants.slice(1).filter((quant) => quant !== undefined);

const sameGrid = (a: Quant, b: Quant): boolean => a.scale === b.scale && a.zeroPoint === b.zeroPoint;

interface QuantizedChoice {
  readonly constants: Constants;
  /** Of X and Y; undefined where they are on the output's grid, or constant. */
  readonly sums: readonly (AffineSum | undefined)[];
}

const stored = ({ shape, data }: Tensor, { scale, zeroPoint }: Quant): Tensor => ({
  dtype: 'uint8',
  shape,
  data: Uint8Array.from(data, (x) => Math.max(0, Math.min(255, Math.round(x / scale) + zeroPoint))),
});

/** @throws InputError for masks that no softmax makes 0 of: no grid holds them beside other numbers */
function requireShown(constants: Constants): void {
  if (!constants.some((constant) => constant?.data.some((x: number) => x < -1e37))) return;
  throw complain(
    '-Infinity in 8 bits',
    'masks before a softmax alone',
    'choose a finite number, or compile with --arith float32',
  );
}

function quantized(c: QuantizeContext<ChoiceAttrs>): QuantizedChoice {
  const constants = c.inputTypes.map((type) => type?.constant);
  if (c.attrs.hides === undefined) requireShown(constants);
  const [which, ...others] = constants;
  const isReal = c.outputQuants[0] !== undefined;
  const saturation = { zeroPoint: c.outputQuant.zeroPoint, lo: 0, hi: 255 };
  return {
    constants: [
      which,
      ...others.map((tensor) => (tensor && isReal ? stored(tensor, c.outputQuant) : tensor)),
    ],
    sums: c.inputQuants
      .slice(1)
      .map((quant) =>
        quant === undefined || sameGrid(quant, c.outputQuant)
          ? undefined
          : nearestAffineSum([quant], c.outputQuant, saturation),
      ),
  };
}

function pick([which, x, y]: readonly (Expr | undefined)[]): Expr {
  const test = compare('ne', must(which, 'a condition'), 0);
  return select(test, must(x, 'X'), must(y, 'Y'));
}

const title = 'One of two';

/** Elements of X where a condition holds, of Y elsewhere. */
export const choice: CanonicalOp<ChoiceAttrs, QuantizedChoice> = {
  ...onBooleans,
  kind: 'choice',
  infer: (_attrs, inputs) => [chosenType(inputs)],
  reference: (_attrs, inputs) => [chosen(inputs)],
  outputQuant: (c) => noFinerThan(finestSumStep([{ scale: 0, zeroPoint: 0 }, ...gridsOf(c)]), shownRange(c)),
  quantize: quantized,
  int8: (_attrs, { constants, sums }, context) =>
    storedKernel(title, context, constants, ([which, x, y], hold) => {
      const values = [x, y].map((byte, i) => {
        const sum = sums[i];
        const value = must(byte, 'an operand');
        return sum === undefined ? value : hold('y', affineSumValue(sum)([value]));
      });
      return pick([which, ...values]);
    }),
  float32: (_attrs, context, constants) => storedKernel(title, context, constants, pick),
};
