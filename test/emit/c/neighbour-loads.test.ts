/** Floats that lie side by side are loaded together, and sums of rows of floats are the same bytes everywhere. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printKernel } from '../../../src/emit/c/kernel.ts';
import { neighbourMacros } from '../../../src/emit/c/neighbour-loads.ts';
import { emitC } from '../../../src/emit/package.ts';
import { float32Arithmetic } from '../../../src/ir/integers/mac.ts';
import { constant, times, variable } from '../../../src/ir/kernel/builders.ts';
import type { Kernel, Stmt } from '../../../src/ir/kernel/kernel.ts';
import { convolution } from '../../../src/ir/ops/kernels/convolution.ts';
import { linear } from '../../../src/ir/ops/kernels/linear.ts';
import type { Program } from '../../../src/program/program.ts';
import { prove } from '../../../src/prove/prove.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { createEngine } from '../../../src/sim/wasm/engine.ts';
import { type BatchItem, runNativeBatch } from '../../../src/targets/batch.ts';
import { Draw } from '../../support/draw.ts';
import * as ir from '../../support/ir.ts';
import { runs } from '../../support/kernels.ts';
import { Reached } from '../../support/reached.ts';
import { testWith } from '../../support/toolchain.ts';

interface FloatLayer {
  readonly seed: number;
  readonly size: readonly [number, number];
  readonly channels: number;
  readonly outs: number;
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
  readonly pooled: boolean;
  readonly kind: 'dense' | 'depthwise' | 'linear';
}

const upTo = (max: number, min = 1) => fc.integer({ min, max });

const layers: fc.Arbitrary<FloatLayer> = fc
  .record({
    seed: fc.nat({ max: 99_999 }),
    size: fc.tuple(upTo(9, 2), upTo(11, 2)),
    channels: fc.oneof(fc.constant(1), upTo(9)),
    outs: fc.oneof(fc.constantFrom(4, 6, 8), upTo(12)),
    kernel: fc.tuple(upTo(3), upTo(5)),
    stride: fc.constantFrom(1, 1, 1, 2, 3),
    dilation: fc.constantFrom(1, 1, 1, 2),
    pad: fc.constantFrom(0, 0, 1, 2),
    pooled: fc.boolean(),
    kind: fc.constantFrom('dense', 'dense', 'dense', 'dense', 'depthwise', 'linear'),
  })
  .filter((r) => outSize(r).every((n) => n > 0));

const outSize = ({ size, kernel, stride, dilation, pad }: FloatLayer): readonly number[] =>
  size.map((n, i) => Math.floor((n + 2 * pad - (kernel[i]! - 1) * dilation - 1) / stride) + 1);

interface Case {
  readonly kernel: Kernel;
  readonly program: Program;
  readonly input: Uint8Array;
  readonly answer: Uint8Array;
}

const relu = { lo: 0, hi: Infinity };

/** A layer, an input, and its output by a plain sum in the order of windows, rounded after each operation. */
function caseOf(r: FloatLayer, name = 'net'): Case {
  const draw = new Draw(r.seed);
  const { size, kernel, stride, dilation, pad } = r;
  const [outHeight, outWidth] = outSize(r) as [number, number];
  const isLinear = r.kind === 'linear';
  const channels = isLinear ? size[0] * size[1] * r.channels : r.channels;
  const outs = r.kind === 'depthwise' ? channels : r.outs;
  const depth = r.kind === 'depthwise' ? 1 : channels;
  const taps = isLinear ? 1 : kernel[0] * kernel[1];
  const weights = draw.floats(outs * depth * taps, -1, 1);
  const bias = draw.floats(outs, -1, 1);
  const input = draw.floats(size[0] * size[1] * r.channels, -1, 2);
  const arithmetic = float32Arithmetic('k', weights, outs, bias, relu);
  const pool = r.pooled && outHeight > 1 && outWidth > 1 ? 2 : 1;
  const sumAt = (y: number, x: number, c: number): number => {
    let sum = bias[c]!;
    for (let t = 0; t < taps * depth; t++) {
      const [tap, i] = [Math.floor(t / depth), t % depth];
      const row = y * stride - pad + Math.floor(tap / kernel[1]) * dilation;
      const col = x * stride - pad + (tap % kernel[1]) * dilation;
      const isIn = row >= 0 && row < size[0] && col >= 0 && col < size[1];
      const from = r.kind === 'depthwise' ? c : i;
      const value = isLinear ? input[i]! : isIn ? input[(row * size[1] + col) * channels + from]! : 0;
      sum = Math.fround(sum + Math.fround(value * weights[(c * depth + i) * taps + tap]!));
    }
    return sum;
  };
  const pooledAt = (y: number, x: number, c: number): number =>
    Math.max(
      0,
      ...times(pool * pool, (i) => sumAt(y * pool + Math.floor(i / pool), x * pool + (i % pool), c)),
    );
  const [rows, cols] = isLinear ? [1, 1] : [Math.floor(outHeight / pool), Math.floor(outWidth / pool)];
  const answer = Float32Array.from({ length: rows * cols * outs }, (_, i) => {
    const place = Math.floor(i / outs);
    return pooledAt(Math.floor(place / cols), place % cols, i % outs);
  });
  const made = isLinear
    ? linear({ name: 'k', doc: ['k'], inputs: channels, outputs: outs, terms: 'as they lie', arithmetic })
    : convolution({
        ...{ name: 'k', doc: ['k'], outChannels: outs, lanes: 4, backward: false, arithmetic },
        window: {
          ...{ height: size[0], width: size[1], channels, kernel, outHeight, outWidth },
          ...{ strides: [stride, stride], dilations: [dilation, dilation], padTop: pad, padLeft: pad },
        },
        groups: r.kind === 'depthwise' ? channels : 1,
        ...(pool === 2 ? { pool: { kernel: [2, 2], strides: [2, 2] } } : {}),
        padding: times(channels, () => 0),
      });
  const program = { ...ir.single(made), name, arith: 'float32' } as const;
  return {
    kernel: made,
    program,
    input: new Uint8Array(input.buffer),
    answer: new Uint8Array(answer.buffer),
  };
}

const text = ({ program }: Case): string =>
  emitC(program, { command: '', version: '0', hash: '', golden: [] }).get(`${program.name}.c`)!;

/** How a layer's floats are loaded. */
function waysIn(c: Case): readonly string[] {
  const found = [...text(c).matchAll(/ NET\d*_(LOAD|TAKE)(\d+)\(/g)].map(([, how, n]) => ({
    how,
    n: Number(n),
  }));
  const loads = found.filter(({ how }) => how === 'LOAD').map(({ n }) => n);
  return [
    ...(found.length === 0 ? ['alone'] : []),
    ...(found.some(({ how }) => how === 'TAKE') ? ['weights'] : []),
    ...(loads.includes(2) ? ['two'] : []),
    ...(loads.some((n) => n > 4) ? ['shared'] : []),
  ];
}

test('random layers of floats are a plain sum in their order, in the simulator and in WebAssembly', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(layers, (recipe) => {
      const made = caseOf(recipe);
      expect(createSimulator(made.program, { mode: 'checked' }).run(made.input).output).toEqual(made.answer);
      expect(createEngine(made.program).run(made.input).output).toEqual(made.answer);
      expect(prove(made.kernel).unproven).toEqual([]);
      reached.add(recipe.kind, ...waysIn(made));
    }),
    runs(40),
  );
  reached.atLeast({ alone: 3, weights: 5, two: 1, shared: 1, dense: 5, depthwise: 2, linear: 2 });
});

const some = fc.sample(layers, { seed: 15, numRuns: 16 }).map((recipe, i) => caseOf(recipe, `net${i}`));
const items = some.map(
  ({ program, input }): BatchItem => ({
    program,
    files: emitC(program, { command: '', version: '0', hash: '', golden: [] }),
    inputs: [input],
  }),
);

for (const [target, opt, tools, count] of [
  ['host-gcc', '-O1', ['gcc'], 5],
  ['cortex-m4', '-O0', ['arm-none-eabi-gcc', 'qemu-system-arm'], 10],
  ['cortex-m4', '-O3', ['arm-none-eabi-gcc', 'qemu-system-arm'], 16],
] as const)
  testWith(tools)(`the same bytes in C: ${target} ${opt}`, async () => {
    const ways = new Set(some.slice(0, count).flatMap(waysIn));
    expect([...ways].sort()).toEqual(['alone', 'shared', 'two', 'weights']);
    const ran = await runNativeBatch(items.slice(0, count), target, { opt, checksums: true });
    expect(ran.map(([outcome]) => outcome!.output)).toEqual(some.slice(0, count).map(({ answer }) => answer));
  });

/** A kernel that loads floats and stores their sum, with other statements between. */
function loading(first: readonly Stmt[], ...rest: readonly Stmt[]): string {
  const sum = ['a', 'b', 'c'].map(ir.flocal).reduce((x, y) => ir.binary('add', x, y));
  const body = [...first, ...rest, ir.store('out', 'f32', 0, sum)];
  const params = [ir.param('in', 'in', 'f32', 9), ir.param('out', 'out', 'f32', 9)];
  return printKernel(ir.kernel('k', params, body), { neighbours: 'N_' });
}

const at = (index: number) => ir.load('in', 'f32', index);

test('neighbours have registers side by side, which others do not get, and calls leave them out', () => {
  const three = [variable('a', at(4)), variable('b', at(5)), variable('c', at(6))];
  const declared = 'N_FLOAT(a, 0); N_FLOAT(b, 1); N_FLOAT(c, 2);';
  expect(loading(three)).toContain(declared);
  expect(loading(three)).toContain('N_LOAD3(a, b, c, in, 4);');
  const two = [constant('d', at(0)), constant('e', at(1))];
  expect(loading(three, ...two)).toContain('N_FLOAT(d, 4); N_FLOAT(e, 5);');
  expect(loading(three, ...two)).toContain('N_LOAD2(2, d, e, in, 0);');
  // Again into the same locals, and not into some whose registers lie apart.
  expect(loading(three, ir.assign('a', at(1)), ir.assign('b', at(2)))).toContain('N_LOAD2(0, a, b, in, 1);');
  expect(loading(three, ir.assign('b', at(1)), ir.assign('c', at(2)))).not.toContain('N_LOAD2');
  expect(loading(three, ir.assign('b', at(1)), ir.assign('a', at(2)))).not.toContain('N_LOAD2');
  // Not side by side, in another array, called between.
  expect(loading([variable('a', at(4)), variable('b', at(6)), variable('c', at(8))])).not.toContain('N_');
  expect(
    loading([variable('a', at(0)), variable('b', ir.load('out', 'f32', 1)), variable('c', at(2))]),
  ).not.toContain('N_');
  expect(loading(three, constant('d', ir.callFloat('exp_f32', ir.flocal('a'))))).not.toContain('N_');
});

test('no macro without neighbours', () => {
  const empty = ir.kernel('k', [ir.param('out', 'out', 'f32', 1)], [ir.store('out', 'f32', 0, ir.float(1))]);
  expect(neighbourMacros('N_', [empty])).toEqual([]);
});
