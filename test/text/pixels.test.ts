import { expect, test } from 'vitest';
import { halfBlocks, sideBySide } from '../../src/text/pixels.ts';

test('two rows of pixels in one of characters', () => {
  const pixels = Uint8Array.of(0, 255, 0, 255, 0, 0, 255, 255, 200, 20, 200, 20);
  expect(halfBlocks(pixels, 4, 3)).toEqual([' \u2580\u2584\u2588', '\u2580 \u2580 ']);
});

test('blocks of lines beside each other', () => {
  expect(sideBySide([['a', 'bbb'], ['c']], '|')).toBe('a  |c\nbbb|');
});
