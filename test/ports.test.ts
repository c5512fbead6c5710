/** Networks of several inputs and outputs, of other element types, through the whole compiler. */
import { describe, expect, test } from 'vitest';
import { compile } from '../src/compile.ts';
import { inputPorts, outputPorts } from '../src/program/port.ts';
import { decodeOutputs, encodeInput } from '../src/program/values.ts';
import { inference, simulate } from '../src/runtime/engines.ts';
import { manyPorts, portSamples } from './support/port-ops.ts';

const samples = portSamples(24);
const built = (arith: 'int8' | 'float32') =>
  compile(manyPorts, { name: 'ports', arith, calibration: { inputs: samples } });

const [a, b, c, d] = [0.25, -0.5, 0.75, -1];
const sample = Float32Array.of(a, b, c, d, 1, 0, 1, 1, 0, 1, 0.5, 0.25, -0.5, 1 - 2 ** -15, 9, 9, 9, 9, 9, 9);

describe('the ports of a program', () => {
  const { program } = built('int8');

  test('are the model’s, in its order, each of its type', () => {
    expect(inputPorts(program).map(({ name, slot }) => [name, slot.elem, slot.length])).toEqual([
      ['signal', 'u8', 4],
      ['index', 'i32', 3],
      ['flag', 'u8', 3],
      ['state:0', 'i16', 4],
      ['spare', 'u8', 6],
    ]);
    expect(outputPorts(program).map(({ name, slot }) => [name, slot.elem, slot.shape])).toEqual([
      ['first', 'u8', [1, 2]],
      ['gated', 'u8', [3]],
      ['best', 'i32', [1]],
      ['state:1', 'i16', [1, 4]],
      ['state:0', 'i16', [1, 4]],
      ['column', 'u8', [2, 1]],
      ['again', 'u8', [1, 2]],
    ]);
  });

  test('another shape of an output is the same memory, and so is an input that is an output', () => {
    const [first, , , , state, column] = program.outputs;
    expect(column!.slot).toBe(first!.slot);
    expect(state!.slot).toBe(program.inputs[3]!.slot);
  });

  test('inputs are whole before the first step, outputs after the last', () => {
    const last = program.steps.length;
    expect(program.inputs.every(({ slot }) => program.slots[slot]!.firstStep === -1)).toBe(true);
    expect(program.outputs.every(({ slot }) => program.slots[slot]!.lastStep === last)).toBe(true);
  });
});

test.each(['int8', 'float32'] as const)('%s: every engine gives what the model means', (arith) => {
  const { program } = built(arith);
  const bytes = encodeInput(program, sample);
  const checked = simulate(program, bytes);
  for (const engine of ['wasm-simd', 'wasm', 'js'] as const)
    expect(inference(program, engine)(bytes).output).toEqual(checked.output);
  const [first, gated, best, next, state, column, again] = decodeOutputs(program, checked.output);
  const near = (numbers: Float32Array | undefined, ...wanted: number[]) => {
    expect(numbers).toHaveLength(wanted.length);
    wanted.forEach((x, i) => {
      expect(Math.abs(numbers![i]! - x)).toBeLessThan(arith === 'int8' ? 0.006 : 1e-6);
    });
  };
  near(first, a, b);
  near(gated, d, 0, d);
  expect([...best!]).toEqual([1]);
  near(next, 0.25 + a / 2, 0.125 + b / 2, -0.25 + c / 2, 0.5 - 2 ** -16 + d / 2);
  expect([...state!]).toEqual([0.5, 0.25, -0.5, 1 - 2 ** -15]);
  near(column, a, b);
  near(again, c, d);
});
