import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bench } from '../../support/cli.ts';
import { sampleFiles } from '../../support/sample-files.ts';

const files = sampleFiles(1);
afterAll(files.remove);

test('thimble demo: pictures, answers, kernels, memory, and where the C is', async () => {
  const folder = path.join(files.folder, 'demo');
  const { run, seen } = bench({
    rowFor: (target) => ({ target, status: 'skipped', note: 'no gcc', bytesCompared: 0, mismatches: 0 }),
  });
  const result = await run('demo', '-o', folder);
  expect(result).toMatchObject({ code: 0, err: '' });
  expect(result.out.match(/float says \d, int8 says \d/g)).toHaveLength(6);
  expect(result.out).toMatch(/Of 100 drawn digits float gets \d+ right/);
  expect(result.out).toContain('host-gcc, cortex-m0, cortex-m4, rv32imc: skipped: no gcc');
  expect(result.out).toContain('The C is in ');
  expect(readdirSync(folder)).toContain('lenet5.c');
  expect(seen.verified[0]?.inputs).toHaveLength(4);
  for (const line of result.out.split('\n'))
    if (!line.includes(folder)) expect(line.length).toBeLessThanOrEqual(80);
});

test('as JSON; a chip that differs is exit code 1, one that is missing is not', async () => {
  const status = (target: string) => (target === 'cortex-m4' ? 'differs' : 'skipped');
  const { run } = bench({
    rowFor: (target) => ({ target, status: status(target), bytesCompared: 0, mismatches: 0 }),
  });
  const result = await run('demo', '--json', '-o', path.join(files.folder, 'json'));
  expect(result.code).toBe(1);
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
