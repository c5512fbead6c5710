/** NumPy's .npy files: format versions 1 to 3 of numpy.lib.format (NEP 1). */
import { at, InputError } from '../base/errors.ts';
import { countOf, type DType, type Numbers, numbersFor, type Shape, type Tensor } from '../ir/tensor.ts';
import { readElements, storedBytes, writeElements } from './elements.ts';

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

const dtypes: Readonly<Record<string, DType>> = {
  f4: 'float32',
  f8: 'float64',
  i8: 'int64',
  i4: 'int32',
  i2: 'int16',
  i1: 'int8',
  u8: 'uint64',
  u4: 'uint32',
  u2: 'uint16',
  u1: 'uint8',
  b1: 'bool',
};

export const isNpy = (bytes: Uint8Array): boolean => magic.every((byte, i) => bytes[i] === byte);

const damaged = (where: string, found: string): InputError =>
  new InputError({ where, found, todo: 'save the array again with numpy.save' });

interface Header {
  readonly text: string;
  readonly dataOffset: number;
}

/** Magic, two version bytes, the header's length (u16 in version 1, u32 later), the header: a Python dict. */
function headerOf(bytes: Uint8Array, where: string): Header {
  if (!isNpy(bytes)) throw damaged(where, 'not a .npy file (its first bytes are not \\x93NUMPY)');
  if (bytes.length < 12) throw damaged(where, `truncated: ${bytes.length} bytes are shorter than any header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(6);
  if (version < 1 || version > 3) throw damaged(where, `.npy format version ${version}; supported: 1 to 3`);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (start + length > bytes.length) throw damaged(where, 'truncated inside of its header');
  const text = new TextDecoder('latin1').decode(bytes.subarray(start, start + length));
  return { text, dataOffset: start + length };
}

function fieldOf(text: string, name: string, pattern: string, where: string): string {
  const found = new RegExp(`['"]${name}['"]\\s*:\\s*${pattern}`).exec(text)?.[1];
  if (found === undefined) throw damaged(where, `its header has no readable '${name}'`);
  return found;
}

interface ElementType {
  readonly dtype: DType;
  readonly little: boolean;
}

function elementTypeOf(text: string, where: string): ElementType {
  const descr = fieldOf(text, 'descr', `(['"][^'"]*['"]|\\[)`, where).replaceAll(/['"]/g, '');
  const dtype = dtypes[descr.slice(1)];
  if (dtype === undefined || !'<>|='.includes(descr.slice(0, 1)))
    throw new InputError({
      where,
      found: descr === '[' ? 'an array of records' : `elements of type '${descr}'`,
      supported: 'float32, float64, uint8, int8, int16, int32, int64, bool',
      todo: "convert it first, e.g. array.astype('float32')",
    });
  return { dtype, little: descr[0] !== '>' };
}

function shapeOf(text: string, where: string): Shape {
  const list = fieldOf(text, 'shape', '\\(([0-9,\\sL]*)\\)', where);
  const shape = list.split(',').flatMap((n) => (n.trim() === '' ? [] : [Number.parseInt(n, 10)]));
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(countOf(shape) * 8))
    throw damaged(where, `impossible shape (${list})`);
  return shape;
}

/** Fortran order is the row-major order of the reversed shape, axes reversed. */
function fromFortran(dtype: DType, shape: Shape, data: Numbers): Numbers {
  const out = numbersFor(dtype, data.length);
  const position = new Array<number>(shape.length).fill(0);
  const strides = shape.map((_, axis) => countOf(shape.slice(0, axis)));
  for (let i = 0; i < out.length; i++) {
    out[i] = at(
      data,
      position.reduce((sum, p, axis) => sum + p * at(strides, axis), 0),
    );
    advance(position, shape);
  }
  return out;
}

/** The next position in row-major order. */
function advance(position: number[], shape: Shape): void {
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    position[axis] = at(position, axis) + 1;
    if (at(position, axis) < at(shape, axis)) return;
    position[axis] = 0;
  }
}

/**
 * The array of a .npy file, row-major whatever the file's order is.
 * @throws InputError for damaged files and unsupported element types.
 */
export function readNpy(bytes: Uint8Array, where: string): Tensor {
  const { text, dataOffset } = headerOf(bytes, where);
  const { dtype, little } = elementTypeOf(text, where);
  const fortran = fieldOf(text, 'fortran_order', '(True|False)', where) === 'True';
  const shape = shapeOf(text, where);
  const need = countOf(shape) * storedBytes[dtype];
  if (bytes.length - dataOffset < need)
    throw damaged(where, `truncated: ${bytes.length - dataOffset} bytes of data, the shape needs ${need}`);
  const data = readElements(where, dtype, bytes.subarray(dataOffset, dataOffset + need), little);
  return { dtype, shape, data: fortran ? fromFortran(dtype, shape, data) : data };
}

const descrOf = (dtype: DType): string => {
  const code = Object.keys(dtypes).find((key) => dtypes[key] === dtype) ?? '';
  return storedBytes[dtype] === 1 ? `|${code}` : `<${code}`;
};

/** A version 1 .npy file, little endian, C order, its data aligned to 64 bytes as NumPy's are. */
export function writeNpy(tensor: Tensor): Uint8Array {
  const shape = tensor.shape.length === 1 ? `${tensor.shape[0]},` : tensor.shape.join(', ');
  const fields = `{'descr': '${descrOf(tensor.dtype)}', 'fortran_order': False, 'shape': (${shape}), }`;
  const length = Math.ceil((10 + fields.length + 1) / 64) * 64 - 10;
  const header = new TextEncoder().encode(`${fields.padEnd(length - 1)}\n`);
  const data = writeElements(tensor.dtype, tensor.data);
  const out = new Uint8Array(10 + length + data.length);
  out.set([...magic, 1, 0, length & 255, length >> 8]);
  out.set(header, 10);
  out.set(data, 10 + length);
  return out;
}
