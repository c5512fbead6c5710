import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cAddress, cExpr } from '../../../src/emit/c/expr.ts';
import { emitC } from '../../../src/emit/package.ts';
import type { Expr } from '../../../src/ir/kernel/kernel.ts';
import {
  type BinaryOp,
  binaryOperations,
  type CompareOp,
  compareOperations,
} from '../../../src/ir/kernel/operations.ts';
import { exprText } from '../../../src/ir/kernel/text.ts';
import { partsIn, partsOf, typeOf } from '../../../src/ir/kernel/walk.ts';
import type { Outcome, Program } from '../../../src/program/program.ts';
import { runNativeBatch } from '../../../src/targets/batch.ts';
import type { TargetName } from '../../../src/targets/targets.ts';
import { evaluate, Undefined } from '../../oracles/kernel-evaluator.ts';
import { type Expressions, expressions, programOf } from '../../support/expressions.ts';
import {
  add,
  and,
  binary,
  call,
  compare,
  div,
  int,
  load,
  local,
  mul,
  or,
  select,
  shl,
  shr,
  sub,
} from '../../support/ir.ts';
import { hostTools, testWith } from '../../support/toolchain.ts';

const show = (e: Expr): string => cExpr(e, (name) => name);
const [a, b, c] = [local('a'), local('b'), local('c')];

describe('the fewest parentheses that are clear', () => {
  test.each<[Expr, string]>([
    [add(add(a, b), c), 'a + b + c'],
    [add(a, add(b, c)), 'a + (b + c)'],
    [add(mul(a, b), c), 'a * b + c'],
    [mul(add(a, b), c), '(a + b) * c'],
    [sub(a, sub(b, c)), 'a - (b - c)'],
    [div(mul(a, b), c), 'a * b / c'],
    [and(shr(a, int(1)), int(1)), '(a >> 1) & 1'],
    [or(or(a, b), c), 'a | b | c'],
    [or(and(a, b), c), '(a & b) | c'],
    [shl(add(a, b), c), '(a + b) << c'],
    [compare('lt', add(a, b), c), 'a + b < c'],
    [compare('lt', and(a, b), c), '(a & b) < c'],
    [compare('eq', compare('lt', a, b), c), '(a < b) == c'],
    [select(compare('lt', a, b), a, select(compare('lt', b, c), b, c)), 'a < b ? a : b < c ? b : c'],
    [select(a, select(b, a, b), c), 'a ? (b ? a : b) : c'],
    [add(select(a, b, c), c), '(a ? b : c) + c'],
    [add(a, int(-5)), 'a - 5'],
    [sub(a, int(-5)), 'a + 5'],
    [add(a, int(-(2 ** 31))), 'a + INT32_MIN'],
    [sub(add(a, b), int(-1)), 'a + b + 1'],
    [mul(a, int(-5)), 'a * -5'],
    [{ kind: 'toFloat', value: add(a, b) }, '(float)(a + b)'],
    [{ kind: 'toFloat', value: load('t', 'u8', a) }, '(float)t[a]'],
    [{ kind: 'toInt', value: { kind: 'float', value: -1.5 } }, '(int32_t)(-1.5f)'],
    [call('clamp', a, int(-1), add(b, c)), 'clamp(a, -1, b + c)'],
  ])('%#', (e, expected) => {
    expect(show(e)).toBe(expected);
  });

  test('addresses never pass through a pointer that the tree does not have', () => {
    const address = (e: Expr): string => cAddress('p', e, (name) => name);
    expect(address(int(0))).toBe('p');
    expect(address(int(3))).toBe('p + 3');
    expect(address(int(-3))).toBe('&p[-3]');
    expect(address(mul(a, b))).toBe('p + a * b');
    expect(address(add(a, b))).toBe('&p[a + b]');
  });
});

describe('where int has 16 bits', () => {
  const [u8, i8, i16, u16] = (['u8', 'i8', 'i16', 'u16'] as const).map((elem) => load('t', elem, a)) as [
    Expr,
    Expr,
    Expr,
    Expr,
  ];
  test.each<[Expr, string]>([
    [mul(u8, i8), 't[a] * t[a]'],
    [mul(u8, u8), '(int32_t)t[a] * t[a]'],
    [mul(u8, int(200)), '(int32_t)t[a] * 200'],
    [mul(u8, int(128)), 't[a] * 128'],
    [mul(u8, int(40000)), 't[a] * 40000'],
    [add(mul(u8, i8), a), 't[a] * t[a] + a'],
    [add(mul(u8, i8), i16), '(int32_t)(t[a] * t[a]) + t[a]'],
    [sub(i16, i16), '(int32_t)t[a] - t[a]'],
    [add(u16, a), '(int32_t)t[a] + a'],
    [add(a, u16), 'a + (int32_t)t[a]'],
    [shr(u16, int(8)), '(int32_t)t[a] >> 8'],
    [compare('lt', u16, i8), '(int32_t)t[a] < t[a]'],
    [compare('lt', u8, i16), 't[a] < t[a]'],
    [shl(u8, int(7)), 't[a] << 7'],
    [shl(u8, int(8)), '(int32_t)t[a] << 8'],
    [shl(int(1), a), '(int32_t)1 << a'],
    [shl(a, int(20)), 'a << 20'],
    [or(shl(u8, int(4)), u8), '(t[a] << 4) | t[a]'],
    [add(select(a, u8, i16), i16), '(int32_t)(a ? t[a] : t[a]) + t[a]'],
    [add(int(-5), int(32767)), '-5 + 32767'],
    [add(u8, int(32767)), '(int32_t)t[a] + 32767'],
  ])('%#', (e, expected) => {
    expect(show(e)).toBe(expected);
  });
});

/** C99 6.5.5 to 6.5.12, what binds most tightly first. */
const levels = ['* / %', '+ -', '<< >>', '< <= > >=', '== !=', '&', '^', '|'].map((level) =>
  level.split(' '),
);

/** The C of names, operators and parentheses, all parenthesized; two operators of a level go from left to right. */
function parsed(text: string): string {
  const tokens = text.match(/\w+|[()]|<<|>>|[<>=!]=|[-+*/%<>&^|]/g)!;
  const operand = (): string => {
    const token = tokens.shift()!;
    if (token !== '(') return token;
    const inside = chain(levels.length - 1);
    tokens.shift();
    return inside;
  };
  const chain = (level: number): string => {
    const next = () => (level === 0 ? operand() : chain(level - 1));
    let left = next();
    while (levels[level]!.includes(tokens[0]!)) left = `(${left} ${tokens.shift()} ${next()})`;
    return left;
  };
  return chain(levels.length - 1);
}

test('C reads every operation in every other one as the tree has it', () => {
  const binaries = Object.keys(binaryOperations) as BinaryOp[];
  const compares = Object.keys(compareOperations) as CompareOp[];
  const makers = [
    ...binaries.map((op) => (x: Expr, y: Expr) => binary(op, x, y)),
    ...compares.map((op) => (x: Expr, y: Expr) => compare(op, x, y)),
  ];
  for (const outer of makers)
    for (const inner of makers)
      for (const e of [outer(inner(a, b), c), outer(a, inner(b, c)), outer(inner(a, b), inner(b, c))])
        expect(parsed(show(e).replaceAll('(int32_t)', ''))).toBe(exprText(e));
});

const isConstant = (e: Expr): boolean =>
  e.kind !== 'local' && e.kind !== 'load' && partsOf(e).every(isConstant);

/** All of an expression's constant parts, but numbers. */
const constantsIn = (e: Expr): readonly Expr[] => [
  ...(partsOf(e).length > 0 && isConstant(e) ? [e] : []),
  ...partsOf(e).flatMap(constantsIn),
];

const zero: Expr = { kind: 'float', value: 0 };
const alone = (e: Expr): Expressions =>
  typeOf(e) === 'i32' ? { ints: [e], floats: [zero] } : { ints: [int(0)], floats: [e] };

/**
 * What has a meaning in C for both inputs, and no NaN, whose bits differ by processor. Clang computes both arms of
 * `x ? a : b` where a and b are constants, and its sanitizer complains of the arm that is not taken: every constant
 * part needs a meaning, taken or not.
 */
function defined(e: Expressions): Expressions {
  const runs = (one: Expressions): boolean => {
    try {
      return inputs.every((input) => {
        const bytes = evaluate(programOf('p', one), input).arenas[0]!;
        return !Number.isNaN(new DataView(bytes.buffer).getFloat32(16, true));
      });
    } catch (error) {
      if (error instanceof Undefined) return false;
      throw error;
    }
  };
  const survives = (x: Expr): boolean => [x, ...constantsIn(x)].every((part) => runs(alone(part)));
  return { ints: [int(0), ...e.ints.filter(survives)], floats: [zero, ...e.floats.filter(survives)] };
}

const inputs = [Int32Array.of(3, -5, 11), Int32Array.of(-70, 2, 0)].map((x) => new Uint8Array(x.buffer));
const info = { command: '', version: '', hash: '', golden: [] };

/** The shares of random expressions that C defines, so that the property is not about nothing. */
const kept = { ints: 0, of: 0 };
const compilers: readonly TargetName[] = ['host-gcc', 'host-clang'];

/** The first expression whose value differs, as C. */
function difference(program: Program, got: Outcome, expected: Outcome): string | undefined {
  const [a, b] = [got.arenas[0]!, expected.arenas[0]!];
  const byte = a.findIndex((x, i) => x !== b[i]);
  if (byte < 0) return undefined;
  const stores = program.steps[0]!.kernel.body.filter((s) => s.kind === 'store').slice(2);
  const wrong = stores[(byte - 12) >> 2];
  return wrong?.kind === 'store' ? show(wrong.value) : `byte ${byte}`;
}

const avr: TargetName = 'atmega2560';

/** avr-libc's floats are not IEEE's in every bit. */
const integers = ({ ints }: Expressions): Expressions => ({
  ints: ints.filter((e) => [...partsIn(e)].every((part) => typeOf(part) === 'i32')),
  floats: [],
});

async function checkBatch(targets: readonly TargetName[], batch: readonly Expressions[]): Promise<void> {
  const drawn = targets.includes(avr) ? batch.map(integers) : batch;
  const programs = drawn.map((e, i) => programOf(`random_${i}`, defined(e)));
  kept.of += drawn.reduce((n, e) => n + e.ints.length, 0);
  kept.ints += programs.reduce((n, p) => n + p.slots[1]!.length - 1, 0);
  const items = programs.map((program) => ({ program, files: emitC(program, info), inputs }));
  for (const target of targets) {
    const ran = await runNativeBatch(items, target, { opt: target === avr ? '-Os' : '-O0' });
    programs.forEach((program, p) => {
      inputs.forEach((input, i) => {
        const wrong = difference(program, ran[p]![i]!, evaluate(program, input));
        if (wrong !== undefined) throw new Error(`${target}, input ${i}: ${wrong}`);
      });
    });
  }
}

async function holds(targets: readonly TargetName[], numRuns: number): Promise<void> {
  const batches = fc.array(expressions, { minLength: 4, maxLength: 4 });
  const check = fc.asyncProperty(batches, (batch) => checkBatch(targets, batch));
  const found = await fc.check(check, { numRuns, endOnFailure: true });
  // The counterexample as a tree would be a hundred thousand characters.
  if (found.failed)
    throw new Error(`seed ${found.seed}, path ${found.counterexamplePath}`, { cause: found.errorInstance });
  expect(kept.ints / kept.of).toBeGreaterThan(0.3);
}

testWith(hostTools)('random expressions mean in C what the tree means', { timeout: 120_000 }, () =>
  holds(compilers, 3),
);

testWith(['avr-gcc'])('so they do where int has 16 bits', { timeout: 120_000 }, () => holds([avr], 10));
