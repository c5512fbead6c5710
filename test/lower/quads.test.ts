/** Sums of rows four at a time, of three products, are those of rows one at a time, and each bound holds. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { at, must } from '../../src/base/errors.ts';
import { emitC } from '../../src/emit/package.ts';
import type { Kernel, Quads, Table } from '../../src/ir/kernel/kernel.ts';
import { quads, rowsStoredLast } from '../../src/lower/quads.ts';
import { overlapOf } from '../../src/plan/overlap.ts';
import { readPacked } from '../../src/program/paired-rows.ts';
import { decodeRows } from '../../src/program/rows.ts';
import { proveForm } from '../../src/prove/lowered.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { type BatchItem, runNativeBatch } from '../../src/targets/batch.ts';
import type { TargetName } from '../../src/targets/targets.ts';
import { single } from '../support/ir.ts';
import { runs } from '../support/kernels.ts';
import { Reached } from '../support/reached.ts';
import { type SumRecipe, sumCase, sumInput, sumRecipes } from '../support/row-sums.ts';
import { inMemory, layerOf, layerRecipes, programOf } from '../support/stored-layers.ts';
import { testWith } from '../support/toolchain.ts';

const info = { command: '', version: '', hash: '', golden: [] } as const;

/** Rows that a kernel of this recipe stores last. */
function lastOf({ rows, sums }: SumRecipe, walk: string): number {
  const lanes = walk === 'turns' ? Math.min(rows, sums) : 1;
  return rows % lanes === 0 ? lanes : rows % lanes;
}

/** Dense weights of 8 bits, mostly of one run; long ones have as large sums as 24 bits hold, or larger ones. */
const recipes: fc.Arbitrary<readonly [SumRecipe, Quads]> = fc
  .tuple(
    sumRecipes,
    fc.constantFrom('runs', 'turns', 'turns'),
    fc.constantFrom(1, 1, 1, 2),
    fc.constantFrom(0, 0, 0, 0, 257, 259, 260),
    fc.constantFrom(1, 2, 3),
    fc.integer({ min: 1, max: 4 }),
    fc.constantFrom('odd', 'reversed'),
    fc.constantFrom(false, true),
  )
  .map(([recipe, walk, segments, run, words, terms, third, overlaps]) => [
    {
      ...recipe,
      ...{ bits: 8, shared: false, kind: 'dense', format: 0, skip: 0, pieces: 1, walk, segments },
      ...{ sums: walk === 'runs' ? Math.ceil(recipe.sums / 4) : recipe.sums, apart: 1 },
      ...(run === 0 ? {} : { run, segments: 1, extreme: 1, density: 1 }),
    },
    { words, terms, third, last: overlaps ? lastOf(recipe, walk) : 1, tableBytes: 0 },
  ]);

/** Every -127 is -128; weights of long rows have the same sign. */
function lowest(kernel: Kernel, { run, seed }: SumRecipe): Kernel {
  const sign = run < 100 ? 0 : seed % 2 === 0 ? 1 : -1;
  const weight = (w: number): number => (sign === 0 ? (w === -127 ? -128 : w) : sign > 0 ? 127 : -128);
  const down = (table: Table): Table =>
    table.elem === 'i8' ? { ...table, data: Int8Array.from(table.data, weight) } : table;
  return { ...kernel, tables: kernel.tables.map(down) };
}

const caseOf = (recipe: SumRecipe) => {
  const { kernel, inputs } = sumCase(recipe);
  return { kernel: lowest(kernel, recipe), input: sumInput(recipe, inputs) };
};

const fits = (kernel: Kernel): boolean =>
  decodeRows(kernel).every((row) =>
    [1, -1].every((sign) => {
      const sum = 255 * row.reduce((all, w) => all + Math.max(0, sign * w), 0);
      return sum < 2 ** 23 || (sign < 0 && sum === 2 ** 23);
    }),
  );

function pathsOf(recipe: SumRecipe, { words, third, last }: Quads, lanes: number): readonly string[] {
  return [
    ...(last > 1 && recipe.rows % (4 * words) < last ? ['a longer last pass'] : []),
    `${words} words, ${third}`,
    `${recipe.rows % 4} rows left`,
    recipe.rows > 4 * words ? 'several passes' : 'one pass',
    lanes > 1 ? 'rows written out' : 'one row a pass',
    recipe.places > 1 ? 'places' : 'one place',
    ...(recipe.extreme === 1 ? ['extreme'] : []),
    ...(recipe.run > 100 ? ['up to 24 bits'] : []),
  ];
}

test('random statements add what their expansion adds, without a trap, and every bound holds', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(recipes, ([recipe, packing]) => {
      const { kernel, input } = caseOf(recipe);
      const form = quads(kernel, packing);
      if (form === undefined) {
        reached.add(fits(kernel) ? 'left as it is' : 'beyond 24 bits');
        return;
      }
      expect(fits(kernel)).toBe(true);
      const [plain, lowered] = [kernel, form].map((one) => createSimulator(single(one), { mode: 'checked' }));
      for (const x of [input, input.map(() => 255)])
        expect(lowered!.run(x).output).toEqual(plain!.run(x).output);
      if (packing.last > 1) {
        expect(packing.last).toBe(rowsStoredLast(kernel));
        const [before, after] = [kernel, form].map((one) => must(overlapOf(one), 'an overlap')[0]);
        expect(after!.below).toBeLessThanOrEqual(before!.below);
        expect(after!.above).toBeLessThanOrEqual(before!.above);
        expect(after!.inPlace || !before!.inPlace).toBe(true);
      }
      const { layout } = must(kernel.weights, 'weights');
      const read = readPacked(form, layout, packing);
      expect(proveForm(form, read.sums)).toEqual({ complete: true, unproven: [] });
      expect(read.rows).toEqual(decodeRows(kernel));
      reached.add(...pathsOf(recipe, packing, layout.lanes));
    }),
    runs(60),
  );
  reached.atLeast({
    ...{ 'left as it is': 3, 'beyond 24 bits': 2, 'up to 24 bits': 2, extreme: 3 },
    ...{ '1 words, odd': 1, '2 words, odd': 1, '3 words, odd': 1 },
    ...{ '1 words, reversed': 1, '2 words, reversed': 1, '3 words, reversed': 1 },
    ...{ '0 rows left': 1, '1 rows left': 2, '2 rows left': 2, '3 rows left': 1 },
    ...{ 'several passes': 1, 'one pass': 6, 'rows written out': 3, 'one row a pass': 3 },
    ...{ places: 3, 'one place': 3, 'a longer last pass': 1 },
  });
});

test('linear layers give the bytes of the integer model', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(layerRecipes, fc.constantFrom(1, 2), ({ seed, density, inputs, outputs }, words) => {
      const layer = layerOf({ seed, density, inputs: Math.ceil(inputs / 4), outputs: 2 * outputs, bits: 8 });
      const program = programOf(layer, layer.kernel({}), 'net');
      const step = at(program.steps, 0);
      const form = quads(step.kernel, { words, terms: 5, third: 'odd', last: 1 });
      reached.add(form === undefined ? 'left as it is' : `${words} words`);
      if (form === undefined) return;
      const lowered = { ...program, steps: [{ ...step, kernel: form }] };
      const ran = createSimulator(lowered, { mode: 'checked' }).run(inMemory(layer.inputPlace, layer.input));
      expect(ran.output).toEqual(inMemory(layer.outputPlace, layer.expected));
    }),
    runs(24),
  );
  reached.atLeast({ '1 words': 3, '2 words': 3 });
});

test('the certificate finds every other number, and sums that 24 bits do not hold', () => {
  const [recipe] = fc.sample(
    recipes.map(([one]) => one),
    { numRuns: 1, seed: 3 },
  );
  const { kernel } = caseOf({ ...recipe!, rows: 7, walk: 'runs', run: 5, segments: 1, sums: 1, density: 1 });
  const { layout } = must(kernel.weights, 'weights');
  const packing: Quads = { words: 1, terms: 1, third: 'odd', last: 1, tableBytes: 0 };
  const form = must(quads(kernel, packing), 'four rows a word');
  const table = at(form.tables, 0);
  const readWith = (data: readonly number[]) => {
    const tables = form.tables.map((one) => (one === table ? { ...one, data } : one));
    return readPacked({ ...form, tables }, layout, packing).rows;
  };
  const right = JSON.stringify(decodeRows(kernel));
  const findsChange = (data: readonly number[]): boolean => {
    try {
      return JSON.stringify(readWith(data)) !== right;
    } catch {
      return true;
    }
  };
  const data = Array.from(table.data);
  expect(findsChange(data)).toBe(false);
  expect(findsChange([...data, 0])).toBe(true);
  for (let bit = 0; bit < 32; bit++)
    for (let i = 0; i < data.length; i++)
      expect([i, bit, findsChange(data.map((x, k) => (k === i ? x ^ (1 << bit) : x)))]).toEqual([
        i,
        bit,
        true,
      ]);
  const largest = (run: number) => {
    const tables = [{ ...table, data: Array.from({ length: run }, () => -1) }];
    return readPacked({ ...form, tables }, { ...layout, rows: 4, run }, packing);
  };
  expect(largest(259).sums).toEqual({ lo: 0, hi: 2 ** 23 - 893 });
  expect(() => largest(260)).toThrow('beyond 24 bits');
});

const cases = fc
  .sample(recipes, { numRuns: 24, seed: 20_261_127 })
  .filter(([recipe, packing]) => recipe.run < 100 && quads(caseOf(recipe).kernel, packing) !== undefined)
  .slice(0, 5);

async function runsOn(target: TargetName, third: Quads['third']): Promise<void> {
  const items = cases.map(([recipe, packing], i): BatchItem & { readonly expected: Uint8Array } => {
    const { kernel, input } = caseOf(recipe);
    const form = must(quads(kernel, { ...packing, third }), 'four rows a word');
    const program = { ...single(form), name: `net${i}` };
    const expected = createSimulator(single(kernel), { mode: 'fast' }).run(input).output;
    return { program, files: emitC(program, info), inputs: [input], expected };
  });
  const ran = await runNativeBatch(items, target, {});
  expect(ran.map(([outcome]) => outcome!.output)).toEqual(items.map(({ expected }) => expected));
}

testWith(['gcc'])('as plain C on the host, with sanitizers', () => runsOn('host-gcc', 'odd'));
testWith(['arm-none-eabi-gcc', 'qemu-system-arm'])('on Cortex-M0', () => runsOn('cortex-m0', 'reversed'));
