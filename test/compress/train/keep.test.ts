import fc from 'fast-check';
import { expect, test } from 'vitest';
import { networkOf } from '../../../src/compress/gradient/network.ts';
import type { Price } from '../../../src/compress/prune/options.ts';
import { type Importance, prune } from '../../../src/compress/train/keep.ts';
import { type LayerState, layerStateOf } from '../../../src/compress/train/layer-state.ts';
import { tinyStudent } from '../../support/tiny-training.ts';

const layersOf = (): LayerState[] =>
  networkOf(tinyStudent).layers.map((layer) => layerStateOf(tinyStudent, layer, undefined));

const keptOf = (layers: readonly LayerState[]): boolean[] =>
  layers.flatMap(({ kept }) => [...kept].map((k) => k === 1));

test('magnitude: the largest of all layers together stay', () => {
  const layers = layersOf();
  prune(layers, 50, { importance: 'magnitude', price: 'weights', regrow: false });
  const sizes = layers.flatMap(({ weight }) => [...weight.value].map(Math.abs));
  const kept = keptOf(layers);
  expect(kept.filter(Boolean)).toHaveLength(50);
  const [least] = sizes.filter((_, i) => kept[i]).sort((a, b) => a - b);
  expect(Math.max(...sizes.filter((_, i) => !kept[i]))).toBeLessThanOrEqual(least!);
});

test('damage: a small weight with large gradients outlives a large one without', () => {
  const layers = layersOf();
  const [small, large] = [layers[2]!.weight, layers[1]!.weight];
  const i = layers[2]!.kept.indexOf(1);
  const j = layers[1]!.kept.indexOf(1);
  small.value[i] = 0.01;
  small.square[i] = 1;
  large.value[j] = 5;
  large.square[j] = 1e-6;
  const other = layers[2]!.kept.lastIndexOf(1);
  small.value[other] = 0.02;
  small.square[other] = 1;
  prune(layers, 4, { importance: 'damage', price: 'weights', regrow: false });
  expect(layers[2]!.kept[i]).toBe(1);
  expect(layers[2]!.kept[other]).toBe(1);
  // The best of each layer stays in any case.
  expect(layers.map(({ kept }) => kept.reduce((n, k) => n + k, 0))).toEqual([1, 1, 2]);
});

test('bytes: a row that is worth less than its own price is given up, its place goes to better rows', () => {
  const kept = (price: Price) => {
    const layers = layersOf();
    for (const { weight } of layers) {
      weight.square.fill(1);
      weight.value.fill(1e-3);
    }
    const { weight, kept: mask, layer } = layers[1]!;
    // Six rows of ten important weights, and one row of a single one that is not the least.
    const inRow = (row: number) =>
      [...mask.keys()].filter((i) => mask[i] === 1 && Math.floor(i / 36) === row);
    for (let row = 1; row <= 6; row++)
      inRow(row)
        .slice(0, 10)
        .forEach((i, n) => {
          weight.value[i] = 11 + n;
        });
    weight.value[inRow(0)[0]!] = 11.5;
    prune(layers, 60, { importance: 'damage', price, regrow: false });
    return { row: [...mask.subarray(0, layer.termsPerRow)], all: keptOf(layers) };
  };
  expect(kept('weights').row).toContain(1);
  expect(kept('bytes').row).not.toContain(1);
  for (const price of ['weights', 'bytes'] as const) expect(kept(price).all.filter(Boolean)).toHaveLength(60);
});

test('without regrowth only of those kept; with it of all that were not 0 at first', () => {
  const pruneTwice = (regrow: boolean): [boolean[], boolean[]] => {
    const layers = layersOf();
    prune(layers, 60, { importance: 'magnitude', price: 'weights', regrow });
    const once = keptOf(layers);
    // The order of importances turns around.
    for (const { weight } of layers) weight.value.set(weight.value.map((w) => (w === 0 ? 0 : 1 / w)));
    prune(layers, 60, { importance: 'magnitude', price: 'weights', regrow });
    return [once, keptOf(layers)];
  };
  const [first, second] = pruneTwice(false);
  expect(second).toEqual(first);
  const [before, after] = pruneTwice(true);
  expect(after.filter((kept, i) => kept && !before[i]).length).toBeGreaterThan(10);
  const allowed = layersOf().flatMap((layer) => [...layer.allowed]);
  after.forEach((kept, i) => {
    if (kept) expect(allowed[i]).toBe(1);
  });
});

test('as many as asked for, even of equals; all when there are fewer', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 600 }),
      fc.constantFrom<Importance>('damage', 'magnitude'),
      fc.constantFrom<Price>('weights', 'bytes', 'macs', new Map([['node2', 3]])),
      fc.boolean(),
      (count, importance, price, regrow) => {
        const layers = layersOf();
        const candidates = keptOf(layers).filter(Boolean).length;
        // No gradient was seen yet: every damage is 0.
        prune(layers, count, { importance, price, regrow });
        expect(keptOf(layers).filter(Boolean)).toHaveLength(Math.min(count, candidates));
      },
    ),
  );
});
