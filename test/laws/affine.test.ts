/**
 * What operators say of maps of single channels, y = clip(g x + h), and of what they absorb, holds of their
 * references within float32 rounding: random tensors, windows, padding, groups and bounds, gains of both signs and 0.
 */
import { expect, test } from 'vitest';
import { axiswise } from '../../src/ir/geometry/strided.ts';
import type { Bound, ChannelMap, Remade, RowClamp } from '../../src/ir/graph/affine.ts';
import {
  type CanonicalOp,
  isCanonical,
  type NextNode,
  type NodeView,
  type Replacement,
} from '../../src/ir/graph/op.ts';
import { composed } from '../../src/ir/integers/row-clamp.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { ops } from '../../src/ir/ops/index.ts';
import { countOf, floats, type Shape, type Tensor, type TensorType } from '../../src/ir/tensor.ts';
import { alongSamples } from '../support/along-samples.ts';
import { Draw } from '../support/draw.ts';
import { ofSquareAndSine, realSamples } from '../support/functions.ts';
import { pairSamples } from '../support/pairs.ts';
import { fixedSeed, freshSeed, runsOf } from '../support/seeds.ts';

interface Sample {
  readonly attrs: object;
  readonly x: Tensor;
  /** Behind x; an activation where it is no constant. */
  readonly more?: readonly Tensor[];
  readonly activations?: number;
}

const drawn = (draw: Draw, shape: Shape, size = 2): Tensor =>
  floats(shape, draw.floats(countOf(shape), -size, size));
const oneOf = <T>(draw: Draw, ...choices: readonly T[]): T => choices[draw.int(0, choices.length - 1)]!;

const bounds = (draw: Draw) => {
  const [lo, width] = [draw.between(-1, 0.5), draw.between(0, 2)];
  return oneOf(draw, { lo, hi: Infinity }, { lo, hi: lo + width }, { lo: -Infinity, hi: lo + width });
};
const clamped = (draw: Draw) => oneOf(draw, {}, { clamp: bounds(draw) });

/** Gains are 0 in a channel of some, and of both signs in half of them. */
function mapFor(draw: Draw, channels: number, withClamp: boolean): ChannelMap {
  const numbers = (lo: number, hi: number) => [...draw.floats(channels, lo, hi)];
  const signed = oneOf(draw, 1, -1);
  const gain = numbers(0.3, 2).map((g) => oneOf(draw, g, signed * g));
  if (draw.unit() < 0.3) gain[draw.int(0, channels - 1)] = 0;
  const lo = numbers(-2, 0);
  const clamp = oneOf<RowClamp | undefined>(draw, undefined, bounds(draw), { lo, hi: lo.map((x) => x + 2) });
  return { gain, shift: numbers(-1, 1), ...(withClamp && clamp !== undefined ? { clamp } : {}) };
}

const unbounded: RowClamp = { lo: -Infinity, hi: Infinity };

/** The meaning of a map, on its own. */
function mapped({ gain, shift, clamp = unbounded }: ChannelMap, x: Tensor): Tensor {
  const inner = countOf(x.shape.slice(2));
  const of = (bound: Bound, c: number): number => (typeof bound === 'number' ? bound : bound[c]!);
  const data = Float32Array.from(x.data, (value, i) => {
    const c = Math.floor(i / inner) % x.shape[1]!;
    return Math.min(Math.max(gain[c]! * value + shift[c]!, of(clamp.lo, c)), of(clamp.hi, c));
  });
  return floats(x.shape, data);
}

const windowed = (draw: Draw, pad: number) => ({
  kernel: [draw.int(1, 3), draw.int(2, 3)],
  strides: [draw.int(1, 3), draw.int(1, 3)],
  pads: oneOf(draw, [0, 0, 0, 0], [0, draw.int(0, pad), 0, draw.int(0, pad)]),
  autoPad: 'NOTSET' as const,
  dilations: oneOf(draw, [1, 1], [1, 2]),
});
const pooled = (draw: Draw): Sample => ({
  attrs: { ...windowed(draw, 1), ceilMode: draw.unit() < 0.5, countIncludePad: draw.unit() < 0.5 },
  x: drawn(draw, [1, draw.int(1, 4), 6, 7]),
});

/** Two channels as neighbours in a row, without the first. */
const pixelPairs = ([sums]: readonly TensorType[]) => {
  const [, , height = 1, width = 1] = sums!.shape;
  return {
    shuffle: { block: [1, 2], neighbours: 'pixels' as const, crop: [0, 1], size: [height, 2 * width - 1] },
  };
};

/** An axis of 3 as one of 4. */
const blurred = (axis: number) => ({
  axis,
  taps: 2,
  first: [0, 0, 1, 1],
  weights: [0.75, 0.25, 0.5, 0.5, 1, 0, 0.25, 0.75],
});

/** A random node of each operator of every stage. */
const samples: Readonly<Record<string, (draw: Draw) => Sample>> = {
  add(draw) {
    const minus = draw.unit() < 0.5 ? { minus: true } : {};
    const shape = oneOf(draw, [1, 3, 2, 4], [1, 5]);
    const [x, channels] = [drawn(draw, shape), [shape[1]!, ...shape.slice(2).map(() => 1)]];
    const activations = oneOf(draw, 1, 1, 1, 2);
    const other = activations === 2 ? shape : oneOf(draw, channels, [1], shape);
    return { attrs: { ...clamped(draw), ...minus }, x, more: [drawn(draw, other)], activations };
  },
  avgPool: pooled,
  batchNorm(draw) {
    const shape = oneOf(draw, [1, 3, 2, 4], [1, 5], [1, 4, 3]);
    const vector = (lo: number, hi: number) => floats([shape[1]!], draw.floats(shape[1]!, lo, hi));
    const more = [vector(-2, 2), vector(-1, 1), vector(-1, 1), vector(0.1, 2)];
    return { attrs: { epsilon: 1e-3 }, x: drawn(draw, shape), more };
  },
  clip: (draw) => ({ attrs: bounds(draw), x: drawn(draw, oneOf(draw, [1, 3, 2, 4], [1, 5])) }),
  conv(draw) {
    const [groups, depth, rows] = [draw.int(1, 3), draw.int(1, 2), draw.int(1, 2)];
    const attrs = { ...windowed(draw, 2), groups, ...clamped(draw) };
    const x = drawn(draw, [1, groups * depth, 7, 12]);
    const weight = drawn(draw, [groups * rows, depth, ...attrs.kernel], 1);
    const more = oneOf(draw, [weight], [weight, drawn(draw, [groups * rows])]);
    const padded = draw.unit() < 0.5 ? { padValues: [...draw.floats(groups * depth, -1, 1)] } : {};
    const tile = {
      ...windowed(draw, 0),
      pads: [0, 0, 0, 0],
      kernel: [1, 2],
      strides: [1, 2],
      dilations: [1, 1],
    };
    const pool = draw.unit() < 0.3 ? { pool: { ...tile, ceilMode: false, countIncludePad: false } } : {};
    if (rows === 2 && draw.unit() < 0.3)
      return { attrs: { ...attrs, ...padded, ...pixelPairs(conv.infer(attrs, [x, weight])) }, x, more };
    return { attrs: { ...attrs, ...padded, ...pool }, x, more };
  },
  resample(draw) {
    const axes = oneOf(draw, [2], [3], [2, 3], [1, 3]);
    return { attrs: { axes: axes.map(blurred), words: '' }, x: drawn(draw, [1, 3, 3, 3]) };
  },
  matrices: (draw) => ({
    attrs: { gain: 0.5 },
    x: drawn(draw, [1, 2, 3]),
    more: [drawn(draw, [1, 3, 2])],
    activations: 2,
  }),
  attention: (draw) => ({
    attrs: { gain: 0.5 },
    x: drawn(draw, [1, 2, 3]),
    more: [drawn(draw, [1, 3, 4]), drawn(draw, [1, 4, 2])],
    activations: 3,
  }),
  runningSum: (draw) => ({
    attrs: { axis: 2, exclusive: draw.unit() < 0.5, reverse: draw.unit() < 0.5 },
    x: drawn(draw, [1, 2, 3]),
  }),
  embedding: (draw) => ({
    attrs: {},
    x: { dtype: 'int32', shape: [1, 3], data: Int32Array.of(2, -1, 0) },
    more: [drawn(draw, [4, 2])],
  }),
  linear(draw) {
    const [rows, columns] = [draw.int(1, 4), draw.int(1, 5)];
    const weight = drawn(draw, [rows, columns], 1);
    const more = oneOf(draw, [weight], [weight, drawn(draw, [rows])]);
    return { attrs: clamped(draw), x: drawn(draw, [1, columns]), more };
  },
  maxPool: pooled,
  reshape: (draw) => ({
    attrs: { shape: oneOf<Shape>(draw, [1, 4, 6], [1, 24], [1, 2, 4, 3]) },
    x: drawn(draw, [1, 4, 2, 3]),
  }),
  move: (draw) => ({
    attrs: { shape: [1, 4], pieces: axiswise(0, [1, 4], [[0], [3, 1, -1, 0]]), fill: 2, words: '' },
    x: drawn(draw, [1, 4]),
  }),
  softmax: (draw) => ({ attrs: { axis: 1 }, x: drawn(draw, [1, 4]) }),
  transpose: (draw) => ({ attrs: { perm: [0, 2, 1] }, x: drawn(draw, [1, 4, 3]) }),
  scaleShift(draw) {
    const shape = oneOf(draw, [1, 3, 2, 4], [1, 5], [1, 4, 3]);
    return { attrs: {}, x: drawn(draw, shape), more: [drawn(draw, [shape[1]!]), drawn(draw, [shape[1]!])] };
  },
  rowClip(draw) {
    const shape = oneOf(draw, [1, 3, 2, 4], [1, 5], [1, 4, 3]);
    const lo = [...draw.floats(shape[1]!, -1, 0)];
    return {
      attrs: {
        lo,
        hi: oneOf<Bound>(
          draw,
          Infinity,
          lo.map((x) => x + 1),
        ),
      },
      x: drawn(draw, shape),
    };
  },
  formula: (draw) => ({ attrs: ofSquareAndSine, x: drawn(draw, [1, 3, 4]) }),
  line: (draw) => ({ attrs: { gain: -1.5, shift: 0.25 }, x: drawn(draw, [1, 3, 4]) }),
  argMax: (draw) => ({ attrs: { axis: 1, keepDims: true, last: false }, x: drawn(draw, [1, 3, 4]) }),
  argMin: (draw) => ({ attrs: { axis: 1, keepDims: true, last: false }, x: drawn(draw, [1, 3, 4]) }),
  pick: (draw) => ({
    attrs: { how: 'slices', axis: 1 },
    x: drawn(draw, [1, 3, 4]),
    more: [{ dtype: 'int32', shape: [2], data: Int32Array.of(2, -1) }],
    activations: 2,
  }),
  topK: (draw) => ({ attrs: { axis: 1, k: 2, largest: true }, x: drawn(draw, [1, 3, 4]) }),
  ...Object.fromEntries(
    pairSamples
      .filter(({ op }) => op.kind !== 'add')
      .map(({ op, attrs }) => [
        op.kind,
        (draw: Draw) => ({
          attrs,
          x: drawn(draw, [1, 3, 4]),
          more: [drawn(draw, [1, 3, 4])],
          activations: 2,
        }),
      ]),
  ),
  ...Object.fromEntries(
    alongSamples.map(({ op, draw: along }) => [
      op.kind,
      (draw: Draw) => {
        const { attrs, shape, constants } = along(draw);
        return { attrs, x: drawn(draw, shape), more: constants };
      },
    ]),
  ),
  ...Object.fromEntries(
    realSamples.map(({ op, attrs, domain = [-2, 2] }) => [
      op.kind,
      (draw: Draw) => {
        const shape = oneOf(draw, [1, 3, 2, 4], [1, 5]);
        const [lo, hi] = [Math.max(-2, domain[0]), Math.min(3, domain[1])];
        return { attrs: attrs as object, x: floats(shape, draw.floats(countOf(shape), lo, hi)) };
      },
    ]),
  ),
};

interface Case {
  readonly op: CanonicalOp;
  readonly view: NextNode;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
}

function caseOf(op: CanonicalOp, { attrs: given, x, more = [], activations = 1 }: Sample): Case {
  const inputs = [x, ...more];
  const inputTypes = inputs.map((t, i) =>
    i < activations ? { dtype: t.dtype, shape: t.shape } : { ...t, constant: t },
  );
  const attrs = op.explicit?.(given, inputTypes) ?? given;
  const outputTypes = op.infer(attrs, inputTypes);
  const names = inputs.map((_, i) => `i${i}`);
  const view = { op, name: 'node', attrs, inputs: names, outputs: ['y'], inputTypes, outputTypes };
  return { op, view, inputs, output: op.reference(attrs, inputs)[0]! };
}

/** Within the rounding of some dozen sums of numbers of this size. */
function requireAlike(found: Tensor, wanted: Tensor, what: string): void {
  expect(found.shape, what).toEqual(wanted.shape);
  const largest = Math.max(8, ...Array.from(wanted.data, Math.abs));
  const off = wanted.data.findIndex(
    (y: number, i: number) => !(Math.abs(y - found.data[i]!) <= 2e-6 * largest),
  );
  expect(off, `${what}: ${found.data[off]} for ${wanted.data[off]}`).toBe(-1);
}

const remade = ({ op, inputs }: Case, { attrs, constants }: Remade<unknown>, x = inputs[0]!): Tensor =>
  op.reference(attrs, [x, ...Object.values(constants)])[0]!;

function replaced(parts: readonly Replacement[], view: NodeView<unknown>, inputs: readonly Tensor[]): Tensor {
  const tensors = new Map(view.inputs.map((name, i) => [name, inputs[i]!]));
  for (const { op, attrs, inputs: from, outputs, constants } of parts) {
    for (const [name, constant] of constants ?? []) tensors.set(name, constant);
    tensors.set(
      outputs[0]!,
      op.reference(
        attrs,
        from.map((name) => tensors.get(name)!),
      )[0]!,
    );
  }
  return tensors.get('y')!;
}

/** Which of its claims a case made. */
function holdToClaims(c: Case, draw: Draw): readonly string[] {
  const { op, view, inputs, output } = c;
  const [x] = inputs as [Tensor];
  const rule = op.affine;
  switch (rule.kind) {
    case 'opaque':
      return [rule.kind];
    case 'commuting': {
      const f = mapFor(draw, x.shape[1]!, true);
      if (!rule.commutes(f, view)) return ['barred'];
      requireAlike(op.reference(view.attrs, [mapped(f, x)])[0]!, mapped(f, output), op.kind);
      return [rule.kind, ...(f.gain.some((g) => g <= 0) ? ['falling'] : [])];
    }
    case 'channelwise': {
      const own = rule.map(view);
      if (own === undefined) return ['no map'];
      requireAlike(mapped(own, x), output, `${op.kind} as a map`);
      const f = mapFor(draw, x.shape[1]!, false);
      if (rule.again !== undefined) requireAlike(remade(c, rule.again(f)), mapped(f, x), `${op.kind} again`);
      if (rule.alone === undefined) return [rule.kind];
      requireAlike(replaced(rule.alone(own, view), view, inputs), output, `${op.kind} alone`);
      return [rule.kind, 'alone'];
    }
    case 'weighted': {
      const [f, g] = [mapFor(draw, output.shape[1]!, true), mapFor(draw, x.shape[1]!, false)];
      const [after, before] = [rule.after(f, view), rule.before(g, view)];
      if (after !== undefined) requireAlike(remade(c, after), mapped(f, output), `behind ${op.kind}`);
      if (before !== undefined) {
        // What it pads with, it pads behind the map.
        const behind = op.reference(view.attrs, [mapped(g, x), ...inputs.slice(1)])[0]!;
        requireAlike(remade(c, before), behind, `before ${op.kind}`);
      }
      return [after === undefined ? 'barred' : 'after', before === undefined ? 'no before' : 'before'];
    }
    default:
      return rule satisfies never;
  }
}

/** Those without claims need no samples. */
const canonical = ops
  .filter(isCanonical)
  .filter(({ kind, affine }) => affine.kind !== 'opaque' || samples[kind] !== undefined);
const few = new Set(
  [...pairSamples, ...realSamples].map(({ op }) => op.kind).filter((kind) => kind !== 'add'),
);
const casesOf = (op: CanonicalOp, runs: number): readonly (readonly [Case, Draw])[] =>
  [fixedSeed, freshSeed()].flatMap((seed) =>
    Array.from({ length: runs / 2 }, (_, i) => {
      const draw = new Draw(seed + i);
      return [caseOf(op, samples[op.kind]!(draw)), draw] as const;
    }),
  );

/** Claims that must be met: a rule that never says yes, or never no, is not tested. */
const met: Readonly<Record<string, readonly string[]>> = {
  add: ['channelwise', 'alone', 'no map'],
  avgPool: ['commuting', 'falling', 'barred'],
  batchNorm: ['channelwise', 'alone'],
  clip: ['channelwise'],
  conv: ['after', 'before', 'barred', 'no before'],
  linear: ['after', 'before'],
  maxPool: ['commuting', 'barred'],
  embedding: ['opaque'],
  runningSum: ['opaque'],
  matrices: ['opaque'],
  attention: ['opaque'],
  resample: ['commuting', 'barred'],
  reshape: ['commuting', 'barred'],
  move: ['opaque'],
  softmax: ['opaque'],
  transpose: ['opaque'],
  scaleShift: ['channelwise', 'alone'],
  rowClip: ['channelwise', 'alone'],
  line: ['opaque'],
  formula: ['opaque'],
  argMax: ['opaque'],
  argMin: ['opaque'],
  pick: ['opaque'],
  topK: ['opaque'],
  ...Object.fromEntries(alongSamples.map(({ op, claims }) => [op.kind, claims])),
  ...Object.fromEntries(
    [...pairSamples.filter(({ op }) => op.kind !== 'add'), ...realSamples].map(({ op }) => [
      op.kind,
      ['opaque'],
    ]),
  ),
};

test.each(canonical.map((op) => [op.kind, op] as const))('maps beside %s', (kind, op) => {
  const claims = casesOf(op, few.has(kind) ? 10 : runsOf(400)).flatMap(([c, draw]) => holdToClaims(c, draw));
  for (const claim of met[kind]!) expect(claims, kind).toContain(claim);
});

test('two maps in a row are one', () => {
  for (let seed = fixedSeed; seed < fixedSeed + 200; seed++) {
    const draw = new Draw(seed);
    const [a, b, x] = [mapFor(draw, 3, true), mapFor(draw, 3, true), drawn(draw, [1, 3, 2, 4])];
    requireAlike(mapped(composed(a, b), x), mapped(b, mapped(a, x)), `maps of seed ${seed}`);
  }
});

/** What may stand behind a tensor: an activation, or a pool that fits. */
function nextOf(draw: Draw, x: Tensor): Case {
  const kinds = x.shape.length === 4 ? ['clip', 'maxPool', 'maxPool', 'avgPool'] : ['clip', 'softmax'];
  const kind = oneOf(draw, ...kinds);
  const { attrs } = samples[kind]!(draw);
  const [kernel, free] = [x.shape.slice(2).map((n) => draw.int(1, Math.min(n, 2))), draw.unit() < 0.7];
  const tile = free ? { kernel, pads: [0, 0, 0, 0], dilations: [1, 1] } : { kernel, dilations: [1, 1] };
  const pads = kernel.map((k) => Math.min(1, k - 1));
  const pool = { pads: [...pads, ...pads], ...tile };
  const op = canonical.find((other) => other.kind === kind)!;
  return caseOf(op, { attrs: kind.endsWith('Pool') ? { ...attrs, ...pool } : attrs, x });
}

test('what absorbs the next node computes both', () => {
  const counts = new Map<string, number>();
  for (const op of canonical)
    for (const [c, draw] of casesOf(op, few.has(op.kind) ? 10 : runsOf(400))) {
      if (c.output.dtype !== 'float32') continue;
      const next = nextOf(draw, c.output);
      const both = op.absorb(c.view, next.view);
      const what = `${next.op.kind} in ${op.kind}${both === undefined ? ', not' : ''}`;
      counts.set(what, (counts.get(what) ?? 0) + 1);
      if (both !== undefined) requireAlike(op.reference(both, c.inputs)[0]!, next.output, what);
    }
  const absorbed = [...counts.keys()].filter((what) => !what.endsWith('not'));
  expect(absorbed.sort()).toEqual([
    'clip in add',
    'clip in conv',
    'clip in linear',
    'clip in normalize',
    'clip in rmsNormalize',
    'maxPool in conv',
  ]);
  expect(counts.get('maxPool in conv, not')).toBeGreaterThan(5);
});

test('what works element by element does so under any shape', () => {
  for (const op of canonical.filter(({ elementwise }) => elementwise))
    for (const [{ view, inputs, output }] of casesOf(op, 20)) {
      if (inputs.some(({ data }) => data.length !== output.data.length)) continue;
      const turned = inputs.map((t) => floats([t.data.length], Float32Array.from(t.data).reverse()));
      const [back] = op.reference(view.attrs, turned);
      expect(Float32Array.from(back!.data).reverse(), op.kind).toEqual(output.data);
    }
});
