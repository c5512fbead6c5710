/** A line through the stored numbers is a cause where it explains them, not where it is only near. */
import { expect, test } from 'vitest';
import { mulberry32 } from '../../../src/base/random.ts';
import { scale } from '../../../src/diff/causes/scale.ts';
import { suspectOf } from '../../support/suspects.ts';

const count = 40;
const ours = Uint8Array.from({ length: count }, (_, i) => 20 + 5 * i);

test.each([1.04, 0.5, 1.2])('a factor of %s is named', (factor) => {
  const found = scale(
    suspectOf(
      ours,
      ours.map((x) => Math.min(255, Math.round(factor * x))),
    ),
  );
  expect(found?.text).toContain(`off by a factor of ${factor}`);
});

test('a moved zero point is named', () => {
  expect(
    scale(
      suspectOf(
        ours,
        ours.map((x) => x - 3),
      ),
    )?.text,
  ).toContain('off by -3');
});

test('numbers that are near a line for another reason are not explained by it', () => {
  // As pruning leaves them: a fit of over 0.98 and a slope of about 1.04, but errors beside the line.
  const random = mulberry32(3);
  const theirs = ours.map((x) => Math.min(254, Math.max(1, Math.round(1.04 * x + 20 * (random() - 0.5)))));
  expect(scale(suspectOf(ours, theirs))).toBeUndefined();
});
