/**
 * Distillation (Hinton et al. 2015): T^2 KL(teacher || student) of the softened answers, mixed with the cross
 * entropy of labels. T^2 keeps the gradient's size whatever the temperature.
 */
import { at, holds } from '../../base/errors.ts';
import { indexOfLargest } from '../../base/extremes.ts';
import { lanes } from '../gradient/kernels.ts';

export interface LossOptions {
  readonly temperature: number;
  /** 0 for the teacher alone, 1 for labels alone. Samples without a label only have the teacher. */
  readonly labelsWeight: number;
}

/** exp(x / T - max) / sum of one lane of classes x lanes logits, into `out`; returns the entropy's part log sum. */
function softened(out: Float64Array, logits: Float32Array, lane: number, temperature: number): void {
  holds(logits, out.length * lanes);
  let largest = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < out.length; c++) largest = Math.max(largest, logits[c * lanes + lane] as number);
  let sum = 0;
  for (let c = 0; c < out.length; c++) {
    const power = Math.exp(((logits[c * lanes + lane] as number) - largest) / temperature);
    out[c] = power;
    sum += power;
  }
  for (let c = 0; c < out.length; c++) out[c] = (out[c] as number) / sum;
}

const tiny = 1e-30;

/**
 * The loss of a group of samples; its scratch arrays are made once. Lanes and classes are read unchecked: with a check
 * of each the loss takes 2.5 times as long.
 */
export class Loss {
  readonly #options: LossOptions;
  readonly #student: Float64Array;
  readonly #teacher: Float64Array;
  loss = 0;
  /** Samples whose answer is the teacher's. */
  agreed = 0;

  constructor(classes: number, options: LossOptions) {
    this.#options = options;
    this.#student = new Float64Array(classes);
    this.#teacher = new Float64Array(classes);
  }

  /**
   * Writes d(sum of losses x scale) / d(logits) of the first `count` lanes, and 0 for others.
   * @param labels -1 for samples without one
   */
  group(
    gradients: Float32Array,
    student: Float32Array,
    teacher: Float32Array,
    labels: Int32Array,
    scale: number,
  ): void {
    this.loss = 0;
    this.agreed = 0;
    gradients.fill(0);
    holds(gradients, this.#student.length * lanes);
    for (let lane = 0; lane < labels.length; lane++) {
      const label = at(labels, lane);
      const mix = label < 0 ? 0 : this.#options.labelsWeight;
      this.#distil(gradients, student, teacher, lane, scale * (1 - mix));
      if (mix > 0) this.#label(gradients, student, label, lane, scale * mix);
    }
  }

  #distil(
    gradients: Float32Array,
    logits: Float32Array,
    wanted: Float32Array,
    lane: number,
    scale: number,
  ): void {
    const { temperature } = this.#options;
    const [p, q] = [this.#student, this.#teacher];
    softened(p, logits, lane, temperature);
    softened(q, wanted, lane, temperature);
    if (indexOfLargest(p) === indexOfLargest(q)) this.agreed++;
    for (let c = 0; c < p.length; c++) {
      const [have, want] = [p[c] as number, q[c] as number];
      this.loss += scale * temperature * temperature * want * Math.log((want + tiny) / (have + tiny));
      gradients[c * lanes + lane] = scale * temperature * (have - want);
    }
  }

  #label(gradients: Float32Array, logits: Float32Array, label: number, lane: number, scale: number): void {
    const p = this.#student;
    softened(p, logits, lane, 1);
    this.loss -= scale * Math.log(at(p, label) + tiny);
    for (let c = 0; c < p.length; c++) {
      const to = c * lanes + lane;
      gradients[to] = (gradients[to] as number) + scale * ((p[c] as number) - (c === label ? 1 : 0));
    }
  }
}
