/**
 * Small networks around one batch normalization, in every place that one has: first, behind a convolution, behind
 * a clip; before convolutions of all kinds, linear layers, pooling, additions, clips, the end. Means and variances
 * are those that the network's own samples have, as training leaves them, or numbers of their own.
 */
import fc from 'fast-check';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { add } from '../../src/ir/ops/add.ts';
import { avgPool } from '../../src/ir/ops/avg-pool.ts';
import { clip } from '../../src/ir/ops/clip.ts';
import { maxPool } from '../../src/ir/ops/max-pool.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import { convolution, dense, norm } from './affine-layers.ts';
import { Draw } from './draw.ts';
import { floatGraph, type LayerSpec, layer } from './float-graph.ts';
import { valuesOf } from './float64.ts';

export const places = ['input', 'conv', 'conv and ReLU', 'ReLU', 'narrow clip', 'negative clip'] as const;
export const readers = [
  'nothing',
  'conv',
  'depthwise conv',
  'grouped conv',
  'pruned conv',
  'linear',
  'max-pool',
  'average pool',
  'add',
  'one-sided clip',
] as const;
export const inputKinds = ['signed', 'kelvin', 'pascal', 'unlike'] as const;

export interface NormedRecipe {
  readonly place: (typeof places)[number];
  readonly reader: (typeof readers)[number];
  readonly inputs: (typeof inputKinds)[number];
  /** Half of the channels: the groups are two. */
  readonly pairs: number;
  readonly size: number;
  readonly pad: number;
  /** Powers of ten: of the variances, from channel to channel, and of the gains. */
  readonly variances: readonly [number, number];
  readonly gains: readonly [number, number];
  /** Of the bias, either sign. */
  readonly shift: number;
  /** Channels whose values never change, or whose gain is 0. */
  readonly odd: 'none' | 'dead' | 'zero gain';
  /** Whether means and variances are those of the samples. */
  readonly trained: boolean;
  readonly seed: number;
}

export interface Normed {
  readonly graph: Graph<'float'>;
  readonly samples: readonly Float32Array[];
}

const power = (min: number, max: number): fc.Arbitrary<readonly [number, number]> =>
  fc
    .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);

export const normedRecipes: fc.Arbitrary<NormedRecipe> = fc.record({
  place: fc.constantFrom(...places),
  reader: fc.constantFrom(...readers),
  inputs: fc.constantFrom('signed', 'signed', ...inputKinds),
  pairs: fc.integer({ min: 1, max: 4 }),
  size: fc.integer({ min: 3, max: 7 }),
  pad: fc.integer({ min: 0, max: 2 }),
  variances: fc.oneof(fc.constant([0, 0] as const), power(-12, 6)),
  gains: fc.oneof(fc.constant([0, 0] as const), power(-3, 3)),
  shift: fc.integer({ min: 0, max: 8 }),
  odd: fc.constantFrom('none', 'none', 'dead', 'zero gain'),
  trained: fc.boolean(),
  seed: fc.nat({ max: 9999 }),
});

const channelsOf = ({ pairs }: NormedRecipe): number => 2 * pairs;
const shapeOf = (r: NormedRecipe): readonly number[] => [1, channelsOf(r), r.size, r.size];

/** 280..310, 101,325 +- 100, or one channel of 1e5 beside the others of 3. */
function sample({ inputs, ...r }: NormedRecipe, draw: Draw): Float32Array {
  const plane = r.size ** 2;
  const count = 2 * r.pairs * plane;
  switch (inputs) {
    case 'signed':
      return draw.floats(count, -3, 3);
    case 'kelvin':
      return draw.floats(count, 280, 310);
    case 'pascal':
      return draw.floats(count, 101_225, 101_425);
    case 'unlike':
      return draw.floats(count, 0, 3).map((x, i) => (i < plane ? 1e5 * x : x));
    default:
      return inputs satisfies never;
  }
}

const withClip = (lo: number, hi: number): LayerSpec => layer(clip, { lo, hi });
const uniform = (draw: Draw, count: number, row: number): number[] => [
  ...draw.floats(count, -2 / Math.sqrt(row), 2 / Math.sqrt(row)),
];

/** What comes before: a convolution's rows have the deviations asked for; a dead one is 0 behind ReLU. */
function before(r: NormedRecipe, draw: Draw, deviations: readonly number[]): readonly LayerSpec[] {
  const channels = channelsOf(r);
  const weights = uniform(draw, channels ** 2, channels).map(
    (w, i) => w * deviations[Math.floor(i / channels)]!,
  );
  const bias = deviations.map((d, c) => (r.odd === 'dead' && c === 0 ? -1e4 * d : d * draw.between(-1, 1)));
  const conv = convolution([channels, channels, 1, 1], weights, { bias });
  switch (r.place) {
    case 'input':
      return [];
    case 'conv':
      return [conv];
    case 'conv and ReLU':
      return [conv, withClip(0, Infinity)];
    case 'ReLU':
      return [withClip(0, Infinity)];
    case 'narrow clip':
      return [conv, withClip(0, 0.5)];
    case 'negative clip':
      return [conv, withClip(-3, -1)];
    default:
      return r.place satisfies never;
  }
}

const window = (kernel: number, pad: number) => ({
  ...{
    kernel: [kernel, kernel],
    strides: [1, 1],
    pads: [pad, pad, pad, pad],
    autoPad: 'NOTSET',
    dilations: [1, 1],
  },
  ceil: false,
});

/** What reads it; windows are 3 x 3. `last` is the layer that is read. */
function behind({ reader, pad, ...r }: NormedRecipe, draw: Draw, last: number): readonly LayerSpec[] {
  const channels = 2 * r.pairs;
  const conv = (outs: number, groups: number, keep: number): LayerSpec => {
    const row = (9 * channels) / groups;
    const weights = uniform(draw, outs * row, row).map((w) => (draw.unit() < keep ? w : 0));
    return convolution([outs, channels / groups, 3, 3], weights, {
      pad,
      groups,
      bias: uniform(draw, outs, 1),
    });
  };
  switch (reader) {
    case 'nothing':
      return [];
    case 'conv':
      return [conv(3, 1, 1)];
    case 'depthwise conv':
      return [conv(channels, channels, 1)];
    case 'grouped conv':
      return [conv(4, 2, 1)];
    case 'pruned conv':
      return [conv(3, 1, 0.2)];
    case 'linear': {
      const count = channels * r.size ** 2;
      return [
        layer(reshape, { shape: [1, count] }),
        dense([3, count], uniform(draw, 3 * count, count), [0, 1, -1]),
      ];
    }
    case 'max-pool':
      return [layer(maxPool, window(2, Math.min(pad, 1)))];
    case 'average pool':
      return [layer(avgPool, { ...window(2, Math.min(pad, 1)), countIncludePad: true })];
    case 'add':
      return [layer(add, {}, { reads: [`y${last}`, `y${last}`] })];
    case 'one-sided clip':
      return [withClip(-Infinity, 0.25)];
    default:
      return reader satisfies never;
  }
}

/** Mean and variance per channel over all samples of the last tensor of `layers`. */
function statistics(r: NormedRecipe, layers: readonly LayerSpec[], samples: readonly Float32Array[]) {
  const channels = channelsOf(r);
  const plane = r.size ** 2;
  const all = samples.map((x) =>
    layers.length === 0 ? x : valuesOf(floatGraph(shapeOf(r), layers), x).get(`y${layers.length - 1}`)!.data,
  );
  const of = (c: number): number[] =>
    all.flatMap((t) => [...t.slice(c * plane, (c + 1) * plane)].map(Number));
  const mean = (x: readonly number[]): number => x.reduce((sum, v) => sum + v, 0) / x.length;
  const each = Array.from({ length: channels }, (_, c) => of(c));
  const means = each.map(mean);
  return { mean: means, variance: each.map((x, c) => mean(x.map((v) => (v - means[c]!) ** 2))) };
}

const drawnPower = (draw: Draw, [lo, hi]: readonly [number, number]): number => 10 ** draw.between(lo, hi);

/** The network of a recipe, and samples that it was trained on. */
export function normedNetwork(r: NormedRecipe, count: number): Normed {
  const draw = new Draw(r.seed);
  const channels = Array.from({ length: channelsOf(r) }, (_, c) => c);
  const samples = Array.from({ length: count }, () => sample(r, draw));
  const variances = channels.map((c) =>
    r.odd === 'dead' && c === 0 ? 1e-12 : drawnPower(draw, r.variances),
  );
  const front = before(r, draw, variances.map(Math.sqrt));
  const own = { mean: channels.map(() => draw.between(-1, 1)), variance: variances };
  const scale = channels.map((c) =>
    r.odd === 'zero gain' && c === 0 ? 0 : (draw.unit() < 0.5 ? -1 : 1) * drawnPower(draw, r.gains),
  );
  const bias = channels.map(() => draw.between(-r.shift, r.shift));
  const middle = norm({ scale, bias, ...(r.trained ? statistics(r, front, samples) : own) });
  const layers = [...front, middle];
  return { graph: floatGraph(shapeOf(r), [...layers, ...behind(r, draw, layers.length - 1)]), samples };
}

export const featureRecipes = fc.record({
  inputs: fc.constantFrom(...inputKinds),
  features: fc.integer({ min: 2, max: 8 }),
  /** Before the first layer: by the samples' means and deviations. */
  normed: fc.boolean(),
  /** What a regression is near. */
  near: fc.constantFrom(0, 1000, -300),
  seed: fc.nat({ max: 9999 }),
});
export type FeatureRecipe = typeof featureRecipes extends fc.Arbitrary<infer T> ? T : never;

/** Two linear layers over features of any size; the first layer's weights are small where a feature is large. */
export function featureNetwork(
  { inputs, features, normed, near, seed }: FeatureRecipe,
  count: number,
): Normed {
  const draw = new Draw(seed);
  const channels = Array.from({ length: features }, (_, c) => c);
  const sizeOf = (c: number): number =>
    ({ signed: 3, kelvin: 15, pascal: 100, unlike: c === 0 ? 1e5 : 3 })[inputs];
  const offset = { signed: 0, kelvin: 295, pascal: 101_325, unlike: 0 }[inputs];
  const samples = Array.from({ length: count }, () =>
    Float32Array.from(channels, (c) => offset + draw.between(-1, 1) * sizeOf(c)),
  );
  const scales = normed ? channels.map(() => 1) : channels.map((c) => 1 / sizeOf(c));
  const weights = uniform(draw, 8 * features, features).map((w, i) => w * scales[i % features]!);
  // Centred, as training leaves it.
  const bias = Array.from({ length: 8 }, (_, o) =>
    normed ? 0 : -weights.slice(o * features, (o + 1) * features).reduce((sum, w) => sum + w * offset, 0),
  );
  const middle = norm({
    ...{ scale: channels.map(() => 1), bias: channels.map(() => 0), mean: channels.map(() => offset) },
    variance: channels.map((c) => sizeOf(c) ** 2 / 3),
  });
  const layers = [
    ...(normed ? [middle] : []),
    dense([8, features], weights, bias),
    withClip(0, Infinity),
    dense([1, 8], uniform(draw, 8, 8), [near]),
  ];
  return { graph: floatGraph([1, features], layers), samples };
}
