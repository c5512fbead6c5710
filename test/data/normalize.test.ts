import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { expanded, parseNormalize, pixelNormalization, pixelTable } from '../../src/data/normalize.ts';

describe('parseNormalize', () => {
  test('one pair, or a list of each', () => {
    expect(parseNormalize('0.5,0.25')).toEqual({ mean: [0.5], std: [0.25] });
    expect(parseNormalize('0.1307;0.3081')).toEqual({ mean: [0.1307], std: [0.3081] });
    const rgb = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    expect(parseNormalize('0.485,0.456,0.406;0.229,0.224,0.225')).toEqual(rgb);
    expect(parseNormalize('0.485, 0.456, 0.406 / 0.229, 0.224, 0.225')).toEqual(rgb);
  });

  test.each(['', '0.5', '1,2,3', '0.5,0', '0.5;-1', 'a,b', '1;2;3', '0.5,', ';', 'NaN,1', '1,Infinity'])(
    '%j is refused',
    (text) => {
      expect(() => parseNormalize(text)).toThrow(InputError);
      expect(() => parseNormalize(text)).toThrow('--normalize');
    },
  );
});

test('one number serves all channels; another count does not', () => {
  expect(expanded({ mean: [1], std: [2] }, 3)).toEqual({ mean: [1, 1, 1], std: [2, 2, 2] });
  expect(expanded({ mean: [1, 2, 3], std: [2] }, 3)).toEqual({ mean: [1, 2, 3], std: [2, 2, 2] });
  expect(() => expanded({ mean: [1, 2, 3], std: [2] }, 1)).toThrow('3 numbers for samples of 1 channels');
});

test('in units of the pixel', () => {
  expect(pixelNormalization(undefined, 1)).toEqual({ mean: [0], std: [255] });
  expect(pixelNormalization({ mean: [0.5], std: [0.25] }, 2)).toEqual({
    mean: [127.5, 127.5],
    std: [63.75, 63.75],
  });
});

test('the table of pixels rounds each step to float32', () => {
  const table = pixelTable(0.5, 0.5);
  expect([table[0], table[255]]).toEqual([-1, 1]);
  // torchvision 0.14: Normalize(0.1307, 0.3081)(ToTensor()(pixel 0 and 255))
  const mnist = pixelTable(0.1307, 0.3081);
  expect(mnist[0]).toBeCloseTo(-0.4242129623889923, 7);
  expect(mnist[255]).toBeCloseTo(2.821486711502075, 6);
});
