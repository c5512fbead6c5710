/** Walking each row of weights once shows what walking it at every place shows, whether a kernel is right or wrong. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { copy, fill, load, loop, mul, pointer } from '../../../src/ir/kernel/builders.ts';
import type { Interval } from '../../../src/ir/kernel/interval.ts';
import type { Kernel, Stmt, Table } from '../../../src/ir/kernel/kernel.ts';
import { nodeText } from '../../../src/ir/kernel/text.ts';
import { rowSumsIn } from '../../../src/ir/kernel/walk.ts';
import { runIntervals } from '../../../src/prove/interval/intervals.ts';
import { type KernelFacts, prove } from '../../../src/prove/prove.ts';
import { runs } from '../../support/kernels.ts';
import { built } from '../../support/pipeline.ts';
import { recipesOf } from '../../support/property.ts';
import { Reached } from '../../support/reached.ts';
import { partRecipes, sumCase } from '../../support/row-sums.ts';

const plain = ({ unproven, ranges, storeRanges, complete }: KernelFacts) => ({
  unproven: unproven.map(({ site, why }) => `${nodeText(site)}: ${why}`).sort(),
  ranges: [...ranges].sort(),
  storeRanges: [...storeRanges].sort(),
  complete,
});

/** Both ways, everything that is shown. */
function expectSame(kernel: Kernel, ranges?: ReadonlyMap<string, Interval>): KernelFacts {
  const once = prove(kernel, ranges);
  const everywhere = prove(kernel, ranges, true);
  expect(plain(once)).toEqual(plain(everywhere));
  expect([...once.proven].filter((node) => !everywhere.proven.has(node)).map(nodeText)).toEqual([]);
  expect(once.proven.size).toBe(everywhere.proven.size);
  return once;
}

/** How many of its sums are walked once for each row. */
const walkedOnce = (kernel: Kernel): number => runIntervals(kernel, { trace: false, budget: 1e7 }).once.rows;

/** The same sums over a patch whose elements have other bounds at each place, as at the borders of images. */
function overPatch(kernel: Kernel, kept: readonly number[]): Kernel {
  const length = kernel.params[0]!.length;
  const text = JSON.stringify(kernel.body).replaceAll('"from":"in"', '"from":"patch"');
  const sums = JSON.parse(
    text.replaceAll('"base":"in"', '"base":"patch"').replaceAll('"to":"out"', '"to":"out_here"'),
  ) as Stmt[];
  const results = kernel.params[1]!.length;
  const counts: Table = { name: 'kept', elem: 'i32', data: kept.map((n) => Math.min(n, length)) };
  return {
    ...kernel,
    params: [
      kernel.params[0]!,
      { ...kernel.params[1]!, length: kept.length * results },
      { name: 'patch', role: 'scratch', elem: 'u8', length },
    ],
    tables: [...kernel.tables, counts],
    body: loop('around', kept.length, (around) => [
      fill('patch', 'u8', 0, 7, length),
      copy('u8', ['patch', 0], ['in', 0], load('kept', 'i32', around)),
      pointer('out_here', 'out', 'i32', mul(around, results)),
      ...sums,
    ]),
  };
}

/** Sums that leave i32, or inputs that end too early. */
function damaged(kernel: Kernel, damage: 'none' | 'wide' | 'short'): Kernel {
  const [wide, short] = [damage === 'wide', damage === 'short' ? 1 : 0];
  return {
    ...kernel,
    params: kernel.params.map((p) =>
      p.name === 'out' ? p : { ...p, length: Math.max(1, p.length - short) },
    ),
    tables: kernel.tables.map((t) =>
      t.name === 'k_bias' && wide ? { ...t, data: Array.from(t.data, (_, i) => 2 ** 31 - 1 - 100 * i) } : t,
    ),
  };
}

test('of random sums of every format, of patches with borders, and of damaged ones', () => {
  const reached = new Reached();
  const bounds = fc
    .tuple(fc.nat(255), fc.nat(255))
    .map(([a, b]) => ({ lo: Math.min(a, b), hi: Math.max(a, b) }));
  const kept = fc.array(fc.nat(60), { minLength: 1, maxLength: 4 });
  const damage = fc.constantFrom<'none' | 'wide' | 'short'>('none', 'none', 'wide', 'short');
  const isPatched = fc.boolean();
  fc.assert(
    fc.property(partRecipes, bounds, kept, damage, isPatched, (recipe, range, borders, how, patched) => {
      const { kernel, stored } = sumCase(recipe);
      const whole = damaged(patched ? overPatch(kernel, borders) : kernel, how);
      const facts = expectSame(whole, new Map([['in', range]]));
      const sums = rowSumsIn(whole.body).length;
      const once = walkedOnce(whole);
      // Locals that hold inputs of a patch have bounds of their own at each place.
      const isHeld = patched && (stored.walk === 'turns' || recipe.parts);
      if (how !== 'wide' && !isHeld) expect(once).toBe(sums);
      if (isHeld && stored.walk === 'turns') expect(once).toBe(0);
      if (once > 0) reached.add(stored.format.kind, stored.walk, how, patched ? 'patch' : 'input');
      if (facts.unproven.length > 0) reached.add(`found ${how}`);
    }),
    runs(120),
  );
  reached.atLeast({
    ...{ dense: 12, csr: 1, rel: 1, block: 1, bitmap: 1, runs: 12, straight: 3, turns: 2 },
    ...{ none: 12, short: 5, patch: 12, input: 12, 'found short': 3, 'found wide': 3 },
  });
});

test('of random networks', () => {
  let sums = 0;
  let once = 0;
  for (const recipe of recipesOf(7, 12))
    for (const { kernel } of built(recipe, 'net').program.steps) {
      expectSame(kernel);
      sums += rowSumsIn(kernel.body).length;
      once += walkedOnce(kernel);
    }
  expect(sums).toBeGreaterThan(10);
  expect(once).toBeGreaterThan(0.9 * sums);
});
