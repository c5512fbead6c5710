/** Tables of text that fit a terminal. */

import CliTable from 'cli-table3';
import { at } from '../base/errors.ts';

export interface Column {
  readonly head: string;
  readonly align?: 'left' | 'right';
}

const none = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
} as const;

const gap = 2;
const narrowest = 6;

/** Words on lines of at most `width` characters; a longer word has a separate line. */
export function wrapped(text: string, width = 80): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
}

/** Natural widths, the widest columns cut until the line fits. */
function widthsFor(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): number[] {
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...rows.map((row) => at(row, i).length)));
  const room = width - gap * (columns.length - 1);
  while (widths.reduce((a, b) => a + b, 0) > room && Math.max(...widths) > narrowest) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = at(widths, widest) - 1;
  }
  return widths;
}

/**
 * Rows under a head and a line, two blanks between columns, no line longer than `width` (unless even six
 * characters per column do not fit). Longer cells end in an ellipsis.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width = 80): string {
  const widths = widthsFor(columns, rows, width);
  const last = columns.length - 1;
  const made = new CliTable({
    chars: none,
    colAligns: columns.map(({ align }) => align ?? 'left'),
    colWidths: widths.map((w, i) => (i === last ? w : w + gap)),
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  });
  const cells = (row: readonly string[]): { content: string; style: object }[] =>
    row.map((content, i) => ({ content, style: { 'padding-right': i === last ? 0 : gap } }));
  const head = columns.map((column) => column.head);
  made.push(cells(head), cells(widths.map((w) => '-'.repeat(w))), ...rows.map(cells));
  return made.toString().replaceAll(/ +$/gm, '');
}
