import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DefectError, InputError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import type { Outcome, Program } from '../../src/program/program.ts';
import { createSimulator, type SimulatorOptions } from '../../src/sim/simulate.ts';
import { Trap } from '../../src/sim/trap.ts';
import { evaluate, Undefined } from '../oracles/kernel-evaluator.ts';
import * as ir from '../support/ir.ts';
import { arrayLength, inputs, kernels, runs } from '../support/kernels.ts';
import { lenet, numbers } from '../support/lenet.ts';

/** The outcome with all arenas, or the trap. */
function attempt(p: Program, input: Uint8Array, options: SimulatorOptions): Outcome | Trap {
  try {
    return createSimulator(p, options).run(input, { keepArenas: true });
  } catch (error) {
    if (error instanceof Trap) return error;
    throw error;
  }
}

const checked = { mode: 'checked' } as const;
const fast = { mode: 'fast' } as const;

describe('random kernels', () => {
  test('the fast mode and an independent evaluator agree with the checked mode on every byte', () => {
    fc.assert(
      fc.property(kernels(), inputs(), (k, input) => {
        const p = ir.single(k);
        const outcome = attempt(p, input, checked);
        if (outcome instanceof Trap) return;
        expect(attempt(p, input, fast)).toEqual(outcome);
        expect(evaluate(p, input)).toEqual(outcome);
      }),
      runs(1000),
    );
  });

  test('whatever the evaluator finds undefined traps', () => {
    fc.assert(
      fc.property(kernels(), inputs(), (k, input) => {
        const p = ir.single(k);
        try {
          evaluate(p, input);
        } catch (error) {
          expect(error instanceof Undefined || error instanceof RangeError).toBe(true);
          expect(attempt(p, input, checked)).toBeInstanceOf(Trap);
        }
      }),
      runs(1000),
    );
  });

  test('the generator is worth its name: kernels that end, and many kinds of traps', () => {
    const seen = new Map<string, number>();
    for (const [k, input] of fc.sample(fc.tuple(kernels(), inputs()), { numRuns: 2000, seed: 1 })) {
      const outcome = attempt(ir.single(k), input, checked);
      const what = outcome instanceof Trap ? outcome.details.rule : 'end';
      seen.set(what, (seen.get(what) ?? 0) + 1);
    }
    expect(seen.get('end')).toBeGreaterThan(600);
    expect([...seen.keys()].length).toBeGreaterThanOrEqual(8);
  });
});

/** What one kernel leaves in its i32 output when its u8 input is 0, 1, 2, ... */
function outputOf(k: Kernel): readonly number[] {
  const p = ir.single(k);
  const input = Uint8Array.from({ length: arrayLength }, (_, i) => i);
  const results = [checked, fast].map((o) => createSimulator(p, o).run(input).output);
  expect(results[0]).toEqual(results[1]);
  return [...new Int32Array(results[0]!.slice().buffer)];
}

const params = [ir.param('in', 'in', 'u8', arrayLength), ir.param('out', 'out', 'i32', 2)];
const two = (a: Parameters<typeof ir.store>[3], b: Parameters<typeof ir.store>[3]) =>
  ir.kernel('two', params, [ir.store('out', 'i32', 0, a), ir.store('out', 'i32', 1, b)]);
const x = (i: number) => ir.load('in', 'u8', i);

describe('the meaning of', () => {
  test.each([
    ['add and sub', ir.add(x(3), 4), ir.sub(x(3), 4), [7, -1]],
    ['mul and div', ir.mul(x(3), -4), ir.div(-7, x(2)), [-12, -3]],
    ['mod', ir.mod(-7, x(4)), ir.mod(7, ir.sub(0, x(4))), [-3, 3]],
    ['shifts', ir.shl(x(3), 4), ir.shr(-7, x(1)), [48, -4]],
    ['bits', ir.and(x(7), 10), ir.xor(ir.or(x(4), 3), -1), [2, -8]],
    ['compare', ir.compare('lt', x(1), x(2)), ir.compare('ge', x(1), x(2)), [1, 0]],
    ['equality', ir.compare('eq', x(1), 1), ir.compare('ne', x(1), 1), [1, 0]],
    ['select', ir.select(x(1), 5, 6), ir.select(ir.compare('gt', x(1), 3), 5, 6), [5, 6]],
    ['toInt truncates', ir.toInt(ir.float(-2.75)), ir.toInt(ir.div(ir.float(7), ir.float(2))), [-2, 3]],
    [
      'toFloat rounds to even',
      ir.toInt(ir.sub(ir.toFloat(ir.int(16777217)), ir.float(16777215))),
      ir.toInt(ir.sub(ir.toFloat(ir.int(16777219)), ir.float(16777215))),
      [1, 5],
    ],
    ['calls', ir.call('clamp', x(7), 0, 5), ir.call('requantize_pow2', x(7), 1), [5, 4]],
  ] as const)('%s', (_, a, b, expected) => {
    expect(outputOf(two(a, b))).toEqual(expected);
  });

  test('f32 operations round one by one', () => {
    const a = ir.float(16777216);
    const sum = ir.sub(ir.add(ir.add(a, ir.float(1)), ir.float(1)), a);
    const product = ir.mul(ir.mul(ir.float(0.1), ir.float(3)), ir.float(2 ** 27));
    expect(outputOf(two(ir.toInt(sum), ir.toInt(product)))).toEqual([0, 40265320]);
  });

  test('an untaken arm is not evaluated', () => {
    const bad = ir.div(1, x(0));
    expect(outputOf(two(ir.select(x(1), 1, bad), ir.select(x(0), bad, 2)))).toEqual([1, 2]);
  });

  test('loops, pointers, accumulate, assign and if', () => {
    const body = [
      ir.let_('sum', 0),
      ir.let_('last', 0),
      ir.pointer('p', 'in', 'u8', 1),
      ir.for_(
        'i',
        0,
        6,
        [
          ir.pointer('q', 'p', 'u8', 1, false),
          ir.accumulate('sum', ir.mul(ir.load('p', 'u8', 0), ir.load('q', 'u8', -1))),
          ir.if_(
            ir.compare('gt', ir.local('i'), 1),
            [ir.assign('last', ir.local('i'))],
            [ir.accumulate('sum', 100)],
          ),
          ir.advance('p', 2),
        ],
        2,
      ),
      ir.store('out', 'i32', 0, ir.local('sum')),
      ir.store('out', 'i32', 1, ir.local('last')),
    ];
    // 1 * 1 + 3 * 3 + 5 * 5 and 100 for i = 0.
    expect(outputOf(ir.kernel('walk', params, body))).toEqual([135, 4]);
  });

  test('the bound of a loop is read in every round, as in C', () => {
    const body = [
      ir.let_('n', 3),
      ir.let_('rounds', 0),
      ir.for_('i', 0, ir.local('n'), [
        ir.accumulate('rounds', 1),
        ir.if_(ir.compare('lt', ir.local('n'), 5), [ir.accumulate('n', 1)]),
      ]),
      ir.store('out', 'i32', 0, ir.local('rounds')),
      ir.store('out', 'i32', 1, ir.local('n')),
    ];
    expect(outputOf(ir.kernel('bound', params, body))).toEqual([5, 5]);
  });

  test('copy and fill, from tables and from the arena', () => {
    const k = ir.kernel(
      'moves',
      [...params, ir.param('s', 'scratch', 'i32', 4), ir.param('b', 'scratch', 'i8', 4)],
      [
        ir.copy('i32', 's', 1, 'table', 0, 2),
        ir.copy('i32', 'out', 0, 's', 2, 1),
        ir.fill('i8', 'b', 0, -3, 4),
        ir.store('out', 'i32', 1, ir.load('b', 'i8', 3)),
      ],
      [ir.table('table', 'i32', [70000, -70000])],
    );
    expect(outputOf(k)).toEqual([-70000, -3]);
  });
});

test('an input of another size is refused with both sizes', () => {
  const { run } = createSimulator(ir.single(two(1, 2)), fast);
  expect(() => run(new Uint8Array(7))).toThrow(InputError);
  expect(() => run(new Uint8Array(7))).toThrow('7 bytes; supported: 8 bytes: 8 elements of u8');
});

test('arguments that do not fit their kernel are a defect', () => {
  const p = ir.single(two(1, 2));
  const withArgs = (args: readonly number[]) => ({ ...p, steps: [{ ...p.steps[0]!, args }] });
  expect(() => createSimulator(withArgs([0]), fast)).toThrow(DefectError);
  expect(() => createSimulator(withArgs([1, 0]), fast)).toThrow(DefectError);
  expect(() => createSimulator(withArgs([0, 7]), fast)).toThrow(DefectError);
});

test('one slot cannot be two arguments if one of them is written', () => {
  const k = ir.kernel(
    'k',
    [ir.param('a', 'in', 'u8', 4), ir.param('b', 'in', 'u8', 4), ir.param('out', 'out', 'u8', 4)],
    [ir.fill('u8', 'out', 0, 1, 4)],
  );
  const p = ir.single(k);
  const withArgs = (args: readonly number[]) => ({ ...p, steps: [{ kernel: k, args, origin: [] }] });
  expect(() => createSimulator(withArgs([0, 0, 2]), fast)).not.toThrow();
  expect(() => createSimulator(withArgs([0, 2, 2]), fast)).toThrow('slot 2 is out and another argument too');
});

test('a simulator forgets everything between runs', () => {
  const p = lenet();
  const next = numbers(3);
  const image = () => Uint8Array.from({ length: 1024 }, () => next(0, 255));
  const [a, b] = [image(), image()];
  const used = createSimulator(p, checked);
  used.run(a);
  expect(used.run(b, { keepArenas: true })).toEqual(createSimulator(p, fast).run(b, { keepArenas: true }));
});

test('arenas are kept only when asked for', () => {
  const p = lenet();
  const { run } = createSimulator(p, fast);
  expect(run(new Uint8Array(1024)).arenas).toEqual([]);
  const { arenas, output } = run(new Uint8Array(1024), { keepArenas: true });
  expect(arenas.length).toBe(5);
  expect(arenas[4]!.slice(1024, 1034)).toEqual(output);
});

test('onStep sees the input first, then the arena after each step, with the owners of its bytes', () => {
  const p = lenet();
  const steps: number[] = [];
  const seen: Uint8Array[] = [];
  const { arenas } = createSimulator(p, checked).run(new Uint8Array(1024).fill(9), {
    keepArenas: true,
    onStep(step, { bytes, owners }) {
      steps.push(step);
      seen.push(bytes.slice());
      const made = p.slots[step + 1]!;
      const own = owners.subarray(made.address, made.address + made.length);
      expect(own.every((owner) => owner === step + 2)).toBe(true);
    },
  });
  expect(steps).toEqual([-1, 0, 1, 2, 3, 4]);
  expect(seen.slice(1)).toEqual(arenas);
  expect(seen[0]!.subarray(0, 1024).every((byte) => byte === 9)).toBe(true);
});
