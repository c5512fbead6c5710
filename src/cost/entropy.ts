/** How small weights could get with a code of their own, symbol by symbol: what formats are judged by. */

const bitsOf = (counts: Iterable<number>, total: number): number => {
  let bits = 0;
  for (const n of counts) if (n > 0) bits -= n * Math.log2(n / total);
  return bits;
};

/** Of every value, how often it occurs. */
function tally(values: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

export interface EntropyFloor {
  /** Order-0 entropy of which weights are 0, in bits of the whole layer: N H(density). */
  readonly placeBits: number;
  /** Order-0 entropy of the values of the others: nonzeros x H(value). */
  readonly valueBits: number;
  /** Of both, rounded up. */
  readonly bytes: number;
}

/** No code that treats weights one by one, and knows how often each value occurs, is smaller on average. */
export function entropyFloor(weights: ArrayLike<number>): EntropyFloor {
  const nonzeros = Array.from(weights).filter((w) => w !== 0);
  const zeros = weights.length - nonzeros.length;
  const placeBits = bitsOf([zeros, nonzeros.length], weights.length);
  const valueBits = bitsOf(tally(nonzeros).values(), nonzeros.length);
  return { placeBits, valueBits, bytes: Math.ceil((placeBits + valueBits) / 8) };
}
