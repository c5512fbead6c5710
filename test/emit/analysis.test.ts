/** What static analysis finds in the golden C is what docs/misra.md says, and nothing else. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { samples } from '../support/sample-programs.ts';
import { testWith } from '../support/toolchain.ts';

const root = path.join(import.meta.dirname, '../..');
const page = readFileSync(path.join(root, 'docs/misra.md'), 'utf8');
const names = samples.map(({ program }) => program.name);
let folder = '';
const folderOf = (name: string) => path.join(folder, name);

// cppcheck writes files beside those that it reads.
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'thimble-test-'));
  cpSync(path.join(root, 'test/golden'), folder, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Rules in the first column of the page's table. */
const accepted = new Set(
  [...page.matchAll(/^\| ([\d., ]+) \|/gm)].flatMap(([, rules = '']) => rules.split(', ')),
);

function cppcheck(name: string): readonly string[] {
  const gcc = ['-D__GNUC__=12', '-D__STDC_VERSION__=199901L'];
  const options = [...gcc, '--addon=misra', '--std=c99', '--enable=all', '--suppress=missingIncludeSystem'];
  const ran = spawnSync('cppcheck', [...options, '--template={id} {file}:{line}', '-I', '.', `${name}.c`], {
    cwd: folderOf(name),
    encoding: 'utf8',
  });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return ran.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('^'));
}

testWith(['cppcheck'])('cppcheck with its MISRA addon', () => {
  const found = names.flatMap(cppcheck);
  const rules = new Set(found.flatMap((line) => /^misra-c2012-([\d.]+)/.exec(line)?.[1] ?? []));
  const rest = found.filter((line) => !line.startsWith('misra-') && !line.startsWith('unusedFunction'));
  expect(rest).toEqual([]);
  expect([...rules].sort()).toEqual([...accepted].sort());
});

testWith(['clang-tidy'])('clang-tidy', () => {
  const refused = [...page.matchAll(/^- `(bugprone-[\w-]+)`/gm)].map(([, check]) => `-${check}`);
  const checks = ['-*', 'clang-analyzer-*', 'bugprone-*', ...refused].join(',');
  for (const name of names) {
    const args = ['--quiet', `--checks=${checks}`, `${name}.c`, '--', '-std=c99'];
    const ran = spawnSync('clang-tidy', args, { cwd: folderOf(name), encoding: 'utf8' });
    expect(ran.stdout, name).toBe('');
    expect(ran.status).toBe(0);
  }
});
