/** Every trap by a program that commits exactly that, and gcc's sanitizers' word on the same program in C. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DefectError } from '../../src/base/errors.ts';
import type { Expr, Kernel, Param, Stmt, Table } from '../../src/ir/kernel/kernel.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { type Rule, Trap } from '../../src/sim/trap.ts';
import { compileSanitized, type Executable, gccOrSkip, sourceOfKernels } from '../support/host-c.ts';
import * as ir from '../support/ir.ts';

interface Case {
  readonly name: string;
  readonly rule: Rule;
  /** Words of the sanitizer's message, or why there is none to expect. */
  readonly c: string | { readonly silent: string };
  readonly kernel: Kernel;
  readonly values?: readonly number[];
  readonly loops?: Readonly<Record<string, number>>;
  readonly address?: number;
}

/** Input elements are all 7: no compiler can know. */
const seven = 7;
const input = ir.load('in', 'u8', 0);
const params: readonly Param[] = [ir.param('in', 'in', 'u8', 4), ir.param('out', 'out', 'i32', 8)];
const max = 2147483647;
const min = -2147483648;
/** A value that depends on the input, for all that a compiler knows: x - 7 + value. */
const opaque = (value: number): Expr =>
  value < 0 ? ir.add(ir.sub(input, seven), value) : ir.sub(value, ir.sub(input, seven));

let count = 0;
const kernelOf = (body: readonly Stmt[], more: readonly Param[] = [], tables: readonly Table[] = []) =>
  ir.kernel(`case${count++}`, [...params, ...more], body, tables);
const storing = (value: Expr) => kernelOf([ir.store('out', 'i32', 0, value)]);
const binary = (name: string, rule: Rule, c: string, a: number, b: number, op: typeof ir.add): Case => ({
  name,
  rule,
  c,
  kernel: kernelOf([
    ir.let_('a', opaque(a)),
    ir.let_('b', opaque(b)),
    ir.store('out', 'i32', 0, op(ir.local('a'), ir.local('b'))),
  ]),
  values: [a, b],
});
const overflow = 'signed integer overflow';
const zero = 'division by zero';
const representable = 'cannot be represented in type';
const heap = 'heap-buffer-overflow';
const noPointerSanitizer = { silent: 'no sanitizer follows pointers that are not used' };

const arithmetic: readonly Case[] = [
  binary('add too large', 'signed overflow', overflow, max, 1, ir.add),
  binary('add too small', 'signed overflow', overflow, min, -1, ir.add),
  binary('sub', 'signed overflow', overflow, min, 1, ir.sub),
  binary('mul', 'signed overflow', overflow, 65536, 32768, ir.mul),
  binary('mul far too large', 'signed overflow', overflow, max, max, ir.mul),
  binary('div', 'signed overflow', representable, min, -1, ir.div),
  binary('mod', 'signed overflow', representable, min, -1, ir.mod),
  binary('div by zero', 'division by zero', zero, 5, 0, ir.div),
  binary('mod by zero', 'division by zero', zero, 5, 0, ir.mod),
  binary('shift left by 32', 'bad shift', 'shift exponent 32', 1, 32, ir.shl),
  binary('shift left by -1', 'bad shift', 'shift exponent -1', 1, -1, ir.shl),
  binary('shift right by 32', 'bad shift', 'shift exponent 32', 1, 32, ir.shr),
  binary('shift right by -1', 'bad shift', 'shift exponent -1', 1, -1, ir.shr),
  binary('left shift of a negative', 'bad shift', 'left shift of negative', -1, 1, ir.shl),
  binary('left shift beyond int32', 'bad shift', 'left shift of 3', 3, 30, ir.shl),
  {
    name: 'accumulate',
    rule: 'signed overflow',
    c: overflow,
    kernel: kernelOf([
      ir.let_('acc', opaque(max - 10)),
      ir.for_('i', 0, 4, [ir.accumulate('acc', ir.load('in', 'u8', ir.local('i')))]),
      ir.store('out', 'i32', 0, ir.local('acc')),
    ]),
    values: [max - 3, 7],
    loops: { i: 1 },
  },
  {
    name: 'loop counter',
    rule: 'signed overflow',
    c: overflow,
    kernel: kernelOf([ir.for_('i', opaque(max - 5), max, [ir.store('out', 'i32', 0, ir.local('i'))], 4)]),
    values: [max - 1, 4],
    loops: { i: max - 1 },
  },
  {
    name: 'float beyond int32',
    rule: 'float out of int range',
    c: 'outside the range of representable values',
    kernel: storing(ir.toInt(ir.mul(ir.toFloat(input), ir.float(2 ** 29)))),
    values: [7 * 2 ** 29],
  },
  {
    name: 'NaN to int',
    rule: 'float out of int range',
    c: 'outside the range of representable values',
    kernel: storing(ir.toInt(ir.div(ir.float(0), ir.toFloat(ir.sub(input, seven))))),
    values: [Number.NaN],
  },
  {
    name: 'precondition of a primitive',
    rule: 'precondition',
    c: 'shift exponent -2',
    kernel: storing(ir.call('requantize_high', opaque(1), opaque(1073741824), opaque(0))),
    values: [1, 1073741824, 0],
  },
  {
    name: 'precondition of a float primitive',
    rule: 'precondition',
    c: 'outside the range of representable values',
    kernel: storing(ir.toInt(ir.callFloat('exp_f32', ir.mul(ir.toFloat(input), ir.float(2 ** 29))))),
    values: [7 * 2 ** 29],
  },
  {
    name: 'narrowing to u8',
    rule: 'narrowing loses bits',
    c: { silent: 'the cast is explicit' },
    kernel: kernelOf([ir.store('bytes', 'u8', 0, opaque(256))], [ir.param('bytes', 'out', 'u8', 1)]),
    values: [256],
  },
  {
    name: 'narrowing to i8',
    rule: 'narrowing loses bits',
    c: { silent: 'the cast is explicit' },
    kernel: kernelOf([ir.store('bytes', 'i8', 0, opaque(-129))], [ir.param('bytes', 'out', 'i8', 1)]),
    values: [-129],
  },
  {
    name: 'narrowing to u16',
    rule: 'narrowing loses bits',
    c: { silent: 'the cast is explicit' },
    kernel: kernelOf([ir.store('words', 'u16', 0, opaque(-1))], [ir.param('words', 'out', 'u16', 1)]),
    values: [-1],
  },
  {
    name: 'narrowing to i16',
    rule: 'narrowing loses bits',
    c: { silent: 'the cast is explicit' },
    kernel: kernelOf([ir.store('words', 'i16', 0, opaque(32768))], [ir.param('words', 'out', 'i16', 1)]),
    values: [32768],
  },
  {
    name: 'fill with a value that is no byte',
    rule: 'narrowing loses bits',
    c: { silent: 'memset takes any int' },
    kernel: kernelOf([ir.fill('u8', 'bytes', 0, opaque(300), 1)], [ir.param('bytes', 'out', 'u8', 1)]),
    values: [300],
  },
];

const bytesOut = [ir.param('bytes', 'out', 'u8', 8)];
const pair = ir.table('pair', 'i16', [1, 2]);

const memory: readonly Case[] = [
  {
    name: 'load after the end',
    rule: 'out of bounds',
    c: heap,
    kernel: storing(ir.load('in', 'u8', opaque(4))),
    values: [4, 4],
    address: 4,
  },
  {
    name: 'load before the start',
    rule: 'out of bounds',
    c: heap,
    kernel: storing(ir.load('in', 'u8', opaque(-1))),
    values: [-1, 4],
    address: -1,
  },
  {
    name: 'load from a table',
    rule: 'out of bounds',
    c: 'out of bounds',
    kernel: kernelOf([ir.store('out', 'i32', 0, ir.load('pair', 'i16', opaque(2)))], [], [pair]),
    values: [2, 2],
  },
  {
    name: 'load through a pointer',
    rule: 'out of bounds',
    c: heap,
    kernel: kernelOf([
      ir.pointer('p', 'in', 'u8', 3),
      ir.store('out', 'i32', 0, ir.load('p', 'u8', opaque(1))),
    ]),
    values: [4, 4],
    address: 4,
  },
  {
    name: 'store after the end',
    rule: 'out of bounds',
    c: heap,
    kernel: kernelOf([
      ir.for_('i', 0, 9, [ir.store('out', 'i32', ir.sub(ir.add(ir.local('i'), input), 7), 1)]),
    ]),
    values: [8, 8],
    loops: { i: 8 },
    address: 4 + 32,
  },
  {
    name: 'copy from beyond the end',
    rule: 'out of bounds',
    c: heap,
    kernel: kernelOf([ir.copy('u8', 'bytes', 0, 'in', 1, opaque(4))], bytesOut),
    values: [1, 4, 4],
  },
  {
    name: 'copy to beyond the end',
    rule: 'out of bounds',
    c: heap,
    kernel: kernelOf([ir.copy('u8', 'bytes', 6, 'in', 0, opaque(3))], bytesOut),
    values: [6, 8, 3],
  },
  {
    name: 'copy of a negative count',
    rule: 'out of bounds',
    c: 'negative-size-param',
    kernel: kernelOf([ir.copy('u8', 'bytes', 0, 'in', 0, opaque(-1))], bytesOut),
    values: [0, 4, -1],
  },
  {
    name: 'fill beyond the end',
    rule: 'out of bounds',
    c: heap,
    kernel: kernelOf([ir.fill('u8', 'bytes', 0, 1, opaque(9))], bytesOut),
    values: [0, 8, 9],
  },
  {
    name: 'copy onto itself',
    rule: 'overlapping copy',
    c: 'memcpy-param-overlap',
    kernel: kernelOf(
      [ir.fill('u8', 'bytes', 0, 1, 8), ir.copy('u8', 'bytes', 2, 'bytes', 0, opaque(3))],
      bytesOut,
    ),
  },
  {
    name: 'pointer before the start',
    rule: 'pointer out of bounds',
    c: noPointerSanitizer,
    kernel: kernelOf([ir.pointer('p', 'in', 'u8', opaque(-1)), ir.store('out', 'i32', 0, 1)]),
    values: [-1, 4],
  },
  {
    name: 'pointer two past the end',
    rule: 'pointer out of bounds',
    c: noPointerSanitizer,
    kernel: kernelOf([
      ir.pointer('p', 'in', 'u8', 3),
      ir.for_('i', 0, 3, [ir.advance('p', ir.sub(input, 6))]),
    ]),
    values: [5, 4],
    loops: { i: 1 },
  },
  {
    name: 'store to an input',
    rule: 'write to read-only memory',
    c: { silent: 'const: it does not compile' },
    kernel: kernelOf([ir.store('in', 'u8', 0, 1)]),
  },
  {
    name: 'store to a table',
    rule: 'write to read-only memory',
    c: { silent: 'const: it does not compile' },
    kernel: kernelOf([ir.store('pair', 'i16', 0, 1)], [], [pair]),
  },
  {
    name: 'read of an output before it is written',
    rule: 'unwritten byte',
    c: { silent: 'heap bytes have some value' },
    kernel: storing(ir.load('out', 'i32', 1)),
    address: 8,
  },
  {
    name: 'read of scratch before it is written',
    rule: 'unwritten byte',
    c: { silent: 'heap bytes have some value' },
    kernel: kernelOf(
      [ir.store('s', 'i16', 0, 1), ir.store('out', 'i32', 0, ir.load('s', 'i16', 1))],
      [ir.param('s', 'scratch', 'i16', 2)],
    ),
    address: 4 + 32 + 2,
  },
  {
    name: 'copy of unwritten bytes',
    rule: 'unwritten byte',
    c: { silent: 'heap bytes have some value' },
    kernel: kernelOf(
      [ir.store('s', 'u8', 0, 1), ir.copy('u8', 'bytes', 0, 's', 0, 2)],
      [ir.param('bytes', 'out', 'u8', 4), ir.param('s', 'scratch', 'u8', 2)],
    ),
    address: 4 + 32 + 4 + 1,
  },
];

const cases = [...arithmetic, ...memory];
const trapOf = (kernel: Kernel): Trap => {
  const { run } = createSimulator(ir.single(kernel), { mode: 'checked' });
  try {
    run(new Uint8Array(4).fill(seven));
  } catch (error) {
    if (error instanceof Trap) return error;
    throw error;
  }
  throw new Error('no trap');
};

describe('the simulator traps on', () => {
  test.each(cases)('$name', ({ kernel, rule, values, loops, address }) => {
    const { details, message } = trapOf(kernel);
    expect(details.rule).toBe(rule);
    expect(details.kernel).toBe(kernel.name);
    expect(message).toContain(kernel.name);
    if (values !== undefined) expect(details.values).toEqual(values);
    if (loops !== undefined) expect(details.loops).toEqual(loops);
    if (address !== undefined) expect(details.address).toBe(address);
  });
});

describe.runIf(gccOrSkip())("gcc's sanitizers catch in the printed C", () => {
  const caught = cases.filter((c) => typeof c.c === 'string');
  let program: Executable;
  beforeAll(() => {
    program = compileSanitized(
      sourceOfKernels(
        caught.map((c) => c.kernel),
        seven,
      ),
    );
  });
  afterAll(() => program.remove());

  test.each(caught.map((c, i) => ({ ...c, i })))('$name', ({ c, i }) => {
    const { status, stderr } = program.run(String(i));
    expect(status).not.toBe(0);
    expect(stderr).toContain(c);
  });
});

describe('memory plans', () => {
  /** out[i] = in[i + 1] for three elements. */
  const shift = ir.kernel(
    'shift',
    [ir.param('in', 'in', 'u8', 4), ir.param('out', 'out', 'u8', 3)],
    [
      ir.for_('i', 0, 3, [
        ir.store('out', 'u8', ir.local('i'), ir.load('in', 'u8', ir.add(ir.local('i'), 1))),
      ]),
    ],
  );
  const at = (address: number) =>
    ir.program(
      [
        { name: 'x', address: 4, elem: 'u8', length: 4 },
        { name: 'y', address, elem: 'u8', length: 3 },
      ],
      [[shift, [0, 1]]],
    );
  const run = (p: ReturnType<typeof at>) =>
    createSimulator(p, { mode: 'checked' }).run(Uint8Array.of(1, 2, 3, 4));

  test.each([1, 2, 3, 4, 5])(
    'the output at %i, where every element is read before it is overwritten',
    (address) => {
      expect([...run(at(address)).output]).toEqual([2, 3, 4]);
    },
  );

  test('the output two bytes above overwrites what is still to be read', () => {
    try {
      run(at(6));
    } catch (error) {
      expect(error).toBeInstanceOf(Trap);
      const { details, message } = error as Trap;
      expect(details).toMatchObject({
        rule: 'overwritten byte',
        step: 0,
        kernel: 'shift',
        text: 'in[(i + 1)]',
        loops: { i: 1 },
        address: 6,
        owner: 'y',
        expected: 'x',
      });
      expect(message).toBe(
        'overwritten byte: a byte of x that y has overwritten (arena byte 6), in in[(i + 1)] ' +
          '[step 0, kernel shift, i = 1]',
      );
      return;
    }
    throw new Error('no trap');
  });

  test.each([
    ['i32', 4],
    ['i32', 5],
    ['i32', 6],
    ['i32', 7],
    ['i16', 4],
    ['i16', 5],
    ['f32', 7],
  ] as const)('one lost byte of a wide element is enough: %s, byte %i', (elem, address) => {
    const wide = ir.param('wide', 'scratch', elem, 1);
    const value = elem === 'f32' ? ir.float(1) : 1;
    const test = ir.compare('lt', ir.load('wide', elem, 0), value);
    const k = ir.kernel(
      'k',
      [...shift.params, wide],
      [ir.store('wide', elem, 0, value), ir.store('out', 'u8', 0, 1), ir.store('out', 'u8', 1, test)],
    );
    const p = ir.program(
      [
        { name: 'x', address: 0, elem: 'u8', length: 4 },
        { name: 'y', address, elem: 'u8', length: 3 },
        { name: 's', address: 4, elem, length: 1 },
      ],
      [[k, [0, 1, 2]]],
    );
    expect(() => run({ ...p, arenaBytes: 16 })).toThrow(
      `a byte of s that y has overwritten (arena byte ${address})`,
    );
  });

  const wide = ir.kernel(
    'wide',
    [ir.param('in', 'in', 'u8', 4), ir.param('out', 'out', 'f32', 1)],
    [ir.store('out', 'f32', 0, ir.float(1))],
  );
  const wideAt = (address: number, arenaBytes: number) => ({
    ...ir.program(
      [
        { name: 'x', address: 0, elem: 'u8', length: 4 },
        { name: 'y', address, elem: 'f32', length: 1 },
      ],
      [[wide, [0, 1]]],
    ),
    arenaBytes,
  });
  const ruleOf = (p: ReturnType<typeof wideAt>): Rule | undefined => {
    try {
      createSimulator(p, { mode: 'fast' });
    } catch (error) {
      if (error instanceof Trap) return error.details.rule;
      throw error;
    }
    return undefined;
  };
  test('slots must be aligned and lie inside of the arena', () => {
    expect(ruleOf(wideAt(4, 8))).toBeUndefined();
    expect(ruleOf(wideAt(6, 12))).toBe('misaligned slot');
    expect(ruleOf(wideAt(8, 11))).toBe('slot outside of the arena');
    expect(ruleOf(wideAt(-4, 8))).toBe('slot outside of the arena');
  });

  test('an output that is not wholly written, and one that a later step overwrites', () => {
    const half = ir.kernel('half', shift.params, [ir.store('out', 'u8', 0, 1)]);
    const halfProgram = { ...at(8), steps: [{ kernel: half, args: [0, 1], origin: [] }] };
    expect(() => run(halfProgram)).toThrow('unwritten byte');
    const twice = ir.program(
      [
        { name: 'x', address: 0, elem: 'u8', length: 4 },
        { name: 'y', address: 4, elem: 'u8', length: 3 },
        { name: 'z', address: 6, elem: 'u8', length: 3 },
      ],
      [
        [shift, [0, 1]],
        [{ ...shift, name: 'again' }, [0, 2]],
      ],
    );
    expect(() => run({ ...twice, outputs: [{ name: 'y', slot: 1 }] })).toThrow(
      'a byte of y that z has overwritten',
    );
  });

  test('scratch holds nothing when its step starts, even where an earlier step left it', () => {
    const scratch = ir.param('s', 'scratch', 'u8', 1);
    const use = (name: string, body: readonly Stmt[]) => ir.kernel(name, [...shift.params, scratch], body);
    const fillOut = ir.fill('u8', 'out', 0, 1, 3);
    const p = ir.program(
      [
        { name: 'x', address: 0, elem: 'u8', length: 4 },
        { name: 'y', address: 4, elem: 'u8', length: 3 },
        { name: 'scratch', address: 7, elem: 'u8', length: 1 },
      ],
      [
        [use('first', [ir.store('s', 'u8', 0, 9), fillOut]), [0, 1, 2]],
        [use('second', [fillOut, ir.store('out', 'u8', 0, ir.load('s', 'u8', 0))]), [0, 1, 2]],
      ],
    );
    expect(() => run(p)).toThrow('unwritten byte');
  });

  test('the fast mode refuses to write to read-only memory', () => {
    const bad = ir.kernel('bad', shift.params, [ir.store('in', 'u8', 0, 1)]);
    expect(() => createSimulator(ir.single(bad), { mode: 'fast' })).toThrow(DefectError);
  });
});
