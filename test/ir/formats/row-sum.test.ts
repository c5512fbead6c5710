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
import { Reached } from '../../support/reached.ts';
import { partRecipes, sumCase, sumInput } from '../../support/row-sums.ts';

test('random statements add what their definition says, in the simulator and as vectors, and are proved', () => {
  const reached = new Reached();
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
      reached.add(stored.format.kind, stored.walk, coded, ...parts);
    }),
    runs(150),
  );
  reached.atLeast({
    ...{ dense: 20, csr: 2, rel: 2, block: 1, bitmap: 2 },
    ...{ runs: 20, straight: 5, turns: 5, coded: 3, plain: 20, parts: 5 },
  });
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
