/** Random graphs mean what onnxruntime computes of them: `npm run differential` tries as many as asked for. */
import { expect } from 'vitest';
import { compared } from '../../support/onnxruntime.ts';
import { testWithOnnxruntime } from '../../support/ort.ts';

testWithOnnxruntime('sixty random graphs', async () => {
  const runs = [];
  for (let seed = 0; seed < 60; seed++) runs.push(await compared(seed));
  expect(runs.filter(({ result }) => result.kind !== 'agrees')).toEqual([]);
  expect(new Set(runs.flatMap(({ ops }) => ops)).size).toBeGreaterThan(60);
});
