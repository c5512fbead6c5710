import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import {
  checkIdentifier,
  identifierFrom,
  isIdentifier,
  uniqueNames,
} from '../../../src/emit/c/identifier.ts';

describe('checkIdentifier', () => {
  test.each(['lenet5', 'A', 'a_b_1', 'Net'])('takes %s', (name) => {
    expect(checkIdentifier(name, '--name')).toBe(name);
  });

  test.each(['', '5x', '_net', 'a-b', 'a b', 'é', 'int', 'restrict', 'class', 'namespace', 'memcpy', 'a__b'])(
    "refuses '%s'",
    (name) => {
      expect(() => checkIdentifier(name, '--name')).toThrow(InputError);
    },
  );

  test('the message has the place, the name and a way out', () => {
    expect(() => checkIdentifier('5 x-5', '--name')).toThrow(/^--name: '5 x-5' .*for example 'n_5_x_5'$/);
  });

  test('63 characters are the most', () => {
    expect(checkIdentifier('a'.repeat(63), '')).toHaveLength(63);
    expect(() => checkIdentifier('a'.repeat(64), '')).toThrow('63');
  });
});

describe('identifierFrom', () => {
  test.each([
    ['conv1.weight', 'conv1_weight'],
    ['/features/0/Conv', 'features_0_Conv'],
    ['5x5', 'n_5x5'],
    ['double', 'n_double'],
    ['__init__', 'init'],
    ['日本', 'unnamed'],
  ])('%s becomes %s', (name, expected) => {
    expect(identifierFrom(name)).toBe(expected);
  });

  test('makes an identifier of anything, and leaves it so', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (name) => {
        const made = identifierFrom(name);
        expect(checkIdentifier(made, '')).toBe(made);
        expect(identifierFrom(made)).toBe(made);
        expect(isIdentifier(made)).toBe(true);
      }),
    );
  });
});

test('unique names differ from each other and from those taken', () => {
  const unique = uniqueNames(['acc', 'conv_2']);
  expect(['conv', 'conv', 'conv', 'acc', 'conv-2'].map(unique)).toEqual([
    'conv',
    'conv_3',
    'conv_4',
    'acc_2',
    'conv_2_2',
  ]);
});
