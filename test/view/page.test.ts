import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DefectError } from '../../src/base/errors.ts';
import { cFunctions } from '../../src/view/c-functions.ts';
import { viewDataFrom, viewText } from '../../src/view/data.ts';
import { viewPage } from '../../src/view/page.ts';
import { root } from '../support/shared.ts';
import { demoData } from '../support/view.ts';

const data = demoData();
const assets = { script: 'run(1 < 2);', style: 'p > a { color: red }' };

test('the data comes back as it was, tables and all', () => {
  const back = viewDataFrom(viewText(data));
  expect(viewText(back)).toBe(viewText(data));
  const numbers = ({ program }: typeof data) =>
    program.steps.flatMap(({ kernel }) => kernel.tables.map((table) => Array.from(table.data)));
  expect(numbers(back)).toEqual(numbers(data));
  expect(back.examples).toEqual(data.examples);
});

test('no text of the data ends its element or begins another', () => {
  const evil = '</script><script>alert(1)</script><!-- & " >';
  const page = viewPage({ ...data, version: evil, classes: [evil] }, assets);
  const inside = /<script type="application\/json" id="data">([^<]*)<\/script>/.exec(page)?.[1];
  expect(viewDataFrom(inside ?? '{}')).toMatchObject({ version: evil, classes: [evil] });
  expect(page.match(/<script/g)?.length).toBe(2);
  expect(page).not.toContain('alert(1)</script>');
});

test('the policy names the hash of the script and of the style, and no source but them', () => {
  const page = viewPage(data, assets);
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '';
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  expect(policy.split('; ')).toEqual([
    "default-src 'none'",
    `script-src ${hash(assets.script)} 'unsafe-eval'`,
    `style-src ${hash(assets.style)}`,
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ]);
  expect(page).not.toMatch(/https?:\/\//);
  expect(page).toBe(viewPage(data, assets));
});

test('a script or style that HTML would cut short is a defect', () => {
  expect(() => viewPage(data, { ...assets, script: '"</SCRIPT>"' })).toThrow(DefectError);
  expect(() => viewPage(data, { ...assets, script: '<!--' })).toThrow(DefectError);
  expect(() => viewPage(data, { ...assets, style: '/* </style> */' })).toThrow(DefectError);
});

test('the C of each kernel is found in the source, with its comment', () => {
  expect(Object.keys(data.sources)).toEqual(
    expect.arrayContaining(data.program.steps.map((s) => s.kernel.name)),
  );
  const golden = readFileSync(join(root, 'test/golden/sample_int8/sample_int8.c'), 'utf8');
  for (const [name, text] of cFunctions(golden, 'sample_int8')) {
    expect(golden).toContain(text);
    expect(text).toMatch(new RegExp(`\\bsample_int8_${name}\\(.*\\)\\n\\{[^]*\\n\\}$`));
  }
  const conv = data.sources.conv1 ?? '';
  expect(conv.startsWith('/* 5x5 convolution 1 -> 6')).toBe(true);
  expect(conv.split('{').length).toBe(conv.split('}').length);
});

/** Relative luminance of a colour in hexadecimal, WCAG 2. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

test('text has a contrast of 4.5 to 1 on all that it stands on, in both themes', () => {
  const style = readFileSync(join(root, 'src/view/app/app.css'), 'utf8');
  const themes = [...style.matchAll(/^:root[^{]*\{([^}]*)\}/gm)].map(([, body = '']) =>
    Object.fromEntries(
      [...body.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, hex]) => [name, hex]),
    ),
  );
  expect(themes.length).toBeGreaterThanOrEqual(2);
  const pairs = [
    ...['text', 'soft'].flatMap((text) => ['page', 'card', 'control', 'accent-soft'].map((on) => [text, on])),
    ...['card', 'page'].map((on) => ['accent', on]),
    ...['read', 'write', 'reused', 'kept'].map((use) => ['white', `use-${use}`]),
  ];
  for (const theme of themes.slice(0, 2))
    for (const [text = '', on = ''] of pairs) {
      const [a, b] = [text, on].map((name) => luminance(name === 'white' ? '#ffffff' : theme[name]!));
      const contrast = (Math.max(a!, b!) + 0.05) / (Math.min(a!, b!) + 0.05);
      expect({ text, on, enough: contrast >= 4.5 }).toEqual({ text, on, enough: true });
    }
});
