/** The rules of layers.cjs and scripts/names.js: each of them can fail, and what is allowed does not. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { doubled } from '../scripts/names.js';
import { root } from './support/shared.ts';

interface Rule {
  readonly name: string;
  readonly to: { readonly path?: string | readonly string[] };
}

const { forbidden } = createRequire(import.meta.url)(path.join(root, 'layers.cjs')) as {
  readonly forbidden: readonly Rule[];
};

/** What a file imports, by file. */
type Tree = Map<string, string[]>;

const doors = ['index', 'node', 'browser', 'compress.ts', 'compile', 'tensor'];

/** A file of a room. */
const fileOf = (wing: string, room: string): string =>
  doors.includes(room) ? `${wing}/${room.replace('.ts', '')}.ts` : `${wing}/${room}/some.ts`;

const isBanned = ({ to }: Rule, file: string): boolean =>
  [to.path ?? []].flat().some((pattern) => new RegExp(pattern).test(file));

/** Each room imports one room that it may not, and by another file all that it may. */
function rooms(): { readonly bad: Tree; readonly good: Tree } {
  const [bad, good]: [Tree, Tree] = [new Map(), new Map()];
  const rules = forbidden.flatMap((rule) => {
    const [, wing, room] = /^(src(?:\/ir|\/compress)?)\/(.+) imports downwards$/.exec(rule.name) ?? [];
    return wing === undefined || room === undefined ? [] : [{ rule, wing, room }];
  });
  // The rooms at the top have nothing above them, and so no rule.
  const all = [...rules, { wing: 'src', room: 'cli' }, { wing: 'src/ir', room: 'import' }];
  for (const { rule, wing, room } of rules) {
    const others = all.filter((other) => other.wing === wing && other.room !== room);
    const files = others.map((other) => fileOf(wing, other.room));
    const [banned] = files.filter((file) => isBanned(rule, file));
    const own = fileOf(wing, room);
    bad.set(own, [...(bad.get(own) ?? []), ...(banned === undefined ? [] : [banned])]);
    if (wing === 'src' && !doors.includes(room))
      good.set(
        `src/${room === 'ir' ? 'ir/kernel' : room}/good.ts`,
        files.filter((file) => !isBanned(rule, file) && /^src\/(wasm|text|base)\//.test(file)),
      );
  }
  return { bad, good };
}

/** One fault for every other rule. */
const faults: ReadonlyMap<string, readonly string[]> = new Map([
  ['src/attic/some.ts', ['src/ir/attic/some.ts']],
  ['src/ir/attic/some.ts', ['src/attic/some.ts']],
  ['src/data/reader.ts', ['node:fs']],
  ['src/search/starter.ts', ['src/targets/some.ts']],
  ['src/sim/knowing.ts', ['src/ir/graph/some.ts']],
  ['src/passes/asking.ts', ['src/ir/ops/conv.ts']],
  ['src/artifact/onnx.ts', ['onnx-proto']],
  ['src/program/rows.ts', ['src/ir/formats/some.ts']],
  ['src/text/one.ts', ['src/text/other.ts']],
  ['src/text/other.ts', ['src/text/one.ts']],
  // Allowed.
  ['src/passes/canonicalize.ts', ['src/ir/ops/conv.ts']],
  ['src/data/node-files.ts', ['node:fs']],
  ['src/ir/import/onnx.ts', ['onnx-proto']],
]);

/** A folder with such files, and the faults that are found in it. */
function violationsIn(
  trees: readonly ReadonlyMap<string, readonly string[]>[],
): readonly (readonly string[])[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-layers-'));
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  };
  const line = (from: string, to: string): string =>
    to.startsWith('src/')
      ? `import type {} from '${path.relative(path.dirname(from), to).replace(/^(?!\.)/, './')}';\n`
      : `import type {} from '${to}';\n`;
  try {
    const all = trees.flatMap((tree) => [...tree]);
    for (const to of all.flatMap(([, imported]) => imported))
      if (to.startsWith('src/')) write(to, 'export {};\n');
    for (const [from, imported] of all)
      write(from, `${imported.map((to) => line(from, to)).join('')}export {};\n`);
    for (const file of ['layers.cjs', 'tsconfig.json', 'package.json'])
      cpSync(path.join(root, file), path.join(folder, file));
    const bin = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const options = ['src', '--config', 'layers.cjs', '--output-type', 'json', '--no-progress'];
    const text = execFileSync(process.execPath, [bin, ...options], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    const { summary } = JSON.parse(text) as {
      summary: { violations: readonly { from: string; rule: { name: string } }[] };
    };
    return summary.violations.map(({ from, rule }) => [rule.name, from]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('every rule of the layers is broken once, and found; what is allowed is not', () => {
  const { bad, good } = rooms();
  const found = violationsIn([bad, good, faults]);
  const broken = new Set(found.map(([name]) => name));
  const unbroken = forbidden.map(({ name }) => name).filter((name) => !broken.has(name));
  expect(unbroken).toEqual([]);
  for (const file of [
    ...good.keys(),
    'src/passes/canonicalize.ts',
    'src/data/node-files.ts',
    'src/ir/import/onnx.ts',
  ])
    expect(found.filter(([, from]) => from === file)).toEqual([]);
});

test('a name that stands for two things is found', () => {
  expect(doubled(['plan/orders.ts', 'plan/overlap.ts', 'sim/js/expr.ts', 'emit/c/expr.ts'])).toEqual([]);
  expect(doubled(['data/shapes.ts', 'plan/shapes.ts'])).toHaveLength(1);
});
