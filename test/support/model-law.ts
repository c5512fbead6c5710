/** What every network in ONNX has to keep when it is compiled: its float outputs, all engines' bytes, its proofs. */
import { expect } from 'vitest';
import { Distances } from '../../src/base/distance.ts';
import { type Compiled, compile } from '../../src/compile.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { countOf, floats } from '../../src/ir/tensor.ts';
import type { ActivationBits } from '../../src/passes/activation-bits.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { Draw } from './draw.ts';
import { factsOf, requireProved, simulated } from './kernel-laws.ts';

export interface ModelLaw {
  /** Of the samples, drawn from `lo` to `hi` (-1 to 1 when absent). */
  readonly seed: number;
  readonly lo?: number;
  readonly hi?: number;
  /** Bound of the float32 program's error, relative to the largest output; 1e-6 when absent. */
  readonly float?: number;
  /** Least signal to noise of int8 in decibels, on samples that did not calibrate; 30 when absent. */
  readonly int8?: number;
  /** As of `compile`. */
  readonly activationBits?: ActivationBits;
}

export interface Held {
  readonly float32: Compiled;
  readonly int8: Compiled;
  /** Signal to noise of int8, in decibels. */
  readonly sqnr: number;
}

const outputOf = (graph: Graph<'float'>, x: Float32Array): Float32Array => {
  const [input] = graph.inputs;
  const made = evaluate(graph, new Map([[input!, floats(graph.tensors.get(input!)!.shape, x)]]));
  return Float32Array.from([...made.values()][0]!.data);
};

/** Runs a program on all engines, with every rule of C checked and every proof complete. */
function run({ program }: Compiled, samples: readonly Float32Array[]): readonly Float32Array[] {
  const facts = factsOf(program);
  requireProved(program, facts);
  const inputs = samples.map((x) => encodeInput(program, x));
  return simulated(program, inputs, facts).map(({ output }) => decodeOutput(program, output));
}

/** Compiles a model of one float input and one output both ways, and holds both to its float meaning. */
export function holdsModel(
  model: Uint8Array,
  { seed, lo = -1, hi = 1, float = 1e-6, int8 = 30, activationBits = 'auto' }: ModelLaw,
): Held {
  const imported = importOnnx(model);
  const draw = new Draw(seed);
  const float32 = compile(imported, { name: 'net', arith: 'float32' });
  const graph = float32.floatGraph;
  const count = countOf(graph.tensors.get(graph.inputs[0]!)!.shape);
  const draws = (n: number) => Array.from({ length: n }, () => draw.floats(count, lo, hi));
  const [calibration, samples] = [draws(200), draws(6)];
  const wanted = samples.map((x) => outputOf(graph, x));
  const largest = Math.max(1e-30, ...wanted.flatMap((y) => [...y.map(Math.abs)]));
  run(float32, samples.slice(0, 2)).forEach((y, i) => {
    y.forEach((value, at) => {
      expect(Math.abs(value - wanted[i]![at]!) / largest, `element ${at}`).toBeLessThanOrEqual(float);
    });
  });
  const integers = compile(imported, {
    name: 'net',
    arith: 'int8',
    activationBits,
    calibration: { inputs: calibration },
  });
  const distances = new Distances();
  run(integers, samples).forEach((y, i) => {
    y.forEach((value, at) => {
      distances.add(wanted[i]![at]!, value);
    });
  });
  const { sqnr } = distances.result();
  expect(sqnr, 'signal to noise').toBeGreaterThanOrEqual(int8);
  return { float32, int8: integers, sqnr };
}
