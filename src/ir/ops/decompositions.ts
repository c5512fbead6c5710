/** Operators as exporters write them in several nodes. */
import { at } from '../../base/errors.ts';
import { broadcastIndex, broadcastShape } from '../geometry/broadcast.ts';
import type { AnyNode } from '../graph/graph.ts';
import {
  constant,
  either,
  type Found,
  node,
  number,
  type Pattern,
  type Recognised,
  type Recognition,
  tensor,
} from '../graph/graph-pattern.ts';
import { countOf, floats, picked, type Shape, sameShape, type Tensor } from '../tensor.ts';
import { axisIn } from './common/inputs.ts';
import { softplus } from './linear-units.ts';
import { logSoftmax } from './log-softmax.ts';
import { lrn } from './lrn.ts';
import { type NormalizeAttrs, normalize, parametersOf, rmsNormalize } from './normalize-groups.ts';
import { explicitAxes, type ReducedAttrs } from './reduced.ts';
import { softmax } from './softmax.ts';

const single = ({ data }: Tensor): boolean => data.length === 1;

const x = tensor('x');
const mean = node('ReduceMean:mean', x);
const centred = node('Sub', x, mean);
const square = (p: Pattern): Pattern => either(node('Pow', p, number(2)), node('Mul', p, p));
/** The mean of squares of p, and epsilon. */
const variance = (p: Pattern): Pattern =>
  node('Add', node('ReduceMean:variance', square(p)), constant('epsilon', single));
const deviation = (p: Pattern): Pattern => node('Sqrt', variance(p));
const inverse = (p: Pattern): Pattern =>
  either(
    node('Reciprocal', deviation(p)),
    node('Div', number(1), deviation(p)),
    node('Pow', variance(p), number(-0.5)),
  );
const overDeviation = (p: Pattern): Pattern =>
  either(node('Div', p, deviation(p)), node('Mul', p, inverse(p)));

/** The axes of a node's reduction, whose output has them as 1; undefined where they are not known. */
function axesOf(found: Found, role: string): readonly number[] | undefined {
  const { attrs, inputs } = found.node(role);
  const { shape, dtype } = found.info('x');
  if (shape === undefined || dtype === undefined) return undefined;
  const axes = inputs[1] === undefined ? undefined : found.tensor(inputs[1]);
  if (axes !== undefined && axes.constant === undefined) return undefined;
  const types = [{ dtype, shape }, axes?.constant && { ...axes.constant, constant: axes.constant }];
  const explicit = explicitAxes(attrs as ReducedAttrs, types);
  return explicit.keepDims && explicit.axes.length > 0 ? explicit.axes : undefined;
}

/** Attributes of a normalization of x along the axes of the nodes of these roles, if those agree. */
function attrsOf(found: Found, roles: readonly string[]): NormalizeAttrs | undefined {
  const all = roles.map((role) => axesOf(found, role));
  const [axes] = all;
  const { shape } = found.info('x');
  if (axes === undefined || shape === undefined) return undefined;
  if (!all.every((other) => other !== undefined && sameShape(other, axes))) return undefined;
  return { view: shape, axes, epsilon: at(found.constant('epsilon').data, 0) };
}

const layerNorm: Recognition = {
  pattern: overDeviation(centred),
  make(found) {
    const attrs = attrsOf(found, ['mean', 'variance']);
    return attrs && { op: normalize, attrs, inputs: [found.name('x')] };
  },
};

const rmsNorm: Recognition = {
  pattern: overDeviation(x),
  make(found) {
    const attrs = attrsOf(found, ['variance']);
    return attrs && { op: rmsNormalize, attrs, inputs: [found.name('x')] };
  },
};

const gained = either(node('Mul', inverse(centred), constant('scale')), inverse(centred));

/** x g + (bias - mean g) with g = scale / deviation. */
const normAsMap: Recognition = {
  pattern: node('Add', node('Mul', x, gained), node('Sub', constant('bias'), node('Mul', mean, gained))),
  make(found) {
    const attrs = attrsOf(found, ['mean', 'variance']);
    const { shape } = found.info('x');
    if (attrs === undefined || shape === undefined || !sameShape(found.output.shape ?? [], shape))
      return undefined;
    return { op: normalize, attrs, inputs: [found.name('x'), found.optional('scale'), found.name('bias')] };
  },
};

/** Groups of channels are channels of another shape. */
const groupNorm: Recognition = {
  pattern: node(
    'Reshape',
    node('InstanceNormalization:norm', node('Reshape:to', x), constant('scale'), constant('bias')),
  ),
  make(found) {
    const [shape, grouped] = [found.info('x').shape, found.tensor(at(found.node('to').outputs, 0))?.shape];
    const [images = 0, channels = 0, ...spatial] = shape ?? [];
    const groups = grouped?.[1] ?? 0;
    const fits = groups > 0 && channels % groups === 0 && grouped?.[0] === images;
    if (shape === undefined || !fits || !sameShape(found.output.shape ?? [], shape)) return undefined;
    const view = [images, groups, channels / groups, ...spatial];
    const { epsilon } = found.node('norm').attrs as { readonly epsilon: number };
    const parameters = [groups, ...view.slice(2).map(() => 1)];
    const inputs = ['scale', 'bias'].map((role) => ({ ...found.constant(role), shape: parameters }));
    return {
      op: normalize,
      attrs: { view, axes: view.flatMap((_, axis) => (axis >= 2 ? [axis] : [])), epsilon },
      inputs: [found.name('x'), ...inputs],
    };
  },
};

/** Over the L2 norm along an axis, which is at least a small number. */
const l2 = node('ReduceL2:norm', x);
const atLeast = either(l2, node('Clip|Max:least', l2));
const unitNorm: Recognition = {
  pattern: node('Div', x, either(atLeast, node('Expand', atLeast))),
  make(found) {
    const axes = axesOf(found, 'norm');
    const { shape } = found.info('x');
    const least = found.hasNode('least') ? leastOf(found, found.node('least')) : 1e-12;
    if (axes === undefined || shape === undefined || least === undefined) return undefined;
    const count = countOf(axes.map((axis) => at(shape, axis)));
    const scale = floats([], Float32Array.of(1 / Math.sqrt(count)));
    const attrs: NormalizeAttrs = { view: shape, axes, epsilon: least ** 2 / count };
    return { op: rmsNormalize, attrs, inputs: [found.name('x'), scale] };
  },
};

/** The lower bound of a node, where it is one beside which no norm counts. */
function leastOf(found: Found, { attrs, inputs }: AnyNode): number | undefined {
  const given = inputs.flatMap((name) => found.tensor(name)?.constant ?? []);
  const { lo } = attrs as { readonly lo?: number };
  const least = given[0] === undefined ? lo : at(given[0].data, 0);
  return least !== undefined && least > 0 && least <= 1e-6 && given.length <= 1 ? least : undefined;
}

const viewed = (p: Pattern): Pattern => {
  const views = 'Reshape|Squeeze|Unsqueeze|Flatten';
  const once = node(views, p);
  return either(once, node(views, once));
};

/** Means of squares along the channels, as an average pool over an axis of them. */
const localResponse: Recognition = {
  pattern: node(
    'Div',
    x,
    node(
      'Pow',
      node(
        'Add',
        node(
          'Mul',
          viewed(node('AveragePool:pool', node('Pad:pad', viewed(square(x)), constant('pads')))),
          constant('alpha', single),
        ),
        constant('bias', single),
      ),
      constant('beta', single),
    ),
  ),
  make(found) {
    const padded = found.tensor(at(found.node('pad').inputs, 0))?.shape;
    const { shape } = found.info('x');
    const pads = Array.from(found.constant('pads').data);
    const { kernel, strides } = found.node('pool').attrs as {
      readonly kernel: Shape;
      readonly strides: Shape;
    };
    const [size = 0] = kernel;
    const rank = pads.length / 2;
    const [before = 0, after = 0] = [pads[2], pads[rank + 2]];
    const fits =
      shape?.[0] === 1 &&
      padded?.[1] === 1 &&
      padded[2] === shape[1] &&
      padded.length === rank &&
      pads.every((p, i) => p === 0 || i % rank === 2) &&
      before + after + 1 === size &&
      [...kernel.slice(1), ...strides].every((n) => n === 1);
    if (!fits || !sameShape(found.output.shape ?? [], shape ?? [])) return undefined;
    const [alpha, bias, beta] = ['alpha', 'bias', 'beta'].map((role) => at(found.constant(role).data, 0));
    return { op: lrn, attrs: { alpha, beta, bias, size, before }, inputs: [found.name('x')] };
  },
};

/** Without the axes along which nothing changes: those have size 1 then. */
const condensed = (whole: Tensor): Tensor =>
  whole.shape.reduce((found, size, axis) => {
    const first = picked(found, axis, [0]);
    const same = Array.from({ length: size }, (_, i) => picked(found, axis, [i])).every(({ data }) =>
      data.every((y: number, i: number) => y === first.data[i]),
    );
    return same ? first : found;
  }, whole);

/** A constant for each element of a view, as small as it can be; undefined where it is no smaller than many groups. */
function inView(given: Tensor, shape: Shape, { view, axes }: NormalizeAttrs): Tensor | undefined {
  const data = Float32Array.from(broadcastIndex(given.shape, shape), (from) => at(given.data, from));
  const small = condensed(floats(view, data));
  const size = countOf(axes.map((axis) => at(view, axis)));
  return countOf(small.shape) <= Math.max(size, shape[1] ?? 1) ? small : undefined;
}

/** A normalization, and a product with or a sum with a constant: they are its scale and bias. */
function withConstant(type: 'Mul' | 'Add'): Recognition {
  return {
    pattern: node(type, node('normalize|rmsNormalize:norm', x), constant('constant')),
    make(found): Recognised | undefined {
      const { op, attrs, inputs } = found.node('norm');
      const own = attrs as NormalizeAttrs;
      const { shape } = found.info('x');
      if (shape === undefined || !sameShape(found.output.shape ?? [], shape)) return undefined;
      const other = inView(found.constant('constant'), shape, own);
      if (other === undefined) return undefined;
      const [scale, bias] = [1, 2].map((i) => found.tensor(inputs[i] ?? '')?.constant);
      const before = parametersOf(scale, bias);
      const made = broadcastShape(before.shape, other.shape);
      const [from, by] = [broadcastIndex(before.shape, made), broadcastIndex(other.shape, made)];
      const numbers = (f: (gain: number, shift: number, c: number) => number): Tensor =>
        floats(
          made,
          Float32Array.from(from, (p, i) =>
            f(at(before.gain, p), at(before.shift, p), at(other.data, at(by, i))),
          ),
        );
      const changed =
        type === 'Mul'
          ? [numbers((gain, _, c) => gain * c), numbers((_, shift, c) => shift * c)]
          : [numbers((gain) => gain), numbers((_, shift, c) => shift + c)];
      return { op, attrs, inputs: [found.name('x'), ...changed] };
    },
  };
}

/** Softmax grows with what it is of: the largest element stays where it is. */
const argOfSoftmax: Recognition = {
  pattern: node('ArgMax|ArgMin:arg', node('Softmax|LogSoftmax:softmax', x)),
  make(found) {
    const [arg, soft] = [found.node('arg'), found.node('softmax')];
    const rank = found.info('x').shape?.length;
    if (rank === undefined) return undefined;
    const axisOf = ({ attrs }: { readonly attrs: unknown }) =>
      axisIn((attrs as { readonly axis: number }).axis, rank);
    const [own, summed] = [axisOf(arg), axisOf(soft)];
    // Before opset 13 all axes from one on are summed over.
    const within = soft.op === softmax || soft.op === logSoftmax ? own === summed : own >= summed;
    return within ? { op: arg.op, attrs: arg.attrs, inputs: [found.name('x')] } : undefined;
  },
};

/** Above a threshold of PyTorch's, 20, ln(1 + e^x) is x within 2e-9. */
const softplusWithThreshold: Recognition = {
  pattern: node('Where', node('Greater', x, constant('threshold', single)), x, node('Softplus:softplus', x)),
  make(found) {
    if (at(found.constant('threshold').data, 0) < 17) return undefined;
    return { op: softplus, attrs: {}, inputs: [found.name('x')] };
  },
};

/** In this order; what one makes, later nodes' patterns may hold. */
export const decompositions: readonly Recognition[] = [
  layerNorm,
  rmsNorm,
  normAsMap,
  groupNorm,
  unitNorm,
  localResponse,
  withConstant('Mul'),
  withConstant('Add'),
  argOfSoftmax,
  softplusWithThreshold,
];
