/** Kernels with Helium make the bytes that plain ones make, for sums that no operator writes too. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '../../src/base/errors.ts';
import { accessesIn } from '../../src/emit/c/vector-access.ts';
import { emitC } from '../../src/emit/package.ts';
import { advance, pointer } from '../../src/ir/kernel/builders.ts';
import { elemRange } from '../../src/ir/kernel/check.ts';
import type { Elem, Expr, Kernel, Stmt } from '../../src/ir/kernel/kernel.ts';
import { primitivesUsed, rewritten } from '../../src/ir/kernel/walk.ts';
import { dense8 } from '../../src/ir/kernel/weight-format.ts';
import { helium, heliumForm } from '../../src/lower/helium.ts';
import { withVectors } from '../../src/lower/simd.ts';
import { variantsOf } from '../../src/lower/variants.ts';
import { rangeOfRows, readBytes } from '../../src/program/byte-rows.ts';
import type { Program } from '../../src/program/program.ts';
import { decodeRows } from '../../src/program/rows.ts';
import { proveForm } from '../../src/prove/lowered.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { createEngine } from '../../src/sim/wasm/engine.ts';
import { type BatchItem, runNativeBatch } from '../../src/targets/batch.ts';
import * as ir from '../support/ir.ts';
import { single } from '../support/ir.ts';
import { runs } from '../support/kernels.ts';
import { Reached } from '../support/reached.ts';
import { type SumRecipe, sumCase, sumInput, sumRecipes } from '../support/row-sums.ts';
import { inMemory, type LayerRecipe, layerOf, layerRecipes, programOf } from '../support/stored-layers.ts';
import { crossTools, testWith } from '../support/toolchain.ts';

/** Which ways of computing a kernel takes. */
function waysOf({ body, tables }: Kernel): readonly string[] {
  const used = primitivesUsed(body);
  const accesses = accessesIn(body);
  return Object.entries({
    dots: used.has('dot_u8x16'),
    lanes: used.has('four_i32x4'),
    requantized: used.has('requantize_high_i32x4'),
    pooled: used.has('max_i32x4'),
    tail: accesses.has('load_first_u8x16_u8'),
    held: [...accesses.keys()].some((name) => name.startsWith('gather')),
    moved: [...accesses.keys()].some((name) => name.startsWith('store') && name.endsWith('u8x16_u8')),
    vectors: accesses.has('load_u8x16_u8'),
    filled: tables.some(({ name }) => name.includes('_lanes')),
    depthwise: used.has('multiply_add_i32x4'),
  }).flatMap(([name, found]) => (found ? [name] : []));
}

/** Dense bytes; three of four have what one of the ways asks for. */
const denseSums: fc.Arbitrary<SumRecipe> = fc
  .tuple(sumRecipes, fc.constantFrom('any', 'lanes', 'held', 'depthwise'))
  .map(([r, way]) => {
    const dense = { ...r, bits: 8 as const, shared: false, kind: 'dense' as const, format: 0, density: 1 };
    if (way === 'any') return { ...dense, parts: r.seed % 8 === 0 };
    const rows = { ...dense, walk: 'runs' as const, sums: 1, skip: 0, rows: r.rows + 1 };
    if (way === 'lanes') return rows;
    if (way === 'held')
      return { ...rows, segments: 3, pieces: 1, run: 1 + (r.run % 5), gaps: [1, 0] as const };
    return { ...rows, run: 1, skip: 1, parts: r.seed % 2 === 0 };
  });

test('random sums are those of plain C, and proved', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(denseSums, (recipe) => {
      const { kernel, stored, inputs, answer } = sumCase(recipe);
      const form = heliumForm(kernel);
      if (form === undefined) {
        reached.add('plain');
        return;
      }
      const { kernel: lowered, bytes } = form;
      if (recipe.parts) reached.add('parts');
      const input = sumInput(recipe, inputs);
      const { output } = createSimulator(single(lowered), { mode: 'checked' }).run(input);
      expect(output).toEqual(answer(input));
      const rows = bytes && readBytes(lowered, stored.layout, bytes);
      if (rows !== undefined) expect(rows).toEqual(decodeRows(kernel));
      expect(proveForm(lowered, rows && rangeOfRows(rows)).unproven).toEqual([]);
      reached.add(...waysOf(lowered), ...(rows === undefined ? [] : ['read back']));
    }),
    runs(200),
  );
  const often = { dots: 30, lanes: 15, tail: 15, vectors: 15, filled: 10 };
  reached.atLeast({ ...often, plain: 1, held: 5, depthwise: 5, parts: 3, 'read back': 30 });
});

/** Layers of more channels than other laws need. */
const layers: fc.Arbitrary<LayerRecipe> = fc
  .tuple(layerRecipes, fc.integer({ min: 1, max: 9 }))
  .map(([{ shared: _, ...r }, times]) => {
    const few = { ...r, bits: 8 as const, outputs: r.outputs + 2 };
    if (r.image === undefined || r.image.groups > 2) return few;
    return { ...few, image: { ...r.image, channels: r.image.channels * times } };
  });

const loweredLayer = (recipe: LayerRecipe, name: string) => {
  const layer = layerOf(recipe);
  const kernel = layer.kernel({ ...layer.mac, format: dense8, lanes: 4 });
  const lowered = helium(kernel);
  const plain = programOf(layer, kernel, name);
  const program = lowered && programOf(layer, lowered, name);
  return {
    plain,
    program,
    lowered,
    input: inMemory(layer.inputPlace, layer.input),
    output: inMemory(layer.outputPlace, layer.expected),
  };
};

test('random layers are those of the oracle, with all of C checked', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(layers, (recipe) => {
      const { program, lowered, input, output } = loweredLayer(recipe, 'net');
      if (program === undefined || lowered === undefined) {
        reached.add('plain');
        return;
      }
      expect(createSimulator(program, { mode: 'checked' }).run(input).output).toEqual(output);
      reached.add(...waysOf(lowered), ...(recipe.image?.groups === 2 ? ['groups'] : []));
    }),
    runs(100),
  );
  const often = { dots: 13, requantized: 3, tail: 6, filled: 2 };
  reached.atLeast({ ...often, pooled: 1, held: 1, moved: 2, depthwise: 1, groups: 2 });
});

/** By element: 30 numbers all over what it holds. */
const tables = Object.fromEntries(
  (['u8', 'i8', 'u16', 'i16', 'i32'] as const).map((elem) => {
    const { lo, hi } = must(elem === 'i32' ? { lo: -99_999, hi: 99_999 } : elemRange(elem), 'integers');
    const data = Array.from({ length: 30 }, (_, i) => lo + Math.floor((((i * 7) % 30) * (hi - lo)) / 29));
    return [elem, ir.table(`of_${elem}`, elem, data)];
  }),
);
const lookedUp = (elem: Elem, x: Expr): Expr => ir.load(`of_${elem}`, elem, ir.call('clamp', x, 0, 29));

type Step = (x: Expr, leaf: Expr) => Expr;
const steps: Readonly<Record<string, Step>> = {
  add: (x, leaf) => ir.add(leaf, x),
  sub: (x, leaf) => ir.sub(x, leaf),
  mul: (x, leaf) => ir.mul(ir.call('clamp', x, -999, 999), leaf),
  scaled: (x, leaf) => ir.add(leaf, ir.mul(77, ir.call('clamp', x, -999, 999))),
  shift: (x) => ir.shr(x, 3),
  larger: (x, leaf) => ir.select(ir.compare('gt', x, leaf), x, leaf),
  smaller: (x, leaf) => ir.select(ir.compare('lt', leaf, x), leaf, x),
  clamp: (x) => ir.call('clamp', x, -50, 300),
  requantize: (x) => ir.call('requantize_high', x, 1_500_000_000, 3),
  shifted: (x) => ir.call('requantize_pow2', ir.call('clamp', x, -9999, 9999), 2),
  compact: (x) => ir.call('requantize_compact', ir.call('clamp', x, -9999, 9999), 40_000, 16),
  wrapped_sum: (x, leaf) => ir.call('wrapped_sum', ir.call('wrapped_product', x, 2_000_000_011), leaf),
  wrapped_difference: (x, leaf) => ir.call('wrapped_difference', leaf, ir.call('wrapped_product', x, x)),
  chosen: (x, leaf) => ir.select(ir.compare('le', x, leaf), 3, -7),
  same: (x, leaf) => ir.select(ir.compare('ne', x, leaf), -1, 100),
  once: (x) => ir.call('requantize_single', x, 1_400_000_001, 0),
  halved: (x) => ir.call('requantize_single', x, 1_400_000_001, 1),
  quartered: (x) => ir.call('requantize_single', x, 1_400_000_001, 2),
  ...Object.fromEntries(
    Object.keys(tables).map((elem): [string, Step] => [elem, (x) => lookedUp(elem as Elem, x)]),
  ),
};
const leaves = fc.oneof(
  fc.integer({ min: -100, max: 100 }).map(ir.int),
  fc.nat({ max: 3 }).map((k) => ir.load('a', 'u8', ir.add(ir.local('i'), k))),
  fc.constant(ir.load('b', 'i8', ir.local('i'))),
  fc.nat({ max: 2 }).map((k) => ir.load('apart', 'u8', ir.add(ir.mul(ir.local('i'), 3), k))),
  fc.nat({ max: 2 }).map((k) => ir.load('walk', 'u8', k)),
);
/** Expressions of a pass, over neighbours of two arrays. */
const passes = fc.array(fc.tuple(fc.constantFrom(...Object.values(steps)), leaves), {
  minLength: 1,
  maxLength: 9,
});

const loops = fc.record({
  passes: fc.integer({ min: 1, max: 23 }),
  pools: fc.boolean(),
  fold: fc.constantFrom('none', 'sum_i32x4', 'dot_i32x4', 'max_of_i32x4', 'min_of_i32x4', 'read'),
  chain: passes,
  seed: fc.nat({ max: 999 }),
});

/** What becomes of a local of all passes, of a number of each. */
function foldOf(fold: LoopRecipe['fold'], x: Expr): readonly Stmt[] {
  const [total, small] = [ir.local('total'), ir.call('clamp', x, -9999, 9999)];
  const chosen = (op: 'gt' | 'lt') => ir.assign('total', ir.select(ir.compare(op, x, total), x, total));
  switch (fold) {
    case 'none':
      return [];
    case 'sum_i32x4':
      return [ir.accumulate('total', small)];
    case 'dot_i32x4':
      return [ir.accumulate('total', ir.mul(small, ir.load('b', 'i8', ir.local('i'))))];
    case 'max_of_i32x4':
      return [chosen('gt')];
    case 'min_of_i32x4':
      return [chosen('lt')];
    case 'read':
      return [ir.accumulate('total', small), ir.store('out', 'i32', ir.local('i'), total)];
    default:
      return fold satisfies never;
  }
}

/** A kernel of one loop, its input, and what the loop leaves pass by pass. */
function loopCase({ passes: n, pools, chain, seed, fold }: LoopRecipe, name: string) {
  const first = ir.load('a', 'u8', ir.local('i'));
  const value = chain.reduce((x, [step, leaf]) => step(x, leaf), first);
  const sum = [
    ir.let_('x', value),
    ...foldOf(fold, ir.local('x')),
    ir.let_('sum', 5),
    ir.for_('j', 0, 3, [ir.assign('sum', ir.call('wrapped_sum', ir.local('sum'), ir.local('x')))]),
    ir.store('out', 'i32', ir.local('i'), ir.local('sum')),
  ];
  const params = [
    ir.param('a', 'in', 'u8', n + 3),
    ir.param('b', 'in', 'i8', n),
    ir.param('apart', 'in', 'u8', 3 * n),
    ir.param('out', 'out', 'i32', n + 1),
  ];
  const one = [ir.let_('x', value), ir.store('out', 'i32', ir.local('i'), ir.local('x'))];
  const pass = pools ? sum : [...one, ...foldOf(fold, ir.local('x'))];
  const loop = ir.for_('i', 0, n, [...pass, ...advance('walk', 3)]);
  const walk = pointer('walk', 'apart', 'u8', 0, { mutable: true });
  const all = [ir.let_('total', seed), walk, loop, ir.store('out', 'i32', n, ir.local('total'))];
  const kernel = ir.kernel(name, params, all, Object.values(tables));
  const input = Uint8Array.from({ length: 5 * n + 3 }, (_, i) => (i * 97 + seed * 31) % 256);
  const programOf = (one: Kernel): Program => {
    const inputs = ['a', 'b', 'apart'].map((port, slot) => ({ name: port, slot }));
    return { ...single(one), name, inputs };
  };
  const { output } = createSimulator(programOf(kernel), { mode: 'checked' }).run(input);
  return { kernel, programOf, input, output };
}
type LoopRecipe = typeof loops extends fc.Arbitrary<infer R> ? R : never;

/** Of elements in equal steps, how they are read. */
const stepsIn = ({ chain }: LoopRecipe): readonly string[] => {
  const read = chain.flatMap(([, leaf]) => (leaf.kind === 'load' ? leaf.from : []));
  return ['apart', 'walk'].filter((name) => read.includes(name));
};

test('loops over elements that lie side by side', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(loops, (recipe) => {
      const { kernel, programOf, input, output } = loopCase(recipe, 'k');
      const lowered = helium(kernel);
      if (lowered === undefined) return;
      expect(createSimulator(programOf(lowered), { mode: 'checked' }).run(input).output).toEqual(output);
      expect(createEngine(withVectors(programOf(kernel))).run(input).output).toEqual(output);
      const used = [...primitivesUsed(lowered.body), ...accessesIn(lowered.body).keys()];
      const rest = recipe.passes % 4 === 0 ? 'whole' : 'rest';
      expect(recipe.fold).not.toBe('read');
      reached.add('some', rest, ...used, ...(recipe.pools ? ['pools'] : []), ...stepsIn(recipe));
    }),
    runs(220),
  );
  const often = { some: 30, whole: 3, rest: 10, pools: 5, apart: 5, walk: 5, four_i32x4: 4 };
  const each = ['add', 'add_scaled', 'sub', 'mul', 'shift_right', 'max', 'min', 'clamp', 'requantize_high'];
  const more = ['requantize_pow2', 'requantize_compact', 'wrapped_sum', 'wrapped_difference'];
  const chosen = ['wrapped_product', 'choose_le', 'choose_ne'];
  const least = [...each, ...more, ...chosen, 'requantize_single'].map((name) => [`${name}_i32x4`, 3]);
  const folds = ['sum_i32x4', 'dot_i32x4', 'max_of_i32x4', 'min_of_i32x4'].map((name) => [name, 2]);
  const gathers = Object.keys(tables).map((elem) => [`gather_i32x4_${elem}`, 3]);
  reached.atLeast({ ...often, ...Object.fromEntries([...least, ...folds, ...gathers]) });
});

/** Bytes: moved, looked up, the smaller of two. */
function bytesCase(n: number, way: 'moved' | 'looked up' | 'smaller', name: string) {
  const [x, y] = [0, 3].map((by) => ir.load('a', 'u8', ir.add(ir.local('i'), by))) as [Expr, Expr];
  const value = {
    moved: y,
    'looked up': ir.load('codes', 'u8', y),
    smaller: ir.select(ir.compare('lt', x, y), x, y),
  }[way];
  const codes = ir.table(
    'codes',
    'u8',
    Array.from({ length: 256 }, (_, i) => (i * 91 + 7) & 255),
  );
  const params = [ir.param('a', 'in', 'u8', n + 3), ir.param('out', 'out', 'u8', n)];
  const body = [ir.for_('i', 0, n, [ir.store('out', 'u8', ir.local('i'), value)])];
  const program = { ...single(ir.kernel(name, params, body, [codes])), name };
  const input = Uint8Array.from({ length: n + 3 }, (_, i) => (i * 57 + n) & 255);
  return { program, input, output: createSimulator(program, { mode: 'checked' }).run(input).output };
}
const byteCases = (['moved', 'looked up', 'smaller'] as const).flatMap((way, w) =>
  [16, 39].map((n) => bytesCase(n, way, `bytes${w}_${n}`)),
);

test('sixteen bytes at a time', () => {
  for (const { program, input, output } of byteCases) {
    const lowered = must(helium(program.steps[0]!.kernel), 'bytes are taken in lanes');
    const steps = [{ ...program.steps[0]!, kernel: lowered }];
    expect(createSimulator({ ...program, steps }, { mode: 'checked' }).run(input).output).toEqual(output);
    expect(proveForm(lowered).unproven).toEqual([]);
    const accesses = [...accessesIn(lowered.body).keys()];
    expect(accesses).toContain('store_u8x16_u8');
    expect(accesses.includes('store_first_u8x16_u8')).toBe(output.length % 16 > 0);
  }
});

test('rows that store where later ones do stay one by one', () => {
  const recipe = fc.sample(
    denseSums.filter((r) => r.sums === 1 && r.places === 1 && r.rows > 4),
    { seed: 3, numRuns: 1 },
  )[0]!;
  const { kernel } = sumCase({ ...recipe, walk: 'runs', skip: 0, parts: false });
  const ahead = (by: number): Kernel => ({
    ...kernel,
    params: kernel.params.map((p) => (p.role === 'out' ? { ...p, length: p.length + by } : p)),
    body: rewritten(kernel.body, (s) =>
      s.kind === 'store' ? [s, { ...s, index: ir.add(s.index, by), value: ir.int(7) }] : undefined,
    ),
  });
  const inLanes = (k: Kernel) => waysOf(must(helium(k), 'dots help')).includes('lanes');
  expect([inLanes(kernel), inLanes(ahead(1)), inLanes(ahead(4))]).toEqual([true, false, true]);
});

const sampled = [
  ...fc
    .sample(denseSums, { seed: 3, numRuns: 24 })
    .map((recipe, i): { item: BatchItem; output: Uint8Array } | undefined => {
      const { kernel, inputs, answer } = sumCase(recipe);
      const lowered = helium(kernel);
      const input = sumInput(recipe, inputs);
      return lowered && itemOf({ ...single(kernel), name: `sum${i}` }, input, answer(input));
    }),
  ...fc.sample(layers, { seed: 5, numRuns: 16 }).map((recipe, i) => {
    const { plain, program, input, output } = loweredLayer(recipe, `layer${i}`);
    return program && itemOf(plain, input, output);
  }),
  ...fc.sample(loops, { seed: 7, numRuns: 24 }).map((recipe, i) => {
    const { kernel, programOf, input, output } = loopCase(recipe, `loop${i}`);
    return helium(kernel) && itemOf(programOf(kernel), input, output);
  }),
  ...byteCases.map(({ program, input, output }) => itemOf(program, input, output)),
].filter((one) => one !== undefined);

function itemOf(program: BatchItem['program'], input: Uint8Array, output: Uint8Array) {
  const info = { command: '', version: '0', hash: '', golden: [], variants: variantsOf(program) };
  return { item: { program, files: emitC(program, info), inputs: [input] }, output };
}

testWith(crossTools)(
  'a chip with Helium makes the same bytes',
  async () => {
    const all = await runNativeBatch(
      sampled.map(({ item }) => item),
      'cortex-m55',
      { opt: '-O2' },
    );
    sampled.forEach(({ item, output }, i) => {
      expect([...all[i]![0]!.output], item.program.name).toEqual([...output]);
    });
  },
  300_000,
);
