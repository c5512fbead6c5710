import { at, complain, must } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import { broadcastShape, zip } from '../geometry/broadcast.ts';
import type { CanonicalOp, InputType, KernelContext, QuantizeContext } from '../graph/op.ts';
import { noFinerThan } from '../integers/quant.ts';
import { requantOf } from '../integers/requant.ts';
import type { Elem, Kernel, Stmt, Table } from '../kernel/kernel.ts';
import { orderLike } from '../kernel/memory-order.ts';
import { countOf, type Shape, sameShape, showShape, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { required, requireFloats } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { multiplied, stackedProduct } from './common/stacked-product.ts';
import {
  type AttentionIntegers,
  type AttentionLoops,
  attentionFloat32,
  attentionInt8,
  hidden,
  largestScore,
  mostKeys,
  powersTable,
  ratioOf,
  scoreBits,
  sharesParam,
  unitOfShares,
} from './kernels/attending.ts';
import { docOf } from './kernels/doc.ts';
import { matricesIn } from './kernels/matrix-loops.ts';
import { softmax } from './softmax.ts';

export interface AttentionAttrs {
  /** The products of queries and keys are multiplied by it; above 0. */
  readonly gain: number;
}

/** The mask as it is stored: times `step`, in 1/256 of an octave. */
interface StoredMask {
  readonly shape: Shape;
  readonly data: readonly number[];
  readonly elem: Elem;
  readonly step: number;
}

export interface QuantizedAttention extends Omit<AttentionIntegers, 'powers' | 'maskStep'> {
  /** Of queries, keys, values. */
  readonly zeroPoints: readonly number[];
  readonly mask?: StoredMask;
}

type Inputs = readonly (InputType | undefined)[];

interface Shapes {
  readonly scores: Shape;
  readonly output: Shape;
}

/** @throws InputError when queries, keys, values and mask do not fit together */
function shapesOf(inputs: Inputs): Shapes {
  const [q, k, v] = ['queries', 'keys', 'values'].map((role, i) => required(inputs, i, role).shape);
  const scores = stackedProduct(q ?? [], k ?? []).shape;
  const mask = inputs[3]?.shape ?? [];
  if (!sameShape(broadcastShape(scores, mask), scores))
    throw complain(`a mask of ${showShape(mask)} for scores of ${showShape(scores)}`, 'one that broadcasts');
  return { scores, output: stackedProduct(scores, v ?? []).shape };
}

function attended({ gain }: AttentionAttrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const [q, k, v, mask] = [
    required(inputs, 0, 'queries'),
    required(inputs, 1, 'keys'),
    required(inputs, 2, 'values'),
    inputs[3],
  ];
  const products = multiplied(q, k);
  const scores = { ...products, data: Float64Array.from(products.data, (x) => x * gain) };
  const masked = mask === undefined ? scores : zip(scores, mask, (x, y) => x + y);
  const [shares = masked] = softmax.reference({ axis: -1 }, [masked]);
  const { shape, data } = multiplied(shares, v);
  return rounded(q.dtype, shape, Float64Array.from(data));
}

/** A stride for each axis, of as many axes as matrices have. */
const asMatrices = (shape: Shape): Shape => [
  ...new Array<number>(Math.max(0, 2 - shape.length)).fill(1),
  ...shape,
];

/** Hidden keys as single bits where nothing else is in the mask. */
function storedMask({ shape, data }: Tensor): StoredMask {
  const steps = Array.from(data, (x) => Math.max(hidden, Math.round(x * Math.LOG2E * 2 ** scoreBits)));
  const common = { shape: asMatrices(shape) };
  if (steps.every((s) => s === 0 || s <= hidden / 2))
    return { ...common, data: steps.map((s) => (s === 0 ? 0 : 1)), elem: 'u8', step: hidden };
  const isSmall = smallestOf(steps) >= -32768 && largestOf(steps) <= 32767;
  if (largestOf(steps) > -hidden) throw complain('a mask of huge numbers', 'numbers below 180,000');
  return { ...common, data: steps, elem: isSmall ? 'i16' : 'i32', step: 1 };
}

/**
 * With u the unit of a score: sq sk gain sum = ln 2 / 256 score.
 * @throws InputError for more keys or larger scores than the integers hold
 */
function quantized({
  attrs,
  inputQuants,
  inputTypes,
  outputQuant,
}: QuantizeContext<AttentionAttrs>): QuantizedAttention {
  const grids = [0, 1, 2].map((i) => must(inputQuants[i], 'queries, keys and values are quantized'));
  const [q, k, v] = [at(grids, 0), at(grids, 1), at(grids, 2)];
  const keys = at(shapesOf(inputTypes).scores, shapesOf(inputTypes).scores.length - 1);
  if (keys > mostKeys) throw complain(`attention over ${keys} keys`, `at most ${mostKeys}`);
  const depth = at(
    required(inputTypes, 0, 'queries').shape,
    required(inputTypes, 0, 'queries').shape.length - 1,
  );
  const scale = q.scale * k.scale * attrs.gain * Math.LOG2E * 2 ** scoreBits;
  const up = Math.max(0, Math.ceil(Math.log2(scale)));
  if (depth * 255 * 255 * 2 ** up >= largestScore)
    throw complain(
      `scores of ${depth} products, in steps of ${scale / 2 ** scoreBits} octaves`,
      'smaller scores',
    );
  const { multiplier, shift } = requantOf('single', [scale * 2 ** -up]);
  const mask = inputTypes[3]?.constant;
  return {
    zeroPoints: grids.map(({ zeroPoint }) => zeroPoint),
    up,
    multiplier: at(multiplier, 0),
    shift: at(shift, 0),
    ...ratioOf(v.scale / outputQuant.scale),
    zeroPoint: outputQuant.zeroPoint,
    ...(mask === undefined ? {} : { mask: storedMask(mask) }),
  };
}

interface Part {
  readonly loops: AttentionLoops;
  readonly tables: readonly Table[];
}

function loopsOf(
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
  zeroPoints: readonly number[],
  mask: Omit<StoredMask, 'step'> | undefined,
): Part {
  const [q, k, v, output] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), must(outputs[0], 'an output')];
  const { m, k: depth, n: keys } = stackedProduct(q.shape, k.shape);
  const stack = output.shape.slice(0, -2);
  const [query, key, values] = [q, k, v].map((place, i) =>
    matricesIn(place, at(['query', 'key', 'value'], i), elem, stack.length, at(zeroPoints, i)),
  );
  const table: Table | undefined = mask && {
    name: `${name}_mask`,
    elem: mask.elem,
    data: mask.data,
    says: 'Added to scores.',
  };
  return {
    loops: {
      stack,
      queries: m,
      keys,
      depth,
      width: at(output.shape, output.shape.length - 1),
      factors: [must(query, 'queries'), must(key, 'keys')],
      values: must(values, 'values'),
      output: matricesIn(output, 'out', elem, stack.length),
      ...(mask === undefined || table === undefined
        ? {}
        : { mask: matricesIn(mask, table.name, mask.elem, stack.length) }),
    },
    tables: table === undefined ? [] : [table],
  };
}

function kernelOf(
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
  { loops, tables }: Part,
  body: readonly Stmt[],
): Kernel {
  const output = must(outputs[0], 'an output');
  const { stack, queries, keys, depth, width } = loops;
  const macs = countOf(stack) * queries * keys * (depth + width);
  const words = `Attention of ${queries} queries to ${keys} keys`;
  return {
    name,
    doc: docOf(words, inputs, output, elem, macs),
    params: [
      ...inputs.map(
        ({ shape }, i) =>
          ({ name: at(['query', 'key', 'value'], i), role: 'in', elem, length: countOf(shape) }) as const,
      ),
      { name: 'out', role: 'out', elem, length: countOf(output.shape) },
      sharesParam(keys, elem === 'u8' ? 'i32' : 'f32'),
    ],
    tables,
    body,
    macs,
  };
}

/**
 * softmax(gain q k + mask) v: queries q[..., M, D], keys k[..., D, N], values v[..., N, P], whose leading axes broadcast,
 * and a constant mask. What the exporters write as two products around a softmax.
 */
export const attention: CanonicalOp<AttentionAttrs, QuantizedAttention> = {
  kind: 'attention',
  infer(_attrs, inputs) {
    requireFloats(inputs.slice(0, 3));
    return [{ dtype: required(inputs, 0, 'queries').dtype, shape: shapesOf(inputs).output }];
  },
  reference: (attrs, inputs) => [attended(attrs, inputs)],
  reads: strided,
  order: (_attrs, [query], output) => query && orderLike(query, output),
  channels: opaqueChannels,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  rows: undefined,
  gradient: 'none',
  // A mean of values; the ratio of the steps has to fit its integers.
  outputQuant: ({ inputQuants, range }) =>
    noFinerThan(must(inputQuants[2], 'values are quantized').scale / 2 ** 12, range),
  quantize: quantized,
  int8(_attrs, q, context) {
    const part = loopsOf(context, 'u8', q.zeroPoints, q.mask);
    const powers = powersTable(`${context.name}_powers`, unitOfShares(part.loops.keys));
    const body = attentionInt8(part.loops, { ...q, powers: powers.name, maskStep: q.mask?.step ?? 1 });
    return kernelOf(context, 'u8', { ...part, tables: [...part.tables, powers] }, body);
  },
  float32({ gain }, context, constants) {
    const mask = constants[3];
    const stored = mask && {
      shape: asMatrices(mask.shape),
      data: Array.from(mask.data),
      elem: 'f32' as const,
    };
    const part = loopsOf(context, 'f32', [0, 0, 0], stored);
    return kernelOf(context, 'f32', part, attentionFloat32(part.loops, gain));
  },
};
