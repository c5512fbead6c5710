/**
 * Attention, one query at a time: its scores, what each is of the largest as a power of 2, and the values' mean with
 * these as weights. No share is ever rounded to a byte or stored beyond its query.
 */
import {
  accumulate,
  add,
  and,
  assign,
  call,
  compare,
  constant,
  div,
  float,
  int,
  load,
  local,
  loop,
  maximum,
  minimum,
  mul,
  shr,
  store,
  sub,
  variable,
  when,
} from '../../kernel/builders.ts';
import type { Expr, Stmt, Table } from '../../kernel/kernel.ts';
import type { Shape } from '../../tensor.ts';
import { dotted, eachMatrix, elementAt, type Matrices, stepsAt } from './matrix-loops.ts';

export interface AttentionLoops {
  readonly stack: Shape;
  readonly queries: number;
  readonly keys: number;
  /** Terms of a score. */
  readonly depth: number;
  /** Numbers of a value. */
  readonly width: number;
  readonly factors: readonly [query: Matrices, key: Matrices];
  readonly values: Matrices;
  readonly output: Matrices;
  /** What is added to the scores. */
  readonly mask?: Matrices;
}

const scratch = 'shares';

/** The parts of an element type's arithmetic. */
interface Arithmetic {
  readonly elem: 'i32' | 'f32';
  /** Below all scores. */
  readonly lowest: Expr;
  /** A score of the sum `acc`; and of what is added to it. */
  readonly score: (sum: Expr, mask: Expr | undefined) => Expr;
  /** What a score is of the largest one. */
  readonly share: (score: Expr) => readonly Stmt[];
  /** Behind all shares, whose sum is `sum`: what the values need. */
  readonly prepare: readonly Stmt[];
  /** The stored mean of values from `num`. */
  readonly mean: (num: Expr) => Expr;
}

function attentionLoops(a: AttentionLoops, arithmetic: Arithmetic): readonly Stmt[] {
  const { elem, lowest, score, share, prepare, mean } = arithmetic;
  const { values, output, mask } = a;
  const zero = elem === 'f32' ? float(0) : int(0);
  const value = (name: string): Expr => local(name, elem);
  const query = (index: readonly Expr[], i: Expr): readonly Stmt[] => [
    variable('largest', lowest),
    ...loop('j', a.keys, (j) => [
      ...dotted('acc', a.factors, index, a.depth, i, j),
      constant(
        'score',
        score(value('acc'), mask && load(mask.array, mask.elem, elementAt(mask, index, i, j))),
      ),
      assign('largest', maximum(value('score'), value('largest'))),
      store(scratch, elem, j, value('score')),
    ]),
    variable('sum', zero),
    ...loop('k', a.keys, (k) => [
      ...share(load(scratch, elem, k)),
      accumulate('sum', value('e')),
      store(scratch, elem, k, value('e')),
    ]),
    ...prepare,
    ...loop('c', a.width, (c) => [
      variable('num', zero),
      ...loop('v', a.keys, (v) => [
        accumulate('num', mul(load(scratch, elem, v), stepsAt(values, index, v, c))),
      ]),
      store('out', output.elem, elementAt(output, index, i, c), mean(value('num'))),
    ]),
  ];
  return eachMatrix(a.stack, (index) => loop('i', a.queries, (i) => query(index, i)));
}

export const attentionFloat32 = (a: AttentionLoops, gain: number): readonly Stmt[] =>
  attentionLoops(a, {
    elem: 'f32',
    lowest: float(-3.4e38),
    score(sum, mask) {
      const scaled = gain === 1 ? sum : mul(sum, float(gain));
      return mask === undefined ? scaled : add(scaled, mask);
    },
    share: (score) => [
      constant('below', sub(score, local('largest', 'f32'))),
      constant('e', call('exp_f32', 'f32', minimum(local('below', 'f32'), float(0)))),
    ],
    prepare: [],
    mean: (num) => div(num, local('sum', 'f32')),
  });

/** Fractional bits of scores: they are powers of 2 in steps of 1/256. */
export const scoreBits = 8;
/** Powers of 2 below 2^-16 are 0. */
const octaves = 16;
/** A score that is added to hide a key: its share is 0 beside any that is not hidden. */
export const hidden = -(2 ** 26);
/** More keys leave the shares too few bits. */
export const mostKeys = 1024;
/** No score may be larger, so that differences and masks stay in int32. */
export const largestScore = 2 ** 28;

/** What the largest share is: all shares times 255 sum to less than 2^31. */
export const unitOfShares = (keys: number): number =>
  Math.min(32767, Math.floor((2 ** 31 - 1) / (255 * keys)));

/** 2^(-i / 256) of the unit. */
export const powersTable = (name: string, unit: number): Table => ({
  name,
  elem: 'i16',
  data: Array.from({ length: 2 ** scoreBits }, (_, i) => Math.round(unit * 2 ** (-i / 2 ** scoreBits))),
  says: `2 to the power -(entry / ${2 ** scoreBits}), 1.0 being ${unit}.`,
});

export interface AttentionIntegers {
  readonly powers: string;
  /** From sums to scores: sum 2^up multiplier 2^-31 2^-shift. */
  readonly up: number;
  readonly multiplier: number;
  readonly shift: number;
  /** Each number of the mask's table is so many steps of a score. */
  readonly maskStep: number;
  /** The values' step is ratio 2^-ratioShift of the output's. */
  readonly ratio: number;
  readonly ratioShift: number;
  readonly zeroPoint: number;
}

/** The least and the most bits of the shares' sum that are divided by: 2^30 / sum then has 16 or 17. */
const [leastSum, mostSum] = [2 ** 13, 32767];

/** How far sums of shares are shifted down at most. */
function foldsOf(unit: number, keys: number): number {
  let folds = 0;
  while (Math.floor((unit * keys) / 2 ** folds) > mostSum) folds++;
  return folds;
}

/** Bounds that only algebra knows are said: a difference is at least 0, and a sum holds the unit. */
export function attentionInt8(a: AttentionLoops, q: AttentionIntegers): readonly Stmt[] {
  const unit = unitOfShares(a.keys);
  const difference = local('below');
  const scaled = (sum: Expr): Expr =>
    call(
      q.shift >= 2 ? 'requantize_high' : 'requantize_single',
      'i32',
      mul(sum, 2 ** q.up),
      int(q.multiplier),
      int(q.shift),
    );
  return attentionLoops(a, {
    elem: 'i32',
    lowest: int(-(2 ** 29)),
    score: (sum, mask) => (mask === undefined ? scaled(sum) : add(scaled(sum), mul(mask, q.maskStep))),
    share: (score) => [
      constant(
        'below',
        call('clamp', 'i32', sub(local('largest'), score), int(0), int(octaves * 2 ** scoreBits - 1)),
      ),
      constant(
        'e',
        shr(load(q.powers, 'i16', and(difference, 2 ** scoreBits - 1)), shr(difference, scoreBits)),
      ),
    ],
    prepare: [
      assign('sum', maximum(local('sum'), unit)),
      variable('fold', int(0)),
      ...loop('bit', foldsOf(unit, a.keys), () => [
        when(compare('gt', shr(local('sum'), local('fold')), mostSum), [
          assign('fold', add(local('fold'), 1)),
        ]),
      ]),
      constant('part', call('clamp', 'i32', shr(local('sum'), local('fold')), int(leastSum), int(mostSum))),
      constant('multiplier', mul(div(int(2 ** 30), local('part')), q.ratio)),
      constant('shift', add(local('fold'), q.ratioShift - 1)),
    ],
    mean: (num) =>
      call(
        'clamp',
        'i32',
        add(call('requantize_single', 'i32', num, local('multiplier'), local('shift')), q.zeroPoint),
        int(0),
        int(255),
      ),
  });
}

/** The scratch parameter. */
export const sharesParam = (keys: number, elem: 'i32' | 'f32') =>
  ({ name: scratch, role: 'scratch', elem, length: keys }) as const;

/** The ratio of two steps as an integer of 14 bits and a shift. */
export function ratioOf(ratio: number): { readonly ratio: number; readonly ratioShift: number } {
  const ratioShift = Math.min(20, 13 - Math.floor(Math.log2(ratio)));
  const whole = Math.round(ratio * 2 ** ratioShift);
  return whole < 2 ** 14 ? { ratio: whole, ratioShift } : { ratio: whole / 2, ratioShift: ratioShift - 1 };
}
