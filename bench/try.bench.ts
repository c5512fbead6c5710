import { test } from 'vitest';
import { formatName, type WeightFormat } from '../src/ir/formats/format.ts';
import { macPriced, measured, prunedGraph, programFrom, stored, lenet } from './pruned.ts';

const csr = (unroll: 1 | 2 | 4 = 1, segmented = false): WeightFormat => ({ kind: 'csr', bits: 8, unroll, segmented });
test('try', async () => {
  const graph = prunedGraph(lenet, { percents: macPriced, mode: 'compact' });
  for (const target of ['cortex-m4', 'cortex-m0', 'rv32imc'] as const)
  for (const u of [1, 2, 4] as const)
  for (const lanes of [4, 8] as const) {
    const s = stored(graph, [csr(u), csr(u), csr(4), csr(4), undefined]);
    const g = { ...s, nodes: s.nodes.map((n) => ({ ...n, quantized: { ...(n.quantized as object), lanes } })) };
    const m = await measured(programFrom(g), target);
    console.log(lanes, u, target, m.total, m.perStep.join(' '), m.constants, m.code);
  }
}, 600000);
