/** Constant arrays as C. */
import { at, DefectError } from '../../base/errors.ts';
import type { Table } from '../../ir/kernel/kernel.ts';
import { putFloat, putText } from './floats.ts';
import { cInt, columns, cType } from './lines.ts';

/** Writes number `index` from `to` on, in at most `columns` characters. @returns where it ends */
type Put = (bytes: Uint8Array, to: number, index: number) => number;

const [blank, comma, lineEnd] = [32, 44, 10];
const ascii = new TextDecoder();

/** Lines are written here, and become text whenever it is nearly full. */
const page = new Uint8Array(1 << 16);

/**
 * So many numbers with commas, filled into lines. Written as bytes: most of the time that millions of strings take, they
 * take as garbage.
 */
export function numberLines(count: number, put: Put, indent: number): string {
  const parts: string[] = [];
  let line = 0;
  let at = indent;
  page.fill(blank, 0, indent);
  for (let i = 0; i < count; i++) {
    let end = put(page, at, i);
    if (end - line + 1 > columns) {
      // The number goes to the next line; the blank before it ends this one.
      page[at - 1] = lineEnd;
      if (at > page.length - 3 * columns) {
        parts.push(ascii.decode(page.subarray(0, at)));
        page.copyWithin(0, at, end);
        [at, end] = [0, end - at];
      }
      line = at;
      page.copyWithin(at + indent, at, end);
      page.fill(blank, at, at + indent);
      end += indent;
    }
    page[end] = comma;
    page[end + 1] = blank;
    at = end + 2;
  }
  parts.push(ascii.decode(page.subarray(0, at - 1)));
  return parts.join('');
}

/** `numberLines` of texts. */
export const textLines = (count: number, text: (index: number) => string, indent: number): string =>
  numberLines(count, (bytes, to, i) => putText(bytes, to, text(i)), indent);

/** The lines between the braces: every row begins a line, and rows longer than a line are filled. */
function tableLines({ data, elem, rowLength = data.length }: Table): string[] {
  const putNumber = elem === 'f32' ? putFloat : putInt;
  return Array.from({ length: Math.ceil(data.length / rowLength) }, (_, row) => {
    const from = row * rowLength;
    const put: Put = (bytes, to, i) => putNumber(bytes, to, at(data, from + i));
    return numberLines(Math.min(rowLength, data.length - from), put, 4);
  });
}

const putInt = (bytes: Uint8Array, to: number, value: number): number => putText(bytes, to, cInt(value));

export interface TableOptions {
  /** What it is called in the file, if not by its name. */
  readonly name?: string | undefined;
  /** What stands before its type: macros. */
  readonly place?: string;
  /** Set where other files read it: it is not `static`. */
  readonly shared?: boolean;
}

/** `const int8_t conv1_weights[150]` */
export const tableHead = (table: Table, { name = table.name, place = '' }: TableOptions): string =>
  `const ${place === '' ? '' : `${place} `}${cType[table.elem]} ${name}[${table.data.length}]`;

/** `static const int8_t conv1_weights[150] = {...};` @throws DefectError for an empty table. */
export function printTable(table: Table, options: TableOptions = {}): string {
  if (table.data.length === 0) throw new DefectError(`table '${table.name}' is empty`);
  const head = `${options.shared === true ? '' : 'static '}${tableHead(table, options)}`;
  return [`${head} = {`, ...tableLines(table), '};', ''].join('\n');
}
