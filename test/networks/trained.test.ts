/** The trained networks in int8 on test images that stand beside the project. Each commit draws one. */
import { expect, test } from 'vitest';
import { listed } from '../support/real-networks.ts';
import { freshSeed } from '../support/seeds.ts';
import { describeWith } from '../support/shared.ts';
import { filesOf, top1Complaints, top1Of } from '../support/trained-networks.ts';

const compiling = listed.filter(({ trained, refused }) => trained !== undefined && refused === undefined);
const one = compiling[freshSeed() % compiling.length]!;

describeWith(filesOf(one.trained!), one.name, () => {
  test('int8 gets within 0.5 points as many of 2,000 images right as float32, and that about as many as PyTorch', () => {
    expect(top1Complaints(one, top1Of(one, one.trained!))).toEqual([]);
  }, 300_000);
});
