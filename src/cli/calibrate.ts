/** From --calibrate and its companions to the options of the compiler. */

import type { CompileOptions } from '../compile.ts';
import type { Prepared, PrepareOptions } from '../data/prepare.ts';
import { InputError } from '../ir/errors.ts';
import type { Graph } from '../ir/graph.ts';
import type { Api } from './api.ts';
import { readPrepared, sampleShapeOf, spread } from './model.ts';
import type { QuantizeFlags } from './options.ts';

type Calibration = NonNullable<CompileOptions['calibration']>;

export const calibrationOf = (prepared: Prepared, samples: number): Calibration => ({
  inputs: spread(prepared.count, samples).map((i) => prepared.real(i)),
  ...(prepared.pixels ? { raw: prepared.pixels.normalization } : {}),
});

/** @throws InputError when there is no --calibrate, or its samples do not fit the model. */
export function readCalibration(
  api: Api,
  graph: Graph<'imported'>,
  flags: QuantizeFlags,
  options: PrepareOptions,
): Calibration {
  if (flags.calibrate === undefined)
    throw new InputError({
      where: 'int8',
      found: 'no samples to measure the ranges of activations with',
      supported: 'about 100 to 1000 typical inputs, from the training data',
      todo: 'give --calibrate FILE, or --type float32',
    });
  const shape = sampleShapeOf(api.toFloatGraph(graph));
  return calibrationOf(readPrepared(flags.calibrate, shape, options), flags.samples);
}
