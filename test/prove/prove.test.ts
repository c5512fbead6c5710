import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Interval } from '../../src/ir/kernel/interval.ts';
import type { Expr, Kernel, Stmt } from '../../src/ir/kernel/kernel.ts';
import { nodeText } from '../../src/ir/kernel/text.ts';
import { type KernelFacts, prove, summarizeFacts } from '../../src/prove/prove.ts';
import { createSimulator, type SimulatorOptions } from '../../src/sim/simulate.ts';
import { Trap } from '../../src/sim/trap.ts';
import * as ir from '../support/ir.ts';
import { arrayLength, inputs, kernels, runs } from '../support/kernels.ts';
import { convPool, dense, lenet } from '../support/lenet.ts';
import { observing } from '../support/observe.ts';

function attempt(k: Kernel, input: Uint8Array, options: SimulatorOptions) {
  try {
    const { output, arenas } = createSimulator(ir.single(k), options).run(input, { keepArenas: true });
    return { output, arena: arenas[0]! };
  } catch (error) {
    if (error instanceof Trap) return error;
    throw error;
  }
}

/** Bounds of the input's elements, and an input within them. */
const boundedInputs = fc
  .tuple(fc.nat(255), fc.nat(255), inputs())
  .map(([a, b, bytes]) => ({ lo: Math.min(a, b), hi: Math.max(a, b), bytes }))
  .map(({ lo, hi, bytes }) => ({ lo, hi, bytes: bytes.map((x) => lo + (x % (hi - lo + 1))) }));

/** The same bounds as elements of the type. */
function inputRange(k: Kernel, lo: number, hi: number): Interval {
  if (k.params[0]!.elem === 'u8') return { lo, hi };
  return hi < 128 || lo >= 128 ? { lo: (lo << 24) >> 24, hi: (hi << 24) >> 24 } : { lo: -128, hi: 127 };
}

const checked = { mode: 'checked' } as const;

describe('random kernels', () => {
  test('leaving out proven checks changes neither results nor traps', () => {
    fc.assert(
      fc.property(kernels(), boundedInputs, (k, { lo, hi, bytes }) => {
        const facts = prove(k, new Map([['in', inputRange(k, lo, hi)]]));
        const plain = attempt(k, bytes, checked);
        const lean = attempt(k, bytes, { mode: 'checked', facts: new Map([[k, facts]]) });
        if (plain instanceof Trap) expect((lean as Trap).details).toEqual(plain.details);
        else expect(lean).toEqual(plain);
      }),
      runs(800),
    );
  });

  test('every value of every local, and everything stored, lies in its proved range', () => {
    fc.assert(
      fc.property(kernels(), boundedInputs, (k, { lo, hi, bytes }) => {
        const facts = prove(k, new Map([['in', inputRange(k, lo, hi)]]));
        const { kernel, locals } = observing(k);
        const seen = attempt(kernel, bytes, checked);
        if (seen instanceof Trap) return;
        const words = new DataView(seen.arena.buffer);
        const start = ir.single(kernel).slots.at(-1)!.address;
        locals.forEach((name, i) => {
          const low = words.getInt32(start + 8 * i, true);
          const high = words.getInt32(start + 8 * i + 4, true);
          if (low > high) return;
          const range = facts.ranges.get(name);
          expect(range, name).toBeDefined();
          expect(range!.lo, name).toBeLessThanOrEqual(low);
          expect(range!.hi, name).toBeGreaterThanOrEqual(high);
        });
        expectInside(facts.storeRanges.get('out'), elementsOf(k, seen.output));
      }),
      runs(800),
    );
  });
});

function elementsOf(k: Kernel, output: Uint8Array): readonly number[] {
  const { elem } = k.params[1]!;
  const { buffer } = output.slice();
  switch (elem) {
    case 'u8':
      return [...output];
    case 'i8':
      return [...new Int8Array(buffer)];
    case 'u16':
      return [...new Uint16Array(buffer)];
    case 'i16':
      return [...new Int16Array(buffer)];
    case 'i32':
      return [...new Int32Array(buffer)];
    case 'f32':
      return [];
    default:
      return elem satisfies never;
  }
}

function expectInside(range: Interval | undefined, values: readonly number[]): void {
  if (values.length === 0) return;
  expect(range).toBeDefined();
  expect(range!.lo).toBeLessThanOrEqual(Math.min(...values));
  expect(range!.hi).toBeGreaterThanOrEqual(Math.max(...values));
}

const bytesIn = ir.param('in', 'in', 'u8', arrayLength);
const bytesOut = ir.param('out', 'out', 'u8', arrayLength);
const facts = (body: readonly Stmt[], more: Partial<Kernel> = {}): KernelFacts =>
  prove({ ...ir.kernel('k', [bytesIn, bytesOut], body), ...more });
/** The bounds of an expression of the input. */
const rangeOf = (e: Expr, more: Partial<Kernel> = {}): Interval =>
  facts([ir.let_('x', e)], more).ranges.get('x')!;
const x = (i: number) => ir.load('in', 'u8', i);
/** -128..127 */
const signed = (i: number) => ir.sub(x(i), 128);

describe('bounds are the tightest for', () => {
  const channels = 3;
  const conv = convPool('conv', 8, channels, 4);
  const facts8 = prove(conv, new Map([['in', { lo: 3, hi: 200 }]]));
  const [weights, bias] = [conv.tables[0]!.data, conv.tables[1]!.data];

  test("a convolution's accumulator: partial sums of the worst inputs of every channel", () => {
    let [lo, hi] = [Infinity, -Infinity];
    for (let oc = 0; oc < 4; oc++) {
      let [low, high] = [bias[oc]!, bias[oc]!];
      [lo, hi] = [Math.min(lo, low), Math.max(hi, high)];
      for (let i = 0; i < 25 * channels; i++) {
        const w = weights[oc * 25 * channels + i]!;
        low += Math.min(3 * w, 200 * w);
        high += Math.max(3 * w, 200 * w);
        [lo, hi] = [Math.min(lo, low), Math.max(hi, high)];
      }
    }
    expect(facts8.ranges.get('a0')).toEqual({ lo, hi });
    expect(facts8.ranges.get('a3')).toEqual({ lo, hi });
    expect(facts8.unproven).toEqual([]);
    expect(facts8.storeRanges.get('out')!.lo).toBeGreaterThanOrEqual(0);
  });

  test.each([
    ['sums', ir.add(signed(0), x(1)), -128, 382],
    ['differences', ir.sub(signed(0), x(1)), -383, 127],
    ['products', ir.mul(signed(0), signed(1)), -16256, 16384],
    ['products by a number', ir.mul(x(0), -3), -765, 0],
    ['quotients', ir.div(signed(0), -3), -42, 42],
    ['quotients by either sign', ir.div(100, ir.or(signed(0), 1)), -100, 100],
    ['remainders', ir.mod(signed(0), 50), -49, 49],
    ['remainders of small numbers', ir.mod(ir.and(x(0), 7), 50), 0, 7],
    ['left shifts', ir.shl(x(0), 4), 0, 4080],
    ['right shifts', ir.shr(signed(0), ir.and(x(1), 3)), -128, 127],
    ['masks', ir.and(signed(0), 15), 0, 15],
    ['or', ir.or(ir.and(x(0), 5), ir.and(x(1), 3)), 0, 7],
    ['xor of signed', ir.xor(signed(0), signed(1)), -128, 127],
    ['comparisons', ir.compare('lt', x(0), 10), 0, 1],
    ['decided comparisons', ir.compare('lt', x(0), 256), 1, 1],
    ['the larger', ir.select(ir.compare('gt', signed(0), 5), signed(0), 5), 5, 127],
    ['the larger, said otherwise', ir.select(ir.compare('lt', signed(0), 5), 5, signed(0)), 5, 127],
    ['the smaller', ir.select(ir.compare('le', signed(0), 5), signed(0), 5), -128, 5],
    ['undecided choices', ir.select(x(0), 7, signed(1)), -128, 127],
    ['decided choices', ir.select(ir.compare('ge', x(0), 0), 7, signed(1)), 7, 7],
    ['clamp', ir.call('clamp', signed(0), -5, 9), -5, 9],
    ['requantize', ir.call('requantize_pow2', ir.mul(x(0), 16), 4), 0, 255],
  ] as const)('%s', (_, e, lo, hi) => {
    expect(rangeOf(e)).toEqual({ lo, hi });
  });

  test('what is looked up in a table', () => {
    const tables = [ir.table('lut', 'i16', [9, -3, 5, 1000])];
    expect(rangeOf(ir.load('lut', 'i16', ir.and(x(0), 3)), { tables })).toEqual({ lo: -3, hi: 1000 });
    expect(rangeOf(ir.load('lut', 'i16', ir.and(x(0), 1)), { tables })).toEqual({ lo: -3, hi: 9 });
    const outside = facts([ir.let_('x', ir.load('lut', 'i16', ir.and(x(0), 7)))], { tables });
    expect(outside.unproven.map(({ why }) => why)).toEqual(['index into lut in 0..7, defined for 0..3']);
  });

  test('what was stored before, element by element', () => {
    const params = [bytesIn, bytesOut, ir.param('s', 'scratch', 'i32', 4)];
    const body = [
      ir.for_('i', 0, 4, [ir.store('s', 'i32', ir.local('i'), ir.mul(ir.local('i'), x(0)))]),
      ir.store('s', 'i32', 2, ir.add(ir.load('s', 'i32', 2), 1)),
      ir.let_('two', ir.load('s', 'i32', 2)),
      ir.let_('three', ir.load('s', 'i32', 3)),
      ir.let_('any', ir.load('s', 'i32', ir.and(x(1), 3))),
      ir.if_(ir.compare('lt', x(0), 9), [ir.store('s', 'i32', 1, -5)]),
      ir.let_('one', ir.load('s', 'i32', 1)),
    ];
    const { ranges, unproven } = prove(ir.kernel('k', params, body));
    expect(ranges.get('two')).toEqual({ lo: 1, hi: 511 });
    expect(ranges.get('three')).toEqual({ lo: 0, hi: 765 });
    expect(ranges.get('any')).toEqual({ lo: 0, hi: 765 });
    expect(ranges.get('one')).toEqual({ lo: -5, hi: 255 });
    expect(unproven).toEqual([]);
  });

  test('both ways of an undecided if', () => {
    const body = [
      ir.let_('a', 5),
      ir.if_(ir.compare('lt', x(0), 9), [ir.assign('a', 10)], [ir.accumulate('a', -20)]),
      ir.if_(ir.compare('lt', x(0), 300), [ir.accumulate('a', 1)], [ir.assign('a', 5000)]),
      ir.let_('b', ir.local('a')),
    ];
    expect(facts(body).ranges.get('b')).toEqual({ lo: -14, hi: 11 });
  });
});

describe('what is known before a block is not taken for what holds inside', () => {
  test('an access before a loop says nothing of accesses after the pointer has moved in it', () => {
    const body = [
      ir.pointer('p', 'in', 'u8', 0),
      ir.let_('a', ir.load('p', 'u8', 0)),
      ir.for_('i', 0, 10, [ir.accumulate('a', ir.load('p', 'u8', 0)), ir.advance('p', 1)]),
    ];
    expect(facts(body).unproven.map(({ why }) => why)).toEqual([
      'index into in in 0..9, defined for 0..7',
      'where p points in 1..10, defined for 0..8',
    ]);
  });

  const scratch = [bytesIn, bytesOut, ir.param('s', 'scratch', 'i32', 1)];
  test('memory that a loop with bounds from the input writes', () => {
    const body = [
      ir.store('s', 'i32', 0, 1),
      ir.for_('i', 0, ir.and(x(0), 7), [
        ir.let_('a', ir.load('s', 'i32', 0)),
        ir.store('s', 'i32', 0, ir.mul(x(1), 100)),
      ]),
    ];
    expect(prove(ir.kernel('k', scratch, body)).ranges.get('a')!.hi).toBeGreaterThanOrEqual(25500);
  });

  test('and an undecided choice ends: later stores happen for sure', () => {
    const body = [
      ir.let_('c', ir.select(x(0), x(1), 3)),
      ir.store('s', 'i32', 0, 1),
      ir.store('s', 'i32', 0, 2),
      ir.let_('a', ir.load('s', 'i32', 0)),
    ];
    expect(prove(ir.kernel('k', scratch, body)).ranges.get('a')).toEqual({ lo: 2, hi: 2 });
  });
});

describe('proves', () => {
  /** Positions as gaps between nonzero weights: the pointer walks a way that only the table knows. */
  const gather = (gaps: readonly number[], weights: readonly number[]) => {
    const w = ir.load('weights', 'i8', ir.local('i'));
    const body = [
      ir.let_('acc', 0),
      ir.pointer('px', 'in', 'u8', 0),
      ir.for_('i', 0, gaps.length, [
        ir.advance('px', ir.load('gaps', 'u8', ir.local('i'))),
        ir.accumulate('acc', ir.mul(ir.load('px', 'u8', 0), w)),
      ]),
      ir.store('out', 'u8', 0, ir.call('clamp', ir.shr(ir.local('acc'), 7), 0, 255)),
    ];
    return facts(body, { tables: [ir.table('gaps', 'u8', gaps), ir.table('weights', 'i8', weights)] });
  };

  test('the walk of a sparse gather inside of its input', () => {
    const inside = gather([0, 3, 2, 2], [1, -2, 3, -4]);
    expect(inside.unproven).toEqual([]);
    expect(inside.ranges.get('acc')).toEqual({ lo: -1530, hi: 1020 });
  });

  test('and not the walk that leaves it', () => {
    const outside = gather([0, 3, 2, 4], [1, -2, 3, -4]);
    expect(outside.unproven.map(({ site, why }) => [nodeText(site), why])).toEqual([
      ['px += gaps[i]', 'where px points in 0..9, defined for 0..8'],
      ['px[0]', 'index into in in 0..9, defined for 0..7'],
    ]);
  });

  test('every rule of the LeNet-5 kernels', () => {
    for (const { kernel } of lenet().steps) {
      const { unproven, complete } = prove(kernel);
      expect(complete).toBe(true);
      expect(unproven).toEqual([]);
    }
  });
});

describe('does not prove', () => {
  const why = (e: Expr) => facts([ir.let_('x', e)]).unproven.map((u) => u.why);
  test.each([
    ['overflow', ir.mul(ir.shl(x(0), 16), x(1)), 'product in 0..4261478400, defined for'],
    ['division', ir.div(5, x(0)), 'whether the divisor can be 0'],
    ['shift amounts', ir.shr(5, x(0)), 'shift amount in 0..255, defined for 0..31'],
    ['left shifts of negatives', ir.shl(signed(0), 1), 'shifted value in -128..127'],
    ['left shifts beyond int32', ir.shl(x(0), 24), 'shifted result in'],
    ['preconditions', ir.call('requantize_pow2', 5, ir.and(x(0), 3)), 'precondition of the arguments'],
    ['conversions', ir.toInt(ir.toFloat(x(0))), 'a float value, which is not followed'],
    ['indices', ir.load('in', 'u8', x(0)), 'index into in in 0..255, defined for 0..7'],
  ])('%s', (_, e, expected) => {
    expect(why(e).length).toBe(1);
    expect(why(e)[0]).toContain(expected);
  });

  test('a narrowing store, a fill or a copy that may go wrong', () => {
    const body = [
      ir.store('out', 'u8', 0, signed(0)),
      ir.fill('u8', 'out', 0, signed(0), 1),
      ir.copy('u8', 'out', x(0), 'in', 0, 1),
    ];
    expect(facts(body).unproven.map(({ why: text }) => text)).toEqual([
      'stored value in -128..127, defined for 0..255',
      'stored value in -128..127, defined for 0..255',
      'index into out in 0..255, defined for 0..8',
      'end of a stretch of out in 1..256, defined for 0..8',
    ]);
  });

  test('a write to read-only memory', () => {
    const body = [ir.store('in', 'u8', 0, 1), ir.fill('u8', 'lut', 0, 1, 1)];
    const { unproven } = facts(body, { tables: [ir.table('lut', 'u8', [1])] });
    expect(unproven.map(({ why: text }) => text)).toEqual(['in is read-only', 'lut is read-only']);
  });

  test('anything about what a loop with bounds from the input adds up, but its accesses', () => {
    const body = [
      ir.let_('a', 0),
      ir.for_('i', 0, ir.and(x(0), 7), [ir.accumulate('a', ir.load('in', 'u8', ir.local('i')))]),
    ];
    const { unproven, ranges } = facts(body);
    expect(unproven.map(({ site }) => nodeText(site))).toEqual(['a += in[i]']);
    expect(ranges.get('a')!.hi).toBe(2147483647);
  });

  test('a kernel with more steps than the budget: only what its text shows', () => {
    const k = dense('huge', 60_000, 1);
    const again = ir.for_('again', 0, 2000, [...k.body, ir.let_('odd', ir.mod(ir.local('again'), 2))]);
    const repeated = { ...k, body: [again] };
    const { complete, unproven, ranges, proven } = prove(repeated);
    expect(complete).toBe(false);
    expect(ranges.size).toBe(0);
    expect(unproven.map(({ site }) => site.kind)).toContain('accumulate');
    expect([...proven].map((node) => node.kind)).toContain('load');
  });
});

test('the summary is plain data', () => {
  const k = ir.kernel('k', [bytesIn, bytesOut], [ir.let_('a', ir.div(5, x(0))), ir.store('out', 'u8', 0, 3)]);
  const summary = summarizeFacts(k, prove(k));
  expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  expect(summary).toMatchObject({
    kernel: 'k',
    complete: true,
    proven: 2,
    unproven: [{ text: '(5 / in[0])', why: 'whether the divisor can be 0' }],
    ranges: { a: [0, 5] },
    storeRanges: { out: [3, 3] },
  });
});
