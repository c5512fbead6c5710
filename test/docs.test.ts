/** Every relative link of README, CONTRIBUTING and docs leads to a file, and every anchor to a heading. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '..');
const docs = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'));
const pages = ['README.md', 'CONTRIBUTING.md', ...docs.map((name) => `docs/${name}`)];

/** A page without its code, in which brackets are no links and `#` begins no heading. */
const proseOf = (page: string) =>
  readFileSync(path.join(root, page), 'utf8').replace(/^( *)```.*?^\1```$/gms, '');

/** The anchor that GitHub gives to a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');

const anchorsOf = (page: string) =>
  [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));

/** Whether `target`, as `page` links to it, exists. */
function leads(page: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const to = file === '' ? page : path.join(path.dirname(page), file);
  return existsSync(path.join(root, to)) && (anchor === undefined || anchorsOf(to).includes(anchor));
}

test.each(pages)('the links of %s', (page) => {
  const links = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  const relative = links.filter((target) => !/^[a-z]+:/.test(target));
  expect(relative.filter((target) => !leads(page, target))).toEqual([]);
});
