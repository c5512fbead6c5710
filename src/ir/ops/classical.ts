/** Operators of ai.onnx.ml that prepare numbers for a network: all of them on rows of features. */
import { at, complain } from '../../base/errors.ts';
import type { CanonicalOp, ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { floats, type Tensor, type TensorType } from '../tensor.ts';
import { clip } from './clip.ts';
import { newestOpset, required } from './common/inputs.ts';
import { conversion } from './conversion.ts';
import { rmsNormalize } from './normalize-groups.ts';
import { quotient } from './products.ts';
import { l1 } from './reductions.ts';
import { scaleShiftOf } from './scale-shift.ts';

type Inputs = readonly (InputType | undefined)[];

/** The first input as it is, or integers made float32. Returns its name. */
function asFloats({ inputs, inputTypes, outputs }: NodeView<unknown>, parts: Replacement[]): string {
  const { dtype } = required(inputTypes, 0, 'X');
  const [x, made] = [at(inputs, 0), `${outputs[0]}~floats`];
  if (dtype === 'float32' || dtype === 'float64') return x;
  parts.push({ op: conversion, attrs: { from: dtype, to: 'float32' }, inputs: [x], outputs: [made] });
  return made;
}

const floatsLike = (_attrs: unknown, inputs: Inputs): readonly TensorType[] => [
  { dtype: 'float32', shape: required(inputs, 0, 'X').shape },
];

interface ScalerAttrs {
  readonly offset: readonly number[];
  readonly scale: readonly number[];
}

/** One number, or one of each feature. */
const numberOf = (list: readonly number[], feature: number): number =>
  list[list.length === 1 ? 0 : feature] ?? 0;

function requireFeatures({ offset, scale }: ScalerAttrs, { shape }: TensorType): number {
  const features = shape.at(-1) ?? 1;
  const fits = [offset, scale].every(({ length }) => length === 1 || length === features);
  if (fits && shape.length === 2) return features;
  throw complain(
    `${offset.length} offsets and ${scale.length} scales of ${shape.join('x')}`,
    `one number, or one of each feature, of rows`,
  );
}

/** (x - offset) scale. ai.onnx.ml Scaler-1. */
export const scaler: ImportedOp<ScalerAttrs> = {
  kind: 'scaler',
  restrictions: 'rows of features',
  onnx: {
    'ai.onnx.ml.Scaler': {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        offset: attributes.get('offset', 'floats') ?? [0],
        scale: attributes.get('scale', 'floats') ?? [1],
      }),
    },
  },
  infer(attrs, inputs) {
    requireFeatures(attrs, required(inputs, 0, 'X'));
    return floatsLike(attrs, inputs);
  },
  reference({ offset, scale }, inputs) {
    const { shape, data } = required(inputs, 0, 'X');
    const features = at(shape, 1);
    const value = (x: number, i: number): number =>
      (x - numberOf(offset, i % features)) * numberOf(scale, i % features);
    return [floats(shape, Float32Array.from(data, value))];
  },
  canonicalize(node) {
    const features = requireFeatures(node.attrs, required(node.inputTypes, 0, 'X'));
    const parts: Replacement[] = [];
    const from = asFloats(node, parts);
    const gain = Array.from({ length: features }, (_, c) => numberOf(node.attrs.scale, c));
    const shift = gain.map((g, c) => -numberOf(node.attrs.offset, c) * g);
    return [...parts, scaleShiftOf({ gain, shift }, [node.name, from, at(node.outputs, 0)])];
  },
};

interface NormalizerAttrs {
  readonly norm: 'L1' | 'L2';
}

function normed({ norm }: NormalizerAttrs, { shape, data }: Tensor): Tensor {
  const features = at(shape, 1);
  const made = new Float32Array(data.length);
  for (let first = 0; first < data.length; first += features) {
    const row = Array.from(data.subarray(first, first + features));
    const sum = row.reduce((total, x) => total + (norm === 'L1' ? Math.abs(x) : x * x), 0);
    const size = norm === 'L1' ? sum : Math.sqrt(sum);
    made.set(
      row.map((x) => (size === 0 ? 0 : x / size)),
      first,
    );
  }
  return floats(shape, made);
}

/** Sizes below it are those of zeros. */
const least = 1e-30;

/** Each row over its size; zeros stay. ai.onnx.ml Normalizer-1. */
export const normalizer: ImportedOp<NormalizerAttrs> = {
  kind: 'normalizer',
  restrictions: 'rows of features; norms L1 and L2',
  onnx: {
    'ai.onnx.ml.Normalizer': {
      since: 1,
      upTo: newestOpset,
      parse({ attributes }) {
        const norm = attributes.string('norm', 'MAX');
        if (norm === 'L1' || norm === 'L2') return { norm };
        throw complain(`norm '${norm}'`, `'L1' and 'L2'`);
      },
    },
  },
  infer(attrs, inputs) {
    const { shape } = required(inputs, 0, 'X');
    if (shape.length !== 2) throw complain(`${shape.length} axes`, 'rows of features');
    return floatsLike(attrs, inputs);
  },
  reference: (attrs, inputs) => [normed(attrs, required(inputs, 0, 'X'))],
  canonicalize(node) {
    const parts: Replacement[] = [];
    const [from, to] = [asFloats(node, parts), at(node.outputs, 0)];
    const { shape } = required(node.inputTypes, 0, 'X');
    const step = (op: CanonicalOp, attrs: unknown, inputs: readonly string[], made: string): Replacement => ({
      ...{ op, attrs, inputs, outputs: [made] },
    });
    if (node.attrs.norm === 'L1')
      return [
        ...parts,
        step(l1, { axes: [1], keepDims: true }, [from], `${to}~size`),
        step(clip, { lo: least, hi: Number.POSITIVE_INFINITY }, [`${to}~size`], `${to}~above0`),
        step(quotient, {}, [from, `${to}~above0`], to),
      ];
    const features = at(shape, 1);
    const scale = `${to}~scale`;
    return [
      ...parts,
      {
        ...step(rmsNormalize, { view: shape, axes: [1], epsilon: 1e-24 / features }, [from, scale], to),
        constants: new Map([[scale, floats([], Float32Array.of(1 / Math.sqrt(features)))]]),
      },
    ];
  },
};
