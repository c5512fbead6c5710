/** HTML as text: what is put into it is escaped, except what is HTML already. */

/** Made by `html`; nothing else makes one. */
export interface Html {
  readonly html: string;
}

type Part = string | number | Html | undefined | readonly (string | number | Html)[];

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => escapes[c] ?? c);

function show(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part));
  return 'html' in part ? part.html : part.map(show).join('');
}

export const html = (text: TemplateStringsArray, ...parts: readonly Part[]): Html => ({
  html: text.map((piece, i) => `${piece}${show(parts[i])}`).join(''),
});

/** Of a library that made it: SVG. */
export const trusted = (markup: string): Html => ({ html: markup });

export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => string;
  readonly text?: boolean;
}

/**
 * Numbers to the right, texts to the left; the first column heads its row.
 * @param foot of all rows together: a cell per column
 */
export function dataTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  foot: readonly string[] = [],
): Html {
  const side = ({ text }: Column<T>): string => (text ? 'text' : 'number');
  const head = columns.map((c) => html`<th scope="col" class="${side(c)}">${c.head}</th>`);
  const cells = (row: T) =>
    columns.map((c, i) =>
      i === 0
        ? html`<th scope="row" class="${side(c)}">${c.cell(row)}</th>`
        : html`<td class="${side(c)}${c.cell(row).length > 40 ? ' long' : ''}">${c.cell(row)}</td>`,
    );
  const body = rows.map((row) => html`<tr>${cells(row)}</tr>`);
  const last = columns.map((c, i) =>
    i === 0
      ? html`<th scope="row" class="${side(c)}">${foot[i]}</th>`
      : html`<td class="${side(c)}">${foot[i]}</td>`,
  );
  const sums = foot.length === 0 ? undefined : html`<tfoot><tr>${last}</tr></tfoot>`;
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody>${sums}</table></div>`;
}
