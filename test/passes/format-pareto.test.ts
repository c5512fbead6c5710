import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Cost, combine } from '../../src/passes/format-pareto.ts';

const cost = fc.record({ bytes: fc.nat({ max: 20 }), instructions: fc.nat({ max: 20 }) });
const layers = fc.array(fc.array(cost, { minLength: 1, maxLength: 4 }), { maxLength: 4 });

const sum = (costs: readonly Cost[]): Cost => ({
  bytes: costs.reduce((total, c) => total + c.bytes, 0),
  instructions: costs.reduce((total, c) => total + c.instructions, 0),
});

/** Every combination, one by one. */
const everything = (all: readonly (readonly Cost[])[]): readonly (readonly Cost[])[] =>
  all.reduce<readonly (readonly Cost[])[]>(
    (made, candidates) => made.flatMap((before) => candidates.map((c) => [...before, c])),
    [[]],
  );

const beats = (a: Cost, b: Cost): boolean =>
  a.bytes <= b.bytes &&
  a.instructions <= b.instructions &&
  (a.bytes < b.bytes || a.instructions < b.instructions);

test('what is kept is exactly what no combination beats, and is the sum of its choices', () => {
  fc.assert(
    fc.property(cost, layers, (fixed, all) => {
      const sums = everything(all).map((choices) => sum([fixed, ...choices]));
      const unbeaten = sums.filter((a) => !sums.some((b) => beats(b, a)));
      const texts = new Set(unbeaten.map((c) => `${c.bytes} ${c.instructions}`));
      const found = combine(fixed, all);
      expect(found.map(({ cost: c }) => `${c.bytes} ${c.instructions}`).sort()).toEqual([...texts].sort());
      for (const { cost: total, choices } of found) {
        expect(sum([fixed, ...choices])).toEqual(total);
        choices.forEach((choice, i) => {
          expect(all[i]).toContain(choice);
        });
      }
      const bytes = found.map((best) => best.cost.bytes);
      expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
    }),
  );
});
