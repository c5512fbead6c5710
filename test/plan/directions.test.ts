/** Kernels that run backward: asked for only where the arena gains, and then exactly as good as brute force. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Buffer, planMemory, verifyPlan } from '../../src/plan/addresses.ts';
import { planDirections, type Turnable, type Way } from '../../src/plan/directions.ts';
import { kernel } from '../support/ir.ts';
import { Reached } from '../support/reached.ts';

const bytes = 100;

/** A chain of buffers of one size: step i reads buffer i and writes buffer i + 1. */
const chain = (steps: number): Buffer[] =>
  Array.from({ length: steps + 1 }, (_, i) => ({
    ...{ name: `b${i}`, bytes, align: 1 },
    ...{ firstStep: i - 1, lastStep: i },
  }));

/** Its output begins `distance` below its input, or ends that far above it: the other side is out of reach. */
const way = (step: number, distance: number, side: 'below' | 'above'): Way => ({
  kernel: kernel(`${side}${step}`, [], []),
  sharings: [
    {
      ...{ input: step, output: step + 1, inPlace: false },
      ...{ below: bytes, above: bytes, [side]: distance },
    },
  ],
});

const turnable = (step: number, distance: number, asked: () => void = () => {}): Turnable => ({
  forward: way(step, distance, 'below'),
  backward: () => {
    asked();
    return way(step, distance, 'above');
  },
});

test('a chain that climbs down stays in one place when every other kernel is turned', () => {
  const steps = Array.from({ length: 6 }, (_, i) => turnable(i, 20));
  const { plan, kernels, sharings } = planDirections(chain(6), steps);
  verifyPlan(chain(6), sharings, plan);
  expect(plan.arenaBytes).toBe(120);
  const turned = kernels.filter(({ name }) => name.startsWith('above'));
  expect(turned).toHaveLength(3);
});

test('no backward kernels are asked for where forward ones reach the bound, or nearly', () => {
  let asked = 0;
  const steps = [turnable(0, 5, () => asked++), turnable(1, 5, () => asked++)];
  // 110 bytes, where 105 are the bound.
  expect(planDirections(chain(2), steps).plan.arenaBytes).toBe(110);
  expect(asked).toBe(0);
});

test('a saving of less than a sixteenth turns nothing', () => {
  let asked = 0;
  // Four steps that cannot turn climb down 80 bytes; the first one turned would begin them 5 bytes higher.
  const straight = [1, 2, 3, 4].map((i): Turnable => ({ forward: way(i, 20, 'below') }));
  const first = turnable(0, 5, () => asked++);
  const { kernels, plan } = planDirections(chain(5), [first, ...straight]);
  expect(asked).toBe(1);
  expect(plan.arenaBytes).toBe(185);
  expect(kernels.map(({ name }) => name)).toEqual(['below0', 'below1', 'below2', 'below3', 'below4']);
  expect(
    planMemory(
      chain(5),
      [first.backward!(), ...straight.map((s) => s.forward)].flatMap((w) => w.sharings),
    ).arenaBytes,
  ).toBe(180);
});

test('short chains: never larger than forward, and near the best of all directions', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 4 }), (distances) => {
      const buffers = chain(distances.length);
      const steps = distances.map((distance, i) => turnable(i, distance));
      const sizeOf = (ways: readonly Way[]): number =>
        planMemory(
          buffers,
          ways.flatMap(({ sharings }) => sharings),
        ).arenaBytes;
      const straight = sizeOf(steps.map(({ forward }) => forward));
      const all = Array.from({ length: 2 ** steps.length }, (_, mask) =>
        sizeOf(steps.map((s, i) => ((mask >> i) & 1 ? s.backward!() : s.forward))),
      );
      const { plan, sharings } = planDirections(buffers, steps);
      verifyPlan(buffers, sharings, plan);
      expect(plan.arenaBytes).toBeLessThanOrEqual(straight);
      expect(plan.arenaBytes).toBeLessThan(Math.min(...all) * (16 / 15) + 1);
      if (plan.arenaBytes < straight) reached.add('gained');
    }),
    { numRuns: 40 },
  );
  reached.atLeast({ gained: 5 });
});
