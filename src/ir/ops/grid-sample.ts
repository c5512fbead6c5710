/** Images sampled at places of a grid, between their pixels: as moves of neighbours times constant weights. */
import { at, complain } from '../../base/errors.ts';
import { keys } from '../geometry/resize-axis.ts';
import { piecesBetween } from '../geometry/strided.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { ImportedOp, NodeView, Replacement } from '../graph/op.ts';
import { countOf, floats, type Shape, showShape, type Tensor } from '../tensor.ts';
import { add } from './add.ts';
import { constantOf, required, requireFloats } from './common/inputs.ts';
import { type Attrs, type Inputs, type Meaning, onConstants, type Types } from './common/meanings.ts';
import { asMove } from './common/moves.ts';
import { rounded } from './common/round.ts';
import { product } from './products.ts';

const modes = { nearest: 1, linear: 2, cubic: 4 } as const;
const older: Readonly<Record<string, keyof typeof modes>> = { bilinear: 'linear', bicubic: 'cubic' };
const paddings = ['zeros', 'border', 'reflection'] as const;

interface Sampling {
  readonly mode: keyof typeof modes;
  readonly padding: (typeof paddings)[number];
  readonly corners: boolean;
}

function samplingOf(attributes: Attributes): Sampling {
  const [name, pad] = [attributes.string('mode', 'linear'), attributes.string('padding_mode', 'zeros')];
  const mode = (Object.keys(modes) as (keyof typeof modes)[]).find((one) => one === (older[name] ?? name));
  const padding = paddings.find((one) => one === pad);
  if (mode === undefined) throw complain(`mode '${name}'`, 'nearest, linear or bilinear, cubic or bicubic');
  if (padding === undefined) throw complain(`padding_mode '${pad}'`, paddings.join(', '));
  return { mode, padding, corners: attributes.int('align_corners', 0) !== 0 };
}

function shapeOf(types: Types): Shape {
  const [x, places] = [required(types, 0, 'X').shape, required(types, 1, 'grid').shape];
  if (x.length !== 4 || places.length !== 4 || places[3] !== 2 || x[0] !== places[0])
    throw complain(
      `X of shape ${showShape(x)}, a grid of ${showShape(places)}`,
      'images of two axes, and as many grids of their places',
    );
  return [at(x, 0), at(x, 1), at(places, 1), at(places, 2)];
}

/** -1..1 as a place among the pixels of an axis. */
const placeOn = (x: number, size: number, corners: boolean): number =>
  corners ? ((x + 1) / 2) * (size - 1) : ((x + 1) * size - 1) / 2;

const within = (x: number, size: number): number => Math.min(Math.max(x, 0), size - 1);

/** Mirrored at the middles of the outer pixels, or at their edges, as often as it takes. */
function mirrored(x: number, size: number, corners: boolean): number {
  const [first, span] = corners ? [0, size - 1] : [-0.5, size];
  if (span === 0) return 0;
  const rest = Math.abs(x - first) % (2 * span);
  return within(first + Math.min(rest, 2 * span - rest), size);
}

/** A place of no pixel as one within the axis, where the padding says which. */
function padded(x: number, size: number, { padding, corners }: Sampling): number {
  if (padding === 'zeros') return x;
  return padding === 'border' ? within(x, size) : mirrored(x, size, corners);
}

/** Halves to even. */
function nearest(x: number): number {
  const low = Math.floor(x);
  const up = x - low > 0.5 || (x - low === 0.5 && low % 2 !== 0);
  return up ? low + 1 : low;
}

type Tap = readonly [index: number, weight: number];

/** Pixels along an axis and their weights, as many as the mode has; -1 is none. */
function tapsAlong(value: number, size: number, sampling: Sampling): readonly Tap[] {
  const own = placeOn(value, size, sampling.corners);
  const known = (i: number): number => (i >= 0 && i < size ? i : -1);
  // Cubic weights are those of the place itself: its neighbours are padded one by one.
  const x = sampling.mode === 'cubic' ? own : padded(own, size, sampling);
  const low = Math.floor(x);
  switch (sampling.mode) {
    case 'nearest':
      return [[known(nearest(x)), 1]];
    case 'linear':
      return [0, 1].map((k): Tap => [known(low + k), k === 0 ? 1 - (x - low) : x - low]);
    case 'cubic':
      return [-1, 0, 1, 2].map(
        (k): Tap => [known(nearest(padded(low + k, size, sampling))), keys(x - low - k, -0.75)],
      );
    default:
      return sampling.mode satisfies never;
  }
}

/** One neighbour of each sampled place: where in its image it is (-1: nowhere), and its weight. */
interface Neighbours {
  readonly index: Int32Array;
  readonly weight: Float64Array;
}

/** By neighbour; places are those of all grids. */
function neighboursOf(sampling: Sampling, shape: Shape, grid: Tensor): readonly Neighbours[] {
  const [height, width] = [at(shape, 2), at(shape, 3)];
  const [across, places] = [modes[sampling.mode], grid.data.length / 2];
  const made = Array.from({ length: across * across }, () => ({
    index: new Int32Array(places),
    weight: new Float64Array(places),
  }));
  for (let place = 0; place < places; place++) {
    const columns = tapsAlong(at(grid.data, 2 * place), width, sampling);
    const rows = tapsAlong(at(grid.data, 2 * place + 1), height, sampling);
    rows.forEach(([row, down], i) => {
      columns.forEach(([column, right], j) => {
        const { index, weight } = at(made, i * across + j);
        index[place] = row < 0 || column < 0 ? -1 : row * width + column;
        weight[place] = down * right;
      });
    });
  }
  return made;
}

/** Where each element of the output has this neighbour in the input; -1: nowhere. */
function sourcesOf({ index }: Neighbours, from: Shape, to: Shape): Int32Array {
  const [plane, size, channels] = [countOf(to.slice(2)), countOf(from.slice(2)), at(to, 1)];
  return Int32Array.from({ length: countOf(to) }, (_, i) => {
    const image = Math.floor(i / plane);
    const own = at(index, Math.floor(image / channels) * plane + (i % plane));
    return own < 0 ? -1 : image * size + own;
  });
}

function sampled(inputs: Inputs, attributes: Attributes): Tensor {
  const [x, grid] = [required(inputs, 0, 'X'), required(inputs, 1, 'grid')];
  const shape = shapeOf([x, grid]);
  const plane = countOf(shape.slice(2));
  const sums = new Float64Array(countOf(shape));
  for (const one of neighboursOf(samplingOf(attributes), x.shape, grid))
    sourcesOf(one, x.shape, shape).forEach((source, i) => {
      const image = Math.floor(i / (plane * at(shape, 1)));
      if (source >= 0)
        sums[i] = at(sums, i) + at(x.data, source) * at(one.weight, image * plane + (i % plane));
    });
  return rounded(x.dtype, shape, sums);
}

/** A move of each neighbour, its product with the weights where they are not 1, and the sum. */
function canonical(node: NodeView<Attrs>): readonly Replacement[] {
  const { inputs, outputs, inputTypes, outputTypes } = node;
  const [x, to, output] = [required(inputTypes, 0, 'X'), at(outputs, 0), at(outputTypes, 0)];
  const grid = required([constantOf(required(inputTypes, 1, 'grid'), 'grid')], 0, 'grid');
  const all = neighboursOf(samplingOf(node.attrs.attributes), x.shape, grid);
  const used = all.filter(({ index, weight }) => index.some((source, i) => source >= 0 && weight[i] !== 0));
  const weights = [at(output.shape, 0), 1, ...output.shape.slice(2)];
  const name = (part: string, i: number): string => `${to}~${part}${i}`;
  const isPlain = used.length === 1 && used[0]?.weight.every((w) => w === 1) === true;
  const parts = used.flatMap(({ index, weight }, i): readonly Replacement[] => {
    const from = sourcesOf({ index, weight }, x.shape, output.shape);
    const made = Int32Array.from(from.keys()).filter((place) => at(from, place) >= 0);
    const pieces = piecesBetween(
      0,
      made.map((place) => at(from, place)),
      made,
    );
    const moved = isPlain ? to : name('neighbour', i);
    const more = made.length < from.length ? { fill: 0 } : {};
    const move = asMove({ ...node, inputs: inputs.slice(0, 1), outputs: [moved] }, 'Sample', pieces, more);
    if (isPlain) return [move];
    const constants = new Map([[name('weights', i), floats(weights, Float32Array.from(weight))]]);
    const share = used.length === 1 ? to : name('share', i);
    return [
      move,
      { op: product, attrs: {}, inputs: [moved, name('weights', i)], outputs: [share], constants },
    ];
  });
  if (used.length === 0) throw complain('a grid whose places are all outside the image', 'places within it');
  const sums = used.slice(1).map((_, i): Replacement => {
    const before = i === 0 ? name('share', 0) : name('sum', i);
    const made = i === used.length - 2 ? to : name('sum', i + 1);
    return { op: add, attrs: {}, inputs: [before, name('share', i + 1)], outputs: [made] };
  });
  return [...parts, ...sums];
}

const gridSampling: Meaning = {
  type: 'GridSample',
  since: 16,
  restrictions: 'a constant grid; images of two axes',
  infer(types) {
    requireFloats(types);
    return [{ dtype: required(types, 0, 'X').dtype, shape: shapeOf(types) }];
  },
  value: sampled,
  canonicalize: canonical,
};

/** ONNX GridSample-16, 20, 22. */
export const gridSample: ImportedOp<Attrs> = onConstants(gridSampling);
