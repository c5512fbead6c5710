import { at, complain } from '../../base/errors.ts';
import {
  type CoordinateMode,
  coordinateModes,
  cubicTaps,
  linearTaps,
  type NearestMode,
  nearestIndex,
  nearestModes,
  type ResizedAxis,
  singleTaps,
  type Taps,
} from '../geometry/resize-axis.ts';
import { type AxisIndex, allOf, axiswise } from '../geometry/strided.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { ImportedOp, InputType, NodeView, OnnxNode, Replacement } from '../graph/op.ts';
import { type Shape, sameShape } from '../tensor.ts';
import { axisIn, constantOf, known, newestOpset, required } from './common/inputs.ts';
import { asMove } from './common/moves.ts';
import { mostPieces } from './kernels/moving.ts';
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

/** Every axis of the data. */
function axesOf(attrs: Attrs, inputs: Inputs): readonly ResizedAxis[] {
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
    return { in: size, out: Math.floor(Math.fround(size * scale)), scale };
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

const isSame = ({ in: size, out, scale }: ResizedAxis): boolean => size === out && scale === 1;

function tapsOf({ method, coordinates, nearest, cubic }: Attrs, axis: ResizedAxis): Taps {
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

/** As weights of neighbours. */
function resampleAttrs(attrs: Attrs, axes: readonly ResizedAxis[]): ResampleAttrs {
  const made = axes.flatMap((axis, i): readonly AxisTaps[] =>
    isSame(axis) ? [] : [{ axis: i, ...tapsOf(attrs, axis) }],
  );
  return { axes: made, words: `Resize, ${words[attrs.method]}` };
}

/** Whole pixels are moved, where a few rules say which; anything else has its neighbours in tables. */
function canonical(node: NodeView<Attrs>): readonly Replacement[] {
  const { attrs, inputTypes } = node;
  const { shape } = required(inputTypes, 0, 'X');
  const axes = axesOf(attrs, inputTypes);
  if (axes.every(isSame)) return [];
  if (attrs.method === 'nearest') {
    const indices = axes.map(
      (axis): AxisIndex =>
        isSame(axis) ? allOf(axis.in) : nearestIndex(axis, attrs.coordinates, attrs.nearest),
    );
    const pieces = axiswise(0, shape, indices);
    if (pieces.length <= mostPieces) return [asMove(node, `Resize, ${words.nearest}`, pieces)];
  }
  const made = resampleAttrs(attrs, axes);
  return [{ op: resample, attrs: made, inputs: node.inputs.slice(0, 1), outputs: node.outputs }];
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
  scales,
});

function parseResize({ attributes, opset }: OnnxNode): Attrs {
  if (opset < 11) return early(attributes, 1);
  if (attributes.int('antialias', 0) !== 0) throw complain('antialias = 1', 'antialias = 0');
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
 * ONNX Resize-10, 11, 13, 18, 19 and Upsample-7, 9: nearest, linear and cubic, without antialiasing and cropping.
 * Coordinates are onnxruntime's, in float32.
 */
export const resize: ImportedOp<Attrs> = {
  kind: 'resize',
  restrictions: 'constant scales or sizes; no antialiasing, no tf_crop_and_resize',
  onnx: {
    Resize: { since: 10, upTo: newestOpset, parse: parseResize },
    Upsample: { since: 7, upTo: 9, parse: parseUpsample },
  },
  infer: (attrs, inputs) => [{ dtype: required(inputs, 0, 'X').dtype, shape: shapeOf(attrs, inputs) }],
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    const made = resampleAttrs(attrs, axesOf(attrs, inputs.map(known)));
    return sameShape(x.shape, shapeOf(attrs, inputs.map(known))) && made.axes.length === 0
      ? [x]
      : resample.reference(made, [x]);
  },
  canonicalize: canonical,
};
