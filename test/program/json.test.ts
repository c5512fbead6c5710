import fc from 'fast-check';
import { expect, test } from 'vitest';
import { programFrom, programText } from '../../src/program/json.ts';
import { built } from '../support/pipeline.ts';
import { recipes } from '../support/recipes.ts';

test('programs of random networks come back as they were', () => {
  let images = 0;
  fc.assert(
    fc.property(recipes(), (recipe) => {
      const { program } = built(recipe, 'net');
      const text = programText(program);
      images += text.split('"channels innermost"').length - 1;
      const read = programFrom(text);
      expect(read.slots).toEqual(program.slots);
      expect(read.steps.map(({ kernel }) => kernel.body)).toEqual(
        program.steps.map(({ kernel }) => kernel.body),
      );
      read.steps.forEach(({ kernel }, i) => {
        const { tables } = program.steps[i]!.kernel;
        expect(kernel.tables.map(({ data }) => [...data])).toEqual(tables.map(({ data }) => [...data]));
      });
      expect(programText(read)).toBe(text);
    }),
    { numRuns: 60, seed: 20_261_121 },
  );
  expect(images).toBeGreaterThan(20);
});
