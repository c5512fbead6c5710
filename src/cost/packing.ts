/** Which kernels of a program multiply by two rows of weights at once in C: where that executes fewer instructions. */
import { at, must } from '../base/errors.ts';
import { type Kernel, type PackedSet, type Packing, packedSets } from '../ir/kernel/kernel.ts';
import { statementsIn } from '../ir/kernel/walk.ts';
import { termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';
import { packed } from '../lower/packed.ts';
import { bestTerms, largeWeights, type Prices } from '../lower/pair-tables.ts';
import type { Aim, Program } from '../program/program.ts';
import { decodeRows } from '../program/rows.ts';
import { kernelsOf } from '../program/slots.ts';
import { type CostTarget, modelledInstructions, modelOf, tableBytesOf } from './speed.ts';

/** `balanced`: where a byte more of tables saves enough instructions. */
export type PackingObjective = Extract<Aim, 'speed' | 'balanced'>;

/** Packed tables are larger. */
export const mayPack = (aim: Aim): aim is PackingObjective => aim === 'speed' || aim === 'balanced';

/** Instructions of an inference that a byte has to save: a weight of a convolution is used once for each pixel. */
const worthAByte = 16;

/** A table of pairs has at least a byte more for each weight: of a linear layer, which uses it once, that never pays. */
function mayPay(kernel: Kernel, layout: WeightLayout, objective: PackingObjective): boolean {
  const least = objective === 'speed' ? 0 : worthAByte * layout.rows * termsOf(layout);
  return modelledInstructions(kernel, 'cortex-m0') > least;
}

/** How far the model may be from what is counted: on Cortex-M0 farther, and packed kernels are longer there. */
const doubtOn = (target: CostTarget): number => (modelOf[target] === 'cortex-m0' ? 1.1 : 1);

/** Of a pass: sums of so many share what they load. */
interface Shape {
  readonly pixels: number;
  readonly pairs: number;
  readonly prices: Prices;
}

const smallPrices: Prices = { tooLarge: 2.75, end: 1 };
const widePrices: Prices = { tooLarge: 1.9, end: 0.3 };

/** Where the largest of some sums of several places is taken, and elsewhere. */
type Shapes = Readonly<Record<'pooled' | 'apart', Shape>>;

const most: Shapes = {
  // Few places share what is too large.
  pooled: { pixels: 2, pairs: 2, prices: { tooLarge: 2.5, end: 0.3 } },
  apart: { pixels: 2, pairs: 2, prices: { tooLarge: 1.5, end: 0.3 } },
};

/**
 * Measured with gcc 12 -O3. Armv6-M has registers for one place: of two pairs, or of three where sums of several
 * places become one, which are made in a loop. There LeNet-5 and the CIFAR net then execute 6 % fewer instructions;
 * elsewhere three gain nothing. RV32I has 28 for two pairs of four places with their sums, 24 values: ResNet-8 then
 * executes 5 % fewer instructions; three pairs of two places, whose rest is code of its own, save 3 %.
 */
const own: Readonly<Record<PackedSet, Shapes & { readonly target: CostTarget }>> = {
  v6m: {
    pooled: { pixels: 1, pairs: 3, prices: smallPrices },
    apart: { pixels: 1, pairs: 2, prices: smallPrices },
    // The model does not know that pairs for two places at a time lack registers there.
    target: 'cortex-m0',
  },
  rv32: {
    pooled: { pixels: 4, pairs: 2, prices: widePrices },
    apart: { pixels: 4, pairs: 2, prices: widePrices },
    target: 'rv32imc',
  },
};

/** Whether the largest of some sums is taken. */
const isPooled = ({ body }: Kernel): boolean =>
  [...statementsIn(body)].some((s) => s.kind === 'assign' && s.value.kind === 'select');

/** A kernel in a form that it may have, and how it is packed. */
interface Choice {
  readonly packing?: Packing;
  readonly form: Kernel;
}

/** @param large `largeWeights` of its rows */
function packedAs(
  kernel: Kernel,
  layout: WeightLayout,
  large: readonly number[],
  { prices, ...shape }: Shape,
): Choice | undefined {
  const terms = bestTerms(large, layout, prices);
  const form = packed(kernel, { ...shape, terms });
  return form && { form, packing: { ...shape, terms, tableBytes: tableBytesOf(form) } };
}

/** The one with the fewest instructions, with those that a byte of tables has to save. */
function bestOf(choices: readonly Choice[], objective: PackingObjective, target: CostTarget): Choice {
  const cost = ({ form, packing }: Choice): number =>
    modelledInstructions(form, target) * (packing === undefined ? 1 : doubtOn(target)) +
    (objective === 'speed' ? 0 : worthAByte * tableBytesOf(form));
  const costs = choices.map(cost);
  return at(choices, costs.indexOf(Math.min(...costs)));
}

/** The kernel with the packings, in plain C and on chips with one of their own, that gain something. */
export function withPackings(kernel: Kernel, objective: PackingObjective, target: CostTarget): Kernel {
  const { weights } = kernel;
  if (weights === undefined || !mayPay(kernel, weights.layout, objective)) return kernel;
  const { format, layout } = weights;
  if (format.kind !== 'dense' || format.bits !== 8) return kernel;
  const large = largeWeights(decodeRows(kernel), layout);
  const where = isPooled(kernel) ? 'pooled' : 'apart';
  const plain: Choice = { form: kernel };
  const best = (shape: Shape, on: CostTarget): Packing | undefined | 'none' => {
    const form = packedAs(kernel, layout, large, shape);
    return form === undefined ? undefined : (bestOf([plain, form], objective, on).packing ?? 'none');
  };
  const packing = best(most[where], target);
  if (packing === undefined) return kernel;
  const packings = packedSets.flatMap((set) => {
    const one = best(own[set][where], own[set].target);
    return one === undefined || isSame(one, packing) ? [] : [[set, one] as const];
  });
  if (packing === 'none' && packings.length === 0) return kernel;
  const found = {
    ...(packing === 'none' ? {} : { packing }),
    ...(packings.length === 0 ? {} : { packings: Object.fromEntries(packings) }),
  };
  return { ...kernel, weights: { ...weights, ...found } };
}

const isSame = (a: Packing | 'none', b: Packing | 'none'): boolean => JSON.stringify(a) === JSON.stringify(b);

/**
 * The program with the packing of each kernel that gains from it.
 * @param target whose instructions are modelled
 */
export function withPacking(program: Program, objective: PackingObjective, target: CostTarget): Program {
  const chosen = new Map(
    kernelsOf(program).map((kernel) => [kernel, withPackings(kernel, objective, target)]),
  );
  return {
    ...program,
    steps: program.steps.map((step) => ({ ...step, kernel: must(chosen.get(step.kernel), 'every kernel') })),
  };
}
