import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lanes } from '../../../src/compress/gradient/kernels.ts';
import { Loss } from '../../../src/compress/train/loss.ts';
import { randomTensor, seedArbitrary } from '../../support/float-tensors.ts';

const classes = 4;
const logits = (seed: number): Float32Array =>
  randomTensor([classes * lanes], seed).data.map((x: number) => 4 * x) as Float32Array;

test('the gradient is the slope of the loss; lanes without a sample have none', () => {
  fc.assert(
    fc.property(
      seedArbitrary,
      fc.constantFrom(1, 2, 4),
      fc.constantFrom(0, 0.3, 1),
      (seed, temperature, labelsWeight) => {
        const labels = Int32Array.of(2, -1, 0);
        const [student, teacher] = [logits(seed), logits(seed + 1)];
        const loss = new Loss(classes, { temperature, labelsWeight });
        const gradients = new Float32Array(classes * lanes);
        const at = (values: Float32Array): number => {
          loss.group(new Float32Array(classes * lanes), values, teacher, labels, 0.25);
          return loss.loss;
        };
        loss.group(gradients, student, teacher, labels, 0.25);
        for (let i = 0; i < gradients.length; i++) {
          const [up, down] = [student.slice(), student.slice()];
          up[i] = student[i]! + 2 ** -8;
          down[i] = student[i]! - 2 ** -8;
          // Third derivatives of the loss are below T^2 / T^3: the error is below h^2 / 6.
          expect(gradients[i]).toBeCloseTo((at(up) - at(down)) * 2 ** 7, 4);
          if (i % lanes >= labels.length) expect(gradients[i]).toBe(0);
        }
      },
    ),
    { numRuns: 20 },
  );
});

test('a student that answers as its teacher has no loss and agrees', () => {
  const loss = new Loss(classes, { temperature: 2, labelsWeight: 0 });
  loss.group(new Float32Array(classes * lanes), logits(1), logits(1), new Int32Array(16).fill(-1), 1);
  expect(loss.loss).toBeCloseTo(0, 10);
  expect(loss.agreed).toBe(16);
});
