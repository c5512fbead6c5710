/** Reproducible numbers for tests. */

/** A generator of numbers in [0, 1): a linear congruence whose low bits are not used. */
export class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 2654435761) >>> 0;
    for (let i = 0; i < 3; i++) this.unit();
  }

  unit(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state / 2 ** 32;
  }

  between(lo: number, hi: number): number {
    return lo + (hi - lo) * this.unit();
  }

  /** lo <= n <= hi */
  int(lo: number, hi: number): number {
    return lo + Math.floor(this.unit() * (hi - lo + 1));
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)]!;
  }

  floats(count: number, lo: number, hi: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.between(lo, hi));
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.int(0, 255));
  }
}
