import { crc32 } from '../../base/crc32.ts';
import type { Table } from '../../ir/kernel/kernel.ts';
import { tableBytes } from '../../ir/kernel/table-bytes.ts';
import { plainProgram } from '../../lower/variants.ts';
import { tracedTables } from '../../program/traced.ts';
import type { Diagnosis, TracedRun } from './cause.ts';

const hex = (n: number): string => `0x${n.toString(16).padStart(8, '0')}`;

function wrongIn(run: TracedRun['run'], tables: readonly Table[]): readonly string[] {
  return run.tables.flatMap(({ index, address, length, crc }) => {
    const table = tables[index];
    if (table === undefined || crc32(tableBytes(table)) === crc) return [];
    return [`${table.name} at ${hex(address)} to ${hex(address + length - 1)}`];
  });
}

/** A table in the device's memory has another checksum than the artifact's. */
export function weightsDiffer({ program, run }: TracedRun): Diagnosis | undefined {
  const wrong = wrongIn(run, tracedTables(plainProgram(program)));
  // A trace that was written without C has the tables of the program as it is stored.
  if (wrong.length === 0 || wrongIn(run, tracedTables(program)).length === 0) return undefined;
  return {
    cause: 'weights differ',
    text: `constants in the device's memory are not the artifact's: ${wrong.join('; ')}`,
  };
}
