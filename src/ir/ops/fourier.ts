/** Fourier transforms: products with matrices of cosines and sines. */
import { at, complain } from '../../base/errors.ts';
import { stridedIndex } from '../geometry/strided.ts';
import type { Attributes } from '../graph/attributes.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { floats, type Shape, showShape, stridesOf, type Tensor } from '../tensor.ts';
import { reshapeTo } from './common/imported.ts';
import {
  axisIn,
  constantOf,
  constantScalar,
  known,
  newestOpset,
  required,
  requireFloats,
} from './common/inputs.ts';
import { productOf } from './common/matrix-products.ts';
import {
  type Attrs,
  type Inputs,
  type Meaning,
  onConstants,
  requireModest,
  type Types,
} from './common/meanings.ts';
import { rounded } from './common/round.ts';
import { conv } from './conv.ts';
import { transpose } from './transpose.ts';

/** A transform of `size` numbers, real ones or pairs (`parts` 1 or 2), to `bins` pairs. */
interface Transform {
  readonly size: number;
  readonly parts: number;
  readonly bins: number;
  /** What it takes and gives back: numbers beyond `size` are 0. */
  readonly length: number;
  readonly inverse: boolean;
}

/** [size * parts, bins * 2]: each number times e^(-2 pi i k n / length); of the inverse e^(2 pi i k n / length) / length. */
function matrixOf({ size, parts, bins, length, inverse }: Transform): Float64Array {
  const matrix = new Float64Array(size * parts * bins * 2);
  const [turn, gain] = inverse ? [1, 1 / length] : [-1, 1];
  for (let n = 0; n < Math.min(size, length); n++)
    for (let k = 0; k < bins; k++) {
      const angle = (2 * Math.PI * ((k * n) % length)) / length;
      const [real, imaginary] = [gain * Math.cos(angle), gain * turn * Math.sin(angle)];
      matrix.set([real, imaginary], (n * parts * bins + k) * 2);
      // Times i.
      if (parts === 2) matrix.set([-imaginary, real], ((n * parts + 1) * bins + k) * 2);
    }
  return matrix;
}

const binsOf = (length: number, onesided: boolean): number =>
  onesided ? Math.floor(length / 2) + 1 : length;

/** Rows of numbers times the matrix. */
function rowsTimes(
  matrix: Float64Array,
  rows: number,
  depth: number,
  element: (row: number, i: number) => number,
) {
  const columns = matrix.length / depth;
  return Float64Array.from({ length: rows * columns }, (_, place) => {
    const [row, column] = [Math.floor(place / columns), place % columns];
    let sum = 0;
    for (let i = 0; i < depth; i++) sum += element(row, i) * at(matrix, i * columns + column);
    return sum;
  });
}

interface DftAttrs {
  /** Before opset 20; then an input. */
  readonly axis?: number;
  readonly inverse: boolean;
  readonly onesided: boolean;
}

interface DftPlan extends Transform {
  readonly axis: number;
  /** The axis moved before the parts; and where each axis of that goes. */
  readonly perm: readonly number[];
  readonly back: readonly number[];
  readonly shape: Shape;
}

function dftPlan(attrs: DftAttrs, inputs: readonly (InputType | undefined)[]): DftPlan {
  const { shape } = required(inputs, 0, 'input');
  const [rank, parts = 0] = [shape.length, shape.at(-1)];
  if (rank < 2 || (parts !== 1 && parts !== 2))
    throw complain(`shape ${showShape(shape)}`, 'a last axis of 1 (real numbers) or 2 (complex ones)');
  const given = attrs.axis ?? constantScalar(inputs[2], 'axis') ?? -2;
  const axis = axisIn(given, rank);
  if (axis === rank - 1) throw complain(`a transform along the last axis`, 'one of the others');
  if (attrs.inverse && attrs.onesided)
    throw complain('an inverse of one side', 'inverses of all bins', 'give all bins');
  const size = at(shape, axis);
  const length = constantScalar(inputs[1], 'dft_length') ?? size;
  requireModest([length, size]);
  const bins = binsOf(length, attrs.onesided);
  const others = [...shape.keys()].filter((i) => i !== axis && i !== rank - 1);
  const perm = [...others, axis, rank - 1];
  const back = [...shape.keys()].map((i) => perm.indexOf(i));
  return {
    ...{ size, parts, bins, length, inverse: attrs.inverse, axis, perm, back },
    shape: shape.with(axis, bins).with(-1, 2),
  };
}

function transformed(attrs: DftAttrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const x = required(inputs, 0, 'input');
  const plan = dftPlan(attrs, inputs.map(known));
  const [depth, strides] = [plan.size * plan.parts, stridesOf(x.shape)];
  const turned = stridedIndex(
    0,
    plan.perm.map((axis) => at(x.shape, axis)),
    plan.perm.map((axis) => at(strides, axis)),
  );
  const rows = turned.length / depth;
  const made = rowsTimes(matrixOf(plan), rows, depth, (row, i) => at(x.data, at(turned, row * depth + i)));
  const shape = plan.perm.map((axis) => at(plan.shape, axis));
  const own = stridesOf(shape);
  const places = stridedIndex(
    0,
    plan.shape,
    plan.back.map((axis) => at(own, axis)),
  );
  return rounded(
    x.dtype,
    plan.shape,
    Float64Array.from(places, (place) => at(made, place)),
  );
}

/** The axis to the end, a product with the matrix, and back. */
function canonicalDft({ attrs, inputs, outputs, inputTypes }: NodeView<DftAttrs>): readonly Replacement[] {
  const plan = dftPlan(attrs, inputTypes);
  const { shape } = required(inputTypes, 0, 'input');
  const [from = '', to = ''] = [inputs[0], outputs[0]];
  const name = (part: string): string => `${to}~${part}`;
  const depth = plan.size * plan.parts;
  const matrix = floats([depth, plan.bins * 2], Float32Array.from(matrixOf(plan)));
  const outer = plan.perm.slice(0, -2).map((axis) => at(shape, axis));
  const turn = (perm: readonly number[], x: string, y: string): Replacement => ({
    ...{ op: transpose, attrs: { perm }, inputs: [x], outputs: [y] },
  });
  const rows = [...outer, depth];
  return [
    turn(plan.perm, from, name('turned')),
    reshapeTo(name('turned'), name('rows'), rows),
    ...productOf({
      factors: [
        { name: name('rows'), type: { dtype: 'float32', shape: rows } },
        { name: name('matrix'), type: { dtype: 'float32', shape: matrix.shape, constant: matrix } },
      ],
      to: name('bins'),
    }),
    reshapeTo(name('bins'), name('pairs'), [...outer, plan.bins, 2]),
    turn(plan.back, name('pairs'), to),
  ];
}

const dftSince = (since: number, upTo: number): ImportedOp<DftAttrs> => ({
  kind: `dft${since}`,
  restrictions: 'DFT: a constant length; no inverse of one side',
  onnx: {
    DFT: {
      since,
      upTo,
      parse: ({ attributes }) => ({
        ...(since < 20 ? { axis: attributes.int('axis', 1) } : {}),
        inverse: attributes.int('inverse', 0) !== 0,
        onesided: attributes.int('onesided', 0) !== 0,
      }),
    },
  },
  infer(attrs, inputs) {
    requireFloats(inputs.slice(0, 1));
    return [{ dtype: required(inputs, 0, 'input').dtype, shape: dftPlan(attrs, inputs).shape }];
  },
  reference: (attrs, inputs) => [transformed(attrs, inputs)],
  canonicalize: canonicalDft,
});

interface StftPlan extends Transform {
  readonly step: number;
  readonly batch: number;
  readonly samples: number;
  readonly frames: number;
  readonly window: ArrayLike<number>;
  readonly shape: Shape;
}

function stftPlan(types: Types, attributes: Attributes): StftPlan {
  const { shape } = required(types, 0, 'signal');
  const [batch = 0, samples = 0, parts = 1] = shape;
  if (shape.length < 2 || shape.length > 3 || parts > 2)
    throw complain(
      `a signal of shape ${showShape(shape)}`,
      'batch and length, and an axis of 1 or 2 behind them',
    );
  const step = required([constantScalar(required(types, 1, 'frame_step'), 'frame_step')], 0, 'frame_step');
  const window = constantOf(types[2], 'window')?.data;
  const length = constantScalar(types[3], 'frame_length') ?? window?.length ?? samples;
  if (step < 1 || length > samples || (window !== undefined && window.length !== length))
    throw complain(
      `frames of ${length} every ${step}, windows of ${window?.length ?? length}, of ${samples} samples`,
      'windows as long as frames, which the signal holds',
    );
  const onesided = attributes.int('onesided', 1) !== 0;
  if (onesided && parts === 2) throw complain('one side of complex signals', 'onesided = 0 for them');
  const [bins, frames] = [binsOf(length, onesided), Math.floor((samples - length) / step) + 1];
  return {
    ...{ size: length, parts, bins, length, inverse: false, step, batch, samples, frames },
    ...{ window: window ?? new Float32Array(length).fill(1), shape: [batch, frames, bins, 2] },
  };
}

/** The matrix with the window in it. */
function windowedMatrix(plan: StftPlan): Float64Array {
  const matrix = matrixOf(plan);
  const columns = plan.parts * plan.bins * 2;
  return matrix.map((x, i) => x * at(plan.window, Math.floor(i / columns)));
}

function framesTransformed(inputs: Inputs, attributes: Attributes): Tensor {
  const x = required(inputs, 0, 'signal');
  const plan = stftPlan(inputs.map(known), attributes);
  const { batch, frames, step, samples, size, parts } = plan;
  const made = rowsTimes(windowedMatrix(plan), batch * frames, size * parts, (row, i) => {
    const first = Math.floor(row / frames) * samples + (row % frames) * step;
    return at(x.data, first * parts + i);
  });
  return rounded(x.dtype, plan.shape, made);
}

/** A convolution along the signal, with the parts of a number as channels. */
function canonicalStft({ attrs, inputs, outputs, inputTypes }: NodeView<Attrs>): readonly Replacement[] {
  const plan = stftPlan(inputTypes, attrs.attributes);
  const { batch, samples, size, parts, bins, frames, step } = plan;
  const [from = '', to = ''] = [inputs[0], outputs[0]];
  const name = (part: string): string => `${to}~${part}`;
  const matrix = windowedMatrix(plan);
  const rows = 2 * bins;
  const weights = Float32Array.from({ length: matrix.length }, (_, i) => {
    const [row, part, n] = [Math.floor(i / (parts * size)), Math.floor(i / size) % parts, i % size];
    return at(matrix, (n * parts + part) * rows + row);
  });
  const window = { kernel: [size], strides: [step], pads: [0, 0], autoPad: 'NOTSET', dilations: [1] };
  const turn = (x: string, y: string): Replacement => ({
    ...{ op: transpose, attrs: { perm: [0, 2, 1] }, inputs: [x], outputs: [y] },
  });
  return [
    reshapeTo(from, name('samples'), [batch, samples, parts]),
    turn(name('samples'), name('signal')),
    {
      ...{ op: conv, attrs: { ...window, groups: 1 }, outputs: [name('bins')] },
      inputs: [name('signal'), name('weights')],
      constants: new Map([[name('weights'), floats([rows, parts, size], weights)]]),
    },
    turn(name('bins'), name('frames')),
    reshapeTo(name('frames'), to, [batch, frames, bins, 2]),
  ];
}

const stft: Meaning = {
  type: 'STFT',
  since: 17,
  restrictions: 'STFT: a constant step, window and length',
  infer(types, attributes) {
    requireFloats(types.slice(0, 1));
    return [{ dtype: required(types, 0, 'signal').dtype, shape: stftPlan(types, attributes).shape }];
  },
  value: framesTransformed,
  canonicalize: canonicalStft,
};

/** ONNX DFT-17, 20 and STFT-17. */
export const fourier = [dftSince(17, 19), dftSince(20, newestOpset), onConstants(stft)] as const;
