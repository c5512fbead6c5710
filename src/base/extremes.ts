/** The largest and smallest of many numbers, and how many are not 0. Arguments of a function (`Math.max(...xs)`) end at some 120,000. */

/** The largest number; -Infinity of none, NaN where one is. */
export function largestOf(values: ArrayLike<number>): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i] as number);
  return most;
}

/** The smallest number; Infinity of none, NaN where one is. */
export function smallestOf(values: ArrayLike<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < values.length; i++) least = Math.min(least, values[i] as number);
  return least;
}

/** The largest size of a number, of either sign; 0 of none, NaN where one is. */
export function largestSize(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i] as number));
  return most;
}

/** The largest of integers' sizes as two's complement counts them: 7 of -8, which has as many bits as 7. */
export function largestCode(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) {
    const q = values[i] as number;
    most = Math.max(most, q < 0 ? -1 - q : q);
  }
  return most;
}

/** How many numbers are not 0. */
export function nonzerosIn(values: ArrayLike<number>): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) count++;
  return count;
}

/** Where the largest number stands first; -1 of none, and where one is NaN. */
export function indexOfLargest(values: ArrayLike<number>): number {
  let at = values.length === 0 ? -1 : 0;
  for (let i = 0; i < values.length; i++) {
    const x = values[i] as number;
    if (Number.isNaN(x)) return -1;
    if (x > (values[at] as number)) at = i;
  }
  return at;
}
