/** How far an int8 build is from the float network, on inputs that did not calibrate. */
import { type CompileOptions, compile } from '../../src/compile.ts';
import { loadOnnx } from '../../src/index.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { floats } from '../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference } from '../../src/runtime/engines.ts';

/** 10 log10 of the variance of `real` over the mean square of the difference. */
export function decibels(real: readonly Float32Array[], stored: readonly Float32Array[]): number {
  const values = real.flatMap((x) => [...x]);
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const signal = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const noise = stored.flatMap((x) => [...x]).reduce((sum, x, i) => sum + (x - values[i]!) ** 2, 0);
  return 10 * Math.log10(signal / noise);
}

export interface Int8Error {
  readonly sqnr: number;
  readonly compiled: ReturnType<typeof compile>;
  /** The outputs of all judged inputs, one after the other. */
  readonly real: readonly number[];
  readonly stored: readonly number[];
}

/** Half of the inputs calibrates, the other half judges. */
export function int8Error(
  model: Uint8Array,
  inputs: readonly Float32Array[],
  options: Partial<CompileOptions> = {},
): Int8Error {
  const half = Math.floor(inputs.length / 2);
  const compiled = compile(loadOnnx(model, { name: 'net' }), {
    name: 'net',
    arith: 'int8',
    calibration: { inputs: inputs.slice(0, half) },
    ...options,
  });
  const { floatGraph, program } = compiled;
  const [input = '', output = ''] = [floatGraph.inputs[0], floatGraph.outputs[0]];
  const { shape } = floatGraph.tensors.get(input)!;
  const run = inference(program);
  const judged = inputs.slice(half);
  const real = judged.map((x) =>
    Float32Array.from(
      evaluate(floatGraph, new Map([[input, floats(shape, x)]])).get(output)!.data as Float32Array,
    ),
  );
  const stored = judged.map((x) => decodeOutput(program, run(encodeInput(program, x)).output));
  const flat = (all: readonly Float32Array[]): number[] => all.flatMap((x) => [...x]);
  return { sqnr: decibels(real, stored), compiled, real: flat(real), stored: flat(stored) };
}
