/** Where there is no difference that it explains, no cause is named. */
import { describe, expect, test } from 'vitest';
import { captureOfTensors } from '../../../src/diff/capture.ts';
import type { Suspect } from '../../../src/diff/causes/cause.ts';
import { preprocessing } from '../../../src/diff/causes/preprocessing.ts';
import { rounding } from '../../../src/diff/causes/rounding.ts';
import { diff } from '../../../src/diff/compare.ts';
import { diagnose, suspectCauses } from '../../../src/diff/diagnose.ts';
import { verdictText } from '../../../src/diff/text.ts';
import { floats } from '../../../src/ir/tensor.ts';
import type { Program } from '../../../src/program/program.ts';
import { decodeSlot } from '../../../src/program/values.ts';
import * as ir from '../../support/ir.ts';
import { built } from '../../support/pipeline.ts';
import { recipesOf } from '../../support/property.ts';

const count = 64;
/** A copy, whose output is stored in steps of 8. */
const { slots, ...rest } = ir.single(
  ir.kernel(
    'copy1',
    [ir.param('in', 'in', 'u8', count), ir.param('out', 'out', 'u8', count)],
    [
      {
        kind: 'copy',
        elem: 'u8',
        to: 'out',
        toIndex: ir.int(0),
        from: 'in',
        fromIndex: ir.int(0),
        count: ir.int(count),
      },
    ],
  ),
);
const coarse: Program = {
  ...rest,
  slots: slots.map((slot, i) => ({
    ...{ ...slot, shape: [1, count], quant: { scale: 8, zeroPoint: 0 } },
    ...{ firstStep: i - 1, lastStep: i },
  })),
};
const input = new Uint8Array(count).fill(125);
const near = Float32Array.from({ length: count }, (_, i) => 1000 + Math.sin(i));

describe('a layer that is lost below half a step', () => {
  const theirs = captureOfTensors(coarse, (slot) =>
    slot === coarse.inputs[0]!.slot
      ? floats([1, count], new Float32Array(count).fill(1000))
      : floats([1, count], near),
  );
  const inferences = [{ input, theirs }];
  const found = diff(coarse, inferences, { mode: 'isolated' });

  test('is wrong, though each element is stored as it should be and the numbers are 60 dB apart', () => {
    expect(found.first).toMatchObject({ kernel: 'copy1', measures: { equal: count, elements: count } });
    expect(found.first!.measures!.sqnr).toBeLessThan(1);
  });

  test('has no cause, and the text says what is lost', () => {
    expect(diagnose(coarse, inferences, [], found)).toEqual([]);
    expect(verdictText(found, 'it')).toContain('what is lost is below half a step of 8');
  });
});

/** A requantizing layer of a random network on which all is as it should be. */
function sound(): Suspect {
  for (const recipe of recipesOf(7, 200)) {
    const { program, inputs } = built({ ...recipe, arith: 'int8', mode: 'single' }, 'net');
    const [step] = program.steps;
    const slot = step!.args[step!.kernel.params.findIndex(({ role }) => role === 'out')]!;
    if (program.slots[slot]!.length < 8 || step!.kernel.weights === undefined) continue;
    const bytes = new Uint8Array(program.slots[slot]!.length).fill(9);
    const real = decodeSlot(program.slots[slot]!, bytes);
    return {
      ...{
        program,
        slot,
        step: 0,
        ours: bytes,
        theirs: bytes,
        stored: true,
        ourReals: real,
        theirReals: real,
      },
      inference: { input: inputs[0]!, theirs: { written: () => undefined } },
    };
  }
  throw new Error('no such network');
}

test('no cause speaks where both sides have the same bytes', () => {
  const suspect = sound();
  for (const cause of suspectCauses) expect(cause(suspect)).toBeUndefined();
});

test('real numbers are not rounded by a requantization: no rounding is named for them', () => {
  const suspect = sound();
  const theirs = suspect.theirs.map((x) => x + 1);
  expect(rounding({ ...suspect, theirs, stored: false })).toBeUndefined();
});

describe('an input', () => {
  const pixels = Uint8Array.from({ length: count }, (_, i) => (i * 5) % 256);
  const program: Program = { ...coarse, rawInput: { mean: [0], std: [255] } };
  const given = (theirs: Uint8Array): string | undefined => {
    const reals = (bytes: Uint8Array) => Float32Array.from(bytes, (x) => x / 255);
    const suspect = { program, slot: coarse.inputs[0]!.slot, step: -1, ours: pixels, theirs, stored: true };
    return preprocessing({
      ...{ ...suspect, ourReals: reals(pixels), theirReals: reals(theirs) },
      inference: { input: pixels, theirs: { written: () => undefined } },
    })?.text;
  };

  test('of zeros is zeros, one of another number is that number', () => {
    expect(given(new Uint8Array(count))).toMatch(/^the input is 0 everywhere/);
    expect(given(new Uint8Array(count).fill(255))).toMatch(/^the input is 255 everywhere/);
  });

  test('in 0..1, cut off or rounded, is', () => {
    const says = /in 0\.\.1 where pixels of 0\.\.255 are expected/;
    expect(given(pixels.map((x) => Math.round(x / 255)))).toMatch(says);
    expect(given(Uint8Array.from(pixels, (x, i) => (i === 51 ? 1 : Math.floor(x / 255))))).toMatch(says);
  });

  test('of zeros and ones at other places is not', () => {
    expect(given(pixels.map((x) => (x < 20 ? 1 : 0)))).toBeUndefined();
  });
});
