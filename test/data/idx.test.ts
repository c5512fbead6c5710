import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gunzip } from '../../src/data/gzip.ts';
import { readIdx } from '../../src/data/idx.ts';
import { countOf, type Tensor } from '../../src/ir/tensor.ts';
import { damagedCopies, refusesCleanly } from '../support/fuzz.ts';
import { describeWith, readBytes, shared } from '../support/shared.ts';

/** code, bytes, values, writer, dtype, array. */
const types = [
  [8, 1, fc.nat(255), 'writeUInt8', 'uint8', Uint8Array],
  [9, 1, fc.integer({ min: -128, max: 127 }), 'writeInt8', 'int8', Int8Array],
  [11, 2, fc.integer({ min: -32768, max: 32767 }), 'writeInt16BE', 'int16', Int16Array],
  [12, 4, fc.integer(), 'writeInt32BE', 'int32', Int32Array],
  [13, 4, fc.float(), 'writeFloatBE', 'float32', Float32Array],
  [14, 8, fc.double(), 'writeDoubleBE', 'float64', Float64Array],
] as const;

function idx(type: (typeof types)[number], shape: readonly number[], values: readonly number[]): Uint8Array {
  const [code, size, , write] = type;
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.set([0, 0, code, shape.length]);
  for (const [i, n] of shape.entries()) head.writeUInt32BE(n, 4 + 4 * i);
  const body = Buffer.alloc(values.length * size);
  for (const [i, v] of values.entries()) body[write](v, i * size);
  return new Uint8Array(Buffer.concat([head, body]));
}

const file = fc
  .record({
    type: fc.constantFrom(...types),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
  })
  .chain(({ type, shape }) =>
    fc
      .array(type[2] as fc.Arbitrary<number>, { minLength: countOf(shape), maxLength: countOf(shape) })
      .map((values) => ({ type, shape, values })),
  );

describe('readIdx', () => {
  test('reads every element type', () => {
    fc.assert(
      fc.property(file, ({ type, shape, values }) => {
        const expected: Tensor = { dtype: type[4], shape, data: type[5].from(values) };
        expect(readIdx(idx(type, shape, values), 'x.idx')).toEqual(expected);
      }),
    );
  });

  const small = idx(types[0], [2, 2], [1, 2, 3, 4]);
  test.each([
    ['wrong magic', Uint8Array.of(0, 1, 8, 1, 0, 0, 0, 0), 'not an idx file'],
    ['an unknown type', Uint8Array.of(0, 0, 10, 1, 0, 0, 0, 0), 'not an idx file'],
    ['a cut header', small.subarray(0, 9), 'truncated inside of its header'],
    ['a cut body', small.subarray(0, -1), '3 bytes of data where its header promises 4'],
    ['bytes too many', Uint8Array.of(...small, 0), '5 bytes of data where its header promises 4'],
  ])('%s is an InputError', (_, bytes, message) => {
    expect(() => readIdx(bytes, 'x.idx')).toThrow(`x.idx: ${message}`);
  });

  test('fuzzed files throw nothing but InputError', () => {
    fc.assert(
      fc.property(damagedCopies(small), (bytes) => {
        refusesCleanly(() => readIdx(bytes, 'x.idx'));
      }),
      { numRuns: 2000 },
    );
  });

  const images = `${shared}/data/mnist/t10k-images-idx3-ubyte.gz`;
  const labels = `${shared}/data/mnist/t10k-labels-idx1-ubyte.gz`;
  describeWith([images, labels], 'MNIST', () => {
    test('images and labels', () => {
      const read = (file: string): Tensor => readIdx(gunzip(readBytes(file), file), file);
      expect(read(images)).toMatchObject({ dtype: 'uint8', shape: [10000, 28, 28] });
      expect([...read(labels).data.slice(0, 5)]).toEqual([7, 2, 1, 0, 4]);
    });
  });
});
