import { expect, test } from 'vitest';
import { readCifar } from '../../src/data/cifar.ts';

test('labels and planes of two records', () => {
  const bytes = new Uint8Array(2 * 3073);
  bytes[0] = 6;
  bytes[1] = 11;
  bytes[3073] = 9;
  bytes[3073 + 3072] = 12;
  const { array, labels, layout } = readCifar(bytes, 'x.bin');
  expect(array.shape).toEqual([2, 3, 32, 32]);
  expect(layout).toBe('nchw');
  expect([...(labels ?? [])]).toEqual([6, 9]);
  expect([array.data[0], array.data.at(-1)]).toEqual([11, 12]);
});

test('a cut record is an InputError', () => {
  expect(() => readCifar(new Uint8Array(3072), 'x.bin')).toThrow(
    'x.bin: 3072 bytes, which is not a multiple of 3073',
  );
});
