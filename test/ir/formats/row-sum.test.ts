/** The statement of a row sum means what its definition says, whatever the format, the layout and the walk. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowSum, startRows } from '../../../src/ir/formats/index.ts';
import { rewritten, rowSumsIn, takesAll } from '../../../src/ir/kernel/walk.ts';
import { withVectors } from '../../../src/lower/simd.ts';
import { prove } from '../../../src/prove/prove.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { createEngine } from '../../../src/sim/wasm/engine.ts';
import { single } from '../../support/ir.ts';
import { runs } from '../../support/kernels.ts';
import { partRecipes, sumCase, sumInput } from '../../support/row-sums.ts';

test('random statements add what their definition says, in the simulator and as vectors, and are proved', () => {
  const reached = new Map<string, number>();
  fc.assert(
    fc.property(partRecipes, (recipe) => {
      const { kernel, stored, inputs, answer } = sumCase(recipe);
      const input = sumInput(recipe, inputs);
      const expected = answer(input);
      const program = single(kernel);
      expect(createSimulator(program, { mode: 'checked' }).run(input).output).toEqual(expected);
      expect(createEngine(withVectors(program)).run(input).output).toEqual(expected);
      expect(prove(kernel).unproven).toEqual([]);
      const coded = stored.codebook === undefined ? 'plain' : 'coded';
      const parts = rowSumsIn(kernel.body).some(({ sum }) => !takesAll(sum)) ? ['parts'] : [];
      for (const name of [stored.format.kind, stored.walk, coded, ...parts])
        reached.set(name, (reached.get(name) ?? 0) + 1);
    }),
    runs(150),
  );
  for (const [name, least] of Object.entries({
    ...{ dense: 40, csr: 3, rel: 3, block: 1, bitmap: 3 },
    ...{ runs: 40, straight: 10, turns: 10, coded: 6, plain: 40, parts: 10 },
  }))
    expect([name, reached.get(name)! >= least]).toEqual([name, true]);
});

test('the body of a statement is the expansion of what it says', () => {
  fc.assert(
    fc.property(partRecipes, (recipe) => {
      const { kernel } = sumCase(recipe);
      const again = rewritten(kernel.body, (s) => {
        if (s.kind === 'startRows') return [startRows(s.stored)];
        return s.kind === 'rowSum' ? [rowSum({ ...s })] : undefined;
      });
      expect(again).toEqual(kernel.body);
    }),
    runs(20),
  );
});
