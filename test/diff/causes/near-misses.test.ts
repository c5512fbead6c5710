/** What a cause explains, and beside it what only looks like it. */
import { describe, expect, test } from 'vitest';
import { mulberry32 } from '../../../src/base/random.ts';
import type { Suspect } from '../../../src/diff/causes/cause.ts';
import { layout } from '../../../src/diff/causes/layout.ts';
import { preprocessing } from '../../../src/diff/causes/preprocessing.ts';
import { rounding } from '../../../src/diff/causes/rounding.ts';
import { saturation } from '../../../src/diff/causes/saturation.ts';
import * as ir from '../../support/ir.ts';
import { suspectOf } from '../../support/suspects.ts';

const bytes = (...numbers: readonly number[]): Uint8Array => Uint8Array.from(numbers);

describe('saturation', () => {
  // Where ours is cut off at 255, theirs wrapped around: 300 is 44 there.
  test('most of what differs lies inside there, and at a bound here', () =>
    expect(saturation(suspectOf(bytes(255, 255, 255, 9), bytes(44, 17, 0, 9)))?.cause).toBe('saturation'));
  test('half of it is no majority', () =>
    expect(saturation(suspectOf(bytes(255, 0, 9, 9), bytes(44, 255, 9, 9)))).toBeUndefined());
  test('one that is inside here was not cut off', () =>
    expect(saturation(suspectOf(bytes(255, 255, 200, 9), bytes(44, 17, 3, 9)))).toBeUndefined());

  test('a lower bound there is named where every element beyond it has that value', () => {
    const found = saturation(suspectOf(bytes(250, 180, 120, 127), bytes(127, 127, 120, 127)));
    expect(found?.text).toContain('cut off above 127');
  });
  test('a higher one, from below', () =>
    expect(saturation(suspectOf(bytes(250, 3, 5, 60), bytes(250, 10, 10, 60)))?.text).toContain(
      'cut off below 10',
    ));
  test('not where one that differs has another value', () =>
    expect(saturation(suspectOf(bytes(250, 180, 120, 127), bytes(127, 126, 120, 127)))).toBeUndefined());
  test('not of a single element', () =>
    expect(saturation(suspectOf(bytes(250, 12, 120, 127), bytes(127, 12, 120, 127)))).toBeUndefined());
});

describe('layout', () => {
  const shape = [1, 5, 4, 3];
  const random = mulberry32(7);
  const ours = Uint8Array.from({ length: 60 }, () => Math.floor(256 * random()));
  /** Height, width, channel read as channel, height, width. */
  const turned = ours.map((_, i) => ours[(i % 5) * 12 + Math.floor(i / 5)]!);

  test('the same numbers with channels last', () =>
    expect(layout(suspectOf(ours, turned, { shape }))?.cause).toBe('layout'));
  test('not where three of sixty are other numbers', () => {
    const wrong = turned.map((x, i) => (i % 25 === 0 ? x ^ 128 : x));
    expect(layout(suspectOf(ours, wrong, { shape }))).toBeUndefined();
  });
  test('not where the order as it is fits as well', () => {
    const even = new Uint8Array(60).fill(9);
    expect(layout(suspectOf(even, even, { shape }))).toBeUndefined();
  });
});

describe('preprocessing', () => {
  const ours = Uint8Array.from({ length: 50 }, (_, i) => 3 * i);
  const random = mulberry32(3);

  test('an input that was scaled otherwise', () =>
    expect(
      preprocessing(
        suspectOf(
          ours,
          ours.map((x) => x / 2 + 20),
          { step: -1, shape: [1, 1, 5, 10] },
        ),
      )?.cause,
    ).toBe('input preprocessing'));
  test('not an unrelated input', () =>
    expect(
      preprocessing(
        suspectOf(
          ours,
          ours.map(() => 255 * random()),
          { step: -1, shape: [1, 1, 5, 10] },
        ),
      ),
    ).toBeUndefined());
  test('not a layer', () =>
    expect(
      preprocessing(
        suspectOf(
          ours,
          ours.map((x) => x / 2),
        ),
      ),
    ).toBeUndefined());
});

describe('rounding', () => {
  /** A layer that halves and rounds halves up, beside what another makes of the same input. */
  const halved = (input: Uint8Array, theirs: (x: number) => number, held = input): Suspect => {
    const half = ir.call('requantize_single', ir.load('in', 'u8', ir.local('i')), 2 ** 30, 0);
    const program = ir.single(
      ir.kernel(
        'halve',
        [ir.param('in', 'in', 'u8', input.length), ir.param('out', 'out', 'u8', input.length)],
        [ir.for_('i', 0, input.length, [ir.store('out', 'u8', ir.local('i'), half)])],
      ),
    );
    const sides = suspectOf(
      input.map((x) => Math.floor((x + 1) / 2)),
      input.map(theirs),
    );
    const read = () => ({ kind: 'stored', bytes: held }) as const;
    return { ...sides, program, inference: { input, theirs: { read, written: () => undefined } } };
  };
  const down = (x: number): number => Math.floor(x / 2);
  const input = bytes(1, 2, 3, 4, 5, 100, 201);

  test('the same sums, cut off', () =>
    expect(rounding(halved(input, down))?.text).toContain('halve rounds differently: downwards'));
  test('not where one of seven is a step farther away', () =>
    expect(rounding(halved(input, (x) => down(x) + Number(x === 100)))).toBeUndefined());
  test('not where it would be that of other inputs than theirs', () =>
    expect(rounding(halved(input, down, bytes(1, 2, 3, 4, 5, 100, 203)))).toBeUndefined());
  test('not of three elements, which may fit by chance', () => {
    expect(rounding(halved(bytes(1, 2, 3), down))).toBeUndefined();
    expect(rounding(halved(bytes(1, 2, 3, 4), down))?.cause).toBe('rounding');
  });
});
