/** ONNX's normalizations, as `normalize` and `rmsNormalize`. */
import { at, complain, must } from '../../base/errors.ts';
import { zip } from '../geometry/broadcast.ts';
import type { CanonicalOp, ImportedOp, InputType, NodeView, OnnxNode, Replacement } from '../graph/op.ts';
import { countOf, floats, type Shape, showShape, type Tensor } from '../tensor.ts';
import { add } from './add.ts';
import { axesIn, axisIn, constantOf, newestOpset, required } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import { longestNormalized } from './kernels/group-norm.ts';
import { type NormalizeAttrs, normalize, rmsNormalize } from './normalize-groups.ts';
import { power } from './pow.ts';
import { mean as average } from './reductions.ts';
import { line } from './scale-shift.ts';

/** How an operator is one of the canonical ones. */
interface Form {
  readonly op: CanonicalOp<NormalizeAttrs>;
  readonly attrs: NormalizeAttrs;
  /** Shapes of scale and bias, where they are others than those of its inputs 1 and 2. */
  readonly parameters?: Shape;
  /** Instead of an input. */
  readonly scale?: Tensor;
}

interface Norm<A> {
  readonly kind: string;
  readonly type: string;
  readonly since: number;
  /** How many inputs it has at most. */
  readonly inputs: number;
  parse(node: OnnxNode): A;
  form(attrs: A, x: Shape, scale: Shape | undefined): Form;
}

const shaped = (tensor: Tensor, shape: Shape | undefined): Tensor =>
  shape === undefined ? tensor : { ...tensor, shape };

/** @throws InputError for a scale or bias of another size than the shape's */
function requireCounts(inputs: readonly (InputType | undefined)[], parameters: Shape | undefined): void {
  if (parameters === undefined) return;
  for (const type of inputs.slice(1))
    if (type !== undefined && countOf(type.shape) !== countOf(parameters))
      throw complain(
        `its scale or bias has shape ${showShape(type.shape)}`,
        `${countOf(parameters)} numbers`,
      );
}

function formOf<A>(norm: Norm<A>, attrs: A, inputs: readonly (InputType | undefined)[]): Form {
  const form = norm.form(attrs, required(inputs, 0, 'X').shape, inputs[1]?.shape);
  requireCounts(inputs, form.parameters);
  return form;
}

/** Constants under other shapes and names, beside the activation. */
function canonical<A>(norm: Norm<A>, node: NodeView<A>): readonly Replacement[] {
  const { op, attrs, parameters, scale } = formOf(norm, node.attrs, node.inputTypes);
  const constants = new Map<string, Tensor>();
  const [x = '', output = ''] = [node.inputs[0], node.outputs[0]];
  const named = (role: string, tensor: Tensor | undefined): string => {
    if (tensor === undefined) return '';
    const name = `${output}~${role}`;
    constants.set(name, shaped(tensor, parameters));
    return name;
  };
  const given = (index: number, role: string) =>
    index < norm.inputs ? constantOf(node.inputTypes[index], role) : undefined;
  const inputs = [x, named('scale', scale ?? given(1, 'scale')), named('bias', given(2, 'bias'))];
  return [
    {
      op,
      attrs,
      inputs: inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1),
      outputs: [output],
      constants,
    },
  ];
}

const imported = <A>(norm: Norm<A>): ImportedOp<A> => ({
  kind: norm.kind,
  restrictions: `${norm.inputs > 1 ? 'constant scale and bias' : 'LpNormalization: p = 2'}; int8: over at most ${longestNormalized} elements`,
  onnx: { [norm.type]: { since: norm.since, upTo: newestOpset, parse: (node) => norm.parse(node) } },
  infer(attrs, inputs) {
    formOf(norm, attrs, inputs);
    const { dtype, shape } = required(inputs, 0, 'X');
    return [{ dtype, shape }];
  },
  reference(attrs, inputs) {
    const { op, attrs: own, parameters, scale } = formOf(norm, attrs, inputs);
    const [x, ...others] = inputs.slice(0, norm.inputs);
    const given = others.map((tensor) => tensor && shaped(tensor, parameters));
    return op.reference(own, [x, ...(scale === undefined ? given : [scale])]);
  },
  canonicalize: (node) => canonical(norm, node),
});

/** From an axis to the last. */
const from = (axis: number, rank: number): number[] =>
  Array.from({ length: rank - axisIn(axis, rank) }, (_, i) => axisIn(axis, rank) + i);

interface AxisEpsilon {
  readonly axis: number;
  readonly epsilon: number;
}

const axisEpsilon = ({ attributes }: OnnxNode): AxisEpsilon => ({
  axis: attributes.int('axis', -1),
  epsilon: attributes.float('epsilon', 1e-5),
});

/** Over the last axes. */
const plainLayerNorm = imported<AxisEpsilon>({
  kind: 'layerNorm',
  type: 'LayerNormalization',
  since: 17,
  inputs: 3,
  parse: axisEpsilon,
  form: ({ axis, epsilon }, x) => ({
    op: normalize,
    attrs: { view: x, axes: from(axis, x.length), epsilon },
  }),
});

/** By output: the mean and one over the deviation of each group, with axes of 1. */
function statisticsOf({ axis, epsilon }: AxisEpsilon, x: Tensor): readonly Tensor[] {
  const groups = { axes: from(axis, x.shape.length), keepDims: true };
  const wide: Tensor = { ...x, dtype: 'float64', data: Float64Array.from(x.data) };
  const mean = must(average.reference(groups, [wide])[0], 'a mean');
  const squares = zip(wide, mean, (value, centre) => (value - centre) ** 2);
  const variance = must(average.reference(groups, [squares])[0], 'a variance');
  const inverse = Float64Array.from(variance.data, (v) => 1 / Math.sqrt(v + epsilon));
  return [Float64Array.from(mean.data), inverse].map((data) => rounded('float32', mean.shape, data));
}

/** The statistics that are read, in steps. */
function statistics({ attrs, inputs, inputTypes, outputs }: NodeView<AxisEpsilon>): readonly Replacement[] {
  const [x = ''] = inputs;
  const [, mean = '', inverse = ''] = outputs;
  const name = outputs.find((output) => output !== '');
  const groups = { axes: from(attrs.axis, required(inputTypes, 0, 'X').shape.length), keepDims: true };
  const centre = mean === '' ? `${name}~mean` : mean;
  const [centred, squares, variance, shifted] = ['centred', 'squares', 'variance', 'shifted'].map(
    (part) => `${name}~${part}`,
  ) as [string, string, string, string];
  const step = (op: CanonicalOp, own: unknown, read: readonly string[], made: string): Replacement => ({
    ...{ op, attrs: own, inputs: read, outputs: [made] },
  });
  const means = mean === '' && inverse === '' ? [] : [step(average, groups, [x], centre)];
  if (inverse === '') return means;
  return [
    ...means,
    step(add, { minus: true }, [x, centre], centred),
    step(power, { exponent: 2 }, [centred], squares),
    step(average, groups, [squares], variance),
    step(line, { gain: 1, shift: attrs.epsilon }, [variance], shifted),
    step(power, { exponent: -0.5 }, [shifted], inverse),
  ];
}

/** ONNX LayerNormalization-17: with the mean and one over the deviation as outputs, where they are read. */
const layerNorm: ImportedOp<AxisEpsilon> = {
  ...plainLayerNorm,
  infer(attrs, inputs) {
    const { shape } = required(inputs, 0, 'X');
    const axes = from(attrs.axis, shape.length);
    const groups = {
      dtype: 'float32',
      shape: shape.map((size, i) => (axes.includes(i) ? 1 : size)),
    } as const;
    return [...plainLayerNorm.infer(attrs, inputs), groups, groups];
  },
  reference: (attrs, inputs) => [
    ...plainLayerNorm.reference(attrs, inputs),
    ...statisticsOf(attrs, required(inputs, 0, 'X')),
  ],
  canonicalize: (node) => [
    ...statistics(node),
    ...(node.outputs[0] === '' ? [] : plainLayerNorm.canonicalize(node)),
  ],
};

/** ONNX RMSNormalization-23. */
const rmsNorm = imported<AxisEpsilon>({
  kind: 'rmsNorm',
  type: 'RMSNormalization',
  since: 23,
  inputs: 2,
  parse: axisEpsilon,
  form: ({ axis, epsilon }, x) => ({
    op: rmsNormalize,
    attrs: { view: x, axes: from(axis, x.length), epsilon },
  }),
});

/** One number for each index of axis 1. */
const alongAxis1 = (view: Shape, sizes: Shape): Shape => [
  ...sizes,
  ...view.slice(1 + sizes.length).map(() => 1),
];

/** ONNX InstanceNormalization-1, 6, 22: each channel by itself. */
const instanceNorm = imported<{ readonly epsilon: number }>({
  kind: 'instanceNorm',
  type: 'InstanceNormalization',
  since: 1,
  inputs: 3,
  parse: ({ attributes }) => ({ epsilon: attributes.float('epsilon', 1e-5) }),
  form: ({ epsilon }, x) => ({
    op: normalize,
    attrs: { view: x, axes: from(2, x.length), epsilon },
    parameters: alongAxis1(x, [at(x, 1)]),
  }),
});

/** ONNX GroupNormalization-18, whose scale is by group, and 21, by channel. */
const groupNorm = imported<{ readonly groups: number; readonly epsilon: number }>({
  kind: 'groupNorm',
  type: 'GroupNormalization',
  since: 18,
  inputs: 3,
  parse: ({ attributes }) => ({
    groups: attributes.int('num_groups', 1),
    epsilon: attributes.float('epsilon', 1e-5),
  }),
  form({ groups, epsilon }, x, scale) {
    const [batch = 1, channels = 1, ...spatial] = x;
    if (groups < 1 || channels % groups !== 0)
      throw complain(`${groups} groups of ${channels} channels`, 'groups of one size');
    const view = [batch, groups, channels / groups, ...spatial];
    const byGroup = scale !== undefined && countOf(scale) === groups;
    return {
      op: normalize,
      attrs: { view, axes: from(2, view.length), epsilon },
      parameters: alongAxis1(view, byGroup ? [groups] : [groups, channels / groups]),
    };
  },
});

/** ONNX MeanVarianceNormalization-9, 13: 1e-9 beside the deviation. */
const meanVariance = imported<{ readonly axes: readonly number[] }>({
  kind: 'meanVarianceNorm',
  type: 'MeanVarianceNormalization',
  since: 9,
  inputs: 1,
  parse: ({ attributes }) => ({ axes: attributes.ints('axes') ?? [0, 2, 3] }),
  form: ({ axes }, x) => ({
    op: normalize,
    attrs: { view: x, axes: axesIn(axes, x.length), epsilon: 1e-18 },
  }),
});

/** ONNX LpNormalization-1, 22 with p = 2: over the root of the sum of squares; zeros stay. */
const lpNorm = imported<{ readonly axis: number }>({
  kind: 'lpNorm',
  type: 'LpNormalization',
  since: 1,
  inputs: 1,
  parse({ attributes }) {
    const p = attributes.int('p', 2);
    if (p !== 2) throw complain(`p = ${p}`, 'p = 2');
    return { axis: attributes.int('axis', -1) };
  },
  form({ axis }, x) {
    const count = at(x, axisIn(axis, x.length));
    return {
      op: rmsNormalize,
      attrs: { view: x, axes: [axisIn(axis, x.length)], epsilon: 1e-24 / count },
      scale: floats([], Float32Array.of(1 / Math.sqrt(count))),
    };
  },
});

export const norms: readonly ImportedOp[] = [
  layerNorm,
  rmsNorm,
  instanceNorm,
  groupNorm,
  meanVariance,
  lpNorm,
];
