/** Adam (Kingma and Ba 2015, algorithm 1), without weight decay. */
import { at } from '../../base/errors.ts';

/** Numbers that learn, with the running means of their gradients and of the squares. */
export interface Parameter {
  readonly value: Float32Array;
  readonly mean: Float32Array;
  readonly square: Float32Array;
}

export const parameterOf = (value: Float32Array): Parameter => ({
  value,
  mean: new Float32Array(value.length),
  square: new Float32Array(value.length),
});

export const meanDecay = 0.9;
export const squareDecay = 0.999;
const epsilon = 1e-8;

/** The step size at update `t` = 1, 2, ..., with the corrections for means that began at 0. */
export interface Pace {
  readonly rate: number;
  readonly squareCorrection: number;
}

export const paceOf = (rate: number, t: number): Pace => ({
  rate: rate / (1 - meanDecay ** t),
  squareCorrection: 1 / (1 - squareDecay ** t),
});

/** Moves number `i` against its gradient. */
export function moveOne(p: Parameter, i: number, gradient: number, { rate, squareCorrection }: Pace): void {
  const mean = meanDecay * at(p.mean, i) + (1 - meanDecay) * gradient;
  const square = squareDecay * at(p.square, i) + (1 - squareDecay) * gradient * gradient;
  p.mean[i] = mean;
  p.square[i] = square;
  p.value[i] = at(p.value, i) - (rate * mean) / (Math.sqrt(square * squareCorrection) + epsilon);
}
