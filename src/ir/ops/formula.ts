import { at, must } from '../../base/errors.ts';
import type { CanonicalOp, RealFunction } from '../graph/op.ts';
import { float } from '../kernel/builders.ts';
import { add } from './add.ts';
import { clip } from './clip.ts';
import { pointwise } from './common/pointwise.ts';
import { hardSigmoid } from './hard-sigmoid.ts';
import * as units from './linear-units.ts';
import { power } from './pow.ts';
import * as powers from './powers.ts';
import { largerOf, prelu, product, quotient, smallerOf } from './products.ts';
import { line } from './scale-shift.ts';
import { sigmoid } from './sigmoid.ts';
import * as steps from './steps.ts';
import { tanh } from './tanh.ts';
import * as trigonometry from './trigonometry.ts';

/** What a step reads: what an earlier one made, by its place, or the element (-1), or a number. */
export type Operand = number | { readonly constant: number };

export interface FormulaStep {
  /** Of an operator with a meaning for single elements. */
  readonly kind: string;
  readonly attrs: unknown;
  readonly inputs: readonly Operand[];
}

export interface FormulaAttrs {
  /** The last one makes the value. */
  readonly steps: readonly FormulaStep[];
}

function evaluated<T>(
  { steps }: FormulaAttrs,
  x: T,
  constant: (value: number) => T,
  value: (real: RealFunction<unknown>, attrs: unknown, inputs: readonly T[]) => T,
): T {
  const made: T[] = [];
  const read = (operand: Operand): T => {
    if (typeof operand !== 'number') return constant(operand.constant);
    return operand < 0 ? x : at(made, operand);
  };
  for (const { kind, attrs, inputs } of steps)
    made.push(value(must(reals.get(kind), `${kind} is a function`), attrs, inputs.map(read)));
  return must(made.at(-1), 'a formula has steps');
}

/** Several functions as one of each element: nothing in between is stored, or rounded to 8 bits. */
export const formula = pointwise<FormulaAttrs>({
  kind: 'formula',
  title: ({ steps }) => `Formula: ${steps.map(({ kind }) => kind).join(', ')}`,
  onnx: {},
  value: (attrs, x) =>
    evaluated(
      attrs,
      x,
      (value) => value,
      (real, own, inputs) => real.value(own, ...inputs),
    ),
  float32: (attrs, x, hold) =>
    evaluated(attrs, x, float, (real, own, inputs) => hold('t', real.float32(own, inputs, hold))),
});

/** Every operator that is one real function of each element, or of those of two tensors at one place. */
export const realOps: readonly CanonicalOp[] = [
  ...[
    add,
    clip,
    formula,
    hardSigmoid,
    largerOf,
    line,
    power,
    prelu,
    product,
    quotient,
    sigmoid,
    smallerOf,
    tanh,
  ],
  ...Object.values(units),
  ...Object.values(powers),
  ...Object.values(steps),
  ...Object.values(trigonometry),
];

const reals: ReadonlyMap<string, RealFunction<unknown>> = new Map(
  realOps.flatMap(({ kind, real }) => (real === undefined ? [] : [[kind, real]])),
);
