import { crc32 } from '../../base/crc32.ts';
import { tableBytes } from '../../ir/kernel/table-bytes.ts';
import { plainProgram } from '../../lower/variants.ts';
import { tracedTables } from '../../program/traced.ts';
import type { Diagnosis, TracedRun } from './cause.ts';

const hex = (n: number): string => `0x${n.toString(16).padStart(8, '0')}`;

/** A table in the device's memory has another checksum than the artifact's. */
export function weightsDiffer({ program, run }: TracedRun): Diagnosis | undefined {
  const tables = tracedTables(plainProgram(program));
  const wrong = run.tables.flatMap(({ index, address, length, crc }) => {
    const table = tables[index];
    if (table === undefined || crc32(tableBytes(table)) === crc) return [];
    return [`${table.name} at ${hex(address)} to ${hex(address + length - 1)}`];
  });
  if (wrong.length === 0) return undefined;
  return {
    cause: 'weights differ',
    text: `constants in the device's memory are not the artifact's: ${wrong.join('; ')}`,
  };
}
