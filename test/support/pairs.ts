/** Operators on pairs, and what the tests know of them. */
import type { CanonicalOp } from '../../src/ir/graph/op.ts';
import { add } from '../../src/ir/ops/add.ts';
import { largerOf, prelu, product, quotient, smallerOf } from '../../src/ir/ops/products.ts';

/** An operand, and how far it may be off. */
export type Uncertain = readonly [value: number, error: number];

export interface PairSample {
  readonly op: CanonicalOp<never, never>;
  readonly attrs: object;
  readonly meaning: (x: number, y: number) => number;
  /** How far off the result may be, without its own rounding; y is 0.5 at least where it is a divisor. */
  readonly moved: (x: Uncertain, y: Uncertain) => number;
}

const sample = <A, Q>(
  op: CanonicalOp<A, Q>,
  meaning: PairSample['meaning'],
  moved: PairSample['moved'],
  attrs: object = {},
): PairSample => ({ op: op as unknown as PairSample['op'], attrs, meaning, moved });

const ofProduct: PairSample['moved'] = ([x, dx], [y, dy]) => Math.abs(x) * dy + Math.abs(y) * dx + dx * dy;
const larger: PairSample['moved'] = ([, dx], [, dy]) => Math.max(dx, dy);

/** As far off as a sum. */
export const difference = sample(
  add,
  (x, y) => x - y,
  ([, dx], [, dy]) => dx + dy,
  { minus: true },
);

export const pairSamples: readonly PairSample[] = [
  sample(product, (x, y) => x * y, ofProduct),
  sample(
    quotient,
    (x, y) => x / y,
    ([x, dx], [y, dy]) => (dx + Math.abs(x / y) * dy) / (Math.abs(y) - dy),
  ),
  sample(largerOf, (x, y) => (x > y ? x : y), larger),
  sample(smallerOf, (x, y) => (x > y ? y : x), larger),
  sample(
    prelu,
    (x, y) => (x > 0 ? x : x * y),
    (x, y) => x[1] + ofProduct(x, y),
  ),
  difference,
];

export const pairOf = ({ op, attrs }: { readonly op: { readonly kind: string }; readonly attrs: unknown }) =>
  pairSamples.find(
    (s) =>
      s.op.kind === op.kind && (op.kind !== 'add' || (attrs as { readonly minus?: boolean }).minus === true),
  );
