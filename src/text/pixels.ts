import { at } from '../base/errors.ts';

/** Pictures in a terminal: one character for two pixels, one above the other. */

const blocks = [' ', '\u2584', '\u2580', '\u2588'] as const;
const bright = 112;

/** Rows of half blocks: 8-bit gray pixels, light ones drawn. */
export function halfBlocks(pixels: Uint8Array, width: number, height: number): readonly string[] {
  const lit = (x: number, y: number): number => (y < height && at(pixels, y * width + x) >= bright ? 1 : 0);
  return Array.from({ length: Math.ceil(height / 2) }, (_, row) =>
    Array.from({ length: width }, (_, x) => blocks[2 * lit(x, 2 * row) + lit(x, 2 * row + 1)]).join(''),
  );
}

/** Below a block that is lower than its neighbours. */
const noLine = '';

/** Blocks of lines next to each other, each padded to its own width. */
export function sideBySide(parts: readonly (readonly string[])[], gap = '  '): string {
  const height = Math.max(0, ...parts.map((lines) => lines.length));
  const widths = parts.map((lines) => Math.max(0, ...lines.map((line) => line.length)));
  const rows = Array.from({ length: height }, (_, y) =>
    parts.map((lines, i) => (lines[y] ?? noLine).padEnd(at(widths, i))).join(gap),
  );
  return rows.map((row) => row.trimEnd()).join('\n');
}
