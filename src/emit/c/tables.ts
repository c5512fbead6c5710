/** Constant arrays as C. */
import { at, DefectError } from '../../base/errors.ts';
import type { Table } from '../../ir/kernel/kernel.ts';
import { cFloat, cInt, columns, cType } from './lines.ts';

/** So many numbers with commas, filled into lines. */
export function numberLines(count: number, textOf: (index: number) => string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (let i = 0; i < count; i++) {
    const number = textOf(i);
    if (line.length + number.length + 1 > columns) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${number}, `;
  }
  lines.push(line.trimEnd());
  return lines;
}

/** The lines between the braces: every row begins a line, and rows longer than a line are filled. */
function tableLines({ data, elem, rowLength = data.length }: Table): string[] {
  const spell = elem === 'f32' ? cFloat : cInt;
  return Array.from({ length: Math.ceil(data.length / rowLength) }, (_, row) => {
    const from = row * rowLength;
    return numberLines(Math.min(rowLength, data.length - from), (i) => spell(at(data, from + i)), '    ');
  }).flat();
}

export interface TableOptions {
  /** What it is called in the file, if not by its name. */
  readonly name?: string | undefined;
  /** What stands before its type: macros. */
  readonly place?: string;
}

/** `static const int8_t conv1_weights[150] = {...};` @throws DefectError for an empty table. */
export function printTable(table: Table, { name = table.name, place = '' }: TableOptions = {}): string {
  if (table.data.length === 0) throw new DefectError(`table '${table.name}' is empty`);
  const head = `static const ${place === '' ? '' : `${place} `}${cType[table.elem]} ${name}[${table.data.length}] = {`;
  return [head, ...tableLines(table), '};', ''].join('\n');
}
