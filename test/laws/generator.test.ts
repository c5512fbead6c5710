/** The random networks are worth their name, shrink, and can be drawn again from what a failure prints. */
import { expect, test } from 'vitest';
import { is } from '../../src/ir/graph/graph.ts';
import { isCanonical } from '../../src/ir/graph/op.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { ops } from '../../src/ir/ops/index.ts';
import { alongSamples } from '../support/along-samples.ts';
import { gentleSamples, realSamples } from '../support/functions.ts';
import { floatStages } from '../support/pipeline.ts';
import { recipeAt, recipesOf, replayCommand, requireLaw } from '../support/property.ts';
import type { Recipe } from '../support/recipes.ts';

/** What a network has that a kernel must treat in a way of its own. */
function traits(recipe: Recipe): readonly string[] {
  const { fused } = floatStages(recipe);
  return fused.nodes.flatMap((node) => {
    const own = [node.op.kind];
    if (!is(node, conv)) return own;
    const { attrs } = node;
    const weights = fused.tensors.get(node.inputs[1]!)!.shape;
    if (attrs.groups > 1) own.push(weights[1] === 1 && attrs.groups === weights[0] ? 'depthwise' : 'grouped');
    if (attrs.pads.some((p) => p > 0)) own.push('padded');
    if (attrs.padValues?.some((p) => p !== 0)) own.push('padded with other than zeros');
    if (attrs.dilations.some((d) => d > 1)) own.push('dilated');
    if (attrs.strides.some((s, i) => s > attrs.kernel[i]!)) own.push('stride beyond the kernel');
    if (attrs.pool !== undefined) own.push('pooled');
    if (attrs.pool !== undefined && attrs.kernel.every((k) => k === 1)) own.push('pooled pointwise');
    if (attrs.clamp !== undefined) own.push('clamped');
    if (attrs.kernel.length === 1) own.push('one axis');
    return own;
  });
}

test('a thousand networks hold every operator and every special case several times', () => {
  const counts = new Map<string, number>();
  for (const recipe of recipesOf(1, 1000))
    for (const trait of traits(recipe)) counts.set(trait, (counts.get(trait) ?? 0) + 1);
  const rare = ['dilated', 'stride beyond the kernel', 'padded with other than zeros', 'pooled pointwise'];
  const conv = ['depthwise', 'grouped', 'padded', 'pooled', 'clamped', 'one axis', ...rare];
  const kinds = [
    'conv',
    'linear',
    'add',
    'clip',
    'maxPool',
    'avgPool',
    'softmax',
    'reshape',
    'transpose',
    'move',
    'meanAlong',
    'largestAlong',
    'normalize',
    'rmsNormalize',
  ];
  for (const trait of [...kinds, ...conv]) expect(counts.get(trait) ?? 0, trait).toBeGreaterThanOrEqual(10);
  for (const { op } of gentleSamples) expect(counts.get(op.kind) ?? 0, op.kind).toBeGreaterThanOrEqual(2);
});

test('each operator of every stage is in what the laws see, functions aside', () => {
  const seen = new Set(
    recipesOf(1, 200).flatMap((recipe) => {
      const { canonical, fused } = floatStages(recipe);
      return [...canonical.nodes, ...fused.nodes].map(({ op }) => op.kind);
    }),
  );
  // The others along axes, what makes indices, bounds per channel, integer sums and the grids of files have tests of their own.
  const apart = [...realSamples, ...alongSamples].map(({ op }) => op.kind);
  const indices = ['argMax', 'argMin', 'topK', 'pick', 'integerPair'];
  const functions = new Set([...apart, ...indices, 'rowClip', 'integerConv', 'integerMatrices', 'grid']);
  expect([...seen].filter((kind) => !functions.has(kind)).sort()).toEqual(
    ops
      .filter(isCanonical)
      .filter(({ only }) => only === undefined)
      .map(({ kind }) => kind)
      .filter((kind) => !functions.has(kind))
      .sort(),
  );
});

test('a failure names the shrunk recipe and how to replay it', () => {
  const hasLinear = (recipe: Recipe): boolean => recipe.layers.some(({ kind }) => kind === 'linear');
  const law = (recipe: Recipe): void => {
    if (hasLinear(recipe)) throw new Error('a linear layer');
  };
  const message = String(
    (() => {
      try {
        requireLaw(law, { runs: 200, seed: 4 });
      } catch (error) {
        return error;
      }
      return 'held';
    })(),
  );
  const path = /--seed 4 --path (\S+)/.exec(message)?.[1];
  const recipe = JSON.parse(/recipe: (.*)/.exec(message)![1]!) as Recipe;
  expect(message).toContain(replayCommand(4, path!));
  expect(recipeAt(4, path!)).toEqual(recipe);
  // Shrinking drops layers before the one that matters more eagerly than those behind it.
  expect(recipe.layers.length).toBeLessThanOrEqual(2);
  expect(recipe.input.every((n) => n === 1)).toBe(true);
});

test('the recipes of a batch are those at the paths 0, 1, 2, ...', () => {
  const recipes = recipesOf(9, 12);
  expect(recipes.map((_, i) => recipeAt(9, String(i)))).toEqual(recipes);
});
