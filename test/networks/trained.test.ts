/** The trained networks in int8 on test images that stand beside the project. Each commit draws one. */
import { expect, test } from 'vitest';
import { listed } from '../support/real-networks.ts';
import { freshSeed } from '../support/seeds.ts';
import { describeWith } from '../support/shared.ts';
import { filesOf, top1Of } from '../support/trained-networks.ts';

const compiling = listed.filter(({ trained, refused }) => trained !== undefined && refused === undefined);
const one = compiling[freshSeed() % compiling.length]!;

describeWith(filesOf(one.trained!), one.name, () => {
  test('int8 gets within 0.5 points as many of 1,000 images right as float32', () => {
    const { float32, int8 } = top1Of(one, one.trained!);
    // PyTorch's own share of all images: 1,000 of them deviate by up to 1.6 points, three times that is another network.
    expect(Math.abs(float32 - 100 * one.trained!.top1)).toBeLessThan(5);
    expect(float32 - int8).toBeLessThanOrEqual(0.5);
  });
});
