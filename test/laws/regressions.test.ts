/** Networks on which a law was broken once, as small as they came. */
import { describe, expect, test } from 'vitest';
import { dense8 } from '../../src/ir/kernel/weight-format.ts';
import { lawNames, laws } from '../support/laws.ts';
import { built } from '../support/pipeline.ts';
import type { LayerRecipe, Recipe } from '../support/recipes.ts';

const plain: Omit<Recipe, 'layers' | 'input'> = {
  arith: 'int8',
  mode: 'single',
  bits: 8,
  format: dense8,
  correction: false,
  method: 'minmax',
  raw: 'no',
  tweak: 'none',
  plan: 'overlap',
  seed: 0,
};

const pooled: LayerRecipe = {
  kind: 'pool',
  of: 'max',
  window: { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0] },
  ceil: false,
  countPad: false,
};

/** Padding that is no multiple of the dilation: the first element inside of the image is not the image's first. */
const dilated = (of: 'max' | 'avg'): LayerRecipe => ({
  kind: 'pool',
  of,
  window: { kernel: [3, 2], strides: [1, 2], dilations: [2, 3], pads: [3, 2, 1, 2] },
  ceil: true,
  countPad: false,
});

const drawn = { kind: 'uniform', bias: 'uniform', seed: 3 } as const;
const threeByThree: LayerRecipe = {
  kind: 'conv',
  window: { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] },
  out: 3,
  groups: 'one',
  weights: drawn,
};

const pointwise: LayerRecipe = {
  ...threeByThree,
  window: { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] },
  out: 8,
};
const separable: readonly LayerRecipe[] = [{ ...threeByThree, out: 8, groups: 'depthwise' }, pointwise];
/** Forward kernels alone would climb down the arena, layer by layer. */
const climbing: Recipe = { ...plain, input: [8, 10, 5], layers: [separable, separable, separable].flat() };

const cases: Readonly<Record<string, Recipe>> = {
  'kernels that run backward': climbing,
  'dilated max-pool over a padded border': { ...plain, input: [2, 5, 6], layers: [dilated('max')] },
  'dilated average pool over a padded border': { ...plain, input: [2, 5, 6], layers: [dilated('avg')] },
  'an image that a linear layer makes': {
    ...plain,
    input: [5],
    layers: [
      { kind: 'linear', as: 'linear', out: 24, weights: drawn },
      { kind: 'clip', bounds: [[0, 1e9]] },
      { kind: 'flatten' },
      { kind: 'reshape', to: 'image', cut: 3 },
      threeByThree,
      { kind: 'linear', as: 'linear', out: 2, weights: drawn },
    ],
  },
  'a normalization of raw pixels, pooled: a pointwise convolution whose rows matter': {
    ...plain,
    input: [1, 4, 6],
    layers: [pooled, { kind: 'clip', bounds: [[0, 1e9]] }],
    raw: 'channels',
  },
  'a normalization of five channels of raw pixels: a vector of rows and one left over': {
    ...plain,
    input: [5, 4, 4],
    layers: [{ kind: 'linear', as: 'linear', out: 1, weights: drawn }],
    mode: 'pow2',
    raw: 'channels',
  },
  'a pointwise convolution, ReLU, max-pool': {
    ...plain,
    input: [3, 5, 6],
    layers: [
      {
        kind: 'conv',
        window: { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] },
        out: 4,
        groups: 'one',
        weights: { kind: 'uniform', bias: 'uniform', seed: 1 },
      },
      { kind: 'clip', bounds: [[0, 1e9]] },
      pooled,
    ],
  },
  'a batch norm with a zero gain between a flattened image and a linear layer': {
    ...plain,
    input: [4, 16],
    layers: [
      { kind: 'reshape', to: 'row', cut: 2 },
      { kind: 'batchNorm', seed: 2939, flavour: 'zeroGain' },
    ],
  },
  'a constant behind an activation with bounds by channel': {
    ...plain,
    input: [1, 5, 6],
    layers: [
      {
        kind: 'conv',
        window: { kernel: [1, 2], strides: [4, 1], dilations: [2, 1], pads: [0, 0, 0, 0] },
        out: 7,
        groups: 'depthwise',
        weights: { kind: 'ones', bias: 'none', seed: 3478 },
      },
      {
        kind: 'clip',
        bounds: [
          [-3, -1],
          [0, 6],
          [2, 2],
        ],
      },
      { kind: 'batchNorm', seed: 1286, flavour: 'zeroGain' },
      { kind: 'addConstant', seed: 2469, scalar: false },
    ],
    mode: 'tfl-double',
    format: { kind: 'bitmap', bits: 8 },
    correction: true,
    method: 'percentile',
    seed: 1816,
  },
  'a function behind a constant on an image that a linear layer makes: the image stays settled': {
    ...plain,
    input: [4, 12, 11],
    layers: [
      { kind: 'linear', as: 'linear', out: 15, weights: { kind: 'uniform', bias: 'none', seed: 3 } },
      { kind: 'reshape', to: 'line', cut: 3 },
      { kind: 'addConstant', seed: 9, scalar: true },
      { kind: 'pointwise', of: 1 },
      {
        kind: 'pool',
        of: 'avg',
        window: { kernel: [2, 1], strides: [1, 1], dilations: [3, 1], pads: [0, 0, 2, 2] },
        ceil: false,
        countPad: true,
      },
    ],
    seed: 8958,
  },
  'a constant per feature behind a flattened row, which would be many per channel in front of it': {
    ...plain,
    input: [1, 3],
    layers: [
      { kind: 'flatten' },
      { kind: 'addConstant', seed: 1809, scalar: false },
      { kind: 'softmax', axis: 3 },
      {
        kind: 'clip',
        bounds: [
          [0, 6],
          [-3, -1],
        ],
      },
    ],
    mode: 'tfl-double',
    raw: 'channels',
    seed: 8707,
  },
  'parts of one grid of 16 bits, joined for a reader of 8': {
    ...plain,
    input: [1, 1, 1],
    layers: [
      { kind: 'scale', seed: 0, scalar: false },
      { kind: 'move', of: 'join', turn: 0, seed: 0 },
      { kind: 'mix', of: 'runningSum', turn: 0, seed: 0 },
      {
        kind: 'pool',
        of: 'max',
        window: { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] },
        ceil: false,
        countPad: false,
      },
    ],
    seed: 0,
  },
  'products below the smallest normal float32': {
    ...plain,
    input: [1, 2, 1],
    raw: 'channels',
    seed: 94,
    layers: [
      { kind: 'softmax', axis: 2 },
      {
        kind: 'residual',
        window: { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] },
        out: 2,
        norm: false,
        weights: { kind: 'tiny', bias: 'none', seed: 0 },
      },
      { kind: 'move', of: 'slice', turn: 0, seed: 0 },
    ],
  },
};

describe.each(Object.entries(cases))('%s', (_, recipe) => {
  test.each(lawNames)('%s', (name) => {
    laws[name]({ ...recipe, arith: 'int8' });
    laws[name]({ ...recipe, arith: 'float32' });
  });
});

test.each(['int8', 'float32'] as const)('of a separable %s chain every other layer is turned', (arith) => {
  const { program } = built({ ...climbing, arith }, 'net');
  const turned = program.steps.map(({ kernel }) =>
    kernel.doc.some((line) => line.startsWith('From the last pixel')),
  );
  expect(turned.filter(Boolean).length).toBeGreaterThanOrEqual(2);
  expect(turned.filter((is) => !is).length).toBeGreaterThanOrEqual(2);
});
