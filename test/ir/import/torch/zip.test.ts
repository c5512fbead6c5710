import { zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../../src/base/errors.ts';
import { readZip } from '../../../../src/ir/import/torch/zip.ts';
import { torchFile } from '../../../support/torch-files.ts';

const text = new TextEncoder();
const files = { 'a/one': text.encode('one '.repeat(50)), 'a/two': text.encode('2') };
const packed = (level: 0 | 6) => zipSync(files, { level });
const again = (bytes: Uint8Array) =>
  Object.fromEntries(readZip(bytes).names.map((n) => [n, readZip(bytes).bytes(n)]));

/** Where a record begins: the last one with the mark. */
const lastOf = (bytes: Uint8Array, mark: number): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = bytes.length - 4; i >= 0; i--) if (view.getUint32(i, true) === mark) return i;
  throw new Error('no such record');
};

const [entry, end] = [0x02014b50, 0x06054b50];

/** The archive with a number of its last entry, or of its end, set. */
function changed(mark: number, offset: number, value: number, width: 2 | 4, bytes = packed(6)): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const place = lastOf(copy, mark) + offset;
  if (width === 2) view.setUint16(place, value, true);
  else view.setUint32(place, value, true);
  return copy;
}

/** The same archive, all of whose sizes stand in 64-bit records. */
function wide(): Uint8Array {
  const bytes = packed(0);
  const [first, last] = [lastOf(bytes, entry), lastOf(bytes, end)];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [start, length] = [view.getUint32(last + 16, true), view.getUint16(first + 28, true)];
  const head = bytes.slice(0, first + 46 + length);
  const own = new DataView(head.buffer);
  const extra = new DataView(new ArrayBuffer(28));
  extra.setUint16(0, 1, true);
  extra.setUint16(2, 24, true);
  [24, 20, 42].forEach((field, i) => {
    extra.setBigUint64(4 + 8 * i, BigInt(own.getUint32(first + field, true)), true);
    own.setUint32(first + field, 0xffffffff, true);
  });
  own.setUint16(first + 30, 28, true);
  const size = head.length + 28 - start;
  const tail = new DataView(new ArrayBuffer(56 + 20 + 22));
  tail.setUint32(0, 0x06064b50, true);
  tail.setBigUint64(32, 2n, true);
  tail.setBigUint64(40, BigInt(size), true);
  tail.setBigUint64(48, BigInt(start), true);
  tail.setUint32(56, 0x07064b50, true);
  tail.setBigUint64(64, BigInt(head.length + 28), true);
  tail.setUint32(76, end, true);
  tail.setUint16(86, 0xffff, true);
  tail.setUint32(88, 0xffffffff, true);
  tail.setUint32(92, 0xffffffff, true);
  return Uint8Array.from([...head, ...new Uint8Array(extra.buffer), ...new Uint8Array(tail.buffer)]);
}

describe('archives are read', () => {
  test.each([0, 6] as const)('at level %d', (level) => expect(again(packed(level))).toEqual(files));

  test('with sizes of 64 bits', () => expect(again(wide())).toEqual(files));

  test('with sizes behind the files, and an end of 64 bits that is not needed, as PyTorch writes them', () => {
    const zip = readZip(torchFile('lenet/lenet.torch2.15.pt2'));
    expect(new TextDecoder().decode(zip.bytes('lenet/byteorder'))).toBe('little');
    expect(zip.names).toHaveLength(17);
  });

  test('without check sums', () => {
    const zip = readZip(torchFile('legacyseq/legacyseq.torch2.15.nocrc.pt'));
    expect(zip.names.every((name) => zip.bytes(name).length >= 0)).toBe(true);
  });
});

describe('archives are refused', () => {
  const refuses = (bytes: Uint8Array, message: string): void => {
    const read = () => again(bytes);
    expect(read).toThrow(InputError);
    expect(read).toThrow(message);
  };

  test('cut anywhere', () => {
    const bytes = packed(6);
    for (let length = 4; length < bytes.length; length++)
      refuses(bytes.subarray(0, length), 'without its end');
  });

  test('with another check sum', () => refuses(changed(entry, 16, 77, 4), "the check sum of 'a/two'"));
  test('with other sizes', () => {
    refuses(changed(entry, 24, 3, 4), 'another size');
    refuses(changed(entry, 24, 3, 4, packed(0)), 'two sizes');
    refuses(changed(entry, 24, 1e9, 4), 'an impossible size');
    refuses(changed(entry, 20, 1e6, 4), 'goes beyond its end');
  });
  test('with files that overlap', () => refuses(changed(entry, 42, 0, 4), 'two names'));
  test('with one file in two entries', () => {
    const bytes = zipSync({ 'a/one': text.encode('1'), 'a/two': text.encode('1') }, { level: 0 });
    const renamed = Uint8Array.from(bytes);
    for (let i = 0; i + 5 <= bytes.length; i++)
      if (new TextDecoder().decode(bytes.subarray(i, i + 5)) === 'a/two')
        renamed.set(text.encode('a/one'), i);
    refuses(renamed, 'there twice');
    const view = new DataView(renamed.buffer);
    view.setUint32(lastOf(renamed, entry) + 42, 0, true);
    refuses(renamed, 'overlap');
  });
  test('with a directory elsewhere', () => {
    refuses(changed(end, 12, 5, 4), 'breaks off');
    refuses(changed(end, 10, 3, 2), '2 files of 3');
    refuses(changed(end, 16, 0xfffffffe, 4), 'behind its end');
    refuses(changed(end, 16, 0xffffffff, 4), '64-bit');
  });
  test('with a password or another packing', () => {
    refuses(changed(entry, 8, 1, 2), 'encrypted');
    refuses(changed(entry, 10, 93, 2), 'method 93');
  });
  test('with paths out of it', () => {
    for (const name of ['../x', 'a/../../x', '/x']) refuses(zipSync({ [name]: text.encode('x') }), 'path');
  });
  test('that unpack to much more than they are', () =>
    refuses(zipSync({ 'a/zeros': new Uint8Array(2 ** 23) }), 'up to 64 times'));
});
