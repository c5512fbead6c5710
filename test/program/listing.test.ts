import { describe, expect, test } from 'vitest';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import { planTable, stepTable } from '../../src/program/listing.ts';
import type { Program } from '../../src/program/program.ts';
import { stepsOf, totalsOf } from '../../src/program/summary.ts';

const kernel: Kernel = {
  name: 'fc',
  doc: [],
  params: [
    { name: 'in', role: 'in', elem: 'u8', length: 4 },
    { name: 'out', role: 'out', elem: 'i32', length: 2 },
  ],
  tables: [
    { name: 'w', elem: 'i8', data: new Int8Array(8) },
    { name: 'b', elem: 'i32', data: new Int32Array(2) },
  ],
  body: [],
  macs: 1008,
};
const program: Program = {
  name: 'net',
  arith: 'int8',
  arenaBytes: 12,
  slots: [
    { name: 'x', address: 8, elem: 'u8', length: 4, shape: [1, 4], firstStep: -1, lastStep: 0 },
    { name: 'y', address: 0, elem: 'i32', length: 2, shape: [1, 2], firstStep: 0, lastStep: 1 },
  ],
  steps: [{ kernel, args: [0, 1], origin: ['/fc/Gemm'] }],
  inputs: [{ name: 'input', slot: 0 }],
  outputs: [{ name: 'output', slot: 1 }],
};

describe('a program as tables', () => {
  test('steps', () => {
    expect(stepsOf(program)).toEqual([
      { name: 'fc', origin: ['/fc/Gemm'], output: 'y', outputShape: [1, 2], macs: 1008, tableBytes: 16 },
    ]);
    expect(stepTable(program).split('\n').at(-1)).toBe('fc      /fc/Gemm  1x2     1,008    16 B');
  });

  test('totals', () => {
    expect(totalsOf(program)).toEqual({ macs: 1008, tableBytes: 16, arenaBytes: 12 });
  });

  test('the plan, in order of writing', () => {
    expect(planTable(program).split('\n').slice(2)).toEqual([
      '8..11  x      u8[4]   input       fc',
      ' 0..7  y      i32[2]  fc          the caller',
    ]);
  });
});
