/** Integers of pairs of bytes, with broadcasting: what the numbers of the quantized operators mean. */
import type { Node } from '../../src/ir/graph/graph.ts';
import type { Bytes } from './operators.ts';

interface Scaling {
  readonly multiplier: number;
  readonly shift: number;
}
interface Affine {
  readonly multipliers: readonly number[];
  readonly bias: number;
  readonly shift: number;
  readonly lo: number;
  readonly hi: number;
}
/** All that the quantized operators hold between them; `bounds` where a tensor has 16 bits. */
interface Integers extends Scaling, Affine {
  readonly bounds?: { readonly lo: number; readonly hi: number };
  readonly up?: number;
  readonly zeroPoints: readonly number[];
  readonly zeroPoint: number;
  readonly factors: Int32Array;
  readonly dividend: number;
  readonly above: Scaling;
  readonly below: Scaling;
}

const byte = (steps: number): number => Math.max(0, Math.min(255, steps));
const stored = ({ bounds = { lo: 0, hi: 255 } }: Pick<Integers, 'bounds'>, steps: number): number =>
  Math.max(bounds.lo, Math.min(bounds.hi, steps));
const half = (x: number, shift: number): number => Math.floor(x / 2 ** shift + 0.5);
const affine = (q: Affine, ...x: readonly number[]): number => {
  const sum = x.reduce((total, b, i) => total + b * q.multipliers[i]!, q.bias);
  return Math.max(q.lo, Math.min(q.hi, Math.floor(sum / 2 ** q.shift)));
};

type OfBytes = (q: Integers, a: number, b: number) => number;

const meanings: Readonly<Record<string, OfBytes>> = {
  product(q, a, b) {
    const real = BigInt((a - q.zeroPoints[0]!) * (b - q.zeroPoints[1]!)) * BigInt(q.multiplier);
    const steps = (real * 2n ** BigInt(q.up ?? 0) + 2n ** BigInt(q.shift - 1)) >> BigInt(q.shift);
    return stored(q, Number(steps) + q.zeroPoint);
  },
  quotient(q, a, b) {
    if (q.bounds === undefined) return byte(half((a - q.dividend) * q.factors[b]!, 14) + q.zeroPoint);
    const [x, y] = [a - q.zeroPoints[0]!, b - q.zeroPoints[1]!];
    return stored(q, half(Math.trunc((x * q.multiplier) / (y === 0 ? 1 : y)), q.shift) + q.zeroPoint);
  },
  maximum: (q, a, b) => {
    const [x, y] = q as unknown as readonly [Affine, Affine];
    return Math.max(affine(x, a), affine(y, b));
  },
  minimum: (q, a, b) => {
    const [x, y] = q as unknown as readonly [Affine, Affine];
    return Math.min(affine(x, a), affine(y, b));
  },
  prelu(q, a, b) {
    const [x, slope] = [a - q.zeroPoints[0]!, b - q.zeroPoints[1]!];
    const { multiplier, shift } = x < 0 ? q.below : q.above;
    return byte(half((x < 0 ? x * slope : x) * multiplier, shift) + q.zeroPoint);
  },
  add: affine,
};

/** Element by element of the broadcast shape, by its indices along all axes. */
function elementOf({ shape, data }: Bytes, indices: readonly number[]): number {
  const own = indices.slice(indices.length - shape.length);
  return data[shape.reduce((at, size, axis) => at * size + (size === 1 ? 0 : own[axis]!), 0)]!;
}

export function pairOracle(node: Node, activations: readonly Bytes[], shape: readonly number[]): Bytes {
  const {
    constants,
    integers,
    sums,
    channels = sums,
  } = node.quantized as {
    readonly constants: readonly (Bytes | undefined)[];
    readonly integers?: Integers;
    /** By index along axis 1. */
    readonly sums?: readonly Integers[];
    readonly channels?: readonly Integers[];
  };
  const q = integers ?? (node.quantized as Integers);
  const rest = activations.values();
  const [a, b] = constants.map((constant) => constant ?? rest.next().value!) as [Bytes, Bytes];
  const count = shape.reduce((n, size) => n * size, 1);
  const data = Int32Array.from({ length: count }, (_, i) => {
    let at = i;
    const indices = shape.toReversed().map((size) => {
      const index = at % size;
      at = Math.floor(at / size);
      return index;
    });
    indices.reverse();
    const own = channels === undefined ? q : channels[indices[1]!]!;
    return meanings[node.op.kind]!(own, elementOf(a, indices), elementOf(b, indices));
  });
  return { shape, data };
}
