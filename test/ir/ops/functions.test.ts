import { expect, test } from 'vitest';
import { quantOf } from '../../../src/ir/integers/quant.ts';
import { log } from '../../../src/ir/ops/powers.ts';
import { nameOf, realSamples } from '../../support/functions.ts';
import { holdsFloat32, holdsInt8 } from '../../support/pointwise-law.ts';

const everywhere = [-Infinity, Infinity] as const;

test.each(realSamples.map((s) => [nameOf(s), s] as const))('%s in float32', (_, s) => {
  holdsFloat32(s.op as never, s.attrs as never, s.f, s.followed ?? s.domain ?? everywhere);
});

test.each(realSamples.map((s) => [nameOf(s), s] as const))('%s of every byte', (_, s) => {
  const [lo, hi] = s.domain ?? everywhere;
  // Fine, coarse, and without 0.
  for (const range of [
    { lo: -2.5, hi: 3 },
    { lo: -90, hi: 250 },
    { lo: 1.3, hi: 2 },
  ]) {
    if (range.lo >= hi || range.hi <= lo) continue;
    const input = quantOf({ lo: Math.max(lo, range.lo), hi: Math.min(hi, range.hi) });
    // The grid's numbers inside.
    const [least, most] = [
      Math.ceil(lo / input.scale) * input.scale,
      Math.floor(hi / input.scale) * input.scale,
    ];
    holdsInt8(s.op as never, s.attrs as never, (x) => s.f(Math.max(least, Math.min(most, x))), [
      input,
      { scale: 0.03, zeroPoint: 100 },
    ]);
  }
});

test('bytes outside of the domain become what the nearest inside does', () => {
  const context = {
    name: 'y',
    attrs: {},
    inputs: ['x'],
    outputs: ['y'],
    inputTypes: [],
    outputTypes: [],
    mode: 'single',
    weightBits: 8,
    inputQuants: [{ scale: 0.5, zeroPoint: 100 }],
    range: { lo: 0, hi: 1 },
    outputQuant: { scale: 0.1, zeroPoint: 30 },
    outputQuants: [{ scale: 0.1, zeroPoint: 30 }],
    inputMean: undefined,
  } as const;
  const looked = log.quantize!(context);
  const table = 'table' in looked ? looked.table : new Uint8Array();
  // log 0 saturates, log 0.5 and log 1 do not.
  expect([...table.slice(98, 103)]).toEqual([0, 0, 0, 23, 30]);
  expect(() => log.quantize!({ ...context, inputQuants: [{ scale: 0.5, zeroPoint: 300 }] })).toThrow(
    /inputs for which it has no value/,
  );
});
