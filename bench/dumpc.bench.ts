import { writeFileSync } from 'node:fs';
import { test } from 'vitest';
import { emitC } from '../src/emit/emit.ts';
import type { WeightFormat } from '../src/ir/formats/format.ts';
import { lenet, macPriced, programFrom, prunedGraph, stored } from './pruned.ts';

const csr = (unroll: 1 | 2 | 4 = 1, segmented = false): WeightFormat => ({
  kind: 'csr',
  bits: 8,
  unroll,
  segmented,
});
test('try', () => {
  const graph = prunedGraph(lenet, { percents: macPriced, mode: 'compact' });
  const p = programFrom(stored(graph, [csr(4), csr(4), csr(4), csr(4)]));
  for (const [n, t] of emitC(p, { command: '', version: '', hash: '', golden: [] }))
    writeFileSync(`/tmp/s/${n}`, t);
});
