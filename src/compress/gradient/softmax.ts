/** Softmax inside of a network (the one at its end is left to the loss). Rare, so in JavaScript. */
import { lanes } from './kernels.ts';

interface Lines {
  /** Bytes. */
  readonly x: number;
  readonly y: number;
  readonly lines: number;
  readonly size: number;
  readonly inner: number;
}

/** Calls `line` with the first element, in floats, of each run of `size` that sums to 1. */
function forLines({ lines, size, inner }: Lines, line: (from: number) => void): void {
  for (let i = 0; i < lines; i++) for (let j = 0; j < inner * lanes; j++) line(i * size * inner * lanes + j);
}

export function softmaxForward(values: Float32Array, step: Lines): void {
  const stride = step.inner * lanes;
  forLines(step, (from) => {
    const [x, y] = [step.x / 4 + from, step.y / 4 + from];
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < step.size; i++) largest = Math.max(largest, values[x + i * stride] as number);
    let sum = 0;
    for (let i = 0; i < step.size; i++) sum += Math.exp((values[x + i * stride] as number) - largest);
    for (let i = 0; i < step.size; i++)
      values[y + i * stride] = Math.exp((values[x + i * stride] as number) - largest) / sum;
  });
}

/** dx = y (dy - sum of y dy) */
export function softmaxBackward(values: Float32Array, step: Lines, toGradient: number): void {
  const stride = step.inner * lanes;
  forLines(step, (from) => {
    const [x, y] = [step.x / 4 + from + toGradient, step.y / 4 + from];
    let dot = 0;
    for (let i = 0; i < step.size; i++)
      dot += (values[y + i * stride] as number) * (values[y + i * stride + toGradient] as number);
    for (let i = 0; i < step.size; i++) {
      const [value, dy] = [values[y + i * stride] as number, values[y + i * stride + toGradient] as number];
      values[x + i * stride] = (values[x + i * stride] as number) + value * (dy - dot);
    }
  });
}
