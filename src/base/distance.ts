/** How far numbers are from those that they stand for, as signal to noise: the one definition of it. */

/** The distance between stored numbers and the real ones that they stand for. */
export interface Distance {
  /**
   * Signal to noise in decibels, the signal about its mean: 10 log10(sum (real - mean)^2 / sum (real - stored)^2).
   * Infinity where nothing differs, -Infinity where something does although the real numbers do not vary.
   */
  readonly sqnr: number;
  /** The largest difference, in real units. */
  readonly worst: number;
}

/** 10 log10 of two sums of squares; Infinity without noise. */
export const decibels = (signal: number, noise: number): number =>
  noise === 0 ? Infinity : 10 * Math.log10(signal / noise);

/** Relative: results in float32 that should be the same differ by half of it. */
const floatNoise = 2 ** -23;

/** Adds up pairs of numbers; what they amount to may be asked for at any time. */
export class Distances {
  #count = 0;
  /** Sums are about the first number, so that a large mean costs no digits. */
  #origin = 0;
  #sum = 0;
  #squares = 0;
  #noise = 0;
  #worst = 0;
  #largest = 0;

  add(real: number, stored: number): void {
    if (this.#count === 0) this.#origin = real;
    const [from, error] = [real - this.#origin, Math.abs(real - stored)];
    this.#count++;
    this.#sum += from;
    this.#squares += from * from;
    this.#noise += error * error;
    this.#worst = Math.max(this.#worst, error);
    this.#largest = Math.max(this.#largest, Math.abs(real));
  }

  get count(): number {
    return this.#count;
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#origin + this.#sum / this.#count;
  }

  /** sum (real - mean)^2 */
  get variation(): number {
    return this.#count === 0 ? 0 : this.#squares - this.#sum ** 2 / this.#count;
  }

  /** `variation`; 0 where the real numbers vary no more than float32 rounds. */
  get signal(): number {
    const { variation } = this;
    return variation <= this.#count * (floatNoise * this.#largest) ** 2 ? 0 : variation;
  }

  /** sum (real - stored)^2 */
  get noise(): number {
    return this.#noise;
  }

  /** The largest difference. */
  get worst(): number {
    return this.#worst;
  }

  /** Of the real numbers, in their units. */
  get deviation(): number {
    return this.#count === 0 ? 0 : Math.sqrt(this.signal / this.#count);
  }

  /** @param step in real units: numbers that do not vary count as exact when they are within half of it. */
  result(step = 0): Distance {
    const exact = this.signal === 0 && this.#worst <= 0.501 * step;
    return { sqnr: exact ? Infinity : decibels(this.signal, this.#noise), worst: this.#worst };
  }
}
