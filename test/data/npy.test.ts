import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { readNpy, writeNpy } from '../../src/data/npy.ts';
import { countOf, type DType, numbersFor, type Tensor } from '../../src/ir/tensor.ts';
import { describeWith, readBytes, shared } from '../support/shared.ts';

const values: Record<DType, fc.Arbitrary<number>> = {
  float32: fc.float(),
  float64: fc.double(),
  int64: fc.maxSafeInteger(),
  int32: fc.integer(),
  int16: fc.integer({ min: -32768, max: 32767 }),
  int8: fc.integer({ min: -128, max: 127 }),
  uint64: fc.maxSafeNat(),
  uint32: fc.nat(2 ** 32 - 1),
  uint16: fc.nat(65535),
  uint8: fc.nat(255),
  bool: fc.nat(1),
};

const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const tensor: fc.Arbitrary<Tensor> = fc
  .record({ dtype: fc.constantFrom(...(Object.keys(values) as DType[])), shape })
  .chain(({ dtype, shape }) => {
    const count = countOf(shape);
    return fc.array(values[dtype], { minLength: count, maxLength: count }).map((list) => {
      const data = numbersFor(dtype, count);
      data.set(list);
      return { dtype, shape, data };
    });
  });

/** A .npy file of any version, byte order and axis order, written another way than src does it. */
function npy(header: string, data: Uint8Array, version = 1): Uint8Array {
  const text = Buffer.from(`${header}\n`, 'latin1');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return new Uint8Array(
    Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY'), Buffer.from([version, 0]), length, text, data]),
  );
}

describe('readNpy', () => {
  test('reads back what writeNpy wrote, every element type', () => {
    fc.assert(
      fc.property(tensor, (t) => {
        const back = readNpy(writeNpy(t), 'x.npy');
        expect(back.dtype).toBe(t.dtype);
        expect(back.shape).toEqual(t.shape);
        expect(back.data).toEqual(t.data);
      }),
    );
  });

  test('Fortran order: element (i, j, k) is the one that lies at i + j * I + k * I * J', () => {
    fc.assert(
      fc.property(
        fc.tuple(
          fc.integer({ min: 1, max: 4 }),
          fc.integer({ min: 1, max: 4 }),
          fc.integer({ min: 1, max: 4 }),
        ),
        ([I, J, K]) => {
          const stored = Uint8Array.from({ length: I * J * K }, (_, i) => i);
          const bytes = npy(`{'descr': '|u1', 'fortran_order': True, 'shape': (${I}, ${J}, ${K}), }`, stored);
          const { data } = readNpy(bytes, 'f.npy');
          for (let i = 0; i < I; i++)
            for (let j = 0; j < J; j++)
              for (let k = 0; k < K; k++) expect(data[(i * J + j) * K + k]).toBe(i + j * I + k * I * J);
        },
      ),
    );
  });

  test('versions 2 and 3, big endian, scalars', () => {
    const data = Buffer.alloc(4);
    data.writeFloatBE(1.5);
    for (const version of [1, 2, 3]) {
      const bytes = npy("{'descr': '>f4', 'fortran_order': False, 'shape': ()}", data, version);
      expect(readNpy(bytes, 'x.npy')).toEqual({ dtype: 'float32', shape: [], data: Float32Array.of(1.5) });
    }
  });

  test.each([
    ['another magic', new Uint8Array(100), 'not a .npy file'],
    [
      'a truncated header',
      writeNpy({ dtype: 'uint8', shape: [3], data: new Uint8Array(3) }).subarray(0, 40),
      'truncated',
    ],
    [
      'truncated data',
      writeNpy({ dtype: 'float32', shape: [3], data: new Float32Array(3) }).subarray(0, -1),
      'truncated: 11 bytes of data, the shape needs 12',
    ],
    [
      'complex numbers',
      npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", new Uint8Array(8)),
      "elements of type '<c8'",
    ],
    [
      'objects',
      npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", new Uint8Array(8)),
      "elements of type '|O'",
    ],
    [
      'records',
      npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", new Uint8Array(8)),
      'an array of records',
    ],
    ['no shape', npy("{'descr': '<f4', 'fortran_order': False}", new Uint8Array(8)), "no readable 'shape'"],
    [
      'a huge shape',
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999, 9)}", new Uint8Array(8)),
      'impossible shape',
    ],
    [
      'version 9',
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", new Uint8Array(8), 9),
      'version 9',
    ],
  ])('%s is an InputError', (_, bytes, message) => {
    expect(() => readNpy(bytes, 'x.npy')).toThrow(InputError);
    expect(() => readNpy(bytes, 'x.npy')).toThrow(message);
    expect(() => readNpy(bytes, 'x.npy')).toThrow('x.npy');
  });

  test('int64 beyond 2^53 is refused, not rounded', () => {
    const data = Buffer.alloc(8);
    data.writeBigInt64LE(2n ** 53n);
    const bytes = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", data);
    expect(() => readNpy(bytes, 'x.npy')).toThrow('beyond 2^53');
  });

  test('fuzzed files throw nothing but InputError', () => {
    fc.assert(
      fc.property(tensor, fc.nat(), fc.nat(255), fc.nat(200), (t, at, byte, cut) => {
        const bytes = writeNpy(t);
        bytes[at % bytes.length] = byte;
        try {
          readNpy(bytes.subarray(0, Math.max(0, bytes.length - (cut > 100 ? 0 : cut))), 'x.npy');
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  const recorded = ['input', 'output'].map((kind) => `${shared}/models/lenet5/lenet5.first100.${kind}.npy`);
  describeWith(recorded, 'files that NumPy wrote', () => {
    test.each([
      [recorded[0]!, [100, 1, 32, 32]],
      [recorded[1]!, [100, 10]],
    ])('%s', (file, shape) => {
      const tensor = readNpy(readBytes(file), file);
      expect(tensor).toMatchObject({ dtype: 'float32', shape });
      expect(readNpy(writeNpy(tensor), 'again')).toEqual(tensor);
    });
  });
});
