/** Ways to compute a model's output for one sample. */

import { must } from '../base/errors.ts';
import type { Prepared } from '../data/prepare.ts';
import type { Graph } from '../ir/graph/graph.ts';
import { floats, type Shape } from '../ir/tensor.ts';
import { outputSlot } from '../program/listing.ts';
import type { Program } from '../program/program.ts';
import { decodeOutput, inputBytes, type Sample } from '../program/values.ts';
import type { EngineName } from '../runtime/engines.ts';
import type { Api } from './api.ts';
import { onlyInput } from './model.ts';

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

/** @param engine the fastest when absent */
export function programEngine(api: Api, program: Program, engine?: EngineName): Engine {
  const run = api.inference(program, engine);
  return {
    name: program.arith,
    outputShape: outputSlot(program).shape,
    run: (sample) => decodeOutput(program, run(inputBytes(program, sample)).output),
  };
}

export function sampleAt(prepared: Prepared, i: number): Sample {
  const real = prepared.real(i);
  return prepared.pixels ? { real, raw: prepared.pixels.raw(i) } : { real };
}
