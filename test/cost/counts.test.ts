import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DefectError } from '../../src/base/errors.ts';
import { operationsOf } from '../../src/cost/counts.ts';
import { entropyFloor } from '../../src/cost/entropy.ts';
import { placesIn } from '../../src/cost/kinds.ts';
import { codeFeatures, codeParts } from '../../src/cost/size-features.ts';
import { count, type Feature, features, noCounts } from '../../src/cost/speed-features.ts';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import { type BinaryOp, binaryOperations } from '../../src/ir/kernel/operations.ts';
import * as ir from '../support/ir.ts';
import { layerOf, plainImage } from '../support/stored-layers.ts';

const counted = (kernel: Kernel, feature: Feature): number =>
  operationsOf(kernel)[features.indexOf(feature)]!;

const linear = { seed: 3, density: 0.3, bits: 4, inputs: 101, outputs: 7 } as const;

test('dense kernels multiply as often as the field counts', () => {
  for (const recipe of [linear, { ...linear, image: plainImage }]) {
    const kernel = layerOf(recipe).kernel({});
    expect(counted(kernel, 'mac')).toBe(kernel.macs);
  }
});

test('sparse kernels multiply once per stored entry and sum', () => {
  const flat = layerOf(linear);
  const csr = { kind: 'csr', bits: 8, unroll: 1, segmented: false } as const;
  const nonzeros = flat.mac.weights.filter((w) => w !== 0).length;
  // 101 inputs: no distance needs a bridge.
  expect(counted(flat.kernel({ format: csr }), 'mac')).toBe(nonzeros);
  const windows = layerOf({ ...linear, image: plainImage });
  const kept = windows.mac.weights.filter((w) => w !== 0).length;
  expect(counted(windows.kernel({ format: csr }), 'mac')).toBe(kept * 5 * 5 * 4);
  const bitmap = windows.kernel({ format: { kind: 'bitmap', bits: 4 } });
  expect(counted(bitmap, 'mac')).toBe(kept * 5 * 5 * 4);
});

test.each([
  ['u8', 0, 'loadNear'],
  ['i8', 31, 'loadNear'],
  ['u8', 32, 'loadFar'],
  ['u16', 0, 'loadWide'],
  ['i16', 0, 'loadWide'],
  ['i32', 40, 'loadWide'],
] as const)('a load of %s at %i counts as %s', (elem, index, feature) => {
  const body = [ir.store('out', 'i32', 0, ir.load('some', elem, index))];
  const some = ir.table('some', elem, new Array(41).fill(1));
  const kernel = ir.kernel('k', [ir.param('out', 'out', 'i32', 1)], body, [some]);
  for (const each of ['loadNear', 'loadFar', 'loadWide'] as const)
    expect(counted(kernel, each), each).toBe(each === feature ? 1 : 0);
  const parts = codeParts(kernel);
  expect(parts[codeFeatures.indexOf(feature)]).toBe(1);
});

test('what no model lists is not counted as something else', () => {
  expect(() => count(noCounts(), 'wait' as Feature)).toThrow('a feature of the cost model');
  expect(() => placesIn(['kernel', 'loop'])('wait' as 'loop')).toThrow(DefectError);
});

test('a length that is read behind the end of its table is a defect, not 0', () => {
  const lengths = ir.table('lengths', 'u8', [3, 4]);
  const loop = (index: number) => [
    ir.for_('i', 0, ir.load('lengths', 'u8', index), [ir.store('out', 'i32', 0, 1)]),
  ];
  const kernel = (index: number) =>
    ir.kernel('k', [ir.param('out', 'out', 'i32', 1)], loop(index), [lengths]);
  expect(counted(kernel(1), 'pass')).toBe(4);
  expect(() => operationsOf(kernel(2))).toThrow(DefectError);
});

const some = ir.param('in', 'in', 'i32', 2);
const out = ir.param('out', 'out', 'i32', 1);

test.each(Object.entries(binaryOperations))('%s counts as its cost, once, in both models', (op, { cost }) => {
  const value = ir.binary(op as BinaryOp, ir.load('in', 'i32', 0), ir.load('in', 'i32', 1));
  const kernel = ir.kernel('k', [some, out], [ir.store('out', 'i32', 0, value)]);
  for (const each of ['add', 'mul', 'divide', 'bits'] as const) {
    expect(counted(kernel, each), each).toBe(each === cost ? 1 : 0);
    expect(codeParts(kernel)[codeFeatures.indexOf(each)], each).toBe(each === cost ? 1 : 0);
  }
});

test.each([
  [8, 0],
  [7, 1],
])('a sign extension of %i bits counts %i times', (bits, times) => {
  const value = ir.call('sign_extend', ir.load('in', 'i32', 0), bits);
  const kernel = ir.kernel('k', [some, out], [ir.store('out', 'i32', 0, value)]);
  expect(counted(kernel, 'signExtend')).toBe(times);
  expect(codeParts(kernel)[codeFeatures.indexOf('signExtend')]).toBe(times);
});

/** A loop that nothing hides from, and one whose length is read from a table in each round. */
const nest = (outer: number, inner: readonly number[]): Kernel =>
  ir.kernel(
    'nest',
    [ir.param('in', 'in', 'u8', 8), ir.param('out', 'out', 'i32', 8)],
    [
      ir.for_('i', 0, outer, [
        ir.for_('j', 0, ir.load('lengths', 'u8', ir.local('i')), [ir.store('out', 'i32', 0, ir.int(1))]),
      ]),
    ],
    [ir.table('lengths', 'u8', [...inner])],
  );

test('loops whose lengths stand in tables are followed', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 12 }), (lengths) => {
      const kernel = nest(lengths.length, lengths);
      const total = lengths.reduce((a, b) => a + b, 0);
      expect(counted(kernel, 'store')).toBe(total);
      expect(counted(kernel, 'pass')).toBe(total + lengths.length);
      expect(counted(kernel, 'loop')).toBe(1 + lengths.length);
    }),
  );
});

test('what a counter decides is followed too', () => {
  const kernel = ir.kernel(
    'some',
    [ir.param('out', 'out', 'i32', 1)],
    [
      ir.for_('i', 0, 10, [
        ir.if_(ir.compare('lt', ir.local('i'), ir.int(3)), [ir.store('out', 'i32', 0, ir.int(1))], []),
      ]),
    ],
  );
  expect(counted(kernel, 'store')).toBe(3);
});

test('a loop whose length depends on the input has no cost, and says so', () => {
  const kernel = ir.kernel(
    'wild',
    [ir.param('in', 'in', 'u8', 1), ir.param('out', 'out', 'i32', 1)],
    [ir.for_('i', 0, ir.load('in', 'u8', 0), [ir.store('out', 'i32', 0, ir.int(1))])],
  );
  expect(() => operationsOf(kernel)).toThrow(/kernel 'wild': a loop whose length depends on the input/);
});

test('the entropy floor of known distributions', () => {
  // Half zeros: 1 bit each; the others take 4 values equally often: 2 bits each.
  const weights = Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 0 : 1 + ((i >> 1) % 4)));
  expect(entropyFloor(weights)).toEqual({ placeBits: 64, valueBits: 64, bytes: 16 });
  expect(entropyFloor(new Int8Array(9)).bytes).toBe(0);
  expect(entropyFloor([5, 5, 5]).bytes).toBe(0);
});
