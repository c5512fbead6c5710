/** Ways to compute a model's output for one sample. */
import type { Prepared } from '../data/prepare.ts';
import { must } from '../ir/errors.ts';
import type { Graph } from '../ir/graph.ts';
import type { Program } from '../ir/program.ts';
import { floats, type Shape } from '../ir/tensor.ts';
import { inputSlot, outputSlot } from '../report/program.ts';
import { arrangeInput, decodeOutput, encodeInput } from '../run.ts';
import type { Api } from './api.ts';
import { onlyInput } from './model.ts';

/** One sample as a network computes with it, and as a sensor gave it where that is known. */
export interface Sample {
  /** Row-major in the logical shape. */
  readonly real: Float32Array;
  readonly raw?: Uint8Array;
}

/** The bytes of the input slot. Programs that take raw pixels get the sample's own, where it has them. */
export function inputBytes(program: Program, { real, raw }: Sample): Uint8Array {
  const slot = inputSlot(program);
  must(real.length === slot.length ? real : undefined, `a sample has ${slot.length} numbers`);
  return program.rawInput !== undefined && raw !== undefined
    ? arrangeInput(program, raw)
    : encodeInput(program, real);
}

export interface Engine {
  /** `float`: the model as trained. `int8`, `float32`: the program that the C is printed from, simulated. */
  readonly name: 'float' | 'int8' | 'float32';
  readonly outputShape: Shape;
  run(sample: Sample): Float32Array;
}

export function floatEngine(api: Api, graph: Graph<'float'>): Engine {
  const input = onlyInput(graph);
  const output = must(graph.outputs[0], 'a model has an output');
  const { shape } = must(graph.tensors.get(input), 'the input is a tensor of the graph');
  const outputShape = must(graph.tensors.get(output), 'the output is a tensor of the graph').shape;
  return {
    name: 'float',
    outputShape,
    run: ({ real }) => {
      const results = api.evaluate(graph, new Map([[input, floats(shape, real)]]));
      return Float32Array.from(must(results.get(output), 'evaluation returns the outputs').data);
    },
  };
}

export function programEngine(api: Api, program: Program, mode: 'checked' | 'fast' = 'fast'): Engine {
  const simulator = api.createSimulator(program, { mode });
  return {
    name: program.arith,
    outputShape: outputSlot(program).shape,
    run: (sample) => decodeOutput(program, simulator.run(inputBytes(program, sample)).output),
  };
}

export function sampleAt(prepared: Prepared, i: number): Sample {
  const real = prepared.real(i);
  return prepared.pixels ? { real, raw: prepared.pixels.raw(i) } : { real };
}

/** The index of the largest number, the first of equals. */
export const topOne = (output: Float32Array): number => output.indexOf(Math.max(...output));
