/** A program as JSON: plain data but for its tables, whose numbers are base64 of little-endian bytes. */
import type { Table } from './ir/kernel.ts';
import type { Program } from './ir/program.ts';
import { tableBytes } from './ir/table-bytes.ts';

/** 4/3 characters a byte. */
export function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function bytesOfBase64(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  // Three times as fast as Uint8Array.from with a function, which counts when an artifact is loaded.
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function tableData(elem: Table['elem'], base64: string): Table['data'] {
  const { buffer } = bytesOfBase64(base64);
  switch (elem) {
    case 'u8':
      return new Uint8Array(buffer);
    case 'i8':
      return new Int8Array(buffer);
    case 'u16':
      return new Uint16Array(buffer);
    case 'i16':
      return new Int16Array(buffer);
    case 'i32':
      return new Int32Array(buffer);
    case 'f32':
      return new Float32Array(buffer);
    default:
      return elem satisfies never;
  }
}

/** For `JSON.stringify`: the tables of all programs anywhere in a value. */
export const packTables = (key: string, value: unknown): unknown =>
  key === 'tables'
    ? (value as readonly Table[]).map((t) => ({ ...t, data: base64Of(tableBytes(t)) }))
    : value;

/** For `JSON.parse` of what `packTables` packed. */
export const unpackTables = (key: string, value: unknown): unknown =>
  key === 'tables'
    ? (value as readonly (Omit<Table, 'data'> & { data: string })[]).map((t) => ({
        ...t,
        data: tableData(t.elem, t.data),
      }))
    : value;

export const programText = (program: Program): string => `${JSON.stringify(program, packTables)}\n`;

export const programFrom = (json: string): Program => JSON.parse(json, unpackTables) as Program;
