/** ONNX's attention of heads as `attention`, and the turning of its queries and keys by their position. */
import { at, complain, must } from '../../base/errors.ts';
import { broadcastTo, zip } from '../geometry/broadcast.ts';
import { allOf, axiswise, piecesBetween } from '../geometry/strided.ts';
import type { ImportedOp, InputType, NodeView, OnnxNode, Replacement } from '../graph/op.ts';
import { countOf, floats, type Shape, showShape, type Tensor, type TensorType } from '../tensor.ts';
import { add } from './add.ts';
import { attention } from './attention.ts';
import { reshapeTo } from './common/imported.ts';
import { constantOf, known, newestOpset, required } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import { multiplied } from './common/stacked-product.ts';
import { move } from './move.ts';
import { product } from './products.ts';
import { softmax } from './softmax.ts';
import { transpose } from './transpose.ts';

interface Attrs {
  readonly causal: boolean;
  /** Undefined: over the root of the depth. */
  readonly scale: number | undefined;
  /** Of queries, and of keys and values, where those have three axes. */
  readonly heads: readonly [number, number];
}

type Inputs = readonly (InputType | undefined)[];

/** Samples, heads, rows, numbers of each. */
type Heads = readonly [number, number, number, number];

function headsOf({ shape }: TensorType, heads: number): Heads {
  const [samples = 1, second = 1, third = 1, fourth = 1] = shape;
  if (shape.length === 4) return [samples, second, third, fourth];
  if (shape.length === 3 && heads > 0 && third % heads === 0) return [samples, heads, second, third / heads];
  throw complain(
    `queries, keys or values of ${showShape(shape)} in ${heads} heads`,
    'three axes of heads, or four axes',
  );
}

interface Plan {
  readonly q: Heads;
  readonly k: Heads;
  readonly v: Heads;
  readonly gain: number;
  /** Whether the output's heads are one behind the other in each row. */
  readonly joined: boolean;
  readonly shape: Shape;
}

function planOf({ heads, scale }: Attrs, inputs: Inputs): Plan {
  const types = ['Q', 'K', 'V'].map((role, i) => required(inputs, i, role));
  const [q, k, v] = types.map((type, i) => headsOf(type, at(heads, Math.min(i, 1)))) as [Heads, Heads, Heads];
  if (q[3] !== k[3] || k[2] !== v[2] || k[1] !== v[1] || q[1] % k[1] !== 0)
    throw complain(`queries ${q.join('x')}, keys ${k.join('x')}, values ${v.join('x')}`, 'those that fit');
  const joined = at(types, 0).shape.length === 3;
  const shape = joined ? [q[0], q[2], q[1] * v[3]] : [q[0], q[1], q[2], v[3]];
  return { q, k, v, gain: scale ?? 1 / Math.sqrt(q[3]), joined, shape };
}

/** Half of the lowest float32: it can be computed with. */
const lowest = -1.7e38;

/** What is added to the scores: a mask of numbers, or of booleans where keys are seen, and later keys hidden. */
function maskOf({ causal }: Attrs, given: Tensor | undefined, { q, k }: Plan): Tensor | undefined {
  const size = [q[2], k[2]];
  const later = floats(
    size,
    Float32Array.from({ length: countOf(size) }, (_, i) => (i % k[2] > Math.floor(i / k[2]) ? lowest : 0)),
  );
  if (given === undefined) return causal ? later : undefined;
  const shown =
    given.dtype === 'bool' ? (x: number) => (x === 0 ? lowest : 0) : (x: number) => Math.max(x, lowest);
  const mask = floats(given.shape, Float32Array.from(given.data, shown));
  return causal ? zip(broadcastTo(mask, [...mask.shape.slice(0, -2), ...size]), later, Math.min) : mask;
}

/** Axes of heads, and of groups of queries' heads that share keys. */
function spread(tensor: Tensor, [samples, heads, rows, width]: Heads, all: number, joined: boolean): Tensor {
  const whole = joined ? { ...tensor, shape: [samples, rows, heads, width] } : tensor;
  const [byHead = whole] = joined ? transpose.reference({ perm: [0, 2, 1, 3] }, [whole]) : [whole];
  const index = Array.from({ length: all }, (_, i) => Math.floor((i * heads) / all));
  const pieces = axiswise(0, byHead.shape, [allOf(samples), index, allOf(rows), allOf(width)]);
  return must(move.reference({ shape: byHead.shape.with(1, all), pieces, words: '' }, [byHead])[0], 'heads');
}

function attended(attrs: Attrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const plan = planOf(attrs, inputs.map(known));
  const [q, k, v] = (['q', 'k', 'v'] as const).map((name, i) => {
    const tensor = required(inputs, i, name);
    return spread(tensor, plan[name], plan.q[1], tensor.shape.length === 3);
  }) as [Tensor, Tensor, Tensor];
  const [columns = k] = transpose.reference({ perm: [0, 1, 3, 2] }, [k]);
  const { shape, data } = multiplied(q, columns);
  const scores: Tensor = { dtype: 'float64', shape, data: Float64Array.from(data, (x) => x * plan.gain) };
  const mask = maskOf(attrs, inputs[3], plan);
  const [shares = scores] = softmax.reference({ axis: -1 }, [
    mask === undefined ? scores : zip(scores, mask, (x, y) => x + y),
  ]);
  const made = multiplied(shares, v);
  const byHead: Tensor = { dtype: 'float64', shape: made.shape, data: Float64Array.from(made.data) };
  const [together = byHead] = plan.joined ? transpose.reference({ perm: [0, 2, 1, 3] }, [byHead]) : [byHead];
  return rounded(q.dtype, plan.shape, Float64Array.from(together.data));
}

/** A factor as matrices of heads: reshaped, turned, repeated where heads share it. Returns its name. */
function factor(
  parts: Replacement[],
  node: NodeView<Attrs>,
  index: number,
  [samples, heads, rows, width]: Heads,
  { all, perm }: { readonly all: number; readonly perm: readonly number[] },
): string {
  const given = required(node.inputTypes, index, 'factor');
  const stem = `${node.outputs[0]}~${at(['q', 'k', 'v'], index)}`;
  let from = at(node.inputs, index);
  const step = (part: string, make: (from: string, to: string) => Replacement): void => {
    parts.push(make(from, `${stem}${part}`));
    from = `${stem}${part}`;
  };
  const joined = given.shape.length === 3;
  if (joined) step('_heads', (a, b) => reshapeTo(a, b, [samples, rows, heads, width]));
  const order = perm.map((axis) => (joined ? at([0, 2, 1, 3], axis) : axis));
  if (order.some((axis, i) => axis !== i))
    step('_turned', (a, b) => ({ op: transpose, attrs: { perm: order }, inputs: [a], outputs: [b] }));
  if (all === heads) return from;
  const shape = [samples, heads, rows, width];
  const turned = perm.map((axis) => at(shape, axis));
  const repeated = Array.from({ length: all }, (_, i) => Math.floor((i * heads) / all));
  const pieces = axiswise(
    0,
    turned,
    turned.map((size, axis) => (axis === 1 ? repeated : allOf(size))),
  );
  const attrs = { shape: turned.with(1, all), pieces, words: 'Heads that share keys and values' };
  step('_shared', (a, b) => ({ op: move, attrs, inputs: [a], outputs: [b] }));
  return from;
}

function canonical(node: NodeView<Attrs>): readonly Replacement[] {
  const plan = planOf(node.attrs, node.inputTypes);
  const parts: Replacement[] = [];
  const all = plan.q[1];
  const straight = [0, 1, 2, 3];
  const inputs = [
    factor(parts, node, 0, plan.q, { all, perm: straight }),
    factor(parts, node, 1, plan.k, { all, perm: [0, 1, 3, 2] }),
    factor(parts, node, 2, plan.v, { all, perm: straight }),
  ];
  const output = at(node.outputs, 0);
  const mask = maskOf(node.attrs, constantOf(node.inputTypes[3], 'mask'), plan);
  const masks = mask === undefined ? [] : [`${output}~mask`];
  const byHead = plan.joined ? `${output}~apart` : output;
  parts.push({
    ...{ op: attention, attrs: { gain: plan.gain }, inputs: [...inputs, ...masks], outputs: [byHead] },
    constants: new Map(mask === undefined ? [] : [[`${output}~mask`, mask]]),
  });
  if (!plan.joined) return parts;
  const turned = {
    op: transpose,
    attrs: { perm: [0, 2, 1, 3] },
    inputs: [byHead],
    outputs: [`${output}~rows`],
  };
  return [...parts, turned, reshapeTo(`${output}~rows`, output, plan.shape)];
}

function parse({ attributes, inputs }: OnnxNode): Attrs {
  const softcap = attributes.float('softcap', 0);
  if (softcap !== 0) throw complain(`softcap = ${softcap}`, 'softcap = 0');
  if (inputs.slice(4).some((name) => name !== ''))
    throw complain('keys and values of the past', 'a whole sequence at once', 'export without a cache');
  return {
    causal: attributes.int('is_causal', 0) !== 0,
    scale: attributes.get('scale', 'float'),
    heads: [attributes.int('q_num_heads', 0), attributes.int('kv_num_heads', 0)],
  };
}

/** ONNX Attention-23, 24 of a whole sequence: the first output. */
export const attentionOfHeads: ImportedOp<Attrs> = {
  kind: 'attentionOfHeads',
  restrictions: 'a constant mask; no softcap, no past; the first output alone',
  onnx: { Attention: { since: 23, upTo: newestOpset, parse } },
  infer: (attrs, inputs) => [{ dtype: required(inputs, 0, 'Q').dtype, shape: planOf(attrs, inputs).shape }],
  reference: (attrs, inputs) => [attended(attrs, inputs)],
  canonicalize: canonical,
};

interface RotaryAttrs {
  readonly interleaved: boolean;
  readonly heads: number;
  /** How many numbers of each head are turned; 0: all. */
  readonly width: number;
}

/** By element: the one that it is turned with, its cosine, and its sine with the sign of the turn. */
interface Turn {
  readonly partner: Int32Array;
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

function turnOf({ interleaved, heads, width }: RotaryAttrs, inputs: Inputs): Turn {
  const x = required(inputs, 0, 'X');
  const [samples, count, rows, size] = headsOf(x, heads);
  const [cos, sin] = [1, 2].map((i) => must(constantOf(required(inputs, i, 'cache'), 'cache'), 'a cache'));
  const positions = constantOf(inputs[3], 'position_ids')?.data;
  const turned = width === 0 ? size : width;
  const half = turned / 2;
  const joined = x.shape.length === 3;
  const all = samples * count * rows * size;
  const made = { partner: new Int32Array(all), cos: new Float32Array(all), sin: new Float32Array(all) };
  for (let i = 0; i < all; i++) {
    const place = i % size;
    const rest = Math.floor(i / size);
    const row = joined ? Math.floor(rest / count) % rows : rest % rows;
    const sample = Math.floor(rest / (count * rows));
    const isTurned = place < turned;
    const first = interleaved ? place % 2 === 0 : place < half;
    const angle = interleaved ? Math.floor(place / 2) : place % half;
    const line = sample * rows + row;
    const cached = (positions === undefined ? line : at(positions, line)) * half + angle;
    const step = interleaved ? 1 : half;
    made.partner[i] = isTurned ? i + (first ? step : -step) : i;
    made.cos[i] = isTurned ? at(must(cos, 'cosines').data, cached) : 1;
    made.sin[i] = isTurned ? at(must(sin, 'sines').data, cached) * (first ? -1 : 1) : 0;
  }
  return made;
}

/** ONNX RotaryEmbedding-23: pairs of numbers of each head turned by angles of their position. */
export const rotaryEmbedding: ImportedOp<RotaryAttrs> = {
  kind: 'rotaryEmbedding',
  restrictions: 'constant caches and positions',
  onnx: {
    RotaryEmbedding: {
      since: 23,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        interleaved: attributes.int('interleaved', 0) !== 0,
        heads: attributes.int('num_heads', 0),
        width: attributes.int('rotary_embedding_dim', 0),
      }),
    },
  },
  infer(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    headsOf(x, attrs.heads);
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    const { partner, cos, sin } = turnOf(attrs, inputs.map(known));
    const values = Float64Array.from(
      x.data,
      (value, i) => value * at(cos, i) + at(x.data, at(partner, i)) * at(sin, i),
    );
    return [rounded(x.dtype, x.shape, values)];
  },
  canonicalize({ attrs, inputs, inputTypes, outputs }) {
    const { shape } = required(inputTypes, 0, 'X');
    const { partner, cos, sin } = turnOf(attrs, inputTypes);
    const [x, output] = [at(inputs, 0), at(outputs, 0)];
    const name = (part: string): string => `${output}~${part}`;
    const pieces = piecesBetween(0, partner, Int32Array.from(partner.keys()));
    const times = (from: string, constant: string, data: Float32Array, to: string): Replacement => ({
      ...{ op: product, attrs: {}, inputs: [from, constant], outputs: [to] },
      constants: new Map([[constant, floats(shape, data)]]),
    });
    return [
      { op: move, attrs: { shape, pieces, words: 'Partners' }, inputs: [x], outputs: [name('partners')] },
      times(x, name('cos'), cos, name('straight')),
      times(name('partners'), name('sin'), sin, name('across')),
      { op: add, attrs: {}, inputs: [name('straight'), name('across')], outputs: [output] },
    ];
  },
};
