/** Folding a batch normalization keeps the float network, wherever it stands and whatever its numbers are. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { foldBatchNorm } from '../../src/passes/fold-batch-norm.ts';
import { fuse } from '../../src/passes/fuse.ts';
import { valuesOf } from '../support/float64.ts';
import {
  inputKinds,
  type NormedRecipe,
  normedNetwork,
  normedRecipes,
  places,
  readers,
} from '../support/normed-networks.ts';
import { gamma, requireWithin, roundingBounds } from '../support/rounding.ts';
import { fixedSeed, runsOf } from '../support/seeds.ts';

const isWide = ([lo, hi]: readonly [number, number], by: number): boolean => hi - lo >= by;
const traits = (r: NormedRecipe): readonly string[] => [
  `behind ${r.place}`,
  `before ${r.reader}`,
  ...(r.reader.endsWith('conv') ? [`${r.pad} of padding before a convolution`] : []),
  `inputs ${r.inputs}`,
  `odd ${r.odd}`,
  ...(isWide(r.variances, 6) ? ['unequal variances'] : []),
  ...(r.variances[0] <= -10 ? ['tiny variances'] : []),
  ...(r.variances[1] >= 5 ? ['huge variances'] : []),
  ...(isWide(r.gains, 3) ? ['unequal gains'] : []),
  ...(r.shift === 8 ? ['shifts of 8'] : []),
  ...(r.trained ? ['trained'] : []),
];

test('four hundred recipes reach every place, reader, padding and kind of numbers', () => {
  const counts = new Map<string, number>();
  for (const recipe of fc.sample(normedRecipes, { seed: fixedSeed + 1, numRuns: 400 }))
    for (const trait of traits(recipe)) counts.set(trait, (counts.get(trait) ?? 0) + 1);
  const wanted = [
    ...places.map((place) => `behind ${place}`),
    ...readers.map((reader) => `before ${reader}`),
    ...[0, 1, 2].map((pad) => `${pad} of padding before a convolution`),
    ...inputKinds.map((kind) => `inputs ${kind}`),
    ...['odd dead', 'odd zero gain', 'unequal variances', 'tiny variances', 'huge variances'],
    ...['unequal gains', 'shifts of 8', 'trained'],
  ];
  for (const trait of wanted) expect(counts.get(trait) ?? 0, trait).toBeGreaterThanOrEqual(15);
});

test('what is folded and fused is the float network within its rounding', () =>
  fc.assert(
    fc.property(normedRecipes, (recipe) => {
      const { graph, samples } = normedNetwork(recipe, 4);
      const folded = foldBatchNorm.run(graph);
      expect(folded.nodes.filter(({ op }) => op.kind === 'batchNorm')).toEqual([]);
      const fused = fuse.run(folded);
      for (const sample of samples) {
        const before = valuesOf(graph, sample);
        // Each weight and bias is rounded once for the norm, and the sums of biases once.
        const bounds = roundingBounds(graph, before, () => gamma(3));
        requireWithin(valuesOf(folded, sample), before, bounds);
        requireWithin(valuesOf(fused, sample), before, bounds);
      }
    }),
    { numRuns: runsOf(400) },
  ));
