/** The page: one HTML file that holds the app, its style and the data, and needs nothing else. */
import { sha256 } from '@noble/hashes/sha2.js';
import { DefectError } from '../base/errors.ts';
import { base64Of } from '../program/json.ts';
import { type ViewData, viewText } from './data.ts';

/** What `npm run build` makes of src/view/app: a classic script and its style sheet. */
export interface ViewAssets {
  readonly script: string;
  readonly style: string;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (c) => entities[c] ?? c);

/** Content Security Policy's name of an inline element's exact text. */
const hashOf = (text: string): string => `'sha256-${base64Of(sha256(new TextEncoder().encode(text)))}'`;

/** Nothing is loaded and nothing sent. The simulator makes functions of kernels, hence 'unsafe-eval'. */
const policyFor = ({ script, style }: ViewAssets): string =>
  [
    "default-src 'none'",
    `script-src ${hashOf(script)} 'unsafe-eval'`,
    `style-src ${hashOf(style)}`,
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');

/** Text that stands verbatim between tags. @throws DefectError where it would end its element, or begin a comment. */
function verbatim(text: string, element: 'script' | 'style'): string {
  if (text.toLowerCase().includes(`</${element}`) || text.includes('<!--') || text.includes('\r'))
    throw new DefectError(`the page's ${element} cannot stand in HTML`);
  return text;
}

/** A whole HTML document, deterministic. */
export function viewPage(data: ViewData, assets: ViewAssets): string {
  const { program } = data;
  const title = `${program.name}: the ${program.arith} program, byte for byte`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyFor(assets)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="thimble ${escaped(data.version)}">
<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${verbatim(assets.style, 'style')}</style>
</head>
<body>
<noscript>This page simulates a network in JavaScript, which is switched off.</noscript>
<div id="app"></div>
<script type="application/json" id="data">${viewText(data)}</script>
<script>${verbatim(assets.script, 'script')}</script>
</body>
</html>
`;
}
