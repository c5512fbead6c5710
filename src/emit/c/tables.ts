/** Constant arrays as C. */
import { DefectError } from '../../base/errors.ts';
import type { Table } from '../../ir/kernel/kernel.ts';
import { cFloat, cInt, columns, cType } from './lines.ts';

/** Numbers with commas, filled into lines. */
function fillNumbers(numbers: readonly string[], step: string): string[] {
  const lines: string[] = [];
  let line = step;
  for (const number of numbers) {
    if (line.length + number.length + 1 > columns) {
      lines.push(line.trimEnd());
      line = step;
    }
    line += `${number}, `;
  }
  return [...lines, line.trimEnd()];
}

function rows(numbers: readonly string[], length: number): string[][] {
  const found: string[][] = [];
  for (let i = 0; i < numbers.length; i += length) found.push(numbers.slice(i, i + length));
  return found;
}

/** The lines between the braces: every row begins a line, and rows longer than a line are filled. */
export function numberLines(numbers: readonly string[], rowLength?: number, indent = '    '): string[] {
  return rows(numbers, rowLength ?? (numbers.length || 1)).flatMap((row) => fillNumbers(row, indent));
}

/** `static const int8_t conv1_weights[150] = {...};` @throws DefectError for an empty table. */
export function printTable(table: Table, name = table.name): string {
  if (table.data.length === 0) throw new DefectError(`table '${table.name}' is empty`);
  const spell = table.elem === 'f32' ? cFloat : cInt;
  const numbers = Array.from(table.data, (x) => spell(x));
  const head = `static const ${cType[table.elem]} ${name}[${numbers.length}] = {`;
  return [head, ...numberLines(numbers, table.rowLength), '};', ''].join('\n');
}
