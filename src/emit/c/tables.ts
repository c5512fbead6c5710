/** Constant arrays as C. */
import { at, DefectError } from '../../base/errors.ts';
import type { Table } from '../../ir/kernel/kernel.ts';
import { cFloat, cInt, columns, cType } from './lines.ts';

/** Numbers with commas, filled into lines. */
export function numberLines(numbers: readonly string[], indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const number of numbers) {
    if (line.length + number.length + 1 > columns) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${number}, `;
  }
  return [...lines, line.trimEnd()];
}

/** The lines between the braces: every row begins a line, and rows longer than a line are filled. */
function tableLines({ data, elem, rowLength = data.length }: Table): string[] {
  const spell = elem === 'f32' ? cFloat : cInt;
  return Array.from({ length: Math.ceil(data.length / rowLength) }, (_, row) => {
    const from = row * rowLength;
    const length = Math.min(rowLength, data.length - from);
    return numberLines(
      Array.from({ length }, (_, i) => spell(at(data, from + i))),
      '    ',
    );
  }).flat();
}

/** `static const int8_t conv1_weights[150] = {...};` @throws DefectError for an empty table. */
export function printTable(table: Table, name = table.name): string {
  if (table.data.length === 0) throw new DefectError(`table '${table.name}' is empty`);
  const head = `static const ${cType[table.elem]} ${name}[${table.data.length}] = {`;
  return [head, ...tableLines(table), '};', ''].join('\n');
}
