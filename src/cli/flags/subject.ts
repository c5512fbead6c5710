/** What a command is about (a model or an artifact), with the sample shape and the engines it offers. */

import { InputError, must } from '../../base/errors.ts';
import type { ModelInput } from '../../data/model-inputs.ts';
import type { Prepared, PrepareOptions } from '../../data/prepare.ts';
import { inputTensors } from '../../ir/graph/evaluate.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import type { Shape } from '../../ir/tensor.ts';
import { outputPorts } from '../../program/port.ts';
import type { Program } from '../../program/program.ts';
import { decodeOutputs, inputBytes, type Sample } from '../../program/values.ts';
import type { EngineName } from '../../runtime/engines.ts';
import type { Api } from '../api.ts';
import type { Context } from '../context.ts';
import type { Progress } from '../progress.ts';
import { warn } from '../warn.ts';
import { readCalibration } from './calibrate.ts';
import { identifierOf, inputsOf, inputsOfProgram, type Loaded } from './model.ts';
import type { Kept, QuantizeFlags } from './options.ts';

export const inputsOfLoaded = (api: Api, loaded: Loaded): readonly ModelInput[] =>
  loaded.kind === 'artifact' ? inputsOfProgram(loaded.artifact) : inputsOf(api.toFloatGraph(loaded.graph));

/** How an artifact's samples were prepared when it was compiled. */
export const keptPreprocessing = (loaded: Loaded): Kept =>
  loaded.kind === 'artifact' ? loaded.artifact.manifest.preprocessing : {};

/** Compiles in memory, for commands that compare a model with its int8 program. */
export function compiledEngine(
  context: Context,
  graph: Graph<'imported'>,
  file: string,
  flags: QuantizeFlags,
  options: PrepareOptions,
  progress: Progress,
): Engine {
  const { api } = context;
  const compiled = api.compile(graph, {
    name: identifierOf(file),
    arith: 'int8',
    requant: flags.requant,
    calibrationMethod: flags.calibration,
    activationBits: flags.activationBits,
    ...readCalibration(api, graph, flags, options, file),
    onProgress: progress.report,
  });
  warn(context, compiled);
  return programEngine(api, compiled.program);
}

/** @throws InputError for an artifact, whose engine was chosen when it was compiled. */
export function requireNoEngine(loaded: Loaded, option: string | undefined): void {
  if (loaded.kind === 'artifact' && option !== undefined)
    throw new InputError({
      where: option,
      found: 'an artifact, which is already compiled',
      supported: 'this option with files of models',
      todo: `omit ${option}`,
    });
}

/** The engine for `run`: an artifact's own, or the chosen one of a model. */
export function chosenEngine(
  context: Context,
  loaded: Loaded,
  flags: QuantizeFlags & { readonly engine?: 'float' | 'int8' },
  options: PrepareOptions,
  progress: Progress,
): Engine {
  const { api } = context;
  if (loaded.kind === 'artifact') return programEngine(api, loaded.artifact.program, 'checked');
  if (flags.engine === 'int8')
    return compiledEngine(context, loaded.graph, loaded.file, flags, options, progress);
  return floatEngine(api, api.toFloatGraph(loaded.graph));
}

export interface Engine {
  /** `float`: the model as trained. `int8`, `float32`: the program that the C is printed from, simulated. */
  readonly name: 'float' | 'int8' | 'float32';
  readonly outputs: readonly { readonly name: string; readonly shape: Shape }[];
  /** Real numbers, by output. */
  run(sample: Sample): readonly Float32Array[];
}

export function floatEngine(api: Api, graph: Graph<'float'>): Engine {
  return {
    name: 'float',
    outputs: graph.outputs.map((name) => {
      const { shape } = must(graph.tensors.get(name), 'the output is a tensor of the graph');
      return { name, shape };
    }),
    run: ({ real }) => {
      const results = api.evaluate(graph, inputTensors(graph, real));
      return graph.outputs.map((name) =>
        Float32Array.from(must(results.get(name), 'evaluation returns the outputs').data),
      );
    },
  };
}

/** @param engine the fastest when absent */
export function programEngine(api: Api, program: Program, engine?: EngineName): Engine {
  const run = api.inference(program, engine);
  return {
    name: program.arith,
    outputs: outputPorts(program).map(({ name, slot: { shape } }) => ({ name, shape })),
    run: (sample) => decodeOutputs(program, run(inputBytes(program, sample)).output),
  };
}

export function sampleAt(prepared: Prepared, i: number): Sample {
  const real = prepared.real(i);
  return prepared.pixels ? { real, raw: prepared.pixels.raw(i) } : { real };
}
