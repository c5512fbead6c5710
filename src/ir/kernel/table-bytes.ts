/** Constant arrays as they lie in the memory of a little-endian machine. */
import { elemArrays, elemBytes, type Kernel, type Table } from './kernel.ts';

export const tableLength = ({ elem, data }: Table): number => data.length * elemBytes[elem];

/** Of all constants that plain C has of a kernel, in bytes. */
export const plainTableBytes = ({ weights, tables }: Pick<Kernel, 'weights' | 'tables'>): number =>
  weights?.packing?.tableBytes ?? tables.reduce((sum, table) => sum + tableLength(table), 0);

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export function tableBytes(table: Table): Uint8Array {
  const { buffer, byteOffset, byteLength } = typedTable(table);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice();
  const size = elemBytes[table.elem];
  if (!littleEndian) for (let i = 0; i < byteLength; i += size) bytes.subarray(i, i + size).reverse();
  return bytes;
}

/** The table's numbers in an array of its element type. */
export function typedTable(table: Table): TypedArray {
  const type = elemArrays[table.elem];
  return table.data instanceof type ? table.data : new type(table.data);
}

export type TypedArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Float32Array;
