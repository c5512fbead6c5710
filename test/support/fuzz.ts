import fc from 'fast-check';
import { InputError } from '../../src/base/errors.ts';

/** `bytes` with up to four bytes changed and possibly cut off. */
export const damagedCopies = (bytes: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      changes: fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }),
      keep: fc.oneof(fc.constant(bytes.length), fc.nat(bytes.length)),
    })
    .map(({ changes, keep }) => {
      const copy = bytes.slice(0, keep);
      for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte;
      return copy;
    });

/** Whether `body` returned. @throws whatever it threw that is not an InputError. */
export function refusesCleanly(body: () => unknown): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
