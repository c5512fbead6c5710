import { at } from '../../base/errors.ts';
import { slotAt } from '../../program/slots.ts';
import { arrangements } from './arrange.ts';
import type { Diagnosis, Suspect } from './cause.ts';

const agreeing = (a: ArrayLike<number>, b: ArrayLike<number>, from: readonly number[]): number =>
  from.reduce((n, other, i) => n + (Math.abs(at(a, other) - at(b, i)) < 1e-9 ? 1 : 0), 0);

/** At least this share of the elements has to be found in its other place. */
const enough = 0.98;

/** The right numbers in another order. */
export function layout({ program, slot, step, ourReals, theirReals }: Suspect): Diagnosis | undefined {
  const { name, shape } = slotAt(program, slot);
  const straight = agreeing(ourReals, theirReals, Array.from(ourReals.keys()));
  const found = arrangements(shape.slice(1)).find(({ from }) => {
    const turned = agreeing(ourReals, theirReals, from);
    return turned >= enough * from.length && turned > straight;
  });
  if (found === undefined) return undefined;
  const [cause, what] =
    step < 0 ? (['input preprocessing', 'the input'] as const) : (['layout', name] as const);
  return { cause, text: `${what} has the right numbers in another order: ${found.name}` };
}
