/** Numbers and shapes as the page writes them. */
import type { Slot } from '../../program/program.ts';

export { formatBytes, formatCount } from '../../text/numbers.ts';

/** Four significant digits, a real minus sign, never an exponent for ordinary numbers. */
export function formatReal(x: number): string {
  const size = Math.abs(x);
  const text =
    Number.isInteger(x) && size < 1e6
      ? String(x)
      : size >= 1e6 || size < 1e-4
        ? x.toExponential(2)
        : x.toFixed(Math.max(0, Math.min(6, 3 - Math.floor(Math.log10(size)))));
  return text.replace('-', '\u2212');
}

/** With its sign, for differences. */
export const formatSigned = (x: number): string => `${x > 0 ? '+' : ''}${formatReal(x)}`;

export const formatByte = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;

/** `u8 6×14×14`: without the batch axis. */
export function formatSlot({ elem, shape }: Slot): string {
  const sizes = shape.length > 1 && shape[0] === 1 ? shape.slice(1) : shape;
  return `${elem} ${sizes.join('×')}`;
}
