/** docs/benchmarks.md and docs/sparse.md: each script writes its own sections, each between two marks. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './models.ts';

export function writeSection(name: string, text: string, document = 'benchmarks.md'): void {
  const page = path.join(root, 'docs', document);
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const old = readFileSync(page, 'utf8');
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/${document} has no section '${name}'`);
  writeFileSync(page, `${old.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${old.slice(to)}`);
}

/** The rows that stand in a section's table, by their first cell. */
export function standingRows(name: string, document = 'benchmarks.md'): Map<string, readonly string[]> {
  const page = readFileSync(path.join(root, 'docs', document), 'utf8');
  const [, after = ''] = page.split(`<!-- ${name}: begin -->`);
  const [section = ''] = after.split(`<!-- ${name}: end -->`);
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  return new Map(rows.map((cells) => [cells[0] ?? '', cells]));
}

/** A Markdown table; all columns but the first are aligned right. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

export const count = (n: number): string => n.toLocaleString('en-US');
