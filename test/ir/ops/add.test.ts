/** Sums in integers: TensorFlow Lite's and CMSIS-NN's for every pair of bytes, in both of their roundings. */
import { expect, test } from 'vitest';
import type { RequantMode } from '../../../src/ir/graph/op.ts';
import type { Quant } from '../../../src/ir/kernel/stored.ts';
import { type AddAttrs, add, type QuantizedAdd } from '../../../src/ir/ops/add.ts';
import { affineSumThatIs } from '../../../src/ir/ops/kernels/affine-sum.ts';
import { everySum, rescaledSumOf } from '../../../src/ir/ops/kernels/rescaled-sum.ts';
import { prove } from '../../../src/prove/prove.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { additionOf } from '../../oracles/cmsis-nn.ts';
import { Draw } from '../../support/draw.ts';
import * as ir from '../../support/ir.ts';

const shape = [1, 1, 256, 256];
/** a along the columns, b along the rows. */
const pairs = Uint8Array.from({ length: 131_072 }, (_, i) => (i < 65_536 ? i >> 8 : i & 255));

interface Case {
  readonly inputs: readonly [Quant, Quant];
  readonly output: Quant;
  readonly attrs: AddAttrs;
}

type OfOneGrid = Exclude<QuantizedAdd, { readonly kind: 'channels' }>;

function quantized(c: Case, mode: RequantMode): OfOneGrid {
  const q = quantizedAdd(c, mode);
  if (q.kind === 'channels') throw new Error('grids of channels');
  return q;
}

function quantizedAdd({ inputs, output, attrs }: Case, mode: RequantMode): QuantizedAdd {
  const type = { dtype: 'float32', shape } as const;
  return add.quantize!({
    name: 'sum',
    attrs,
    inputs: ['a', 'b'],
    outputs: ['y'],
    inputTypes: [type, type],
    outputTypes: [type],
    mode,
    weightBits: 8,
    inputQuants: inputs,
    range: { lo: 0, hi: 1 },
    outputQuant: output,
    outputQuants: [output],
    inputMean: undefined,
  });
}

/** The kernel's sums of all pairs, in the checked simulator; proved whole. */
function sums(q: QuantizedAdd, c: Case): Uint8Array {
  const place = (quant: Quant) => ({ shape, quant });
  const kernel = add.int8!(c.attrs, q, {
    name: 'sum',
    inputs: c.inputs.map(place),
    outputs: [place(c.output)],
  });
  expect(prove(kernel).unproven.map(({ why }) => why)).toEqual([]);
  const program = ir.program(
    [
      { name: 'a', address: 0, elem: 'u8', length: 131_072 },
      { name: 'b', address: 65_536, elem: 'u8', length: 65_536 },
      { name: 'y', address: 131_072, elem: 'u8', length: 65_536 },
    ],
    [[kernel, [0, 1, 2]]],
  );
  return createSimulator(program, { mode: 'fast' }).run(pairs).output;
}

function drawn(draw: Draw): Case {
  const scale = 10 ** draw.between(-4, 2);
  // Mostly operands of like size, as residual networks have them; sometimes far apart.
  const apart = draw.unit() < 0.7 ? draw.between(0.3, 3) : 10 ** draw.between(-4, 4);
  const inputs = [
    { scale, zeroPoint: draw.int(0, 255) },
    { scale: scale * apart, zeroPoint: draw.int(0, 255) },
  ] as const;
  const [least, most] = [Math.max(scale, scale * apart) / 256, scale + scale * apart];
  const output = {
    scale:
      draw.unit() < 0.8 ? most * draw.between(0.2, 1.2) : Math.max(least, most / 4 ** draw.between(0, 4)),
    zeroPoint: draw.unit() < 0.5 ? 0 : draw.int(0, 255),
  };
  const attrs = draw.unit() < 0.5 ? {} : { clamp: { lo: 0, hi: Number.POSITIVE_INFINITY } };
  return { inputs, output, attrs };
}

const draws = (count: number, seed: number): Case[] => {
  const draw = new Draw(seed);
  return Array.from({ length: count }, () => drawn(draw));
};

/** Bytes that are not CMSIS-NN's, of all pairs. */
function wrong(c: Case, mode: RequantMode, q = quantized(c, mode)): number {
  const [lo, hi] = [q.lo, q.hi];
  const sum = additionOf(c.inputs, c.output, mode === 'tfl-double' ? 'double' : 'single', [lo, hi]);
  return sums(q, c).reduce((count, y, i) => count + Number(y !== sum(i >> 8, i & 255)), 0);
}

test.each([
  ['tfl-double', 'rescaled'],
  ['single', 'affine'],
] as const)('%s: 20 grids and all their pairs', (mode, kind) => {
  const found = { pairs: 0, wrong: 0 };
  for (const c of draws(20, 3)) {
    const q = quantized(c, mode);
    expect(q.kind).toBe(kind);
    found.pairs += 65_536;
    found.wrong += wrong(c, mode, q);
  }
  // With multipliers rounded to 20 bits 33 sums are wrong, with as many bits as int32 has room for 7.
  expect(found).toEqual({ pairs: 1_310_720, wrong: 0 });
});

test('one multiplication per operand is enough for every grid but rare ones', () => {
  const kinds = draws(60, 4).map((c) => quantized(c, 'single').kind);
  expect(kinds.filter((kind) => kind === 'affine').length).toBeGreaterThanOrEqual(58);
});

const byte = (scale: number, zeroPoint: number): Quant => ({ scale, zeroPoint });

test.each([
  ['equal scales: halves everywhere', [byte(0.5, 128), byte(0.5, 128)], byte(1, 128)],
  ['halves below zero', [byte(1, 255), byte(1, 255)], byte(2, 255)],
  ['the finest output', [byte(1, 3), byte(0.37, 250)], byte(1 / 256, 100)],
  ['one operand is nothing beside the other', [byte(1e-6, 9), byte(10, 0)], byte(10, 0)],
  ['a zero point far outside of the grid', [byte(0.1, 0), byte(0.09, 0)], byte(0.02, -1200)],
] as const)('%s', (_, inputs, output) => {
  const c: Case = { inputs, output, attrs: {} };
  for (const mode of ['tfl-double', 'single'] as const) expect(wrong(c, mode), mode).toBe(0);
  for (const mode of ['ort-float', 'pow2', 'compact'] as const)
    expect(quantized(c, mode)).toEqual(quantized(c, 'single'));
});

test('where no multipliers serve, the sum is rescaled as TensorFlow Lite does', () => {
  const [c] = draws(1, 5);
  const q = quantized(c!, 'single');
  expect(q.kind).toBe('affine');
  const saturation = { lo: q.lo, hi: q.hi, zeroPoint: c!.output.zeroPoint };
  const rescaled = rescaledSumOf(c!.inputs, c!.output, saturation, 'single');
  expect(wrong(c!, 'single', { kind: 'rescaled', constants: q.constants, ...rescaled })).toBe(0);
  const none = everySum(rescaled).map((y, i) => y + (i % 2));
  expect(affineSumThatIs(none, c!.inputs, c!.output, saturation)).toBeUndefined();
});
