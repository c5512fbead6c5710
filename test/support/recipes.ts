/**
 * Random networks as small JSON recipes. A recipe asks, and `networkOf` (networks.ts) fits what it asks for to
 * the shapes at hand; so every recipe is a valid network, and shrinking a recipe (fewer layers, smaller
 * numbers, simpler weights) shrinks the network.
 */
import fc from 'fast-check';
import type { RequantMode, WeightBits } from '../../src/ir/graph/op.ts';
import { dense8, type WeightFormat } from '../../src/ir/kernel/weight-format.ts';
import type { CalibrationMethod } from '../../src/passes/calibrate.ts';
import type { PlanStrategy } from '../../src/plan/addresses.ts';
import { gentleSamples } from './functions.ts';
import { pairSamples } from './pairs.ts';

/** How weights are drawn; the simplest first, to which shrinking goes. */
export const weightKinds = [
  'zero',
  'ones',
  'single',
  'uniform',
  'extremes',
  'zeroRows',
  'sparse',
  'tiny',
  'huge',
  'mixed',
] as const;
export const biasKinds = ['none', 'zero', 'uniform', 'huge'] as const;

export interface Weights {
  readonly kind: (typeof weightKinds)[number];
  readonly bias: (typeof biasKinds)[number];
  readonly seed: number;
}

/** Pairs are [vertical, horizontal]; images with one axis take the second. */
type Pair = readonly [number, number];

export interface WindowRecipe {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
}

export type LayerRecipe =
  | {
      readonly kind: 'conv';
      readonly window: WindowRecipe;
      readonly out: number;
      readonly groups: 'one' | 'depthwise' | 'some';
      readonly weights: Weights;
    }
  | {
      readonly kind: 'pool';
      readonly of: 'max' | 'avg' | 'global';
      readonly window: WindowRecipe;
      readonly ceil: boolean;
      readonly countPad: boolean;
    }
  | {
      readonly kind: 'linear';
      readonly as: 'linear' | 'matMul';
      readonly out: number;
      readonly weights: Weights;
    }
  /** One after the other. */
  | { readonly kind: 'clip'; readonly bounds: readonly Pair[] }
  /** `extreme`: gains of 1e-3 to 10, shifts to 8, variances of 1e-12 (dead channels) to 1e6. */
  | {
      readonly kind: 'batchNorm';
      readonly seed: number;
      readonly flavour: 'plain' | 'steep' | 'zeroGain' | 'extreme';
    }
  | {
      readonly kind: 'residual';
      readonly window: WindowRecipe;
      readonly out: number;
      readonly norm: boolean;
      readonly weights: Weights;
    }
  | { readonly kind: 'twice' }
  | { readonly kind: 'addConstant'; readonly seed: number; readonly scalar: boolean }
  | { readonly kind: 'identity' }
  | { readonly kind: 'flatten' }
  | { readonly kind: 'reshape'; readonly to: 'row' | 'line' | 'image'; readonly cut: number }
  | { readonly kind: 'transpose'; readonly turn: number }
  | { readonly kind: 'softmax'; readonly axis: number }
  /** By a constant of all elements or of the last axis: which of `pairSamples`. */
  | { readonly kind: 'pair'; readonly of: number; readonly row: boolean; readonly seed: number }
  /** Times a function of itself, or of its means. */
  | { readonly kind: 'gate'; readonly squeezed: boolean }
  | { readonly kind: 'scale'; readonly seed: number; readonly scalar: boolean }
  /** Which of `reduced`, along some axes, or a normalization. */
  | {
      readonly kind: 'along';
      readonly of: (typeof along)[number];
      readonly turn: number;
      readonly seed: number;
    }
  /** Which of `gentleSamples`. */
  | { readonly kind: 'pointwise'; readonly of: number }
  /** What mixes elements, or chooses among them. */
  | {
      readonly kind: 'mix';
      readonly of: (typeof mixes)[number];
      readonly turn: number;
      readonly seed: number;
    }
  | {
      readonly kind: 'move';
      readonly of: (typeof moves)[number];
      readonly turn: number;
      readonly seed: number;
    };

/** What makes numbers of the elements along axes. */
export const along = ['mean', 'sum', 'largest', 'smallest', 'normalize', 'rms'] as const;

/** What puts elements elsewhere, along one axis. */
export const moves = ['slice', 'pad', 'join', 'pick'] as const;

/** What mixes the elements along axes, or chooses among them. */
export const mixes = [
  'resize',
  'runningSum',
  'matrices',
  'attention',
  'choice',
  'truth',
  'words',
  'lstm',
  'gru',
  'rnn',
] as const;

export interface Recipe {
  /** Without the batch: [features], [channels, width] or [channels, height, width]. */
  readonly input: readonly number[];
  readonly layers: readonly LayerRecipe[];
  readonly arith: 'int8' | 'float32';
  readonly mode: RequantMode;
  readonly bits: WeightBits;
  /** How weights are stored, in the layers where it can hold them. */
  readonly format: WeightFormat;
  readonly correction: boolean;
  readonly method: CalibrationMethod;
  /** Raw pixels as input, with one mean and deviation, or one per channel. */
  readonly raw: 'no' | 'one' | 'channels';
  /** What is done to the integers after quantization: bounds and ties that training would hardly hit. */
  readonly tweak: 'none' | 'ties' | 'extremes';
  readonly plan: PlanStrategy;
  readonly seed: number;
  /** Activations, but for the input, have 16 bits wherever that can be; laws say when. */
  readonly wide?: boolean;
}

const seed = fc.nat({ max: 9999 });
const weights: fc.Arbitrary<Weights> = fc.record({
  kind: fc.constantFrom(...weightKinds),
  bias: fc.constantFrom(...biasKinds),
  seed,
});

/** Mostly small numbers. */
const small = (min: number, most: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min, max: Math.min(most, min + 1) }) },
    { weight: 2, arbitrary: fc.integer({ min, max: most }) },
  );

/** Mostly 1. */
const rarely = (most: number): fc.Arbitrary<number> =>
  fc.oneof(
    { withCrossShrink: true },
    { weight: 2, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: most }) },
  );
const kernelSize = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 6 }) },
);

const window: fc.Arbitrary<WindowRecipe> = fc.record({
  kernel: fc.tuple(kernelSize, kernelSize),
  strides: fc.tuple(rarely(4), rarely(4)),
  dilations: fc.tuple(rarely(3), rarely(3)),
  pads: fc.oneof(
    fc.constant([0, 0, 0, 0] as const),
    fc.tuple(small(0, 3), small(0, 3), small(0, 3), small(0, 3)),
  ),
});

const conv: fc.Arbitrary<LayerRecipe> = fc.record({
  kind: fc.constant('conv'),
  window,
  out: fc.integer({ min: 1, max: 9 }),
  groups: fc.constantFrom('one', 'one', 'depthwise', 'some'),
  weights,
});
const pool: fc.Arbitrary<LayerRecipe> = fc.record({
  kind: fc.constant('pool'),
  of: fc.constantFrom('max', 'avg', 'avg', 'global'),
  window,
  ceil: fc.boolean(),
  countPad: fc.boolean(),
});
/** What convolutional networks are made of: a window of 2, 3 next to each other. */
const plainPool: fc.Arbitrary<LayerRecipe> = fc.integer({ min: 1, max: 3 }).map((k) => ({
  kind: 'pool',
  of: 'max',
  window: { kernel: [k, k], strides: [k, k], dilations: [1, 1], pads: [0, 0, 0, 0] },
  ceil: false,
  countPad: false,
}));
const linear: fc.Arbitrary<LayerRecipe> = fc.record({
  kind: fc.constant('linear'),
  as: fc.constantFrom('linear', 'matMul'),
  out: fc.integer({ min: 1, max: 17 }),
  weights,
});
/** ReLU, ReLU6, nothing at all (1e9 stands for infinity), and bounds on either side of 0. */
const clipBounds: readonly Pair[] = [
  [0, 1e9],
  [0, 6],
  [-1e9, 1e9],
  [-1, 1],
  [-1e9, 0.25],
  [0.1, 0.7],
  [-3, -1],
  [2, 2],
];
const clip: fc.Arbitrary<LayerRecipe> = fc.record({
  kind: fc.constant('clip'),
  bounds: fc.array(fc.constantFrom(...clipBounds), { minLength: 1, maxLength: 3 }),
});
const batchNorm: fc.Arbitrary<LayerRecipe> = fc.record({
  kind: fc.constant('batchNorm'),
  seed,
  flavour: fc.constantFrom('plain', 'plain', 'steep', 'zeroGain', 'extreme'),
});
const residual: fc.Arbitrary<LayerRecipe> = fc.record({
  kind: fc.constant('residual'),
  window,
  out: fc.integer({ min: 1, max: 6 }),
  norm: fc.boolean(),
  weights,
});

const layer: fc.Arbitrary<LayerRecipe> = fc.oneof(
  { weight: 9, arbitrary: conv },
  { weight: 5, arbitrary: clip },
  { weight: 5, arbitrary: pool },
  { weight: 3, arbitrary: plainPool },
  { weight: 4, arbitrary: linear },
  { weight: 3, arbitrary: batchNorm },
  { weight: 3, arbitrary: residual },
  { weight: 1, arbitrary: fc.constant<LayerRecipe>({ kind: 'twice' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('addConstant'), seed, scalar: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant<LayerRecipe>({ kind: 'identity' }) },
  { weight: 1, arbitrary: fc.constant<LayerRecipe>({ kind: 'flatten' }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('reshape'),
      to: fc.constantFrom('row', 'line', 'image'),
      cut: fc.nat({ max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('transpose'), turn: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('softmax'), axis: fc.nat({ max: 3 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('pointwise'), of: fc.nat({ max: gentleSamples.length - 1 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('move'),
      of: fc.constantFrom(...moves),
      turn: fc.nat({ max: 2 }),
      seed,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('along'),
      of: fc.constantFrom(...along),
      turn: fc.nat({ max: 5 }),
      seed,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('mix'),
      of: fc.constantFrom(...mixes),
      turn: fc.nat({ max: 5 }),
      seed,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scale'), seed, scalar: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('gate'), squeezed: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('pair'),
      of: fc.nat({ max: pairSamples.length - 1 }),
      row: fc.boolean(),
      seed,
    }),
  },
);

const channels = fc.integer({ min: 1, max: 6 });
const side = fc.integer({ min: 1, max: 12 });
/** Any image, to which the others shrink; images whose windows have room; sequences; rows of features. */
const input: fc.Arbitrary<readonly number[]> = fc.oneof(
  { withCrossShrink: true },
  { weight: 2, arbitrary: fc.tuple(channels, side, side) },
  {
    weight: 5,
    arbitrary: fc.tuple(channels, fc.integer({ min: 4, max: 12 }), fc.integer({ min: 4, max: 12 })),
  },
  { weight: 2, arbitrary: fc.tuple(channels, fc.integer({ min: 1, max: 24 })) },
  { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 1, max: 40 })) },
);

const sparse = { unroll: fc.constantFrom(1, 2, 4), segmented: fc.boolean() } as const;
const format: fc.Arbitrary<WeightFormat> = fc.oneof(
  { withCrossShrink: true },
  { weight: 4, arbitrary: fc.constant<WeightFormat>(dense8) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('dense'), bits: fc.constantFrom(8, 4, 2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('csr', 'rel'), bits: fc.constantFrom(8, 4), ...sparse }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('block'), width: fc.constantFrom(2, 4), ...sparse }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('bitmap'), bits: fc.constantFrom(8, 4) }) },
);

export interface RecipeOptions {
  readonly arith?: Recipe['arith'];
}

const anyRecipe = ({ arith }: RecipeOptions = {}): fc.Arbitrary<Recipe> =>
  fc.record({
    input,
    layers: fc.array(layer, { minLength: 1, maxLength: 6, size: 'max' }),
    arith: arith === undefined ? fc.constantFrom('int8', 'int8', 'int8', 'float32') : fc.constant(arith),
    mode: fc.constantFrom('single', 'single', 'tfl-double', 'ort-float', 'pow2', 'compact'),
    bits: fc.constantFrom<WeightBits>(8, 8, 8, 4, 2),
    format,
    correction: fc.boolean(),
    method: fc.constantFrom('minmax', 'minmax', 'percentile', 'mse'),
    raw: fc.constantFrom('no', 'no', 'one', 'channels'),
    tweak: fc.constantFrom('none', 'none', 'ties', 'extremes'),
    plan: fc.constantFrom('overlap', 'overlap', 'disjoint', 'separate'),
    seed,
  });

/** Rows of weights with gaps longer than the 255 that a stored distance of 8 bits bridges. */
const withLongGaps = (any: fc.Arbitrary<Recipe>): fc.Arbitrary<Recipe> =>
  fc
    .record({
      any,
      features: fc.integer({ min: 257, max: 700 }),
      out: fc.integer({ min: 1, max: 5 }),
      weights: fc.record({
        kind: fc.constantFrom('single', 'sparse'),
        bias: fc.constantFrom(...biasKinds),
        seed,
      }),
      format: fc.record({ kind: fc.constantFrom('csr', 'rel'), bits: fc.constantFrom(8, 4), ...sparse }),
    })
    .map(({ any: recipe, features, out, weights: drawn, format: stored }) => ({
      ...recipe,
      input: [features],
      layers: [{ kind: 'linear', as: 'linear', out, weights: drawn }, ...recipe.layers.slice(0, 2)],
      format: stored,
    }));

export const recipes = (options: RecipeOptions = {}): fc.Arbitrary<Recipe> =>
  fc.oneof(
    { withCrossShrink: true },
    { weight: 15, arbitrary: anyRecipe(options) },
    { weight: 1, arbitrary: withLongGaps(anyRecipe(options)) },
  );
