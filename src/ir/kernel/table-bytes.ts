/** Constant arrays as they lie in the memory of a little-endian machine. */
import { type Elem, elemArrays, elemBytes, type Kernel, type Table } from './kernel.ts';

/** Writes one number at a byte offset. */
type Put = (view: DataView, at: number, x: number) => void;
const put: Readonly<Record<Elem, Put>> = {
  u8: (view, at, x) => view.setUint8(at, x),
  i8: (view, at, x) => view.setInt8(at, x),
  u16: (view, at, x) => view.setUint16(at, x, true),
  i16: (view, at, x) => view.setInt16(at, x, true),
  i32: (view, at, x) => view.setInt32(at, x, true),
  f32: (view, at, x) => view.setFloat32(at, x, true),
};

export const tableLength = ({ elem, data }: Table): number => data.length * elemBytes[elem];

/** Of all constants that plain C has of a kernel, in bytes. */
export const plainTableBytes = ({ weights, tables }: Pick<Kernel, 'weights' | 'tables'>): number =>
  weights?.packing?.tableBytes ?? tables.reduce((sum, table) => sum + tableLength(table), 0);

export function tableBytes({ elem, data }: Table): Uint8Array {
  if (elem === 'i8' || elem === 'u8') return Uint8Array.from(data);
  const bytes = new Uint8Array(data.length * elemBytes[elem]);
  const view = new DataView(bytes.buffer);
  data.forEach((x: number, i: number) => {
    put[elem](view, i * elemBytes[elem], x);
  });
  return bytes;
}

/** The table's numbers in an array of its element type. */
export function typedTable(table: Table): TypedArray {
  const type = elemArrays[table.elem];
  return table.data instanceof type ? table.data : new type(table.data);
}

export type TypedArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Float32Array;
