/** Loops are taken four passes at a time only where that is the same, wherever their arrays lie. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DefectError, must } from '../../src/base/errors.ts';
import type { Expr, Stmt } from '../../src/ir/kernel/kernel.ts';
import { statementsIn } from '../../src/ir/kernel/walk.ts';
import { byteCount } from '../../src/lower/byte-lanes.ts';
import { laneCount } from '../../src/lower/lanes.ts';
import { withVectors } from '../../src/lower/simd.ts';
import { mve, widened } from '../../src/lower/widen.ts';
import type { Outcome, Program } from '../../src/program/program.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { Trap } from '../../src/sim/trap.ts';
import { createEngine } from '../../src/sim/wasm/engine.ts';
import * as ir from '../support/ir.ts';
import { runs } from '../support/kernels.ts';

const length = 32;
const input = Uint8Array.from({ length }, (_, i) => (37 * i + 11) & 127);
const i = ir.local('i');

/**
 * One kernel of an input, an output and a scratch, all of bytes, at these addresses; what is compared is the arena.
 * The program's own output is a byte beside them.
 */
function programOf(body: readonly Stmt[], addresses: readonly [number, number, number]): Program {
  const params = [
    ir.param('in', 'in', 'u8', length),
    ir.param('done', 'out', 'u8', 1),
    ir.param('out', 'out', 'u8', length),
    ir.param('tmp', 'scratch', 'u8', length),
  ];
  const kernel = ir.kernel('loops', params, [...body, ir.store('done', 'u8', 0, 1)], []);
  const end = Math.max(...addresses) + length;
  const [input, out, tmp] = addresses;
  const places = [input, end, out, tmp];
  const slots = params.map(({ name, elem, length: n }, p) => ({
    name,
    elem,
    length: n,
    address: places[p]!,
  }));
  return ir.program(slots, [[kernel, [0, 1, 2, 3]]]);
}

const overIndex = (body: readonly Stmt[], from = 0, to = 16): Stmt => ir.for_('i', from, to, body);
const at = (by: number): Expr => (by === 0 ? i : ir.add(i, by));
const put = (to: string, by: number, value: Expr | number): Stmt => ir.store(to, 'u8', at(by), value);
const get = (from: string, by: number): Expr => ir.load(from, 'u8', at(by));

/** The outcome under C's rules, or undefined where the program breaks one. */
function defined(p: Program): Outcome | undefined {
  try {
    return createSimulator(p, { mode: 'checked' }).run(input, { keepArenas: true });
  } catch (error) {
    if (error instanceof Trap) return undefined;
    throw error;
  }
}

const widths = new Set([laneCount, byteCount]);
const loopsInLanes = ({ steps }: Program, some = widths): number =>
  steps
    .flatMap(({ kernel }) => [...statementsIn(kernel.body)])
    .filter((s) => s.kind === 'for' && some.has(s.step)).length;

/** The program where no addresses are known: its loops are in lanes only where that is right for all of them. */
const anywhere = (p: Program): Program => ({
  ...p,
  steps: p.steps.map((step) => ({ ...step, kernel: widened(step.kernel, mve) ?? step.kernel })),
});

/** How many loops are in lanes, where addresses are known and where not: what is then left is this outcome. */
function lanesIn(p: Program, outcome: Outcome): { readonly known: number; readonly unknown: number } {
  const [known, unknown] = [withVectors(p), anywhere(p)];
  const found = { known: loopsInLanes(known), unknown: loopsInLanes(unknown) };
  for (const lowered of [...(found.known > 0 ? [known] : []), ...(found.unknown > 0 ? [unknown] : [])])
    expect(createSimulator(lowered, { mode: 'checked' }).run(input, { keepArenas: true })).toEqual(outcome);
  expect(createEngine(known).run(input, { keepArenas: true })).toEqual(outcome);
  return found;
}

/** The same of a program that runs to its end: where addresses are known. */
const inLanes = (p: Program): number => lanesIn(p, must(defined(p), 'the program runs')).known;

const apart = [0, 40, 80] as const;

test('a second store, ahead of what later passes store', () => {
  expect(inLanes(programOf([overIndex([put('out', 0, get('in', 0)), put('out', 1, 7)])], apart))).toBe(0);
  expect(inLanes(programOf([overIndex([put('out', 4, get('in', 0)), put('out', 0, 7)])], apart))).toBe(1);
  expect(inLanes(programOf([overIndex([put('out', 1, get('in', 0)), put('out', 0, 7)])], apart))).toBe(1);
});

test('a store in front of a load, in slots that overlap', () => {
  const body = [overIndex([put('out', 0, 7), put('tmp', 0, get('in', 0))])];
  for (let by = 1; by < 8; by++) expect(inLanes(programOf(body, [by, 0, 60]))).toBe(by > 3 ? 1 : 0);
  expect(inLanes(programOf(body, apart))).toBe(1);
});

test('a load of what an earlier pass has stored', () => {
  const first = ir.copy('u8', 'tmp', 0, 'in', 0, length);
  for (const by of [1, 2, 3])
    expect(inLanes(programOf([first, overIndex([put('tmp', by, get('tmp', 0))])], apart))).toBe(0);
  expect(inLanes(programOf([first, overIndex([put('tmp', 4, get('tmp', 0))])], apart))).toBe(1);
  expect(inLanes(programOf([first, overIndex([put('tmp', 0, ir.add(get('tmp', 0), 1))])], apart))).toBe(1);
});

test('a load that is the same in every pass, of what one pass stores', () => {
  const first = ir.copy('u8', 'tmp', 0, 'in', 0, length);
  const same = (place: number) =>
    programOf([first, overIndex([put('tmp', 0, ir.load('tmp', 'u8', place))])], apart);
  expect(inLanes(same(5))).toBe(0);
  expect(inLanes(same(18))).toBe(1);
});

test('loops inside of a pass: sums over a window', () => {
  const sums = (from: string, to: string, ...more: readonly Stmt[]) => {
    const one = ir.load(from, 'u8', ir.add(i, ir.mul(ir.local('j'), 4)));
    const window = ir.for_('j', 0, 3, [ir.accumulate('sum', ir.shr(one, 3)), ...more]);
    const first = ir.copy('u8', 'tmp', 0, 'in', 0, length);
    return programOf(
      [first, overIndex([ir.let_('sum', ir.shr(get('in', 0), 3)), window, put(to, 0, ir.local('sum'))])],
      apart,
    );
  };
  expect(inLanes(sums('in', 'out'))).toBe(1);
  expect(inLanes(sums('tmp', 'out'))).toBe(1);
  expect(inLanes(sums('tmp', 'tmp'))).toBe(0);
  expect(inLanes(sums('in', 'out', put('tmp', 0, 1)))).toBe(0);
});

test('one slot under two names is refused, as by the simulator', () => {
  const p = programOf([overIndex([put('out', 0, get('in', 0))])], apart);
  const [step] = p.steps;
  const same = { ...p, steps: [{ ...step!, args: [0, 0, 2, 3] }] };
  expect(() => createSimulator(same, { mode: 'checked' })).toThrow(DefectError);
  expect(() => createEngine(same)).toThrow(DefectError);
});

interface Access {
  readonly kind: 'store' | 'load';
  readonly array: 'out' | 'tmp' | 'in';
  readonly by: number;
  readonly place: 'next' | 'same' | 'down' | 'second';
}

const indexOf = ({ by, place }: Access): Expr => {
  switch (place) {
    case 'next':
      return at(by);
    case 'same':
      return ir.int(by);
    case 'down':
      return ir.sub(20 + by, i);
    case 'second':
      return ir.add(ir.mul(i, 2), by);
    default:
      return place satisfies never;
  }
};

const places = fc.oneof(
  { weight: 12, arbitrary: fc.constant('next' as const) },
  { weight: 1, arbitrary: fc.constantFrom('same' as const, 'down' as const, 'second' as const) },
);
const accesses: fc.Arbitrary<Access> = fc.record({
  kind: fc.constantFrom('store', 'load'),
  array: fc.constantFrom('in', 'out', 'tmp'),
  by: fc.nat({ max: 6 }),
  place: places,
});

/** Loads add to a number that the stores behind them put down. */
function loopOf(first: Expr | number, all: readonly Access[], n: number): Stmt {
  const value = ir.call('clamp', ir.local('x'), 0, 255);
  const body = all.map((access) =>
    access.kind === 'load' || access.array === 'in'
      ? ir.accumulate('x', ir.load(access.array, 'u8', indexOf(access)))
      : ir.store(access.array, 'u8', indexOf(access), value),
  );
  return ir.for_('i', 0, n, [ir.let_('x', first), ...body, put('out', 0, value)]);
}

const written = [ir.fill('u8', 'out', 0, 5, length), ir.copy('u8', 'tmp', 0, 'in', 0, length)];

const cases = fc.record({
  body: fc.array(accesses, { minLength: 1, maxLength: 4 }),
  passes: fc.integer({ min: 4, max: 13 }),
  first: fc.option(fc.nat({ max: 9 }), { nil: undefined }),
  start: fc.boolean(),
  distances: fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })),
  overlap: fc.oneof(
    { weight: 2, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
});

test('random loops of several loads and stores, in slots at every small distance', () => {
  // Loops that were widened, those of them in slots that overlap, and loops that had to stay as they were.
  let [compared, wide, overlapping, kept, anywhere] = [0, 0, 0, 0, 0];
  fc.assert(
    fc.property(cases, ({ first, body, passes, start, distances, overlap }) => {
      const [a, b] = distances;
      const place = (by: number, far: number): number => (overlap ? 10 + by : far);
      const statements = [
        ...(start ? written : []),
        loopOf(first === undefined ? 1 : get('in', first), body, passes),
      ];
      const p = programOf(statements, [place(0, 10), place(a, 50), place(b, 90)]);
      const outcome = defined(p);
      if (outcome === undefined) return;
      const { known: loops, unknown } = lanesIn(p, outcome);
      anywhere += unknown;
      compared++;
      wide += loops;
      overlapping += overlap ? loops : 0;
      kept += loops === 0 && body.every(({ place }) => place === 'next') ? 1 : 0;
    }),
    runs(1000),
  );
  expect(compared).toBeGreaterThan(230);
  expect(wide).toBeGreaterThan(160);
  expect(overlapping).toBeGreaterThan(35);
  expect(kept).toBeGreaterThan(13);
  expect(anywhere).toBeGreaterThan(50);
});

const byteCases = fc.record({
  body: fc.array(
    fc.record({
      kind: fc.constantFrom('store', 'gt', 'lt'),
      array: fc.constantFrom('in', 'out', 'tmp'),
      by: fc.nat({ max: 6 }),
    }),
    { maxLength: 3 },
  ),
  passes: fc.integer({ min: 16, max: 26 }),
  first: fc.nat({ max: 6 }),
  distances: fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 20 })),
  overlap: fc.boolean(),
});

/** The largest or smallest of neighbouring bytes, put down now and then. */
function byteLoop({ body, passes, first }: typeof byteCases extends fc.Arbitrary<infer R> ? R : never): Stmt {
  const x = ir.local('x');
  const all = body.map(({ kind, array, by }) => {
    if (kind === 'store') return put(array === 'in' ? 'tmp' : array, by, x);
    const other = get(array, by);
    return ir.assign('x', ir.select(ir.compare(kind, x, other), x, other));
  });
  return ir.for_('i', 0, passes, [ir.let_('x', get('in', first)), ...all, put('out', 0, x)]);
}

test('random loops of bytes, sixteen at a time', () => {
  let [wide, overlapping, kept, anywhere] = [0, 0, 0, 0];
  fc.assert(
    fc.property(byteCases, (recipe) => {
      const [a, b] = recipe.distances;
      const places = recipe.overlap ? ([20, 20 + a, 20 + b] as const) : ([10, 50, 90] as const);
      const p = programOf([...(recipe.overlap ? [] : written), byteLoop(recipe)], places);
      const outcome = defined(p);
      if (outcome === undefined) return;
      const { unknown } = lanesIn(p, outcome);
      const found = loopsInLanes(withVectors(p), new Set([byteCount]));
      anywhere += unknown;
      wide += found;
      overlapping += recipe.overlap ? found : 0;
      kept += 1 - found;
    }),
    runs(250),
  );
  expect(wide).toBeGreaterThan(40);
  expect(overlapping).toBeGreaterThan(10);
  expect(kept).toBeGreaterThan(3);
  expect(anywhere).toBeGreaterThan(10);
});

test('sums that are cut off at limits of their own are not cut off at those of the first lane', () => {
  const channels = 16;
  const lowest = Array.from({ length: channels }, (_, c) => (c * 53) % 200);
  const kernel = ir.kernel(
    'cuts',
    [ir.param('in', 'in', 'u8', channels), ir.param('out', 'out', 'u8', channels)],
    [
      ir.for_('i', 0, channels, [
        ir.store(
          'out',
          'u8',
          i,
          ir.call(
            'clamp',
            ir.add(
              ir.call(
                'requantize_high',
                ir.mul(ir.load('in', 'u8', i), 40),
                ir.load('multiplier', 'i32', i),
                ir.load('shift', 'u8', i),
              ),
              3,
            ),
            ir.load('lowest', 'u8', i),
            255,
          ),
        ),
      ]),
    ],
    [
      ir.table('multiplier', 'i32', new Array<number>(channels).fill(2 ** 30 + 7)),
      ir.table('shift', 'u8', new Array<number>(channels).fill(6)),
      ir.table('lowest', 'u8', lowest),
    ],
  );
  const program = ir.single(kernel);
  const bytes = input.subarray(0, channels);
  const { output } = createSimulator(program, { mode: 'checked' }).run(bytes);
  expect([...output]).toEqual(expect.arrayContaining([159, 106]));
  const lowered = withVectors(program);
  expect([...createSimulator(lowered, { mode: 'checked' }).run(bytes).output]).toEqual([...output]);
  expect([...createEngine(lowered).run(bytes).output]).toEqual([...output]);
});
