import { test } from 'vitest';
import type { WeightFormat } from '../src/ir/formats/format.ts';
import { lanesOf, lenet, macPriced, measured, programFrom, prunedGraph, stored } from './pruned.ts';

const csr = (unroll: 1 | 2 | 4 = 1, segmented = false): WeightFormat => ({
  kind: 'csr',
  bits: 8,
  unroll,
  segmented,
});
test('try', async () => {
  const graph = prunedGraph(lenet, { percents: macPriced, mode: 'compact' });
  for (const target of ['cortex-m0', 'cortex-m4', 'rv32imc'] as const)
    for (const u of [0, 1, 4] as const)
      for (const lanes of [4, 8] as const) {
        const s = u === 0 ? graph : stored(graph, [csr(u), csr(u), csr(u), csr(u), undefined]);
        const m = await measured(programFrom(lanesOf(s, lanes)), target);
        console.log(lanes, u, target, m.total, m.perStep.join(' '), m.constants, m.code);
      }
}, 600000);
