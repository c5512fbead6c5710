/** Vectors in WebAssembly: loads and stores of their first elements, and primitives, as in the simulator. */
import { expect, test } from 'vitest';
import { call, int, load, loadVector, local, loop, storeVector } from '../../../src/ir/kernel/builders.ts';
import {
  type Elem,
  type Expr,
  elemArrays,
  elemBytes,
  lanesOf,
  type Stmt,
  type Type,
  type Vector,
} from '../../../src/ir/kernel/kernel.ts';
import type { VectorPrimitive } from '../../../src/ir/kernel/primitive.ts';
import { ofVectors } from '../../../src/ir/kernel/prims/index.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { createEngine } from '../../../src/sim/wasm/engine.ts';
import { Draw } from '../../support/draw.ts';
import * as ir from '../../support/ir.ts';

/** The bytes of `out`, which both engines leave, that was filled with 1 first. */
function outputOf(
  tables: Readonly<Record<string, { readonly elem: Elem; readonly data: readonly number[] }>>,
  out: { readonly elem: Elem; readonly length: number },
  body: readonly Stmt[],
): Uint8Array {
  const params = [ir.param('in', 'in', 'u8', 1), ir.param('out', 'out', out.elem, out.length)];
  const clear = loop('cleared', out.length, (at) => [ir.store('out', out.elem, at, 1)]);
  const made = Object.entries(tables).map(([name, { elem, data }]) => ir.table(name, elem, data));
  const program = ir.single(ir.kernel('k', params, [...clear, ...body], made));
  const input = new Uint8Array(1);
  const { output } = createSimulator(program, { mode: 'checked' }).run(input);
  expect(createEngine(program).run(input).output).toEqual(output);
  return output;
}

const pairs: readonly (readonly [Vector, Elem])[] = [
  ['u8x16', 'u8'],
  ['i16x8', 'u8'],
  ['i16x8', 'i8'],
  ['i16x8', 'i16'],
  ['i32x4', 'u8'],
  ['i32x4', 'i8'],
  ['i32x4', 'u16'],
  ['i32x4', 'i16'],
  ['i32x4', 'i32'],
];

test.each(pairs)('%s of %s: every number of elements, fixed or not', (type, elem) => {
  const lanes = lanesOf[type];
  const draw = new Draw(7);
  const random = new elemArrays[elem](
    Array.from({ length: 3 * lanes }, () => draw.int(-(2 ** 31), 2 ** 31 - 1)),
  );
  const data = { elem, data: [...random] };
  const counts = { elem: 'u8' as const, data: Array.from({ length: lanes + 1 }, (_, i) => i) };
  const moved = (i: Expr, count: Expr): Stmt =>
    storeVector(
      type,
      'out',
      elem,
      ir.mul(i, lanes),
      loadVector(type, 'data', elem, ir.add(i, 1), count),
      count,
    );
  const out = { elem, length: (lanes + 1) * lanes };
  const varying = outputOf(
    { data, counts },
    out,
    loop('i', lanes + 1, (i) => [moved(i, load('counts', 'u8', i))]),
  );
  const fixed = outputOf(
    { data },
    out,
    counts.data.map((n) => moved(int(n), int(n))),
  );
  expect(varying).toEqual(fixed);
  const stored = new elemArrays[elem](fixed.slice().buffer);
  counts.data.forEach((n) => {
    const row = stored.subarray(n * lanes, (n + 1) * lanes);
    expect([...row]).toEqual([...random.slice(n + 1, 2 * n + 1), ...new Array<number>(lanes - n).fill(1)]);
  });
  // What is not loaded is 0.
  const zeros = outputOf({ data }, { elem, length: lanes }, [
    storeVector(type, 'out', elem, 0, loadVector(type, 'data', elem, 0, 1)),
  ]);
  expect([...zeros].slice(elemBytes[elem])).toEqual(new Array(zeros.length - elemBytes[elem]).fill(0));
});

const ofWasm = [...ofVectors.values()].filter(({ wasm }) => wasm !== undefined);
const runsOf = 60;

/** What most calls have to have of parameters of such names. */
const named: Readonly<Record<string, readonly [number, number]>> = {
  multiplier: [1, 2 ** 31 - 1],
  shift: [1, 14],
  offset: [-255, 255],
  // Of float64 from 2^-12 to below 1/2.
  high: [0x3f300000, 0x3fdfffff],
  low: [0, 1023],
  lo: [-256, 255],
  hi: [-256, 255],
};

/** Lanes for which C says what happens, in every call. */
function argumentsOf({ params, js }: VectorPrimitive): readonly (readonly number[])[] {
  const draw = new Draw(11);
  const bits: Readonly<Record<Type, readonly [number, number]>> = {
    i32: [0, 31],
    f32: [0, 1],
    u8x16: [0, 255],
    i16x8: [-(2 ** 15), 2 ** 15 - 1],
    i32x4: [-(2 ** 31), 2 ** 31 - 1],
  };
  const one = (type: Type, name: string): number => {
    const [lo, hi] = named[name] ?? bits[type];
    if (type === 'i32' || type === 'u8x16' || name === 'shift' || name === 'high') return draw.int(lo, hi);
    const size = [1, 2 ** 4, 2 ** 12, 2 ** 16, 2 ** 31][draw.int(0, 4)]!;
    return Math.max(lo, Math.min(hi, draw.unit() < 0.1 ? lo : draw.int(-size, size)));
  };
  const made: number[][] = params.map(() => []);
  for (let done = 0; done < runsOf; ) {
    const args = params.map(({ type, name }) =>
      Array.from({ length: type === 'i32' || type === 'f32' ? 1 : lanesOf[type] }, () => one(type, name)),
    );
    const values = args.map((arg, i) => (params[i]!.type === 'i32' ? arg[0]! : arg));
    if (js(...values) === undefined) continue;
    args.forEach((arg, i) => {
      made[i]!.push(...arg);
    });
    done++;
  }
  return made;
}

const elemOf = { i32: 'i32', f32: 'f32', u8x16: 'u8', i16x8: 'i16', i32x4: 'i32' } as const;

test.each(ofWasm.map((p) => [p.name, p] as const))('%s', (_, p) => {
  const columns = argumentsOf(p);
  const tables = Object.fromEntries(
    p.params.map(({ name, type }, i) => [`${name}s`, { elem: elemOf[type], data: columns[i]! }]),
  );
  const { result } = p;
  if (result === 'i32' || result === 'f32') throw new Error('no such primitive in WebAssembly yet');
  const body = loop('i', runsOf, (i) => {
    const args = p.params.map(({ name, type }): Expr => {
      if (type === 'i32' || type === 'f32') return load(`${name}s`, elemOf[type], i);
      return loadVector(type, `${name}s`, elemOf[type], ir.mul(i, lanesOf[type]));
    });
    const value = call(p.name, result, ...args);
    return [storeVector(result, 'out', elemOf[result], ir.mul(local('i'), lanesOf[result]), value)];
  });
  const output = outputOf(tables, { elem: elemOf[result], length: runsOf * lanesOf[result] }, body);
  expect(new Set(output).size).toBeGreaterThan(8);
});
