/**
 * Softmax inside of a network (the one at its end is left to the loss). Rare, so in JavaScript. Lines are read
 * unchecked, behind one check of all of them: with a check of each number it takes 2.6 times as long.
 */
import { holds } from '../../base/errors.ts';
import { elementBytes } from './kernels.ts';
import type { SoftmaxStep } from './network.ts';

type Lines = Omit<SoftmaxStep, 'kind'>;

/** Where each line of `size` elements that sum to 1 begins in x and y, `stride` from element to element. */
function forLines(
  numbers: readonly (Float32Array | Float64Array)[],
  { x, y, lines, size, inner }: Lines,
  lanes: number,
  line: (x: number, y: number, stride: number) => void,
): void {
  const place = (bytes: number) => (bytes / elementBytes) * lanes;
  for (const list of numbers) holds(list, place(Math.max(x, y)) + lines * size * inner * lanes);
  for (let i = 0; i < lines; i++)
    for (let j = 0; j < inner * lanes; j++) {
      const from = i * size * inner * lanes + j;
      line(place(x) + from, place(y) + from, inner * lanes);
    }
}

/** @param lanes samples side by side */
export function softmaxForward(values: Float32Array, step: Lines, lanes: number): void {
  forLines([values], step, lanes, (x, y, stride) => {
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < step.size; i++) largest = Math.max(largest, values[x + i * stride] as number);
    let sum = 0;
    for (let i = 0; i < step.size; i++) sum += Math.exp((values[x + i * stride] as number) - largest);
    for (let i = 0; i < step.size; i++)
      values[y + i * stride] = Math.exp((values[x + i * stride] as number) - largest) / sum;
  });
}

/** dx = y (dy - sum of y dy); gradients lie as values do. */
export function softmaxBackward(
  values: Float32Array,
  gradients: Float32Array | Float64Array,
  step: Lines,
  lanes: number,
): void {
  forLines([values, gradients], step, lanes, (x, y, stride) => {
    let dot = 0;
    for (let i = 0; i < step.size; i++)
      dot += (values[y + i * stride] as number) * (gradients[y + i * stride] as number);
    for (let i = 0; i < step.size; i++) {
      const [value, dy] = [values[y + i * stride] as number, gradients[y + i * stride] as number];
      gradients[x + i * stride] = (gradients[x + i * stride] as number) + value * (dy - dot);
    }
  });
}
