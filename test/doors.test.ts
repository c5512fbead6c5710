/** What `import ... from 'thimble'` and from its other doors gives, in Node and elsewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as browser from '../src/browser.ts';
import * as compress from '../src/compress.ts';
import * as node from '../src/node.ts';
import { root } from './support/shared.ts';

const doors: Readonly<Record<string, object>> = {
  thimble: node,
  'thimble/node': node,
  'thimble/browser': browser,
  'thimble/compress': compress,
};

interface Import {
  readonly file: string;
  readonly door: string;
  readonly name: string;
}

const text = (file: string): string => readFileSync(join(root, file), 'utf8');

const filesIn = (folder: string): readonly string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file)))
    : [];

/** Values that a text imports from a door; `a as b` is `a`. */
function importsIn(file: string): readonly Import[] {
  const statements = text(file).matchAll(/import (type )?\{([^}]*)\} from ['"](thimble(?:\/[\w-]+)?)['"]/g);
  return [...statements]
    .filter(([, type]) => type === undefined)
    .flatMap(([, , names = '', door = '']) =>
      names
        .split(',')
        .map((name) => name.trim().replace(/ as .*/, ''))
        .filter((name) => name !== '' && !name.startsWith('type '))
        .map((name) => ({ file, door, name })),
    );
}

test('every name that README, docs and examples import is there', () => {
  const files = ['README.md', ...filesIn('docs'), ...filesIn('examples')];
  const imports = files.filter((file) => /\.(md|ts|js|mjs)$/.test(file)).flatMap(importsIn);
  expect(imports.length).toBeGreaterThan(15);
  expect(imports.filter(({ door, name }) => !(name in (doors[door] ?? {})))).toEqual([]);
});

test('Node has all that a browser has, and a browser all of compress', () => {
  expect(Object.keys(node)).toEqual(expect.arrayContaining(Object.keys(browser)));
  expect(Object.keys(browser)).toEqual(expect.arrayContaining(Object.keys(compress)));
});

/** Targets of package.json's `exports`, whatever the condition. */
const targets = (entry: string | object): readonly string[] =>
  typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(targets);

test('package.json names doors that are built, with types beside', () => {
  const { exports } = JSON.parse(text('package.json')) as { exports: Record<string, object> };
  const { './package.json': own, ...built } = exports;
  expect(own).toBe('./package.json');
  expect(Object.keys(built).map((door) => door.replace('.', 'thimble'))).toEqual(Object.keys(doors));
  const files = Object.values(built).flatMap(targets);
  expect(files).toHaveLength(10);
  for (const file of files) {
    const source = file.replace('./dist/', 'src/').replace(/\.(d\.ts|js)$/, '.ts');
    expect(existsSync(join(root, source)), source).toBe(true);
  }
});
