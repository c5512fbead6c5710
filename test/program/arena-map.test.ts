import { describe, expect, test } from 'vitest';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import { arenaMap } from '../../src/program/arena-map.ts';
import type { Program, Slot } from '../../src/program/program.ts';

const kernel = (name: string, ...roles: readonly ('in' | 'out' | 'scratch')[]): Kernel => ({
  name,
  doc: [],
  params: roles.map((role, i) => ({ name: `p${i}`, role, elem: 'u8', length: 1 })),
  tables: [],
  body: [],
  macs: 0,
});
const slot = (name: string, address: number, length: number, firstStep: number, lastStep: number): Slot => ({
  name,
  address,
  elem: 'u8',
  length,
  shape: [length],
  firstStep,
  lastStep,
});

/** Bytes 0..15: a residual block whose input stays while its first layer works, and is then overwritten. */
const program: Program = {
  name: 'net',
  arith: 'int8',
  arenaBytes: 16,
  slots: [
    slot('x', 0, 4, -1, 2),
    slot('a', 8, 4, 0, 1),
    slot('scratch', 14, 2, 0, 0),
    slot('b', 6, 4, 1, 2),
    slot('y', 0, 4, 2, 3),
  ],
  steps: [
    { kernel: kernel('conv1', 'in', 'out', 'scratch'), args: [0, 1, 2], origin: [] },
    { kernel: kernel('conv2', 'in', 'out'), args: [1, 3], origin: [] },
    { kernel: kernel('a_long_name_of_an_addition', 'in', 'in', 'out'), args: [0, 3, 4], origin: [] },
  ],
  inputs: [{ name: 'input', slot: 0 }],
  outputs: [{ name: 'output', slot: 4 }],
};

describe('the arena, drawn', () => {
  test('a character for each byte where there is room', () => {
    expect(arenaMap(program).split('\n')).toEqual([
      'the arena, 1 B a character: ▒ read  █ written  ▓ both  ░ kept  · free',
      `${' '.repeat(22)}0             15`,
      `conv1${' '.repeat(17)}▒▒▒▒····████··██`,
      `conv2${' '.repeat(17)}░░░░··██▓▓▒▒····`,
      'a_long_name_of_an_a…  ▓▓▓▓··▒▒▒▒······',
    ]);
  });

  test('a character shows the most telling of its bytes, and lines fit the width', () => {
    const lines = arenaMap(program, 30).split('\n');
    expect(lines.slice(2).map((line) => line.slice(22))).toEqual(['▒▒··██·█', '░░·█▓▒··', '▓▓·▒▒···']);
    for (const line of lines.slice(1)) expect(line.length).toBeLessThanOrEqual(30);
  });

  test('bytes that are read and written next to each other are not both', () => {
    const next = { ...program, slots: [slot('x', 0, 1, -1, 0), slot('y', 1, 15, 0, 1)], output: 1 };
    const steps = [{ kernel: kernel('k', 'in', 'out'), args: [0, 1], origin: [] }];
    expect(
      arenaMap({ ...next, steps }, 11)
        .split('\n')
        .at(-1)
        ?.slice(3),
    ).toBe('████████');
  });
});
