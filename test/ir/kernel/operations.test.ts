/**
 * Every operation's literal against a separately written evaluator: meaning, JavaScript with and without checks,
 * WebAssembly with and without vectors, rules, bounds, folding. What C prints is held to the same evaluator in
 * test/emit/c/expr.test.ts.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binary as folded } from '../../../src/ir/kernel/builders.ts';
import { allInts, cutTo, hull, type Interval, maxInt, minInt } from '../../../src/ir/kernel/interval.ts';
import type { Expr, Scalar } from '../../../src/ir/kernel/kernel.ts';
import {
  type BinaryOp,
  binaryOperations,
  brokenRule,
  type CompareOp,
  compareOperations,
  intervalOf,
} from '../../../src/ir/kernel/operations.ts';
import { webAssembly, widened } from '../../../src/lower/widen.ts';
import type { Program } from '../../../src/program/program.ts';
import { prove } from '../../../src/prove/prove.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { Trap } from '../../../src/sim/trap.ts';
import { createEngine } from '../../../src/sim/wasm/engine.ts';
import { evaluate, Undefined } from '../../oracles/kernel-evaluator.ts';
import * as ir from '../../support/ir.ts';

const binaryOps = Object.keys(binaryOperations) as BinaryOp[];
const floatOps = binaryOps.filter((op) => binaryOperations[op].f32 !== undefined);
const compareOps = Object.keys(compareOperations) as CompareOp[];

type Pair = readonly [number, number];

const extremes = [
  ...[minInt, minInt + 1, -(2 ** 30), -65536, -46341, -33, -31, -2, -1, 0, 1, 2, 3, 7, 30, 31, 32, 33],
  ...[255, 46340, 46341, 65535, 2 ** 30, maxInt - 1, maxInt],
];
const realExtremes = [
  ...[0, -0, 1, -1, 0.1, -1.5, 1 / 3, 2 ** 24 + 2, 2 ** -149, -(2 ** -126), 2 ** 127, 3.4028234663852886e38],
  ...[Infinity, -Infinity, NaN].map(Math.fround),
].map(Math.fround);
const allPairs = (xs: readonly number[]): readonly Pair[] => xs.flatMap((a) => xs.map((b): Pair => [a, b]));

const anyInt = fc.oneof(fc.integer({ min: minInt, max: maxInt }), fc.integer({ min: -40, max: 40 }));
const drawn = <T>(one: fc.Arbitrary<T>, numRuns = 400): readonly T[] => fc.sample(one, { numRuns });
const pairs: readonly Pair[] = [...allPairs(extremes), ...drawn(fc.tuple(anyInt, anyInt))];
const realPairs: readonly Pair[] = [
  ...allPairs(realExtremes),
  ...drawn(fc.tuple(fc.float(), fc.float({ noDefaultInfinity: true }))),
];

/** `of` both elements of the input. */
function programOf(type: Scalar, of: (a: Expr, b: Expr) => Expr, result = type): Program {
  const value = of(ir.load('in', type, 0), ir.load('in', type, 1));
  const params = [ir.param('in', 'in', type, 2), ir.param('out', 'out', result, 1)];
  return ir.single(ir.kernel('k', params, [ir.store('out', result, 0, value)]));
}

const bytesOf = (type: Scalar, xs: readonly number[]): Uint8Array =>
  new Uint8Array((type === 'i32' ? Int32Array.from(xs) : Float32Array.from(xs)).buffer);
const numberOf = (type: Scalar, bytes: Uint8Array): number =>
  new DataView(bytes.slice().buffer)[type === 'i32' ? 'getInt32' : 'getFloat32'](0, true);

/** What the evaluator makes of each pair, undefined where C does, and everything that runs must make too. */
function runners(program: Program, type: Scalar, result = type) {
  const number = (run: (input: Uint8Array) => { readonly output: Uint8Array }) => (pair: Pair) =>
    numberOf(result, run(bytesOf(type, pair)).output);
  const checked = createSimulator(program, { mode: 'checked' });
  const engines = {
    checked,
    fast: createSimulator(program, { mode: 'fast' }),
    wasm: createEngine(program),
  };
  const oracle = number((input) => evaluate(program, input));
  return {
    expected(pair: Pair): number | undefined {
      try {
        return oracle(pair);
      } catch (error) {
        if (error instanceof Undefined) return undefined;
        throw error;
      }
    },
    trap(pair: Pair): string | undefined {
      try {
        checked.run(bytesOf(type, pair));
        return undefined;
      } catch (error) {
        if (error instanceof Trap) return error.details.rule;
        throw error;
      }
    },
    ran: (pair: Pair) => Object.entries(engines).map(([name, e]) => [name, number((x) => e.run(x))(pair)]),
  };
}

const agreed = (x: number) => ['checked', 'fast', 'wasm'].map((name) => [name, x]);
const defined = (op: BinaryOp) => pairs.filter(([a, b]) => brokenRule(op, a, b) === undefined);

describe.each(binaryOps)('%s', (op) => {
  const { meaning, opposite, folding } = binaryOperations[op];

  test('means the same to all, and what C leaves undefined traps', () => {
    const { expected, trap, ran } = runners(
      programOf('i32', (a, b) => ir.binary(op, a, b)),
      'i32',
    );
    for (const pair of pairs) {
      const [value, rule] = [expected(pair), brokenRule(op, ...pair)];
      expect(rule === undefined, String(pair)).toBe(value !== undefined);
      expect(trap(pair), String(pair)).toBe(rule?.trap);
      if (value === undefined) continue;
      expect(meaning(...pair), String(pair)).toBe(value);
      expect(ran(pair), String(pair)).toEqual(agreed(value));
    }
  });

  test('four at a time, where there is a way', () => {
    const shared = op === 'shr' ? [0, 1, 7, 30, 31] : [undefined];
    const hasWay = ['add', 'sub', 'mul', 'shr'].includes(op);
    for (const amount of shared) {
      const cases = defined(op).filter(([, b]) => amount === undefined || b === amount);
      expectLanes(cases, hasWay, (a, b) => ir.binary(op, a, amount ?? b), meaning);
    }
  });

  test('bounds hold all results, and the prover finds the same', () => {
    fc.assert(
      fc.property(interval, interval, (a, b) => {
        const range = intervalOf(op, a, b);
        const { range: found, broken } = proved(a, b, (x, y) => ir.binary(op, x, y));
        for (const pair of membersOf(a, b)) {
          if (brokenRule(op, ...pair) !== undefined) expect(broken).toBe(true);
          else for (const each of [range, found]) expectInside(each, meaning(...pair));
        }
        // Of plain numbers the prover computes the one result.
        if (a.lo === a.hi || b.lo === b.hi) return;
        const { lo, hi } = cutTo(range, allInts);
        expect([found.lo + 0, found.hi + 0]).toEqual([lo + 0, hi + 0]);
      }),
      { numRuns: 500 },
    );
  });

  test('all intervals within -6..6', () => {
    const small = span({ lo: -6, hi: 6 }).flatMap((lo) => span({ lo, hi: 6 }).map((hi) => ({ lo, hi })));
    const value = new Map(
      allPairs(span({ lo: -6, hi: 6 })).map((pair) => [
        String(pair),
        brokenRule(op, ...pair) === undefined ? meaning(...pair) : undefined,
      ]),
    );
    for (const a of small)
      for (const b of small) {
        const range = intervalOf(op, a, b);
        for (const x of span(a))
          for (const y of span(b)) {
            const z = value.get(`${x},${y}`);
            if (z !== undefined && !(range.lo <= z && z <= range.hi))
              throw new Error(`${x} ${op} ${y} = ${z} is not in ${range.lo}..${range.hi}`);
          }
      }
  });

  test('a proof is of all pairs', () => {
    const { rules } = binaryOperations[op];
    for (const [a, b] of [
      [
        { lo: 0, hi: 20 },
        { lo: 1, hi: 20 },
      ],
      [
        { lo: -9, hi: 9 },
        { lo: 1, hi: 9 },
      ],
    ] as const) {
      const any = membersOf(a, b).some((pair) => brokenRule(op, ...pair) !== undefined);
      expect(proved(a, b, (x, y) => ir.binary(op, x, y)).broken).toBe(any && rules.length > 0);
    }
  });

  test('folding leaves the meaning', () => {
    const local = ir.local('x');
    const at = (e: Expr, x: number): number => {
      if (e.kind === 'int') return e.value;
      return e.kind === 'binary' ? meaning(at(e.a, x), at(e.b, x)) : x;
    };
    for (const [a, b] of pairs) {
      if (brokenRule(op, a, b) !== undefined) {
        expect(folded(op, a, b)).toEqual(b === folding?.right ? ir.int(a) : ir.binary(op, a, b));
        continue;
      }
      expect(folded(op, a, b)).toEqual(ir.int(meaning(a, b)));
      expect(at(folded(op, local, b), a), `x ${op} ${b}, x = ${a}`).toBe(meaning(a, b));
      expect(at(folded(op, a, local), b), `${a} ${op} x, x = ${b}`).toBe(meaning(a, b));
    }
  });

  test('the opposite of a negative number', () => {
    for (const [a, b] of pairs) {
      if (opposite === undefined || b === minInt) continue;
      const broken = brokenRule(op, a, b) !== undefined;
      expect(brokenRule(opposite, a, -b) !== undefined).toBe(broken);
      if (!broken) expect(binaryOperations[opposite].meaning(a, -b)).toBe(meaning(a, b));
    }
  });
});

describe.each(floatOps)('%s of f32', (op) => {
  test('means the same to all', () => {
    const of = binaryOperations[op].f32!.meaning;
    const { expected, ran } = runners(
      programOf('f32', (a, b) => ir.binary(op, a, b)),
      'f32',
    );
    for (const pair of realPairs) {
      const value = expected(pair)!;
      expect(of(...pair), String(pair)).toBe(value);
      expect(ran(pair), String(pair)).toEqual(agreed(value));
    }
  });
});

describe.each(compareOps)('%s', (op) => {
  const { meaning, opposite, picks } = compareOperations[op];
  const truth = (...pair: Pair) => Number(meaning(...pair));

  test.each([
    ['i32', pairs],
    ['f32', realPairs],
  ] as const)('of %s means the same to all', (type, cases) => {
    const { expected, ran } = runners(
      programOf(type, (a, b) => ir.compare(op, a, b), 'i32'),
      type,
      'i32',
    );
    for (const pair of cases) {
      expect(truth(...pair), String(pair)).toBe(expected(pair));
      expect(ran(pair), String(pair)).toEqual(agreed(truth(...pair)));
    }
  });

  test('four at a time', () => {
    const of = (a: Expr, b: Expr) => ir.select(ir.compare(op, a, b), 1, 0);
    expectLanes([...pairs, ...pairs.map(([a]): Pair => [a, a])], true, of, truth);
  });

  test('holds where its opposite does not, and picks', () => {
    for (const [a, b] of pairs) {
      expect(compareOperations[opposite].meaning(a, b)).toBe(!meaning(a, b));
      if (picks !== undefined) expect(meaning(a, b) ? a : b).toBe(Math[picks](a, b));
    }
  });

  test('the prover decides it where all pairs agree, and nowhere else', () => {
    fc.assert(
      fc.property(small, small, (a, b) => {
        const seen = hull(membersOf(a, b).map((pair) => truth(...pair)));
        expect(proved(a, b, (x, y) => ir.compare(op, x, y)).range).toEqual(seen);
        const chosen = proved(a, b, (x, y) => ir.select(ir.compare(op, x, y), x, y)).range;
        for (const [x, y] of membersOf(a, b)) expectInside(chosen, meaning(x, y) ? x : y);
      }),
      { numRuns: 200 },
    );
  });
});

/** A loop over all pairs in tables gives what the meaning gives, with vectors if and only if there is a way. */
function expectLanes(
  cases: readonly Pair[],
  isWidened: boolean,
  of: (a: Expr, b: Expr) => Expr,
  meaning: (a: number, b: number) => number,
): void {
  const tables = [0, 1].map((i) =>
    ir.table(
      `t${i}`,
      'i32',
      cases.map((pair) => pair[i]!),
    ),
  );
  const at = ir.local('i');
  const [x, y] = [
    ir.let_('x', ir.load('t0', 'i32', at), false),
    ir.let_('y', ir.load('t1', 'i32', at), false),
  ];
  const body = [
    ir.for_('i', 0, cases.length, [x, y, ir.store('out', 'i32', at, of(ir.local('x'), ir.local('y')))]),
  ];
  const params = [ir.param('in', 'in', 'u8', 4), ir.param('out', 'out', 'i32', cases.length)];
  const plain = ir.kernel('k', params, body, tables);
  const kernel = widened(plain, webAssembly);
  expect(kernel !== undefined).toBe(isWidened);
  const { output } = createEngine(ir.single(kernel ?? plain)).run(new Uint8Array(4));
  expect([...new Int32Array(output.slice().buffer)]).toEqual(cases.map((pair) => meaning(...pair)));
}

interface Members extends Interval {
  readonly some: readonly number[];
}

const between = (p: number, q: number, part: number): Members => {
  const [lo, hi] = [Math.min(p, q), Math.max(p, q)];
  return { lo, hi, some: [lo, hi, Math.min(lo + 1, hi), lo + Math.floor(((hi - lo) * part) / 1000)] };
};
const end = fc.oneof(anyInt, fc.integer({ min: 0, max: 33 }), fc.constantFrom(minInt, maxInt));
const interval = fc.oneof(
  fc.tuple(end, end, fc.nat(1000)).map(([p, q, part]) => between(p, q, part)),
  end.map((x) => between(x, x, 0)),
);
const span = ({ lo, hi }: Interval): number[] => Array.from({ length: hi - lo + 1 }, (_, i) => lo + i);
const small = fc
  .tuple(fc.integer({ min: -4, max: 4 }), fc.nat(4))
  .map(([lo, size]): Interval => ({ lo, hi: lo + size }));

const membersOf = (a: Interval | Members, b: Interval | Members): readonly Pair[] => {
  const of = (x: Interval | Members) => ('some' in x ? x.some : span(x));
  return of(a).flatMap((x) => of(b).map((y): Pair => [x, y]));
};
function expectInside({ lo, hi }: Interval, x: number): void {
  if (!(lo <= x && x <= hi)) throw new Error(`${x} is not in ${lo}..${hi}`);
}

/** What the prover says of operands in these intervals; intervals of one number are literals. */
function proved(a: Interval, b: Interval, of: (a: Expr, b: Expr) => Expr) {
  const operand = (name: string, { lo, hi }: Interval) => (lo === hi ? ir.int(lo) : ir.load(name, 'i32', 0));
  const made = ir.kernel(
    'k',
    [ir.param('a', 'in', 'i32', 1), ir.param('b', 'in', 'i32', 1), ir.param('out', 'out', 'i32', 1)],
    [ir.let_('r', of(operand('a', a), operand('b', b)), false), ir.store('out', 'i32', 0, ir.local('r'))],
  );
  const facts = prove(
    made,
    new Map([
      ['a', { lo: a.lo, hi: a.hi }],
      ['b', { lo: b.lo, hi: b.hi }],
    ]),
  );
  return { range: facts.ranges.get('r')!, broken: facts.unproven.length > 0 };
}
