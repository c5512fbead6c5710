import { at } from '../../base/errors.ts';
import { mulberry32 } from '../../base/random.ts';

/**
 * A generator of its own for each (seed, purpose, index): nothing has to be remembered to go on with training that
 * was interrupted.
 */
export function randomFor(seed: number, purpose: 'order' | 'shift', index: number): () => number {
  const salt = purpose === 'order' ? 0x9e3779b9 : 0x85ebca6b;
  const first = mulberry32((Math.imul(seed + 1, salt) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0);
  first();
  return mulberry32((first() * 2 ** 32) >>> 0);
}

/** 0 .. count - 1 in random order (Fisher and Yates). */
export function permutation(count: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const moved = at(order, i);
    order[i] = at(order, j);
    order[j] = moved;
  }
  return order;
}
