/** From --calibrate and its companions to the options of the compiler. */

import { at, InputError } from '../../base/errors.ts';
import type { CompileOptions } from '../../compile.ts';
import type { TrainingData } from '../../compress/train/options.ts';
import { mostJudging, oneOfEach } from '../../data/held-back.ts';
import { readLabels } from '../../data/node-files.ts';
import type { Prepared, PrepareOptions } from '../../data/prepare.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { isQuantized } from '../../passes/settle-grids.ts';
import type { HeldOut } from '../../search/search.ts';
import type { Api } from '../api.ts';
import { holdsExample, inputsOf, readPrepared, spread } from './model.ts';
import type { QuantizeFlags } from './options.ts';

type Calibration = NonNullable<CompileOptions['calibration']>;

/** Indices of the samples that calibrate nothing. */
function spareOf({ count }: Prepared, samples: number): readonly number[] {
  const used = new Set(spread(count, samples));
  return Array.from({ length: count }, (_, i) => i).filter((i) => !used.has(i));
}

/**
 * What calibrates, and what the build is judged by: samples of the file that are left over, where there are enough;
 * else `compile` holds back some of those that would calibrate.
 */
export function calibrationOf(prepared: Prepared, samples: number): Calibration {
  const inputs = spread(prepared.count, samples).map((i) => prepared.real(i));
  const spare = spareOf(prepared, samples);
  const judging = oneOfEach(spare.length, Math.min(mostJudging, inputs.length)).map((i) => at(spare, i));
  return {
    inputs,
    ...(spare.length >= inputs.length / 10 ? { heldBack: judging.map((i) => prepared.real(i)) } : {}),
    ...(prepared.pixels ? { raw: prepared.pixels.normalization } : {}),
  };
}

/**
 * @param model its file, which may hold a sample
 * @throws InputError when there is no --calibrate, or its samples do not fit the model.
 */
export function readSamplesFor(
  api: Api,
  graph: Graph<'imported'>,
  flags: Pick<QuantizeFlags, 'calibrate'>,
  options: PrepareOptions,
  model: string,
): Prepared {
  if (flags.calibrate === undefined)
    throw new InputError({
      where: 'int8',
      found: 'no samples to measure the ranges of activations with',
      supported: 'about 100 to 1000 typical inputs, from the training data',
      todo: `give --calibrate FILE, or --type float32${
        holdsExample(model)
          ? `; ${model} holds the one sample that it was exported with: --calibrate ${model} measures with that alone`
          : ''
      }`,
    });
  return readPrepared(flags.calibrate, inputsOf(api.toFloatGraph(graph)), options);
}

/** None for a quantized model, unless --calibrate is given. @throws as `readSamplesFor` */
export function readCalibration(
  api: Api,
  graph: Graph<'imported'>,
  flags: QuantizeFlags,
  options: PrepareOptions,
  model: string,
): { readonly calibration?: Calibration } {
  if (flags.calibrate === undefined && isQuantized(api.toFloatGraph(graph))) return {};
  return { calibration: calibrationOf(readSamplesFor(api, graph, flags, options, model), flags.samples) };
}

/** Classes of all samples, where they are known. @throws InputError when there are more or fewer. */
function labelsFor(prepared: Prepared, file: string | undefined): Int32Array | undefined {
  const labels = file === undefined ? prepared.labels : readLabels(file);
  if (labels === undefined || labels.length === prepared.count) return labels;
  throw new InputError({
    where: file ?? prepared.where,
    found: `${labels.length} labels for ${prepared.count} samples`,
    supported: 'one label per sample',
    todo: 'give the labels that belong to --calibrate',
  });
}

/**
 * Samples to judge builds by: evenly spread between those that calibrate.
 * @throws InputError when all samples calibrate
 */
export function heldOutOf(
  prepared: Prepared,
  flags: Pick<QuantizeFlags, 'samples'> & { readonly heldOut: number; readonly labels?: string },
): HeldOut {
  const free = spareOf(prepared, flags.samples);
  if (free.length === 0)
    throw new InputError({
      where: prepared.where,
      found: `${prepared.count} samples; all of them calibrate (--samples ${flags.samples}), none is left to judge builds by`,
      supported: 'more samples than --samples',
      todo: `give more, or calibrate with fewer: --samples ${Math.ceil(prepared.count / 2)}`,
    });
  const chosen = spread(free.length, flags.heldOut).map((i) => at(free, i));
  const labels = labelsFor(prepared, flags.labels);
  return {
    inputs: chosen.map((i) => prepared.real(i)),
    ...(labels === undefined ? {} : { labels: chosen.map((i) => at(labels, i)) }),
  };
}

/** All samples, as the fused network takes them: stored bytes where they are pixels. */
export function trainingOf(prepared: Prepared, flags: { readonly labels?: string }): TrainingData {
  const labels = labelsFor(prepared, flags.labels);
  const { pixels } = prepared;
  return {
    count: prepared.count,
    input: (i) => (pixels === undefined ? prepared.real(i) : Float32Array.from(pixels.raw(i))),
    ...(labels === undefined ? {} : { label: (i: number) => at(labels, i) }),
  };
}
