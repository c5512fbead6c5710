import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { labelsOf, labelsOfText, requireLabelCount } from '../../src/data/labels.ts';

describe('labels', () => {
  test('from arrays: one axis, or N x 1', () => {
    const data = Float64Array.of(3, 0, 9);
    expect([...labelsOf({ dtype: 'int64', shape: [3], data }, 'l')]).toEqual([3, 0, 9]);
    expect([...labelsOf({ dtype: 'int64', shape: [3, 1], data }, 'l')]).toEqual([3, 0, 9]);
    expect(() => labelsOf({ dtype: 'float32', shape: [3, 2], data: new Float32Array(6) }, 'l')).toThrow(
      'shape 3x2',
    );
  });

  test('from text: white space, commas, comments', () => {
    expect([...labelsOfText('# class of each picture\n7\n2, 1\r\n 0 4\n', 'l.txt')]).toEqual([7, 2, 1, 0, 4]);
  });

  test.each([['cat\n'], ['-1'], ['1.5'], [''], ['4294967296'], ['\u0000\u0001']])('%j is refused', (text) => {
    expect(() => labelsOfText(text, 'l.txt')).toThrow(InputError);
  });

  test('fractions, negative and not finite numbers are refused', () => {
    for (const x of [0.5, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => labelsOf({ dtype: 'float64', shape: [2], data: Float64Array.of(1, x) }, 'l')).toThrow(
        `label 1 is ${x}`,
      );
  });

  test('another count than samples', () => {
    expect(() => requireLabelCount(new Int32Array(3), 4, 'l.txt')).toThrow('3 labels for 4 samples');
    requireLabelCount(new Int32Array(4), 4, 'l.txt');
  });
});
