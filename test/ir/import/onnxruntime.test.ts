/** Random graphs mean what onnxruntime computes of them: `npm run differential` tries as many as asked for. */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { compared } from '../../support/onnxruntime.ts';
import { testWithOnnxruntime } from '../../support/ort.ts';
import { root } from '../../support/shared.ts';

testWithOnnxruntime('sixty random graphs', async () => {
  const runs = [];
  for (let seed = 0; seed < 60; seed++) runs.push(await compared(seed));
  expect(runs.filter(({ result }) => result.kind !== 'agrees')).toEqual([]);
  expect(new Set(runs.flatMap(({ ops }) => ops)).size).toBeGreaterThan(60);
});

testWithOnnxruntime('the script finds onnxruntime from where it is compiled to', async () => {
  const run = spawnSync('bash', ['scripts/run.sh', 'differential', '--graphs', '3', '--seed', '5'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(run.stdout).toContain('3 graphs from seed 5 on');
  expect(run.status).toBe(0);
});
