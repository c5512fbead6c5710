import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bench } from '../support/cli.ts';
import { sampleFiles } from '../support/sample-files.ts';

const files = sampleFiles(1);
afterAll(files.remove);

test('thimble demo: pictures, answers, kernels, memory, and where the C is', async () => {
  const folder = path.join(files.folder, 'demo');
  const { run, seen } = bench();
  const result = await run('demo', '-o', folder);
  expect(result).toMatchObject({ code: 0, err: '' });
  expect(result.out.match(/float says \d, int8 says \d/g)).toHaveLength(6);
  expect(result.out).toMatch(/Of 100 drawn digits float gets \d+ right/);
  expect(result.out).toContain('The C lies in ');
  expect(readdirSync(folder)).toContain('lenet5.c');
  expect(seen.verified[0]?.inputs).toHaveLength(4);
  for (const line of result.out.split('\n'))
    if (!line.includes(folder)) expect(line.length).toBeLessThanOrEqual(80);
});

test('as JSON, with everything skipped', async () => {
  const { run } = bench({
    rowFor: (target) => ({ target, status: 'skipped', note: 'no gcc', bytesCompared: 0, mismatches: 0 }),
  });
  const result = await run('demo', '--json', '-o', path.join(files.folder, 'json'));
  expect(result.code).toBe(0);
  const json = JSON.parse(result.out) as { int8Correct: number };
  expect(Object.keys(json)).toEqual([
    'command',
    'digits',
    'floatCorrect',
    'int8Correct',
    'same',
    'macs',
    'tableBytes',
    'arenaBytes',
    'folder',
    'files',
    'rows',
  ]);
  expect(json.int8Correct).toBeGreaterThanOrEqual(97);
});

test('a difference on a chip: exit code 1', async () => {
  const { run } = bench({
    rowFor: (target) => ({ target, status: 'differs', bytesCompared: 10, mismatches: 1 }),
  });
  expect((await run('demo', '--json', '-o', path.join(files.folder, 'differs'))).code).toBe(1);
});
