import { test } from 'vitest';
import { formatName, type WeightFormat } from '../src/ir/formats/format.ts';
import { macPriced, measured, prunedGraph, programFrom, stored, lenet } from './pruned.ts';

const csr = (unroll: 1 | 2 | 4 = 1, segmented = false): WeightFormat => ({ kind: 'csr', bits: 8, unroll, segmented });
test('try', async () => {
  const graph = prunedGraph(lenet, { percents: macPriced });
  const sets: (WeightFormat | undefined)[][] = [
    [],
    [csr(), csr(), csr(), csr(), undefined],
    [csr(2), csr(2), csr(2), csr(2), undefined],
    [csr(4), csr(4), csr(4), csr(4), undefined],
    [csr(1, true), csr(1, true), csr(), csr(), undefined],
  ];
  for (const target of ['cortex-m4', 'cortex-m0', 'rv32imc'] as const)
  for (const f of sets) {
    const m = await measured(programFrom(stored(graph, f)), target);
    console.log(target, f.map((x) => x ? formatName(x) : '-').join(' '), m.total, m.perStep.join(' '), m.constants, m.code);
  }
}, 600000);
