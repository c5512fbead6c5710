/** The page around a report: one file, no script, nothing from the network. */
import { type Html, html, trusted } from './markup.ts';

const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d; --paper: #0d1117; --card: #161b22; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { margin: 0 0 4px; font-size: 28px; overflow-wrap: anywhere; }
h2 { margin: 48px 0 8px; font-size: 20px; }
li { margin: 0 0 8px; max-width: 80ch; overflow-wrap: anywhere; }
p, figcaption { color: var(--soft); margin: 0 0 12px; max-width: 72ch; overflow-wrap: anywhere; }
code { font-size: 14px; overflow-wrap: anywhere; }
.big { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0; padding: 0; }
.big div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.big dt { color: var(--soft); font-size: 14px; }
.big dd { margin: 0; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
.big dd small { display: block; font-size: 13px; font-weight: 400; color: var(--soft); }
figure { margin: 0; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid #4269d0; outline-offset: 2px; }
.scroll > svg, .scroll > figure > svg { width: 100%; min-width: 620px; max-width: 860px; height: auto; }
figure [class*='-swatches'] { font-size: 14px !important; min-height: 30px; }
.scroll h2 { margin: 0; }
svg { color: var(--ink); }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; margin: 8px 0 0; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; font-weight: 400; }
thead th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
tfoot th, tfoot td { font-weight: 600; }
.number { text-align: right; } .text { text-align: left; } td.long { white-space: normal; min-width: 44ch; }
.small { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 16px; }
.small svg { width: 100%; height: auto; }
.small h3 { margin: 0; font-size: 14px; font-weight: 600; overflow-wrap: anywhere; }
.small p { margin: 0; font-size: 13px; line-height: 1.35; }
.small > div { display: grid; grid-template-rows: auto 1fr auto; break-inside: avoid; }
@media print {
  :root { --ink: #000; --soft: #333; --line: #bbb; --paper: #fff; --card: #fff; }
  main { padding: 0; max-width: none; } h2 { break-after: avoid; } figcaption { break-after: avoid; } svg, tr { break-inside: avoid; } .scroll { break-inside: avoid; } .scroll:has(> .small) { break-inside: auto; }
  table { font-size: 8.5pt; } th, td { white-space: normal; padding: 3px 6px; } td.long { min-width: 0; }
  .scroll { overflow: visible; } .scroll > svg, .scroll > figure > svg { min-width: 0; } body { font-size: 11pt; }
}
`;

export interface Section {
  readonly title: string;
  /** What is to be seen, in a sentence or two. */
  readonly caption: string;
  readonly chart?: Html;
  readonly table?: Html;
}

const figure = ({ title, caption, chart, table }: Section): Html =>
  html`<section><h2>${title}</h2><figure><figcaption>${caption}</figcaption>${chart === undefined ? undefined : html`<div class="scroll" tabindex="0" role="group" aria-label="${title}">${chart}</div>`}${table}</figure></section>`;

export interface Big {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
}

const big = ({ name, value, note }: Big): Html =>
  html`<div><dt>${name}</dt><dd>${value}${note === undefined ? undefined : html`<small>${note}</small>`}</dd></div>`;

/** What a reader should know first: what it is about, and what was found. */
export interface Remark {
  readonly about: string;
  readonly text: string;
}

const remarked = (remarks: readonly Remark[]): Html =>
  html`<section><h2>Warnings</h2><ul>${remarks.map(({ about, text }) => html`<li><strong>${about}</strong>: ${text}</li>`)}</ul></section>`;

export function page(
  title: string,
  about: string,
  numbers: readonly Big[],
  sections: readonly Section[],
  remarks: readonly Remark[] = [],
): string {
  const body = html`<main><h1>${title}</h1><p>${about}</p>${numbers.length === 0 ? undefined : html`<dl class="big">${numbers.map(big)}</dl>`}${remarks.length === 0 ? undefined : remarked(remarks)}${sections.map(figure)}</main>`;
  const head = html`<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>${title}</title><style>${trusted(style)}</style>`;
  return html`<!doctype html><html lang="en"><head>${head}</head><body>${body}</body></html>`.html.concat(
    '\n',
  );
}
