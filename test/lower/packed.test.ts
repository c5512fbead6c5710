/** Sums of rows two at a time are those of rows one at a time, and no half of an accumulator reaches the other. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { at, must } from '../../src/base/errors.ts';
import { emitC } from '../../src/emit/package.ts';
import { times } from '../../src/ir/kernel/builders.ts';
import type { Kernel, Packing, Table } from '../../src/ir/kernel/kernel.ts';
import { statementsIn } from '../../src/ir/kernel/walk.ts';
import { packed } from '../../src/lower/packed.ts';
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

/** Dense weights of 8 bits, mostly with the inputs of all rows in one place; and how they are packed. */
const recipes: fc.Arbitrary<readonly [SumRecipe, Packing]> = fc
  .tuple(
    sumRecipes,
    fc.constantFrom(0, 0, 0, 0, 1),
    fc.constantFrom(1, 2, 3, 4, 4),
    fc.constantFrom(1, 2, 2, 3, 4),
    fc.integer({ min: 1, max: 16 }),
    fc.constantFrom('runs', 'runs', 'runs', 'turns'),
  )
  .map(([recipe, skip, pixels, pairs, terms, walk]) => [
    {
      ...{ ...recipe, bits: 8, shared: false, kind: 'dense', format: 0, walk, skip },
      // Of several places, mostly near enough to share inputs.
      apart: pixels > 1 ? recipe.apart % 4 : recipe.apart,
    },
    { pixels, pairs, terms, tableBytes: 0 },
  ]);

const tableOf = ({ tables }: Kernel, suffix: string): Table | undefined =>
  tables.find(({ name }) => name.endsWith(suffix));

/** What of the code a case reaches. */
function pathsOf(recipe: SumRecipe, { pixels, pairs, terms }: Packing, form: Kernel): readonly string[] {
  const places = recipe.walk === 'turns' ? 1 : recipe.sums;
  const large = tableOf(form, '_rests') === undefined ? 'nothing too large' : 'too large';
  if (recipe.walk === 'turns') return ['in turns', large];
  const { segments, pieces, run } = recipe;
  const joins = times(segments, (i) => i + 1).some((n) => n > 1 && segments % n === 0 && n * run <= terms);
  const many = Math.min(places, pixels) > 2;
  const isShared = Math.min(places, pixels) > 1 && recipe.apart > 0 && recipe.apart < Math.min(run, terms);
  return [
    recipe.rows % 2 === 0 ? 'rows in pairs' : 'a row alone',
    recipe.rows > 2 * pairs ? 'loop of rows' : 'one pass',
    recipe.rows % (2 * pairs) === 0 ? 'passes alike' : 'a pass of few',
    joins && pieces === 1
      ? 'joined runs'
      : run <= terms
        ? 'short run'
        : run % terms === 0
          ? 'whole run'
          : 'an end of a run',
    places <= pixels ? 'one part' : 'parts',
    ...(many ? ['many places'] : []),
    ...(isShared ? ['an input of two places'] : []),
    ...(Math.min(Math.ceil(recipe.rows / 2), pairs) > 2 ? ['many pairs'] : []),
    large,
    ...(recipe.extreme === 1 ? ['extreme'] : []),
  ];
}

test('random statements add what their definition says, without a trap, and every bound holds', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(recipes, ([recipe, packing]) => {
      const { kernel, inputs, answer } = sumCase(recipe);
      const form = packed(kernel, packing);
      // Each row then has inputs of its own.
      expect(form !== undefined).toBe(recipe.skip === 0 || recipe.rows === 1 || recipe.walk === 'turns');
      if (form === undefined) {
        reached.add('plain');
        return;
      }
      const input = sumInput(recipe, inputs);
      for (const x of [input, input.map((i) => (i > 127 ? 255 : 0))])
        expect(createSimulator(single(form), { mode: 'checked' }).run(x).output).toEqual(answer(x));
      const { layout } = must(kernel.weights, 'weights');
      const read = readPacked(form, layout, packing);
      expect(proveForm(form, read.sums)).toEqual({ complete: true, unproven: [] });
      expect(read.rows).toEqual(decodeRows(kernel));
      expect(read.begins).toEqual(at(kernel.tables, 1).data);
      reached.add(...pathsOf(recipe, packing, form));
    }),
    runs(150),
  );
  reached.atLeast({
    ...{ plain: 4, 'rows in pairs': 10, 'a row alone': 10, 'loop of rows': 8, 'one pass': 8 },
    ...{ 'passes alike': 6, 'a pass of few': 13, 'short run': 5, 'whole run': 3, 'an end of a run': 8 },
    ...{ 'joined runs': 2, 'in turns': 8, 'many places': 4, 'many pairs': 3 },
    ...{ 'an input of two places': 4 },
    ...{ 'one part': 10, parts: 13, 'nothing too large': 13, 'too large': 8, extreme: 5 },
  });
});

const loopsIn = ({ body }: Kernel): readonly string[] =>
  [...statementsIn(body)].flatMap((s) => (s.kind === 'for' ? [s.name] : []));

test('layers of every kind, packed, give the bytes of the integer model', () => {
  const reached = new Reached();
  const shapes = [
    { pixels: 1, pairs: 2, terms: 4 },
    { pixels: 2, pairs: 1, terms: 6 },
    { pixels: 2, pairs: 2, terms: 5 },
    { pixels: 4, pairs: 2, terms: 6 },
  ] as const;
  fc.assert(
    fc.property(layerRecipes, fc.constantFrom(...shapes, shapes[0]), (recipe, shape) => {
      const layer = layerOf({ ...recipe, bits: 8 });
      const program = programOf(layer, layer.kernel({}), 'net');
      const [step] = program.steps;
      const form = packed(step!.kernel, shape);
      const loops = form === undefined ? [] : loopsIn(form);
      reached.add(...(form === undefined ? ['none'] : loops.filter((n) => /^(part|down|c|member)/.test(n))));
      if (form === undefined) return;
      const lowered = { ...program, steps: [{ ...step!, kernel: form }] };
      const ran = createSimulator(lowered, { mode: 'checked' }).run(inMemory(layer.inputPlace, layer.input));
      expect(ran.output).toEqual(inMemory(layer.outputPlace, layer.expected));
    }),
    runs(60),
  );
  reached.atLeast({ none: 4, c: 2, down: 1 });
});

test('the certificate finds a half that reaches the other, and every other number', () => {
  const [recipe] = fc.sample(
    sumRecipes.filter(({ rows, extreme }) => rows > 3 && extreme > 0),
    { numRuns: 1, seed: 7 },
  );
  const { kernel } = sumCase({
    ...recipe!,
    bits: 8,
    shared: false,
    kind: 'dense',
    walk: 'runs',
    skip: 0,
    density: 1,
  });
  const { layout } = must(kernel.weights, 'weights');
  const packing = { pixels: 2, pairs: 2, terms: 3, tableBytes: 0 };
  const form = must(packed(kernel, packing), 'packed');
  const facts = ({ rows, begins }: ReturnType<typeof readPacked>) =>
    JSON.stringify([rows.map((row) => [...row]), begins]);
  const right = facts(readPacked(form, layout, packing));
  let reaches = 0;
  const findsChange = (table: Table, i: number, by: number): boolean => {
    const data = Array.from(table.data, (x, k) => (k === i ? x + by : x));
    const tables = form.tables.map((one) => (one === table ? { ...one, data } : one));
    try {
      return facts(readPacked({ ...form, tables }, layout, packing)) !== right;
    } catch (error) {
      if (String(error).includes('a half reaches')) reaches++;
      return true;
    }
  };
  for (const table of form.tables)
    for (let i = 0; i < Math.min(60, table.data.length); i++)
      for (const by of [1, -1, 40, 65536])
        expect([table.name, i, by, findsChange(table, i, by)]).toEqual([table.name, i, by, true]);
  expect(reaches).toBeGreaterThan(10);
});

const cases = fc
  .sample(recipes, { numRuns: 40, seed: 20_261_126 })
  .filter(([recipe, packing]) => packed(sumCase(recipe).kernel, packing) !== undefined)
  .slice(0, 10);

async function runsOn(target: TargetName, count: number): Promise<void> {
  const items = cases
    .slice(0, count)
    .map(([recipe, packing], i): BatchItem & { readonly expected: Uint8Array } => {
      const { kernel, inputs, answer } = sumCase(recipe);
      const program = { ...single(must(packed(kernel, packing), 'packed')), name: `net${i}` };
      const input = sumInput(recipe, inputs);
      return { program, files: emitC(program, info), inputs: [input], expected: answer(input) };
    });
  const ran = await runNativeBatch(items, target, {});
  expect(ran.map(([outcome]) => outcome!.output)).toEqual(items.map(({ expected }) => expected));
}

testWith(['gcc'])('as plain C on the host, with sanitizers', () => runsOn('host-gcc', 10));
testWith(['arm-none-eabi-gcc', 'qemu-system-arm'])('on Cortex-M0', () => runsOn('cortex-m0', 6));
testWith(['riscv64-unknown-elf-gcc', 'qemu-system-riscv32'])('on RV32', () => runsOn('rv32imc', 6));
