import { at, complain } from '../../base/errors.ts';
import {
  type CoordinateMode,
  coordinateModes,
  cubicTaps,
  insideOf,
  linearTaps,
  type NearestMode,
  nearestIndex,
  nearestModes,
  type ResizedAxis,
  singleTaps,
  smoothTaps,
  type Taps,
  tapsAt,
} from '../geometry/resize-axis.ts';
import { type AxisIndex, allOf, axiswise } from '../geometry/strided.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { ImportedOp, InputType, NodeView, OnnxNode, Replacement } from '../graph/op.ts';
import type { Shape } from '../tensor.ts';
import { axisIn, constantOf, known, newestOpset, required } from './common/inputs.ts';
import { asMove } from './common/moves.ts';
import { mostPieces } from './kernels/moving.ts';
import { type MoveAttrs, move } from './move.ts';
import { type AxisTaps, type ResampleAttrs, resample } from './resample.ts';

const policies = ['stretch', 'not_larger', 'not_smaller'] as const;

interface Attrs {
  readonly method: 'nearest' | 'linear' | 'cubic';
  readonly coordinates: CoordinateMode;
  readonly nearest: NearestMode;
  readonly cubic: { readonly a: number; readonly inside: boolean };
  /** Which axes scales and sizes are of; absent: all. */
  readonly axes?: readonly number[];
  readonly policy: (typeof policies)[number];
  /** Which input holds the scales, and which the sizes; or the scales themselves. */
  readonly scales: number | readonly number[];
  readonly sizes?: number;
  /** The filter grows where an axis gets shorter. */
  readonly antialias: boolean;
  /** Of tf_crop_and_resize, outside of the input. */
  readonly extrapolation: number;
}

type Inputs = readonly (InputType | undefined)[];

/** The numbers of a constant list; undefined where it is omitted or empty. */
function listAt(inputs: Inputs, index: number | undefined, role: string): readonly number[] | undefined {
  const tensor = index === undefined ? undefined : constantOf(inputs[index], role);
  return tensor === undefined || tensor.data.length === 0 ? undefined : Array.from(tensor.data);
}

/** A number for each axis of the data, `otherwise` where the list has none. */
function perAxis(
  { axes }: Attrs,
  list: readonly number[],
  shape: Shape,
  otherwise: (size: number) => number,
): readonly number[] {
  const named = axes?.map((axis) => axisIn(axis, shape.length)) ?? [...shape.keys()];
  if (named.length !== list.length)
    throw complain(`${list.length} scales or sizes of ${named.length} axes`, 'one of each axis');
  return shape.map((size, axis) => (named.includes(axis) ? at(list, named.indexOf(axis)) : otherwise(size)));
}

/** Sizes that keep the proportions of the axes that are named. */
function kept(attrs: Attrs, sizes: readonly number[], shape: Shape): readonly ResizedAxis[] {
  const named = attrs.axes?.map((axis) => axisIn(axis, shape.length)) ?? [...shape.keys()];
  const ratios = named.map((axis) => at(sizes, axis) / at(shape, axis));
  const scale = attrs.policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return shape.map((size, axis) =>
    named.includes(axis)
      ? { in: size, out: Math.round(scale * size), scale: Math.fround(scale) }
      : { in: size, out: size, scale: 1 },
  );
}

/** Which part of each axis is resized; undefined: all of it. */
function cropsOf(attrs: Attrs, inputs: Inputs): readonly (readonly [number, number])[] | undefined {
  if (attrs.coordinates !== 'tf_crop_and_resize') return undefined;
  const { shape } = required(inputs, 0, 'X');
  const list = listAt(inputs, 1, 'roi');
  if (list === undefined) throw complain(`tf_crop_and_resize with no 'roi'`, 'a constant one');
  const half = list.length / 2;
  const [starts, ends] = [
    perAxis(attrs, list.slice(0, half), shape, () => 0),
    perAxis(attrs, list.slice(half), shape, () => 1),
  ];
  return shape.map((_, axis) => [at(starts, axis), at(ends, axis)]);
}

/** Every axis of the data. */
function axesOf(attrs: Attrs, inputs: Inputs): readonly ResizedAxis[] {
  const crops = cropsOf(attrs, inputs);
  const axes = sizedAxes(attrs, inputs, crops);
  return crops === undefined ? axes : axes.map((axis, i) => ({ ...axis, crop: at(crops, i) }));
}

function sizedAxes(
  attrs: Attrs,
  inputs: Inputs,
  crops: readonly (readonly [number, number])[] | undefined,
): readonly ResizedAxis[] {
  const { shape } = required(inputs, 0, 'X');
  const sizes = listAt(inputs, attrs.sizes, 'sizes');
  if (sizes !== undefined) {
    const outs = perAxis(attrs, sizes, shape, (size) => size);
    if (attrs.policy !== 'stretch') return kept(attrs, outs, shape);
    return shape.map((size, i) => ({ in: size, out: at(outs, i), scale: Math.fround(at(outs, i) / size) }));
  }
  const list = typeof attrs.scales === 'number' ? listAt(inputs, attrs.scales, 'scales') : attrs.scales;
  if (list === undefined) throw complain('neither scales nor sizes', 'one of them, constant');
  const scales = perAxis(attrs, list, shape, () => 1).map(Math.fround);
  return shape.map((size, i) => {
    const scale = at(scales, i);
    const [start, end] = crops?.[i] ?? [0, 1];
    return { in: size, out: Math.floor(Math.fround(size * (end - start) * scale)), scale };
  });
}

/** @throws InputError where ONNX's text takes a length that is not whole, and onnxruntime and PyTorch the whole one. */
function requireWhole(scales: number, size: number): void {
  const length = scales * size;
  if (Math.abs(length - Math.round(length)) > 1e-4)
    throw complain(
      `coordinate_transformation_mode 'align_corners' for an axis of ${size} times ${scales}`,
      'scales that give whole sizes',
      'export with sizes instead of scales',
    );
}

function shapeOf(attrs: Attrs, inputs: Inputs): Shape {
  const axes = axesOf(attrs, inputs);
  if (attrs.coordinates === 'align_corners' && listAt(inputs, attrs.sizes, 'sizes') === undefined)
    for (const { scale, in: size } of axes) requireWhole(scale, size);
  const bad = axes.find(({ in: size, out }) => !(size > 0 && out > 0 && Number.isSafeInteger(out)));
  if (bad !== undefined) throw complain(`an axis of ${bad.in} resized to ${bad.out}`, 'sizes of 1 or more');
  return axes.map(({ out }) => out);
}

const isSame = ({ in: size, out, scale, crop: [start, end] = [0, 1] }: ResizedAxis): boolean =>
  size === out && scale === 1 && start === 0 && end === 1;

function tapsOf({ method, coordinates, nearest, cubic, antialias }: Attrs, axis: ResizedAxis): Taps {
  if (antialias && method !== 'nearest')
    return smoothTaps(axis, coordinates, method === 'linear' ? 1 : 2, cubic);
  switch (method) {
    case 'nearest':
      return singleTaps(nearestIndex(axis, coordinates, nearest));
    case 'linear':
      return linearTaps(axis, coordinates);
    case 'cubic':
      return cubicTaps(axis, coordinates, cubic.a, cubic.inside);
    default:
      return method satisfies never;
  }
}

const words = { nearest: 'nearest neighbours', linear: 'linear', cubic: 'cubic' } as const;

/** As weights of neighbours; of what lies outside of the input nothing. @throws InputError where all does */
function resampleAttrs(attrs: Attrs, axes: readonly ResizedAxis[]): ResampleAttrs {
  const made = axes.flatMap((axis, i): readonly AxisTaps[] => {
    const inside = insideOf(axis, attrs.coordinates);
    if (inside.length === 0) throw complain('a region outside of the input', 'regions that meet it');
    return isSame(axis) ? [] : [{ axis: i, ...tapsAt(tapsOf(attrs, axis), inside) }];
  });
  return { axes: made, words: `Resize, ${words[attrs.method]}` };
}

/** What is put around the resized part, where some of the output lies outside of the input. */
function around(attrs: Attrs, axes: readonly ResizedAxis[]): MoveAttrs | undefined {
  const inside = axes.map((axis) => insideOf(axis, attrs.coordinates));
  if (inside.every(({ length }, i) => length === at(axes, i).out)) return undefined;
  const indices = axes.map(({ out }, i) =>
    Array.from({ length: out }, (_, place) => at(inside, i).indexOf(place)),
  );
  return {
    shape: axes.map(({ out }) => out),
    pieces: axiswise(
      0,
      inside.map(({ length }) => length),
      indices,
    ),
    fill: attrs.extrapolation,
    words: 'Resize, outside of the input',
  };
}

/** Whole pixels are moved, where a few rules say which; anything else has its neighbours in tables. */
function canonical(node: NodeView<Attrs>): readonly Replacement[] {
  const { attrs, inputTypes } = node;
  const { shape } = required(inputTypes, 0, 'X');
  const axes = axesOf(attrs, inputTypes);
  if (axes.every(isSame)) return [];
  const outer = around(attrs, axes);
  if (attrs.method === 'nearest' && outer === undefined) {
    const indices = axes.map(
      (axis): AxisIndex =>
        isSame(axis) ? allOf(axis.in) : nearestIndex(axis, attrs.coordinates, attrs.nearest),
    );
    const pieces = axiswise(0, shape, indices);
    if (pieces.length <= mostPieces) return [asMove(node, `Resize, ${words.nearest}`, pieces)];
  }
  const made = resampleAttrs(attrs, axes);
  const inputs = node.inputs.slice(0, 1);
  if (outer === undefined) return [{ op: resample, attrs: made, inputs, outputs: node.outputs }];
  const inner = [`${node.outputs[0]}~inside`];
  return [
    { op: resample, attrs: made, inputs, outputs: inner },
    { op: move, attrs: outer, inputs: inner, outputs: node.outputs },
  ];
}

function oneOf<T extends string>(name: string, found: string, list: readonly T[]): T {
  const match = list.find((one) => one === found);
  if (match === undefined) throw complain(`${name} '${found}'`, list.join(', '));
  return match;
}

function methodOf(attributes: Attributes): Attrs['method'] {
  const mode = attributes.string('mode', 'nearest');
  return mode === 'bilinear' ? 'linear' : oneOf('mode', mode, ['nearest', 'linear', 'cubic']);
}

/** Before opset 11 coordinates have no shift, and the scales are the second input or an attribute. */
const early = (attributes: Attributes, scales: Attrs['scales']): Attrs => ({
  method: methodOf(attributes),
  coordinates: 'asymmetric',
  nearest: 'simple',
  cubic: { a: -0.75, inside: false },
  policy: 'stretch',
  antialias: false,
  extrapolation: 0,
  scales,
});

function parseResize({ attributes, opset }: OnnxNode): Attrs {
  if (opset < 11) return early(attributes, 1);
  const nearest = attributes.string('nearest_mode', 'round_prefer_floor');
  const axes = attributes.ints('axes');
  return {
    method: methodOf(attributes),
    coordinates: oneOf(
      'coordinate_transformation_mode',
      attributes.string('coordinate_transformation_mode', 'half_pixel'),
      coordinateModes,
    ),
    nearest: oneOf(
      'nearest_mode',
      nearest,
      nearestModes.filter((mode) => mode !== 'simple'),
    ),
    cubic: {
      a: attributes.float('cubic_coeff_a', -0.75),
      inside: attributes.int('exclude_outside', 0) !== 0,
    },
    policy: oneOf(
      'keep_aspect_ratio_policy',
      attributes.string('keep_aspect_ratio_policy', 'stretch'),
      policies,
    ),
    antialias: attributes.int('antialias', 0) !== 0,
    extrapolation: attributes.float('extrapolation_value', 0),
    scales: 2,
    sizes: 3,
    ...(axes === undefined ? {} : { axes }),
  };
}

function parseUpsample({ attributes, opset }: OnnxNode): Attrs {
  if (opset >= 9) return early(attributes, 1);
  const scales = attributes.get('scales', 'floats');
  if (scales === undefined) throw complain('no scales', 'scales of each axis');
  return early(attributes, scales);
}

/**
 * ONNX Resize-10, 11, 13, 18, 19 and Upsample-7, 9: nearest, linear and cubic.
 * Coordinates are onnxruntime's, in float32.
 */
export const resize: ImportedOp<Attrs> = {
  kind: 'resize',
  restrictions: 'constant scales or sizes, and regions; align_corners: scales that give whole sizes',
  onnx: {
    Resize: { since: 10, upTo: newestOpset, parse: parseResize },
    Upsample: { since: 7, upTo: 9, parse: parseUpsample },
  },
  infer: (attrs, inputs) => [{ dtype: required(inputs, 0, 'X').dtype, shape: shapeOf(attrs, inputs) }],
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    shapeOf(attrs, inputs.map(known));
    const axes = axesOf(attrs, inputs.map(known));
    const made = resampleAttrs(attrs, axes);
    const inner = made.axes.length === 0 ? [x] : resample.reference(made, [x]);
    const outer = around(attrs, axes);
    return outer === undefined ? inner : move.reference(outer, inner);
  },
  canonicalize: canonical,
};
