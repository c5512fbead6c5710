/** From nodes to kernels on an arena: names, live ranges, and nodes that leave no code behind. */
import { expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { add } from '../../src/ir/ops/add.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import { assemble } from '../../src/plan/assemble.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { convolution, dense, relu } from '../support/affine-layers.ts';
import { floatGraph, type LayerSpec, layer } from '../support/float-graph.ts';

const pointwise = convolution([2, 2, 1, 1], [1, 2, 3, 4]);
const to = (...shape: readonly number[]): LayerSpec => layer(reshape, { shape });
const image = [1, 2, 1, 2];
const programOf = (shape: readonly number[], layers: readonly LayerSpec[]) =>
  assemble(floatGraph(shape, layers), { name: 'net', strategy: 'disjoint' }).program;

test('kernels are named by kind, in order; a reshape is none', () => {
  const { steps } = programOf(image, [pointwise, relu, pointwise, to(1, 4), dense([1, 4], [1, 1, 1, 1])]);
  expect(steps.map(({ kernel }) => kernel.name)).toEqual(['conv1', 'clip1', 'conv2', 'linear1']);
});

test('a tensor lives from the step that writes it to the last that reads it, the output beyond the end', () => {
  const { slots, outputs } = programOf(image, [pointwise, relu, layer(add, {}, { reads: ['y0', 'y1'] })]);
  const lives = new Map(slots.map(({ name, firstStep, lastStep }) => [name, [firstStep, lastStep]]));
  expect(lives.get('x')).toEqual([-1, 0]);
  expect(lives.get('y0')).toEqual([0, 2]);
  expect(lives.get('y1')).toEqual([1, 2]);
  const { slot } = outputs[0]!;
  expect([slots[slot]!.firstStep, slots[slot]!.lastStep]).toEqual([2, 3]);
});

test('an image lies pixel by pixel, and a linear layer behind it reads it so', () => {
  const program = programOf(image, [pointwise, to(1, 4), dense([1, 4], [1, 10, 100, 1000])]);
  expect(program.slots[program.inputs[0]!.slot]!.order).toEqual([0, 2, 1, 3]);
  const bytes = encodeInput(program, Float32Array.of(1, 2, 3, 4));
  const { output } = createSimulator(program, { mode: 'checked' }).run(bytes);
  // Channels 1 a + 2 b and 3 a + 4 b of the pixels (1, 3) and (2, 4): 7, 10, 15, 22.
  expect([...decodeOutput(program, output)]).toEqual([7 + 100 + 1500 + 22_000]);
});

test('a network of nothing but names is refused', () => {
  expect(() => programOf([1, 4], [to(1, 2, 2)])).toThrow(InputError);
  expect(() => programOf([1, 4], [to(1, 2, 2)])).toThrow(/network 'net': nothing to compute/);
});
