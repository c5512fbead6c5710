/** The trace that a device would print, made of what the simulator (or anybody else) left in the arena. */

import { crc32, crcState } from '../base/crc32.ts';
import { at, InputError, must } from '../base/errors.ts';
import { noBuild } from '../emit/info.ts';
import { tableBytes } from '../ir/kernel/table-bytes.ts';
import type { Outcome, Program } from '../program/program.ts';
import { inputPart, ownerSlot, sharedBytes } from '../program/slots.ts';
import { bytesPerLine, type TracedRow, tracedRows, tracedTables } from '../program/traced.ts';
import { ascii, base64, hex, type LineKind, lineText } from './line.ts';

/** One inference. */
export interface TracedInference {
  /** The bytes of the inputs' slots, one after the other. */
  readonly input: Uint8Array;
  /** With the arena after every step. */
  readonly outcome: Outcome;
}

/** The parts of a run that are written to the trace. */
export interface TraceOptions {
  /** 1: checksums; 2: all bytes. */
  readonly level: 1 | 2;
  /** `buildOf(program)`; zeros when absent, as in C without an artifact. */
  readonly build?: string;
  /** Values of a device: the addresses of the arena and the tables, and the stack pointer. 0 when absent. */
  readonly arena?: number;
  readonly stack?: number;
  /** As `tracedTables(program)`. */
  readonly tableAddresses?: readonly number[];
}

/** The lines of one run, numbered. */
class Lines {
  text = '';
  #count = 0;
  readonly #tag: string;
  constructor(tag: string) {
    this.#tag = tag;
  }

  add(kind: LineKind, ...fields: readonly string[]): void {
    this.text += lineText([kind, this.#tag, hex(this.#count++), ...fields]);
  }
}

/** @param network its C prefix, a blank, its build. @param input the bytes of the inputs' slots. */
export function tagOf(network: string, input: Uint8Array): string {
  return hex(crcState(crcState(-1, ascii(network)), input) & 0xffff);
}

function addTables(lines: Lines, program: Program, addresses: readonly number[] | undefined): void {
  for (const [i, table] of tracedTables(program).entries()) {
    const bytes = tableBytes(table);
    lines.add(
      'T',
      hex(i),
      hex(addresses === undefined ? 0 : at(addresses, i)),
      hex(bytes.length),
      hex(crc32(bytes)),
    );
  }
}

/** What a slot has of the bytes of all inputs, if it is one or a part of one. */
function givenPart(program: Program, slot: number, input: Uint8Array): Uint8Array | undefined {
  const whole = inputPart(program, ownerSlot(program, slot), input);
  const [part] = sharedBytes(program, slot);
  return part === undefined ? whole : whole?.subarray(part.there, part.there + part.bytes);
}

/** A row's bytes: the input as it was given, else from the arena after the step that ended last. */
function bytesOf(program: Program, row: TracedRow, { input, outcome }: TracedInference): Uint8Array {
  const before = row.kind === 'read' ? row.step - 1 : row.step;
  const given = before < 0 ? givenPart(program, row.slot, input) : undefined;
  if (given !== undefined) return given;
  const arena = must(outcome.arenas[before], `an arena after step ${before}`);
  return arena.subarray(row.address, row.address + row.length);
}

const placeOf = ({ step, slot }: TracedRow): [string, string] => [step < 0 ? '-1' : hex(step), hex(slot)];

function addBytes(lines: Lines, row: TracedRow, bytes: Uint8Array): void {
  const kind = row.kind === 'read' ? 'i' : 'o';
  for (let at = 0; at < bytes.length; at += bytesPerLine)
    lines.add(kind, ...placeOf(row), hex(at), base64(bytes.subarray(at, at + bytesPerLine)));
}

function checkArenas({ name, steps, arenaBytes }: Program, { arenas }: Outcome): void {
  if (arenas.length === steps.length && arenas.every((arena) => arena.length === arenaBytes)) return;
  throw new InputError({
    where: `the outcome of ${name}`,
    found: `${arenas.length} arenas for ${steps.length} steps`,
    supported: `the ${arenaBytes} bytes of the arena after every step`,
    todo: 'run with keepArenas',
  });
}

/**
 * One run as `<name>.c` prints it with `-D<NAME>_TRACE=<level>`, byte for byte except for addresses.
 * @throws InputError when the outcome does not have the arena after every step.
 */
export function createTrace(program: Program, inference: TracedInference, options: TraceOptions): string {
  checkArenas(program, inference.outcome);
  const { level, build = noBuild, arena = 0, stack = 0, tableAddresses } = options;
  const network = `${program.name} ${build}`;
  const lines = new Lines(tagOf(network, inference.input));
  lines.add('B', network, hex(level), hex(program.steps.length), hex(arena), hex(stack));
  addTables(lines, program, tableAddresses);
  const written = new Map<number, number>();
  for (const row of tracedRows(program)) {
    const bytes = bytesOf(program, row, inference);
    const crc = crc32(bytes);
    lines.add(row.kind === 'read' ? 'I' : 'O', ...placeOf(row), hex(row.length), hex(crc));
    const known = row.kind === 'read' && written.get(row.slot) === crc;
    if (level === 2 && !known) addBytes(lines, row, bytes);
    written.set(row.slot, crc);
  }
  lines.add('E', network);
  return lines.text;
}
