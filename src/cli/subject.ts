/** What a command is about (a model or an artifact), with the sample shape and the engines it offers. */

import { InputError } from '../base/errors.ts';
import type { PrepareOptions, SampleShape } from '../data/prepare.ts';
import type { Graph } from '../ir/graph/graph.ts';
import type { Api } from './api.ts';
import { readCalibration } from './calibrate.ts';
import type { Context } from './context.ts';
import { type Engine, floatEngine, programEngine } from './engines.ts';
import { identifierOf, type Loaded, sampleShapeOf, sampleShapeOfProgram } from './model.ts';
import type { Kept, QuantizeFlags } from './options.ts';
import type { Progress } from './progress.ts';
import { warn } from './warn.ts';

export const sampleShapeOfLoaded = (api: Api, loaded: Loaded): SampleShape =>
  loaded.kind === 'artifact'
    ? sampleShapeOfProgram(loaded.artifact)
    : sampleShapeOf(api.toFloatGraph(loaded.graph));

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
    calibration: readCalibration(api, graph, flags, options),
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
      supported: 'this option with .onnx files',
      todo: `leave ${option} away`,
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
