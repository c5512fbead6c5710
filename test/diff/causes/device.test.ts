/** What a device's own account shows, and beside it what only looks like it. */
import { describe, expect, test } from 'vitest';
import { crc32 } from '../../../src/base/crc32.ts';
import { withPacking } from '../../../src/cost/packing.ts';
import type { TracedRun } from '../../../src/diff/causes/cause.ts';
import { overwritten } from '../../../src/diff/causes/overwritten.ts';
import { weightsDiffer } from '../../../src/diff/causes/weights.ts';
import { tableBytes } from '../../../src/ir/kernel/table-bytes.ts';
import { plainProgram } from '../../../src/lower/variants.ts';
import type { Program } from '../../../src/program/program.ts';
import { tracedTables } from '../../../src/program/traced.ts';
import type { TraceInput, TraceRun } from '../../../src/trace/trace.ts';
import * as ir from '../../support/ir.ts';
import { layerOf, plainImage, programOf } from '../../support/stored-layers.ts';

const tables = [ir.table('first_weights', 'i8', [1, 2]), ir.table('second_weights', 'i8', [3, 4])];

const step = (name: string, table = tables[0]!) =>
  ir.kernel(
    name,
    [ir.param('in', 'in', 'u8', 8), ir.param('out', 'out', 'u8', 8)],
    [ir.store('out', 'u8', 0, ir.load(table.name, 'i8', 0))],
    [table],
  );

/** first writes h, second writes `other`, third reads h. */
const program = (other: number) =>
  ir.program(
    [
      { name: 'x', address: 0, elem: 'u8', length: 8 },
      { name: 'h', address: 24, elem: 'u8', length: 8, firstStep: 0, lastStep: 2 },
      { name: 'other', address: other, elem: 'u8', length: 8, firstStep: 1, lastStep: 1 },
      { name: 'y', address: 56, elem: 'u8', length: 8, firstStep: 2 },
    ],
    [
      [step('first'), [0, 1]],
      [step('second', tables[1]), [0, 2]],
      [step('third'), [1, 3]],
    ],
  );

const told = (run: Partial<TraceRun>, other = 40): TracedRun => {
  const whole: TraceRun = { tag: '', index: 0, tables: [], layers: [], complete: true, offset: 0, ...run };
  return { program: program(other), build: '', trace: { runs: [whole], problems: [] }, run: whole };
};

describe('overwritten', () => {
  const written = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const found = written.map((x, i) => (i === 0 || i === 7 ? x + 1 : x));
  const layers = (input: Partial<TraceInput>): TraceRun['layers'] => [
    { step: 0, inputs: [], outputs: [{ slot: 1, bytes: written, missing: [] }] },
    { step: 2, inputs: [{ slot: 1, bytes: found, missing: [], ...input }], outputs: [] },
  ];
  const changed = { layers: layers({ changed: true }) };

  test('another tensor than was written: which bytes, and between which steps', () =>
    expect(overwritten(told(changed))).toMatchObject({
      cause: 'buffer overwritten',
      text: expect.stringContaining(
        'arena bytes 24 to 31 of h changed between first, which wrote it, and third',
      ),
    }));
  test('not where the checksums agree, nor where one of them was lost', () => {
    expect(overwritten(told({ layers: layers({ changed: false }) }))).toBeUndefined();
    expect(overwritten(told({ layers: layers({}) }))).toBeUndefined();
  });

  const who = (other: number) => overwritten(told(changed, other))?.text;
  test('a kernel is suspected whose buffer begins or ends less than 16 bytes away', () => {
    expect(who(47)).toContain('probably by second, whose other begins right after, at byte 47');
    expect(who(1)).toContain('probably by second, whose other ends right before, at byte 8');
  });
  test('not one that is 16 bytes away', () => {
    for (const other of [48, 0]) expect(who(other)).toContain('no kernel ran that writes near it');
  });

  // The arena of 64 bytes lies at 1000.
  const stack = (at: number) => overwritten(told({ ...changed, arena: 1000, stack: at }))?.cause;
  test('the stack is named where it reaches the arena', () =>
    expect([1000, 1064, 1064 + 512].map(stack)).toEqual(new Array(3).fill('stack ran into the arena')));
  test('not where it stands below the arena, or has room', () =>
    expect([999, 1064 + 513].map(stack)).toEqual(new Array(2).fill('buffer overwritten')));
  test('not where nothing changed', () =>
    expect(
      overwritten(told({ layers: layers({ changed: false }), arena: 1000, stack: 1064 })),
    ).toBeUndefined());
});

describe('weights', () => {
  const [first, second] = tables.map((table, index) => ({
    ...{ index, address: 0x100 * (index + 1), length: 2 },
    crc: crc32(tableBytes(table)),
  }));

  test('the table whose checksum differs is named, and not the one beside it', () => {
    const text = weightsDiffer(told({ tables: [first!, { ...second!, crc: second!.crc ^ 1 }] }))?.text;
    expect(text).toContain('second_weights at 0x00000200 to 0x00000201');
    expect(text).not.toContain('first_weights');
  });
  test('not where all checksums agree, wherever the tables lie', () =>
    expect(weightsDiffer(told({ tables: [{ ...first!, address: 7 }, second!] }))).toBeUndefined());
  test('of weights two at a time: the tables of the C, or those of the program that is stored', () => {
    const layer = layerOf({ seed: 1, density: 1, bits: 8, inputs: 1, outputs: 8, image: plainImage });
    const stored = withPacking(programOf(layer, layer.kernel({}), 'net'), 'speed', 'cortex-m3');
    expect(stored.steps[0]!.kernel.weights!.packing).toBeDefined();
    const linesOf = (of: Program, flip: number) =>
      tracedTables(of).map((t, index) => ({
        ...{ index, address: 0x100 * index, length: 1 },
        crc: (crc32(tableBytes(t)) ^ (index === flip ? 1 : 0)) >>> 0,
      }));
    const found = (of: Program, flip = -1) =>
      weightsDiffer({ ...told({ tables: linesOf(of, flip) }), program: stored })?.text;
    expect([found(stored), found(plainProgram(stored))]).toEqual([undefined, undefined]);
    expect([found(stored, 0), found(plainProgram(stored), 0)]).toEqual([
      expect.stringContaining('0x00000000'),
      expect.stringContaining('0x00000000'),
    ]);
  });
  test('not where the line of a table was lost, or is of none that the program has', () => {
    expect(weightsDiffer(told({ tables: [second!] }))).toBeUndefined();
    expect(weightsDiffer(told({ tables: [{ ...second!, index: 2, crc: 0 }] }))).toBeUndefined();
  });
});
