/**
 * A few sums with fewer products (Toom and Cook's way, as Winograd used it): y[j] = g[0] d[j] + g[1] d[j + 1] + ... for
 * j = 0, 1, ... are values of one polynomial product, which taps + outputs - 1 points determine, instead of
 * taps * outputs products. All is in integers: weights are scaled so that no fractions occur, and the sums are exact
 * multiples of the scale.
 */
import { at } from '../base/errors.ts';
import { call, constant, local } from '../ir/kernel/builders.ts';
import type { Expr, Stmt } from '../ir/kernel/kernel.ts';
import { typeOf } from '../ir/kernel/walk.ts';
import type { NewName } from './fresh-names.ts';

export interface Scheme {
  readonly taps: number;
  readonly outputs: number;
  /** Taps from an output to the next one. */
  readonly stride: number;
  /** Taps that all outputs read. */
  readonly inputs: number;
  /** Of each product: its weight is this combination of the taps' weights. */
  readonly weights: readonly (readonly number[])[];
  /** What the inputs of each product are at most, of inputs within 1. */
  readonly largest: readonly number[];
  /** The products give so many times the sums. */
  readonly scale: number;
  /** The inputs of each product, of those of the taps, and how many operations that takes. */
  readonly mix: (h: Hold, d: readonly Expr[]) => readonly Expr[];
  readonly mixing: number;
  /** All sums, of the products. */
  readonly unmix: (h: Hold, m: readonly Expr[]) => readonly Expr[];
  readonly unmixing: number;
}

/** Gives values names, once each. */
export interface Hold {
  readonly statements: Stmt[];
  readonly names: NewName;
}

export function held(h: Hold, value: Expr): Expr {
  const name = h.names('v');
  h.statements.push(constant(name, value));
  return local(name, typeOf(value));
}

type Operation = (a: Expr, b: Expr) => Expr;

const operations = (h: Hold, type: 'i16x8' | 'i32x4', add: string, sub: string) => {
  const op =
    (name: string): Operation =>
    (a, b) =>
      held(h, call(name, type, a, b));
  return { add: op(add), sub: op(sub), twice: (a: Expr): Expr => op(add)(a, a) };
};

const ofInputs = (h: Hold) => operations(h, 'i16x8', 'add_i16x8', 'sub_i16x8');
/** Only what comes out must fit 32 bits: sums modulo 2^32 are as good on the way. */
const ofSums = (h: Hold) => operations(h, 'i32x4', 'wrapped_sum_i32x4', 'wrapped_difference_i32x4');

const halved = (h: Hold, a: Expr, by: number): Expr => held(h, call('shift_right_i32x4', 'i32x4', a, by));

/** 3 * 2863311531 = 1 modulo 2^32. */
const inverseOfThree = 2_863_311_531 | 0;

/** Of a multiple of 3 * 2^by, so much smaller: the third is whole, and so is a product modulo 2^32. */
const thirdOf = (h: Hold, a: Expr, by: number): Expr =>
  halved(
    h,
    held(h, call('wrapped_product_i32x4', 'i32x4', a, call('splat_i32x4', 'i32x4', inverseOfThree))),
    by,
  );

/** At 0, 1, -1 and infinity; times 2. */
const three: Scheme = {
  taps: 3,
  outputs: 2,
  stride: 1,
  inputs: 4,
  weights: [
    [2, 0, 0],
    [1, 1, 1],
    [1, -1, 1],
    [0, 0, 2],
  ],
  largest: [1, 2, 1, 1],
  scale: 2,
  mix(h, d) {
    const { add, sub } = ofInputs(h);
    const [d0, d1, d2, d3] = [at(d, 0), at(d, 1), at(d, 2), at(d, 3)];
    return [sub(d0, d2), add(d1, d2), sub(d2, d1), sub(d1, d3)];
  },
  mixing: 4,
  unmix(h, m) {
    const { add, sub } = ofSums(h);
    const [m0, m1, m2, m3] = [at(m, 0), at(m, 1), at(m, 2), at(m, 3)];
    return [halved(h, add(add(m1, m2), m0), 1), halved(h, sub(sub(m1, m2), m3), 1)];
  },
  unmixing: 6,
};

/** At 0, 1, -1, 2, -2 and infinity; times 24. */
const five: Scheme = {
  taps: 5,
  outputs: 2,
  stride: 1,
  inputs: 6,
  weights: [
    [6, 0, 0, 0, 0],
    [-4, -4, -4, -4, -4],
    [-4, 4, -4, 4, -4],
    [1, 2, 4, 8, 16],
    [1, -2, 4, -8, 16],
    [0, 0, 0, 0, 24],
  ],
  largest: [5, 8, 5, 3, 3, 5],
  scale: 24,
  mix(h, d) {
    const { add, sub, twice } = ofInputs(h);
    const [d0, d1, d2, d3, d4, d5] = [at(d, 0), at(d, 1), at(d, 2), at(d, 3), at(d, 4), at(d, 5)];
    const even = sub(d4, d2);
    const odd = sub(d3, d1);
    const odd2 = twice(odd);
    const [p, q] = [sub(d4, twice(twice(d2))), sub(d3, twice(twice(d1)))];
    return [
      add(twice(twice(sub(d0, d2))), even),
      add(p, q),
      sub(p, q),
      add(even, odd2),
      sub(even, odd2),
      sub(sub(d5, d3), twice(odd2)),
    ];
  },
  mixing: 20,
  unmix(h, m) {
    const { add, sub, twice } = ofSums(h);
    const [m0, m1, m2, m3, m4, m5] = [at(m, 0), at(m, 1), at(m, 2), at(m, 3), at(m, 4), at(m, 5)];
    const sums = [add(add(add(m1, m2), add(m3, m4)), m0), add(add(sub(m1, m2), twice(sub(m3, m4))), m5)];
    return sums.map((sum) => thirdOf(h, sum, 3));
  },
  unmixing: 14,
};

/** At the same points, and times 24. */
const fourOfThree: Scheme = {
  ...five,
  taps: 3,
  outputs: 4,
  weights: [
    [6, 0, 0],
    [-4, -4, -4],
    [-4, 4, -4],
    [1, 2, 4],
    [1, -2, 4],
    [0, 0, 24],
  ],
  unmix(h, m) {
    const { add, sub, twice } = ofSums(h);
    const [m0, m1, m2, m3, m4, m5] = [at(m, 0), at(m, 1), at(m, 2), at(m, 3), at(m, 4), at(m, 5)];
    const [even, odd, even2, odd2] = [add(m1, m2), sub(m1, m2), add(m3, m4), twice(sub(m3, m4))];
    const sums = [
      add(add(even, even2), m0),
      add(odd, odd2),
      add(even, twice(twice(even2))),
      add(add(odd, twice(twice(odd2))), m5),
    ];
    return sums.map((sum) => thirdOf(h, sum, 3));
  },
  unmixing: 23,
};

/**
 * Every other place. The first and the last tap read every other input, as two taps do at neighbouring places: at 0, 1,
 * -1, 2 and infinity, times 6. The tap between them has products of its own.
 */
const everyOther: Scheme = {
  taps: 3,
  outputs: 4,
  stride: 2,
  inputs: 9,
  weights: [
    [3, 0, 0],
    [-3, 0, -3],
    [-1, 0, 1],
    [1, 0, 2],
    [0, 0, 6],
    ...Array.from({ length: 4 }, () => [0, 6, 0]),
  ],
  largest: [6, 4, 6, 2, 6, 1, 1, 1, 1],
  scale: 6,
  mix(h, d) {
    const { add, sub, twice } = ofInputs(h);
    const [e0, e1, e2, e3, e4] = [at(d, 0), at(d, 2), at(d, 4), at(d, 6), at(d, 8)];
    const [outer, inner] = [sub(e3, e1), sub(e1, e2)];
    return [
      add(twice(sub(e0, e2)), outer),
      sub(sub(outer, e1), e2),
      add(add(twice(inner), inner), outer),
      outer,
      sub(sub(e4, e2), twice(outer)),
      ...[1, 3, 5, 7].map((i) => at(d, i)),
    ];
  },
  mixing: 13,
  unmix(h, m) {
    const { add, sub, twice } = ofSums(h);
    const [m0, m1, m2, m3, m4] = [at(m, 0), at(m, 1), at(m, 2), at(m, 3), at(m, 4)];
    const [even, odd, two] = [add(m1, m2), sub(m1, m2), twice(m3)];
    const four = twice(two);
    const outer = [add(add(even, m3), m0), add(odd, two), add(even, four), add(add(odd, twice(four)), m4)];
    return outer.map((sum, j) => thirdOf(h, add(sum, at(m, 5 + j)), 1));
  },
  unmixing: 23,
};

export const schemes: readonly Scheme[] = [three, five, fourOfThree, everyOther];
