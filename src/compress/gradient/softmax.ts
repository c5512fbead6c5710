/** Softmax inside of a network (the one at its end is left to the loss). Rare, so in JavaScript. */
import { at } from '../../base/errors.ts';
import { elementBytes } from './kernels.ts';

interface Lines {
  /** Bytes. */
  readonly x: number;
  readonly y: number;
  readonly lines: number;
  readonly size: number;
  readonly inner: number;
}

/** Where each run of `size` that sums to 1 begins in x and y, `stride` from element to element. */
function forLines(
  { x, y, lines, size, inner }: Lines,
  lanes: number,
  line: (x: number, y: number, stride: number) => void,
): void {
  const place = (bytes: number) => (bytes / elementBytes) * lanes;
  for (let i = 0; i < lines; i++)
    for (let j = 0; j < inner * lanes; j++) {
      const from = i * size * inner * lanes + j;
      line(place(x) + from, place(y) + from, inner * lanes);
    }
}

/** @param lanes samples side by side */
export function softmaxForward(values: Float32Array, step: Lines, lanes: number): void {
  forLines(step, lanes, (x, y, stride) => {
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < step.size; i++) largest = Math.max(largest, at(values, x + i * stride));
    let sum = 0;
    for (let i = 0; i < step.size; i++) sum += Math.exp(at(values, x + i * stride) - largest);
    for (let i = 0; i < step.size; i++)
      values[y + i * stride] = Math.exp(at(values, x + i * stride) - largest) / sum;
  });
}

/** dx = y (dy - sum of y dy); gradients lie as values do. */
export function softmaxBackward(
  values: Float32Array,
  gradients: Float32Array | Float64Array,
  step: Lines,
  lanes: number,
): void {
  forLines(step, lanes, (x, y, stride) => {
    let dot = 0;
    for (let i = 0; i < step.size; i++) dot += at(values, y + i * stride) * at(gradients, y + i * stride);
    for (let i = 0; i < step.size; i++) {
      const [value, dy] = [at(values, y + i * stride), at(gradients, y + i * stride)];
      gradients[x + i * stride] = at(gradients, x + i * stride) + value * (dy - dot);
    }
  });
}
