import fc from 'fast-check';
import { expect, test } from 'vitest';
import { programFrom, programText } from '../src/program-text.ts';
import { built } from './support/pipeline.ts';
import { recipes } from './support/recipes.ts';

test('programs of random networks come back as they were', () => {
  let images = 0;
  fc.assert(
    fc.property(recipes(), (recipe) => {
      const { program } = built(recipe, 'net');
      const text = programText(program);
      images += text.split('"channels innermost"').length - 1;
      expect(programFrom(text)).toEqual(program);
    }),
    { numRuns: 60, seed: 20_261_121 },
  );
  expect(images).toBeGreaterThan(20);
});
