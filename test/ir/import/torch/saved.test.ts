import { zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../../src/base/errors.ts';
import { asKind, largestPickle, type Value } from '../../../../src/ir/import/torch/pickle.ts';
import { readSaved } from '../../../../src/ir/import/torch/saved.ts';
import { torchFile } from '../../../support/torch-files.ts';

const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];

/** A torch.save archive of a pickle, and storages of it. */
const archive = (
  pickle: readonly (number | string)[],
  data: Readonly<Record<string, Uint8Array>> = {},
): Uint8Array => {
  const bytes = Uint8Array.from(pickle.flatMap((part) => (typeof part === 'string' ? ascii(part) : [part])));
  const files = Object.entries(data).map(([key, content]) => [`a/data/${key}`, content] as const);
  return zipSync({ 'a/data.pkl': bytes, ...Object.fromEntries(files) }, { level: 0 });
};
const saved = (...pickle: readonly (number | string)[]): Value =>
  readSaved(archive([0x80, 2, ...pickle, '.']));

const refuses = (work: () => unknown, message: string): void => {
  expect(work).toThrow(InputError);
  expect(work).toThrow(message);
};

const numbersOf = (value: Value, key: string): readonly number[] => [
  ...(asKind(asKind(value, 'dict')?.entries.get(key), 'tensor')?.read().data ?? []),
];

describe('what torch.save wrote', () => {
  test.each(['good', 'deflated', 'other-root'])('bad/%s.pth is read', (name) =>
    expect(numbersOf(readSaved(torchFile(`bad/${name}.pth`)), 'weight')).toEqual([1, 2]),
  );

  // Sums of elements times their places from 1 on, by torch 2.15.
  test.each(['strided.torch2.15.pth', 'strided.torch2.15.legacy.pth'])('%s: views of storages', (name) => {
    const value = readSaved(torchFile(`strided/${name}`));
    const sum = (key: string) => numbersOf(value, key).reduce((total, x, i) => total + x * (i + 1), 0);
    expect(sum('w')).toBeCloseTo(0.7659075744450092, 6);
    expect(sum('v')).toBeCloseTo(-14.179948806762695, 6);
    expect(sum('e')).toBe(30);
    expect(sum('c.weight')).toBeCloseTo(-0.22488194704055786, 6);
    expect(sum('d.weight')).toBeCloseTo(-36.73366046557203, 5);
  });

  test.each([
    ['evil-print', 'builtins.print'],
    ['evil-system', 'posix.system'],
    ['no-data', "no 'archive/data/0'"],
    ['no-root', 'no folder with a data.pkl'],
    ['out-of-storage', 'a tensor of 4 with strides 1'],
    ['short-data', '5 bytes of 8'],
    ['big-endian', "byte order 'big'"],
  ])('bad/%s.pth is refused: %s', (name, message) =>
    refuses(() => readSaved(torchFile(`bad/${name}.pth`)), message),
  );

  test('an own class is named, with two ways out', () => {
    refuses(() => readSaved(torchFile('ownclass/ownclass.torch2.15.pt')), 'nets.Digits');
    refuses(() => readSaved(torchFile('ownclass/ownclass.torch2.15.pt')), 'torch.export.save');
  });

  test('legacy files that break off', () => {
    const bytes = torchFile('strided/strided.torch2.15.legacy.pth');
    for (let length = 15; length < bytes.length; length += 7)
      refuses(() => numbersOf(readSaved(bytes.subarray(0, length)), 'w'), 'break');
    refuses(() => readSaved(Uint8Array.from([...bytes, 0])), '1 bytes behind its end');
  });
});

test('a legacy storage that is a part of another', () => {
  const flat = (...parts: readonly (number | string)[]): number[] =>
    parts.flatMap((part) => (typeof part === 'string' ? ascii(part) : [part]));
  const text = (value: string) => flat('X', value.length, 0, 0, 0, value);
  const part = flat('(', ...text('v'), 'K', 2, 'K', 2, 't');
  const id = flat('(', ...text('storage'), 'ctorch\nFloatStorage\n', ...text('7'), ...text('cpu'), 'K', 4);
  const tensor = flat('ctorch._utils\n_rebuild_tensor_v2\n', '(', ...id, ...part, 'tQ', 'K', 0, 'K', 2, 0x85);
  const object = flat(0x80, 2, '}', ...text('w'), ...tensor, 'K', 1, 0x85, 0x89, '}tRs.');
  const numbers = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  const bytes = Uint8Array.from([
    ...flat(0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'),
    ...flat(0x80, 2, 'M', 0xe9, 3, '.', 0x80, 2, '}', ...text('little_endian'), 0x88, 's.'),
    ...[...object, ...flat(0x80, 2, ']', ...text('7'), 'a.'), 4, 0, 0, 0, 0, 0, 0, 0, ...numbers],
  ]);
  expect(numbersOf(readSaved(bytes), 'w')).toEqual([3, 4]);
});

describe('pickles', () => {
  test.each([
    ['torch.nn.modules.module', 'torch.os.system'],
    ['torch.nn.modules.conv', 'Conv2d.__init__'],
    ['torch.nn.modules.conv', 'os'],
    ['torch.nn.modules.conv.Conv2d', '__globals__'],
    ['torch', 'load'],
    ['builtins', 'eval'],
    ['__builtin__', 'getattr'],
    ['collections', 'constructor'],
  ])('%s.%s is not on the list', (module, name) => {
    refuses(() => saved('c', `${module}\n${name}\n`), `${module}.${name}`);
    refuses(() => saved(0x8c, module.length, module, 0x8c, name.length, name, 0x93), `${module}.${name}`);
  });

  test('classes are not called, and functions are not made', () => {
    refuses(() => saved('ctorch.nn.modules.conv\nConv2d\n', ')R'), 'Conv2d is called');
    refuses(() => saved('ctorch\nFloatStorage\n', ')R'), 'FloatStorage is called');
  });

  test('keys are data, in the order of the file', () => {
    const dict = asKind(
      saved(
        '}',
        'X',
        9,
        0,
        0,
        0,
        '__proto__',
        'K',
        1,
        's',
        'X',
        2,
        0,
        0,
        0,
        '10',
        'K',
        2,
        's',
        'X',
        1,
        0,
        0,
        0,
        '2',
        'K',
        3,
        's',
      ),
      'dict',
    );
    expect([...(dict?.entries ?? [])]).toEqual([
      ['__proto__', 1],
      ['10', 2],
      ['2', 3],
    ]);
  });

  test('objects in themselves, or doubled 64 times, or 30,000 deep, take no more than their opcodes', () => {
    expect(asKind(saved(']', 'q', 0, 'h', 0, 'a'), 'list')?.items).toHaveLength(1);
    const doubled = Array.from({ length: 64 }, () => [0x85, 'q', 0, 'h', 0, 0x86] as const).flat();
    expect(asKind(saved(']', ...doubled), 'tuple')?.items).toHaveLength(2);
    expect(asKind(saved(')', ...Array.from({ length: 30_000 }, () => 0x85)), 'tuple')?.items).toHaveLength(1);
  });

  test.each([
    ['no opcode of torch.save', ['I', '1\n'], 'opcode 0x49'],
    ['an extension', [0x82, 1], 'opcode 0x82'],
    ['an end before the stack', ['t'], 'no mark'],
    ['what was never remembered', ['h', 7], 'remembers 7'],
    ['a text longer than the file', ['X', 0xff, 0xff, 0xff, 0x7f], 'breaks off'],
    ['a name without an end', ['ctorch'], 'breaks off'],
    ['items of a number', ['K', 1, 'K', 2, 'a'], 'appended to a Python number'],
    ['a state of None', ['N', 'N', 'b'], 'a None gets a state'],
    ['a key without a value', ['}', '(', 'K', 1, 'u'], 'key without a value'],
    ['a call of a number', ['K', 1, ')', 'R'], 'no function'],
    ['a storage of another class', ['X', 1, 0, 0, 0, 'x', 'Q'], 'a storage that is none'],
  ] as const)('%s', (_, pickle, message) => refuses(() => saved(...pickle), message));

  test('protocol 1 and 6', () => {
    for (const version of [1, 6])
      refuses(() => readSaved(archive([0x80, version, 'N.'])), `protocol ${version}`);
  });

  test('more opcodes than a network has', () => {
    const many = new Uint8Array(largestPickle + 2).fill(0x4e);
    many.set([0x80, 2]);
    refuses(() => readSaved(zipSync({ 'a/data.pkl': many }, { level: 0 })), 'opcodes');
  });

  test('a tensor that is expanded to more than the file may take', () => {
    const size = ['J', 0, 0, 0, 4, 0x85] as const;
    const storage = [
      '(',
      'X',
      7,
      0,
      0,
      0,
      'storage',
      'ctorch\nFloatStorage\n',
      'X',
      1,
      0,
      0,
      0,
      '0',
      'X',
      3,
      0,
      0,
      0,
      'cpu',
      'K',
      1,
      't',
      'Q',
    ] as const;
    const tensor = [
      'ctorch._utils\n_rebuild_tensor_v2\n',
      '(',
      ...storage,
      'K',
      0,
      ...size,
      'K',
      0,
      0x85,
      0x89,
      '}',
      't',
      'R',
    ];
    const pickle = [0x80, 2, '}', 'X', 1, 0, 0, 0, 'w', ...tensor, 's', '.'];
    const value = readSaved(archive(pickle, { 0: new Uint8Array(4) }));
    refuses(() => numbersOf(value, 'w'), 'more than 64 times');
  });
});
