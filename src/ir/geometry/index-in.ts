import { complain } from '../../base/errors.ts';

/** An index along an axis, -size..size-1, as 0..size-1. @throws InputError for others, and for numbers that are none. */
export function indexIn(index: number, size: number): number {
  if (!Number.isInteger(index) || index < -size || index >= size)
    throw complain(`index ${index} along an axis of ${size}`);
  return index < 0 ? index + size : index;
}
