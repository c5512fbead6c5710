import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { drawDigit } from '../../src/data/digits.ts';
import { writeNpy } from '../../src/data/npy.ts';
import { floats } from '../../src/ir/tensor.ts';
import { frameOf, inkOf, inverted, openFile, sampleOfInk, sampleOfPicture } from '../../src/view/sample.ts';
import { packPng } from '../support/png.ts';
import { demoData } from '../support/view.ts';

const { program, preprocessing: how } = demoData();
const frame = frameOf(program, how)!;
const digit = drawDigit(5, 3);

/** 28x28 in the middle of 32x32. */
const padded = (pixels: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: 1024 }, (_, i) => {
    const [x, y] = [(i % 32) - 2, Math.floor(i / 32) - 2];
    return x >= 0 && y >= 0 && x < 28 && y < 28 ? pixels[28 * y + x]! : 0;
  });

test('a frame is the picture without its padding; flat inputs have none', () => {
  expect(frame).toEqual({ channels: 1, height: 28, width: 28, pad: 2 });
  const flat = { ...program, slots: program.slots.map((s) => ({ ...s, shape: [1, s.length] })) };
  expect(frameOf(flat, {})).toBeUndefined();
});

describe('ink', () => {
  test('is padded and scaled as the network’s samples are', () => {
    const { raw, real } = sampleOfInk(program, how, frame, digit);
    expect(raw).toEqual(padded(digit));
    expect(real).toEqual(Float32Array.from(padded(digit), (p) => Math.fround(p / 255)));
  });

  test('centred, it is where it is in the middle; as drawn, where it was drawn', () => {
    const corner = [
      [
        [0.05, 0.05],
        [0.2, 0.3],
      ],
    ] as const;
    const middle = corner.map((stroke) => stroke.map(([x, y]) => [x + 0.5, y + 0.4] as const));
    expect(inkOf(corner, frame, true)).toEqual(inkOf(middle, frame, true));
    expect(inkOf(corner, frame, false)).not.toEqual(inkOf(middle, frame, false));
    const drawn = inkOf(corner, frame, false);
    const right = drawn.filter((_, i) => i % 28 > 10);
    expect(Math.max(...right)).toBe(0);
    expect(drawn[28 * 5 + 3]).toBe(255);
    const edges = inkOf(
      [
        [
          [0, 0],
          [1, 0],
          [1, 1],
        ],
      ],
      frame,
      false,
    );
    expect(edges.filter((p, i) => p > 200 && (i < 28 || i % 28 === 27)).length).toBe(55);
  });

  test('of no stroke is nothing, of one point a dot', () => {
    expect(Math.max(...inkOf([], frame, true))).toBe(0);
    const dot = inkOf([[[0.9, 0.1]]], frame, true);
    const brightest = Math.max(...dot);
    expect(brightest).toBeGreaterThan(200);
    const at = dot.indexOf(brightest);
    expect([Math.floor(at / 28), at % 28].map((x) => Math.abs(x - 13.5) < 2)).toEqual([true, true]);
  });
});

describe('files', () => {
  const rows = Array.from({ length: 28 }, (_, y) => [...digit.subarray(28 * y, 28 * y + 28)]);

  test('PNG of the right size, and of another', () => {
    const opened = openFile(program, how, 'five.png', packPng(28, 28, 8, 0, rows));
    expect(opened.count).toBe(1);
    expect(opened.sample(0).raw).toEqual(padded(digit));
    const twice = rows.flatMap((row) => [0, 1].map(() => row.flatMap((p) => [p, p])));
    expect(openFile(program, how, 'big.png', packPng(56, 56, 8, 0, twice)).sample(0).raw).toEqual(
      padded(digit),
    );
  });

  test('colours become grey by luma', () => {
    const pixels = new Uint8Array(3 * 784).fill(0).map((_, i) => (i % 3 === 1 ? 255 : 0));
    const picture = { where: 'green', width: 28, height: 28, channels: 3, pixels } as const;
    const { raw } = sampleOfPicture(program, how, frame, picture);
    expect(raw?.[32 * 10 + 10]).toBe(Math.round(0.587 * 255));
  });

  test('arrays before the preprocessing and after it', () => {
    const small = writeNpy({ dtype: 'uint8', shape: [28, 28], data: digit });
    expect(openFile(program, how, 'small.npy', small).sample(0).raw).toEqual(padded(digit));
    const whole = floats(
      [1, 1, 32, 32],
      Float32Array.from(padded(digit), (p) => p / 255),
    );
    expect(openFile(program, how, 'whole.npy', writeNpy(whole)).sample(0).real).toEqual(whole.data);
  });

  test('what does not fit is refused with the network’s sizes', () => {
    const odd = writeNpy({ dtype: 'uint8', shape: [30, 30], data: new Uint8Array(900) });
    expect(() => openFile(program, how, 'odd.npy', odd)).toThrow(InputError);
    expect(() => openFile(program, how, 'odd.npy', odd)).toThrow(/odd\.npy: .*supported: samples of 1x32x32/);
  });
});

test('inverting twice changes nothing, once all but the padding', () => {
  const sample = sampleOfInk(program, how, frame, digit);
  const once = inverted(program, how, sample);
  expect(once.raw).toEqual(padded(digit.map((p) => 255 - p)));
  expect(inverted(program, how, once)).toEqual(sample);
});
