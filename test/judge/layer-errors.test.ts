/** Errors of layers against the stored weights and against the model that was given; grids of weights. */
import { expect, test } from 'vitest';
import { artifactOf } from '../../src/artifact/make.ts';
import { weightGrids } from '../../src/artifact/weight-grids.ts';
import { type CompileOptions, compile } from '../../src/compile.ts';
import { drawDigit } from '../../src/data/digits.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import { floats } from '../../src/ir/tensor.ts';
import type { LayerError } from '../../src/judge/layer-errors.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference } from '../../src/runtime/engines.ts';
import { encodeModel, floatTensor, valueInfo } from '../support/onnx-model.ts';
import { readBytes, root } from '../support/shared.ts';

const bytes = readBytes(`${root}/models/lenet5.onnx`);
const model = importOnnx(bytes, { name: 'lenet5' });
const inputs = Array.from({ length: 12 }, (_, i) =>
  Float32Array.from({ length: 1024 }, (_, at) => {
    const [y, x] = [Math.floor(at / 32) - 2, (at % 32) - 2];
    return y >= 0 && y < 28 && x >= 0 && x < 28 ? (drawDigit(i % 10, i)[y * 28 + x] ?? 0) / 255 : 0;
  }),
);
const int8: CompileOptions = { name: 'lenet5', arith: 'int8', calibration: { inputs } };
const plain = compile(model, int8);
const pruned = compile(model, {
  ...int8,
  prune: { sparsity: 0.4, method: 'magnitude' },
  weightBits: 4,
});
const channels = compile(model, { ...int8, prune: { sparsity: 0.5, method: 'channel' } });
/** About the mean of what is real, from scratch. */
function sqnr(pairs: readonly (readonly [real: number, stored: number])[]): number {
  const mean = pairs.reduce((sum, [x]) => sum + x, 0) / pairs.length;
  const power = (of: (real: number, stored: number) => number): number =>
    pairs.reduce((sum, [x, y]) => sum + of(x, y) ** 2, 0);
  return 10 * Math.log10(power((x) => x - mean) / power((x, y) => x - y));
}
const layerErrors = ({ agreement }: typeof plain): readonly LayerError[] => agreement!.layers;
const reportOf = (compiled: typeof plain): string =>
  artifactOf(compiled, { command: '', version: '', model: bytes, preprocessing: {} }).get('report.md')!;

test("a build with the model's own weights has one distance", () => {
  expect(layerErrors(plain).every(({ given }) => given === undefined)).toBe(true);
  expect(reportOf(plain)).not.toContain('given model');
});

/** Inputs and their negatives, and no bias: the mean of every output is 0, about which nothing has to be said. */
test('the distance of a layer: the energy of the signal over that of the difference, and the worst difference', () => {
  const bytes = encodeModel({
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [floatTensor('w', [2, 3], [1, -0.37, 0.11, 0.5, 0.93, -0.71])],
    inputs: [valueInfo('x', [1, 2])],
    outputs: ['y'],
  });
  const samples = [
    [0.9, 0.31],
    [-0.47, 0.77],
  ].flatMap((x) => [x, x.map((v) => -v)]);
  const compiled = compile(importOnnx(bytes, { name: 'net' }), {
    ...{ name: 'net', arith: 'int8' },
    calibration: { inputs: samples.map((x) => Float32Array.from(x)) },
  });
  expect(compiled.judging!.samples).toHaveLength(samples.length);
  const [layer] = layerErrors(compiled);
  const run = inference(compiled.program);
  let [signal, noise, worst] = [0, 0, 0];
  compiled.judging!.samples.forEach((sample) => {
    const real = evaluate(compiled.floatGraph, new Map([['x', floats([1, 2], sample)]])).get('y')!.data;
    const { output } = run(encodeInput(compiled.program, sample));
    decodeOutput(compiled.program, output).forEach((stored, at) => {
      const error = (real[at] as number) - stored;
      signal += (real[at] as number) ** 2;
      noise += error ** 2;
      worst = Math.max(worst, Math.abs(error));
    });
  });
  expect(noise).toBeGreaterThan(0);
  expect(layer!.sqnr).toBeCloseTo(10 * Math.log10(signal / noise), 6);
  expect(layer!.worst).toBeCloseTo(worst, 6);
});

test('pruned and rounded: far from the given model, close to the stored weights', () => {
  const errors = layerErrors(pruned);
  for (const { kernel, sqnr, worst, given } of errors) {
    expect(given!.sqnr, kernel).toBeLessThan(sqnr - 3);
    expect(given!.worst, kernel).toBeGreaterThan(worst);
  }
  const run = inference(pruned.program);
  const pairs = pruned.judging!.samples.flatMap((sample) => {
    const x = floats([1, 1, 32, 32], sample);
    const real = evaluate(pruned.floatGraph, new Map([['input', x]])).get('output')!;
    const { output } = run(encodeInput(pruned.program, sample));
    return Array.from(decodeOutput(pruned.program, output), (y, at) => [real.data[at]!, y] as const);
  });
  expect(errors.at(-1)!.given!.sqnr).toBeCloseTo(sqnr(pairs), 3);
  expect(reportOf(pruned)).toContain('| SQNR, given model | worst | SQNR, stored weights | worst |');
});

test('removed channels: the others are compared with theirs', () => {
  const { program, judging, given } = channels;
  const errors = layerErrors(channels);
  const run = inference(program);
  let checked = 0;
  program.steps.forEach(({ kernel, args }, step) => {
    const slot = program.slots[args[kernel.params.findIndex(({ role }) => role === 'out')]!]!;
    if (slot.kept === undefined || slot.order !== undefined) return;
    const pairs = judging!.samples.flatMap((sample) => {
      const real = new Map<string, ArrayLike<number | bigint>>();
      evaluate(given!, new Map([['input', floats([1, 1, 32, 32], sample)]]), (name, { data }) =>
        real.set(name, data),
      );
      const arena = run(encodeInput(program, sample), { keepArenas: true }).arenas[step]!;
      return slot.kept!.map((channel, at) => {
        const y = (arena[slot.address + at]! - slot.quant!.zeroPoint) * slot.quant!.scale;
        return [Number(real.get(slot.name)![channel]), y] as const;
      });
    });
    expect(errors[step]!.given!.sqnr).toBeCloseTo(sqnr(pairs), 3);
    checked++;
  });
  expect(checked).toBeGreaterThan(0);
});

test('grids: steps of the channels in use, and kept weights beyond them', () => {
  for (const { steps, clipped } of weightGrids(plain).values()) {
    expect(steps[0]).toBeGreaterThan(0);
    expect(steps[1]).toBeGreaterThanOrEqual(steps[0]);
    expect(clipped).toBe(0);
  }
  const grids = weightGrids(pruned);
  let shrunk = 0;
  const givenRows = (tensor: string): number => pruned.given!.tensors.get(tensor)!.shape[0]!;
  expect(grids.size).toBe(5);
  for (const [name, { clipped }] of grids) {
    const node = pruned.assembled.nodes.find(({ outputs }) => outputs[0] === name)!;
    const mac = node.quantized as QuantizedMac;
    const own = pruned.given!.nodes.find((other) => other.name === node.name)!;
    const { data } = pruned.given!.tensors.get(own.inputs[1]!)!.constant!;
    const { kernel, args } = pruned.program.steps.find(
      (step) =>
        pruned.program.slots[step.args[step.kernel.params.findIndex((p) => p.role === 'out')]!]!.name ===
        name,
    )!;
    const slotOf = (role: string) =>
      pruned.program.slots[args[kernel.params.findIndex((p) => p.role === role)]!]!;
    const [rows, columns] = [slotOf('out').kept, slotOf('in').kept];
    shrunk += Number(columns !== undefined);
    const terms = mac.weights.length / mac.weightScales.length;
    const givenTerms = data.length / givenRows(own.inputs[1]!);
    const perColumn = terms / (columns?.length ?? terms);
    const left = Array.from(data, Number).filter((_, i) => {
      const [row, column] = [Math.floor(i / givenTerms), Math.floor((i % givenTerms) / perColumn)];
      return (rows?.includes(row) ?? true) && (columns?.includes(column) ?? true);
    });
    expect(left).toHaveLength(mac.weights.length);
    const beyond = [...mac.weights].filter(
      (q, i) => q !== 0 && Math.abs(left[i]! / mac.weightScales[Math.floor(i / terms)]!) > 7.501,
    );
    expect(clipped).toBe(beyond.length / mac.weights.filter((q) => q !== 0).length);
  }
  expect(shrunk).toBeGreaterThan(0);
  expect([...grids.values()].some(({ clipped }) => clipped > 0)).toBe(true);
});
