import { test } from 'vitest';
import { formatName, type WeightFormat } from '../src/ir/formats/format.ts';
import { lenet, macPriced, measured, programFrom, prunedGraph, stored } from './pruned.ts';

const csr = (unroll: 1 | 2 | 4 = 1, segmented = false): WeightFormat => ({
  kind: 'csr',
  bits: 8,
  unroll,
  segmented,
});
test('try', async () => {
  for (const mode of ['single', 'compact'] as const) {
    const graph = prunedGraph(lenet, { percents: macPriced, mode });
    console.log(
      graph.nodes
        .map((n) => {
          const q = n.quantized as any;
          return q?.requant
            ? [q.requant.mode, Math.min(...q.requant.multiplier), Math.max(...q.bias)].join(' ')
            : '';
        })
        .join('; '),
    );
    const sets: (WeightFormat | undefined)[][] = [[], [csr(4), csr(4), csr(4), csr(4), undefined]];
    for (const target of ['cortex-m4', 'cortex-m0', 'rv32imc'] as const)
      for (const f of sets) {
        const m = await measured(programFrom(stored(graph, f)), target);
        console.log(
          mode,
          target,
          f.map((x) => (x ? formatName(x) : '-')).join(' '),
          m.total,
          m.perStep.join(' '),
          m.constants,
          m.code,
        );
      }
  }
}, 600000);
