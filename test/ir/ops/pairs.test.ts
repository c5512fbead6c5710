/** Operators on pairs: all pairs of bytes, and all ways in which operands lie and are broadcast. */
import { expect, test } from 'vitest';
import type { QuantizeContext } from '../../../src/ir/graph/op.ts';
import { copy } from '../../../src/ir/kernel/builders.ts';
import type { Kernel } from '../../../src/ir/kernel/kernel.ts';
import type { Quant, StoredTensor } from '../../../src/ir/kernel/stored.ts';
import { add } from '../../../src/ir/ops/add.ts';
import { product } from '../../../src/ir/ops/products.ts';
import { countOf, floats, type Shape, stridesOf, type Tensor } from '../../../src/ir/tensor.ts';
import { prove } from '../../../src/prove/prove.ts';
import { type EngineName, inference } from '../../../src/runtime/engines.ts';
import { Draw } from '../../support/draw.ts';
import * as ir from '../../support/ir.ts';
import { holdsModel } from '../../support/model-law.ts';
import { encodeModel, floatTensor, valueInfo } from '../../support/onnx-model.ts';
import { type PairSample, pairSamples } from '../../support/pairs.ts';

const plus = { op: add as unknown as PairSample['op'], attrs: {}, meaning: (x: number, y: number) => x + y };
const named = [...pairSamples, plus].map(
  (p) => [Object.keys(p.attrs).length === 0 ? p.op.kind : 'minus', p] as const,
);

const engines: readonly EngineName[] = ['checked', 'js', 'wasm-simd'];

/** What every engine makes of the inputs, which a first kernel takes apart; nothing is left to a check. */
function run(
  kernel: Kernel,
  elem: 'u8' | 'f32',
  inputs: readonly (Uint8Array | Float32Array)[],
  count: number,
) {
  expect(prove(kernel).unproven.map(({ why }) => why)).toEqual([]);
  const bytes = inputs.flatMap((x) => [...new Uint8Array(x.buffer, x.byteOffset, x.byteLength)]);
  const lengths = [inputs.reduce((sum, x) => sum + x.length, 0), ...inputs.map((x) => x.length), count];
  let address = 0;
  const slots = lengths.map((length, i) => {
    const slot = { name: `x${i}`, address, elem, length };
    address += length * (elem === 'f32' ? 4 : 1);
    return slot;
  });
  const params = inputs.map((x, i) => ir.param(`part${i}`, 'out', elem, x.length));
  let from = 0;
  const copies = inputs.map((x, i) => {
    from += x.length;
    return copy(elem, [`part${i}`, 0], ['whole', from - x.length], x.length);
  });
  const split = ir.kernel('split', [ir.param('whole', 'in', elem, lengths[0]!), ...params], copies);
  const parts = inputs.map((_, i) => i + 1);
  const program = ir.program(slots, [
    [split, [0, ...parts]],
    [kernel, [...parts, parts.length + 1]],
  ]);
  const [first, ...others] = engines.map(
    (engine) => inference(program, engine)(Uint8Array.from(bytes)).output,
  );
  for (const other of others) expect(other).toEqual(first);
  return first!;
}

const contextFor = (
  types: readonly { readonly shape: Shape; readonly constant?: Tensor }[],
  output: Shape,
  grids: readonly (Quant | undefined)[],
  attrs: object,
): Omit<QuantizeContext<never>, 'outputQuant' | 'outputQuants'> => ({
  name: 'y',
  attrs: attrs as never,
  inputs: ['a', 'b'],
  outputs: ['y'],
  inputTypes: types.map((type) => ({ dtype: 'float32', ...type })),
  outputTypes: [{ dtype: 'float32', shape: output }],
  mode: 'single',
  weightBits: 8,
  inputQuants: grids,
  range: { lo: 0, hi: 1 },
  inputMean: undefined,
});

/** Every byte beside 24 others, 0 and 255 among them. */
const all = Array.from({ length: 24 * 256 }, (_, i) => i);
const bytesAt = (i: number): readonly [number, number] => [i & 255, Math.floor((255 * (i >> 8)) / 23)];
const square = [1, 1, 24, 256];

function gridsOf(draw: Draw): readonly [Quant, Quant] {
  const grid = (): Quant => ({ scale: 10 ** draw.between(-3, 1), zeroPoint: draw.int(0, 255) });
  return [grid(), grid()];
}

test.each(named)('%s of all pairs of bytes is the nearest step', (_, { op, attrs, meaning }) => {
  const draw = new Draw(11);
  let worst = 0;
  for (let i = 0; i < 4; i++) {
    const grids = gridsOf(draw);
    const real = (k: 0 | 1, byte: number): number => (byte - grids[k].zeroPoint) * grids[k].scale;
    const values = all.map((i) => meaning(real(0, bytesAt(i)[0]), real(1, bytesAt(i)[1])));
    const finite = values.filter(Number.isFinite);
    const size = op.kind === 'quotient' ? 4 : 1;
    const range = {
      lo: Math.min(0, ...finite.slice(0, 999)) / size,
      hi: Math.max(...finite.slice(-999), 1e-3) / size,
    };
    const context = { ...contextFor([{ shape: square }, { shape: square }], square, grids, attrs), range };
    const outputQuant = op.outputQuant!(context, 0);
    const quantized = op.quantize!({ ...context, outputQuant, outputQuants: [outputQuant] });
    const place = (quant: Quant): StoredTensor => ({ shape: square, quant });
    const kernel = op.int8!(attrs as never, quantized, {
      name: 'y',
      inputs: grids.map(place),
      outputs: [place(outputQuant)],
    });
    const bytes = [0, 1].map((k) => Uint8Array.from(all, (i) => bytesAt(i)[k]!));
    const made = run(kernel, 'u8', bytes, all.length);
    values.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      const steps = Math.max(0, Math.min(255, value / outputQuant.scale + outputQuant.zeroPoint));
      worst = Math.max(worst, Math.abs(steps - made[i]!));
    });
  }
  // One rounding; the multipliers have 15 bits at least.
  expect(worst).toBeLessThan(0.52);
});

/** A tensor's axes in some order of memory. */
function order(draw: Draw, shape: Shape): readonly number[] {
  const perm = [...shape.keys()].sort(() => draw.unit() - 0.5);
  const strides = stridesOf(shape);
  let list = [0];
  for (const axis of perm)
    list = list.flatMap((at) => Array.from({ length: shape[axis]! }, (_, i) => at + i * strides[axis]!));
  return list;
}

const inMemory = (values: ArrayLike<number>, places: readonly number[]): Float32Array =>
  Float32Array.from(places, (element) => values[element]!);

test.each(named)('%s broadcast, of constants and in any order of memory', (_, { op, attrs }) => {
  const draw = new Draw(5);
  for (let i = 0; i < 25; i++) {
    const full = [1, ...Array.from({ length: draw.int(1, 4) }, () => draw.int(1, 4))];
    const shapeOf = (): Shape =>
      full.slice(draw.int(0, full.length - 1)).map((n) => (draw.unit() < 0.3 ? 1 : n));
    const [x, y] = [full, shapeOf()].map((shape) => floats(shape, draw.floats(countOf(shape), 0.5, 2)));
    const tensors = draw.unit() < 0.5 || op.kind === 'prelu' ? [x!, y!] : [y!, x!];
    const constant = draw.int(0, 2);
    const places = tensors.map((t): StoredTensor => ({ shape: t.shape, order: order(draw, t.shape) }));
    const isActivation = (_: unknown, k: number): boolean => k !== constant;
    const [wanted] = op.reference(attrs as never, tensors);
    const made = { shape: wanted!.shape };
    const activations = places.filter(isActivation);
    const outOrder = op.order!(attrs as never, activations, made.shape);
    const output: StoredTensor = outOrder === undefined ? made : { ...made, order: outOrder };
    const kernel = op.float32!(
      attrs as never,
      { name: 'y', inputs: activations, outputs: [output] },
      tensors.map((t, k) => (k === constant ? t : undefined)),
    );
    const inputs = tensors.filter(isActivation).map((t, k) => inMemory(t.data, activations[k]!.order!));
    const bytes = run(kernel, 'f32', inputs, countOf(made.shape)).slice();
    const elements = outOrder ?? [...Array(countOf(made.shape)).keys()];
    expect(new Float32Array(bytes.buffer), JSON.stringify(full)).toEqual(inMemory(wanted!.data, elements));
  }
});

test('a constant is stored on a grid of its own', () => {
  const shape = [1, 2, 3];
  const constant = floats(shape, Float32Array.from([-1, 0, 0.5, 1, 2, 3]));
  const context = contextFor(
    [{ shape }, { shape, constant }],
    shape,
    [{ scale: 0.01, zeroPoint: 7 }, undefined],
    {},
  );
  const { constants } = product.quantize!({
    ...context,
    outputQuant: { scale: 0.1, zeroPoint: 3 },
    outputQuants: [{ scale: 0.1, zeroPoint: 3 }],
  });
  expect(constants[0]).toBeUndefined();
  // -1..3 in 255 steps.
  expect([...constants[1]!.data]).toEqual([0, 64, 96, 128, 192, 255]);
});

test.each(['Mul', 'Sub', 'Max'])('%s by constants as far below 0 as above', (op) => {
  const ends = [-0.99843, 0.99843, 0.25, -0.5, 0.99843, -0.99843];
  const model = encodeModel({
    inputs: [valueInfo('x', [1, 2, 3])],
    nodes: [{ op, inputs: ['x', 'c'] }],
    initializers: [floatTensor('c', [1, 2, 3], ends)],
  });
  holdsModel(model, { seed: 3 });
});
