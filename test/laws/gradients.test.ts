/**
 * Every operator's steps compute its reference, and their gradients are its slopes: one sample at a time in float64,
 * and 16 at a time in WebAssembly.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError, must } from '../../src/base/errors.ts';
import { type MacLayer, macLayers } from '../../src/compress/fit/layers.ts';
import { lanes } from '../../src/compress/gradient/kernels.ts';
import { Engine } from '../../src/compress/gradient/machine.ts';
import { type Network, weightsIn } from '../../src/compress/gradient/network.ts';
import { SampleRun } from '../../src/compress/gradient/sample-run.ts';
import { axiswise } from '../../src/ir/geometry/strided.ts';
import type { Graph, Node } from '../../src/ir/graph/graph.ts';
import { isCanonical } from '../../src/ir/graph/op.ts';
import type { RowClamp } from '../../src/ir/integers/row-clamp.ts';
import { clip } from '../../src/ir/ops/clip.ts';
import { type ConvAttrs, conv } from '../../src/ir/ops/conv.ts';
import { grid } from '../../src/ir/ops/grid.ts';
import { ops } from '../../src/ir/ops/index.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import { countOf, floats, type Numbers, type Shape, type Tensor } from '../../src/ir/tensor.ts';
import { alongSamples } from '../support/along-samples.ts';
import { Draw } from '../support/draw.ts';
import { floatGraph, layer } from '../support/float-graph.ts';
import { randomTensor, seedArbitrary } from '../support/float-tensors.ts';
import { ofSquareAndSine, realSamples } from '../support/functions.ts';
import { pairSamples } from '../support/pairs.ts';
import { type Windows, windowsArbitrary } from '../support/windows.ts';

/** Steps of 1/16, that sums of products with inputs in steps of 1/2048 are exact in float32: all see the same ties. */
function coarse(shape: Shape, seed: number): Tensor {
  const { data } = randomTensor(shape, seed);
  return floats(
    shape,
    Float32Array.from(data, (x) => Math.round(16 * x) / 16),
  );
}

/** An operator on an input of a shape; it may read that twice. */
interface Case {
  readonly shape: Shape;
  readonly attrs: unknown;
  readonly constants: readonly Tensor[];
  readonly twice?: boolean;
}

type Cases = (seed: number) => fc.Arbitrary<Case>;

const bound = fc.double({ min: -1, max: 1, noNaN: true });
const relu = { lo: 0, hi: Number.POSITIVE_INFINITY };
const clamps = (channels: number): fc.Arbitrary<RowClamp | undefined> =>
  fc.oneof(
    fc.constant(undefined),
    fc.constant(relu),
    fc.tuple(bound, fc.array(bound, { minLength: channels, maxLength: channels })).map(([lo, more]) => ({
      lo,
      hi: more.map((x) => lo + x ** 2),
    })),
  );
const ifAny = (key: string, value: unknown) => (value === undefined ? {} : { [key]: value });
const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).map((s) => [1, ...s]);

/** Undefined where an operator refuses what was drawn. */
function fitting<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

const pools: Cases = () =>
  fc
    .record({
      windows: windowsArbitrary,
      channels: fc.integer({ min: 1, max: 3 }),
      ceilMode: fc.boolean(),
      countIncludePad: fc.boolean(),
    })
    .map(({ windows: { spatial, attrs }, channels, ...more }) => ({
      shape: [1, channels, ...spatial],
      attrs: { ...attrs, ...more },
      constants: [],
    }));

const pool2 = (rank: number, stride: number) => ({
  kernel: new Array<number>(rank).fill(2),
  strides: new Array<number>(rank).fill(stride),
  pads: [],
  autoPad: 'NOTSET',
  dilations: [],
  ceilMode: false,
  countIncludePad: false,
});

const convolutions: Cases = (seed) =>
  fc
    .record({
      windows: windowsArbitrary,
      groups: fc.integer({ min: 1, max: 3 }),
      depth: fc.integer({ min: 1, max: 2 }),
      outs: fc.integer({ min: 1, max: 2 }),
      bias: fc.boolean(),
      padded: fc.boolean(),
      pool: fc.constantFrom(0, 1, 2),
      shuffled: fc.boolean(),
    })
    .chain((c) => clamps(c.groups * c.outs).map((clamp) => convolution({ ...c, clamp }, seed)));

function convolution(
  c: {
    readonly windows: Windows;
    readonly groups: number;
    readonly depth: number;
    readonly outs: number;
    readonly bias: boolean;
    readonly padded: boolean;
    /** Its stride; 0 for none. */
    readonly pool: number;
    /** Two channels as neighbours, without the first, where there is no pool. */
    readonly shuffled: boolean;
    readonly clamp: RowClamp | undefined;
  },
  seed: number,
): Case {
  const { spatial, attrs } = c.windows;
  const [channels, rows] = [c.groups * c.depth, c.groups * c.outs];
  const shape = [1, channels, ...spatial];
  const weight = coarse([rows, c.depth, ...attrs.kernel], seed + 1);
  const padValues = c.padded ? Array.from(coarse([channels], seed + 3).data) : undefined;
  const plain = { ...attrs, groups: c.groups, ...ifAny('clamp', c.clamp), ...ifAny('padValues', padValues) };
  const pool = c.pool === 0 ? undefined : pool2(spatial.length, c.pool);
  const pooled = { ...plain, ...ifAny('pool', pool) };
  const types = [floats(shape, new Float32Array()), weight];
  const sums = fitting(() => conv.infer(plain as unknown as ConvAttrs, types))?.[0];
  const wide = sums?.shape.slice(2).map((n, i) => (i === 0 ? 2 * n : n)) ?? [];
  const block = wide.map((_, i) => (i === 0 ? 2 : 1));
  const crop = wide.map((_, i) => (i === 0 ? 1 : 0));
  const shuffle = { block, neighbours: 'pixels', crop, size: wide.map((n, i) => n - crop[i]!) };
  if (c.shuffled && c.outs === 2 && sums !== undefined)
    return { shape, attrs: { ...plain, shuffle }, constants: [weight] };
  return {
    shape,
    attrs: fitting(() => conv.infer(pooled as unknown as ConvAttrs, types)) === undefined ? plain : pooled,
    constants: [weight, ...(c.bias ? [coarse([rows], seed + 2)] : [])],
  };
}

/** With a constant that is not near 0, broadcast. */
const pairs =
  (attrs: object): Cases =>
  (seed) =>
    fc.record({ shape: shapes, single: fc.nat() }).map(({ shape, single }) => {
      const smaller = shape.map((n, i) => (i === single % shape.length ? 1 : n));
      const { data } = coarse(smaller, seed + 1);
      const constant = floats(
        smaller,
        Float32Array.from(data, (x) => (x < 0 ? x - 0.5 : x + 0.5)),
      );
      return { shape, attrs, constants: [constant] };
    });

/** Functions of one step that all share: a few runs of each that is defined everywhere. */
const curves = realSamples.filter(({ op, domain }) => op.gradient !== 'none' && domain === undefined);
const withDomain = realSamples.filter(({ domain }) => domain !== undefined);
const kindsOf = (samples: typeof curves): readonly string[] => samples.map(({ op }) => op.kind);

const cases: Readonly<Record<string, Cases>> = {
  conv: convolutions,
  linear: (seed) =>
    fc
      .record({
        features: fc.integer({ min: 1, max: 9 }),
        rows: fc.integer({ min: 1, max: 5 }),
        bias: fc.boolean(),
      })
      .chain(({ features, rows, bias }) =>
        clamps(rows).map((clamp) => ({
          shape: [1, features],
          attrs: ifAny('clamp', clamp),
          constants: [coarse([rows, features], seed + 1), ...(bias ? [coarse([rows], seed + 2)] : [])],
        })),
      ),
  maxPool: pools,
  avgPool: pools,
  add: (seed) =>
    fc
      .record({
        shape: shapes,
        twice: fc.boolean(),
        single: fc.nat(),
        clamped: fc.boolean(),
        minus: fc.boolean(),
      })
      .map(({ shape, twice, single, clamped, minus }) => ({
        shape,
        twice,
        attrs: { minus, ...(clamped ? { clamp: { lo: -0.5, hi: 0.75 } } : {}) },
        constants: twice
          ? []
          : [
              coarse(
                shape.map((n, i) => (i === single % shape.length ? 1 : n)),
                seed + 1,
              ),
            ],
      })),
  clip: () =>
    fc
      .tuple(shapes, bound, bound)
      .map(([shape, lo, more]) => ({ shape, attrs: { lo, hi: lo + more ** 2 }, constants: [] })),
  move: () =>
    fc.tuple(shapes, seedArbitrary, fc.boolean()).map(([shape, seed, twice]) => {
      const [size, joined] = [shape.at(-1)!, [...shape.with(-1, 2 * shape.at(-1)!)]];
      const last = (index: readonly number[]) => [
        ...shape.slice(0, -1).map((n) => Array.from({ length: n }, (_, i) => i)),
        [...index, ...new Array<number>(2 * size - index.length).fill(-1)],
      ];
      const backward = Array.from({ length: size }, (_, i) => size - 1 - i);
      const second = [...new Array<number>(size).fill(-1), ...backward].with(-1, -1);
      const pieces = [
        ...axiswise(0, shape, last(backward)),
        ...axiswise(1, shape, [...last([]).slice(0, -1), second]),
      ];
      return {
        shape,
        attrs: { shape: joined, pieces, fill: 0.5, words: '' },
        constants: twice ? [] : [coarse(shape, seed)],
        twice,
      };
    }),
  runningSum: () =>
    fc.tuple(shapes, fc.nat(), fc.boolean(), fc.boolean()).map(([shape, n, exclusive, reverse]) => ({
      shape,
      attrs: { axis: n % shape.length, exclusive, reverse },
      constants: [],
    })),
  resample: () =>
    fc.constantFrom([2], [3, 1]).map((axes) => ({
      shape: [1, 3, 3, 3],
      attrs: {
        axes: axes.map((axis) => ({ axis, taps: 2, first: [1, 0], weights: [0.75, 0.25, 0.5, 0.5] })),
      },
      constants: [],
    })),
  reshape: () => shapes.map((shape) => ({ shape, attrs: { shape: shape.toReversed() }, constants: [] })),
  transpose: () =>
    shapes.chain((shape) =>
      fc
        .shuffledSubarray([...shape.keys()], { minLength: shape.length })
        .map((perm) => ({ shape, attrs: { perm }, constants: [] })),
    ),
  softmax: () =>
    fc
      .tuple(shapes, fc.nat())
      .map(([shape, n]) => ({ shape, attrs: { axis: n % shape.length }, constants: [] })),
  formula: () => shapes.map((shape) => ({ shape, attrs: ofSquareAndSine, constants: [] })),
  line: () => shapes.map((shape) => ({ shape, attrs: { gain: -1.5, shift: 0.25 }, constants: [] })),
  ...Object.fromEntries(
    pairSamples.filter(({ op }) => op.kind !== 'add').map(({ op, attrs }) => [op.kind, pairs(attrs)]),
  ),
  ...Object.fromEntries(
    alongSamples
      .filter(({ op }) => op.gradient !== 'none')
      .map(({ op, draw }) => [op.kind, () => seedArbitrary.map((seed) => draw(new Draw(seed)))]),
  ),
  ...Object.fromEntries(
    curves.map(({ op, attrs }) => [op.kind, () => shapes.map((shape) => ({ shape, attrs, constants: [] }))]),
  ),
};

/** In front a factor of 1 for each element, which learns: so the gradient of the input has somewhere to arrive. */
function graphOf(kind: string, { shape, attrs, constants, twice = false }: Case): Graph<'float'> {
  const n = countOf(shape);
  const each = { kernel: [1], strides: [], pads: [], autoPad: 'NOTSET', dilations: [], groups: n };
  const op = must(
    ops.filter(isCanonical).find((o) => o.kind === kind),
    kind,
  );
  return floatGraph(
    [1, n, 1],
    [
      layer(conv, each, { constants: [floats([n, 1, 1], new Float32Array(n).fill(1))] }),
      layer(reshape, { shape }),
      layer(op, attrs, { constants, reads: twice ? ['y1', 'y1'] : ['y1'] }),
      // A softmax at the end would be left to the loss.
      layer(clip, { lo: -1e6, hi: 1e6 }),
    ],
  );
}

const wide = ({ shape, data }: Tensor): Tensor => ({
  dtype: 'float64',
  shape,
  data: Float64Array.from(data),
});

/** A few of 0..count-1. */
const some = (count: number, seed: number): readonly number[] =>
  Array.from({ length: Math.min(count, 5) }, (_, i) => (seed + 7919 * i) % count);

/** A step that is exact, and so small that only softmax is not a line along it: by up to 2^-21. */
const h = 2 ** -20;
const tolerance = 1e-5;

/** The operator alone, in float64: what its output weighs, and how steep that is. */
class Alone {
  readonly #node: Node;
  readonly #inputs: ReadonlyMap<string, Tensor>;
  readonly #direction: Float64Array;
  readonly #middle: Numbers;

  constructor(graph: Graph<'float'>, x: Tensor, direction: Float64Array) {
    this.#node = graph.nodes[2]!;
    this.#inputs = new Map(
      this.#node.inputs.map((name) => [name, wide(graph.tensors.get(name)?.constant ?? x)]),
    );
    this.#direction = direction;
    this.#middle = this.output();
  }

  output(moved = '', element = 0, by = 0): Numbers {
    const inputs = this.#node.inputs.map((name) => {
      const tensor = must(this.#inputs.get(name), name);
      return name === moved
        ? { ...tensor, data: tensor.data.map((x, i) => (i === element ? x + by : x)) }
        : tensor;
    });
    return this.#node.op.reference(this.#node.attrs, inputs as Tensor[])[0]!.data;
  }

  /** How much more a move weighs; differences are summed, not subtracted: elements that stay would drown them. */
  #gained(name: string, element: number, by: number): number {
    const moved = this.output(name, element, by);
    return this.#direction.reduce((sum, weight, i) => sum + weight * (moved[i]! - this.#middle[i]!), 0);
  }

  /** At a kink it may be anything between the slopes of its sides. */
  requireSlope(name: string, element: number, gradient: number): void {
    const sides = [this.#gained(name, element, h), -this.#gained(name, element, -h)];
    const slopes = sides.map((side) => side / h);
    expect(gradient, `${name}[${element}]`).toBeGreaterThan(Math.min(...slopes) - tolerance);
    expect(gradient, `${name}[${element}]`).toBeLessThan(Math.max(...slopes) + tolerance);
  }
}

/** By row its bias and weights: the sum over positions of the column times the gradient of the row's sum there. */
function weightGradients(layer: MacLayer, x: Tensor, gradients: Float64Array): Float64Array[] {
  const columns = layer.columnsOf(x);
  const column = new Float64Array(layer.terms + 1);
  return Array.from({ length: layer.rows }, (_, row) => {
    const made = new Float64Array(layer.terms + 1);
    for (let p = 0; p < layer.positions; p++) {
      columns.fill(column, Math.floor((row * layer.groups) / layer.rows), p);
      const g = gradients[row * layer.positions + p]!;
      column.forEach((value, i) => {
        made[i]! += g * value;
      });
    }
    return made;
  });
}

/** The engine's gradients, with the sample in one of its lanes. */
function engineOn(graph: Graph<'float'>, network: Network, sample: Numbers, direction: Float64Array): Engine {
  const engine = new Engine(network, { learn: true });
  weightsIn(graph, network).forEach(({ weights, bias }, l) => {
    engine.layers[l]!.weights.set(weights);
    engine.layers[l]!.bias.set(bias);
  });
  const lane = 5;
  for (const [i, x] of sample.entries()) engine.input[i * lanes + lane] = x;
  engine.forward();
  engine.clearGradients();
  for (const [i, g] of direction.entries()) engine.outputGradients[i * lanes + lane] = g;
  engine.backward();
  return engine;
}

const near = (a: ArrayLike<number>, b: ArrayLike<number>, within: number, what: string): void => {
  expect(a.length, what).toBe(b.length);
  for (let i = 0; i < a.length; i++) {
    const [difference, most] = [Math.abs(a[i]! - b[i]!), within * Math.max(1, Math.abs(b[i]!))];
    // A call of expect takes a thousand times as long as the comparison.
    if (!(difference <= most)) expect(difference, `${what}[${i}]`).toBeLessThanOrEqual(most);
  }
};

function requireGradients(graph: Graph<'float'>, seed: number): void {
  const run = new SampleRun(graph);
  const sample = randomTensor(run.network.inputShape, seed).data as Float32Array;
  // Positive: at a kink of sums and maxima the gradient then is between the slopes of its sides.
  const direction = Float64Array.from(randomTensor([run.network.outputCount], seed + 9).data, Math.abs);
  run.forward(sample);
  const alone = new Alone(graph, run.value('y1'), direction);
  near(run.value('y1').data, sample, 0, 'input, which others may read');
  expect(run.value('y2').shape).toEqual(graph.tensors.get('y2')!.shape);
  near(run.value('y2').data, alone.output(), 1e-6, 'output');

  const [ofInput, ofSums] = run.backward(direction);
  for (const i of some(sample.length, seed)) alone.requireSlope('y1', i, ofInput![i]!);
  const engine = engineOn(graph, run.network, sample, direction);
  near(engine.layers[0]!.biasGradients, ofInput!, 1e-4, 'input gradient of the engine');

  const layer = macLayers(graph)[1];
  if (layer === undefined) return;
  const [, weight = '', bias] = layer.node.inputs;
  const rows = weightGradients(layer, run.value('y1'), ofSums!);
  const ofWeights = rows.flatMap((row) => [...row.subarray(1)]);
  for (const i of some(ofWeights.length, seed)) alone.requireSlope(weight, i, ofWeights[i]!);
  if (bias !== undefined) for (const [r, row] of rows.entries()) alone.requireSlope(bias, r, row[0]!);
  near(engine.layers[1]!.weightGradients, ofWeights, 1e-4, 'weight gradients of the engine');
}

test.each(Object.keys(cases))('%s', (kind) => {
  const drawn = seedArbitrary.chain((seed) => cases[kind]!(seed).map((made) => ({ seed, ...made })));
  fc.assert(
    fc.property(drawn, ({ seed, ...made }) => {
      const graph = fitting(() => graphOf(kind, made));
      if (graph !== undefined) requireGradients(graph, seed);
    }),
    kindsOf(curves).includes(kind) ? { numRuns: 6 } : {},
  );
});

test('every operator that has a gradient is held to the law', () => {
  const having = ops.filter(isCanonical).filter(({ gradient }) => gradient !== 'none');
  const held = new Set([...Object.keys(cases), ...kindsOf(withDomain)]);
  // Training goes straight through rounding, which is flat between its steps.
  const smooth = having.filter(({ kind }) => kind !== grid.kind);
  expect([...held].sort()).toEqual(smooth.map(({ kind }) => kind).sort());
});
