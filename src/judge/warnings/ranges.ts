/** What the ranges of a network's input and output lose, whatever it does to the sums of all channels. */

import { Distances } from '../../base/distance.ts';
import { at, must } from '../../base/errors.ts';
import { evaluate } from '../../ir/graph/evaluate.ts';
import { tensorOf } from '../../ir/tensor.ts';
import { isInput, isOutput } from '../../program/slots.ts';
import type { Build } from '../build.ts';
import { channelOf, type Measured, type TensorFacts } from '../layer-errors.ts';
import { lostChannels } from './evidence.ts';
import { decibelText, short, someOf, type Warning } from './warning.ts';

/** The best that a channel which varies by less than a step has in common with the float one. */
const sqnrOf = ({ channels }: TensorFacts, lost: readonly number[]): number =>
  Math.min(...lost.map((c) => at(channels, c).result().sqnr ?? Infinity));

function warningOf(what: string, facts: TensorFacts, lost: readonly number[]): Warning {
  const steps = facts.grid.step.reduce((most, x) => Math.max(most, x), 0);
  const first = at(lost, 0);
  return {
    kind: 'range',
    tensor: facts.slot.name,
    channels: lost,
    sqnr: sqnrOf(facts, lost),
    text:
      `${what} '${facts.tensor}': channels ${someOf(lost, facts.channels.length)} vary by less than one stored step: ` +
      `channel ${first} by ${short(at(facts.channels, first).deviation)} around ${short(at(facts.channels, first).mean)}, a step is ${short(steps)}`,
    todo: 'normalize: subtract the mean, and scale channels to similar ranges',
  };
}

/** Of the float network's output, with some channels of the input as the program stores them; in decibels. */
function effectOf(
  { fused, program }: Build,
  { runs }: Measured,
  input: TensorFacts,
  lost: readonly number[],
): number {
  const channel = channelOf(input.slot);
  const distances = new Distances();
  for (const run of runs) {
    const real = run.real.get(input.tensor);
    if (real === undefined) continue;
    const stored = run.stored(program.slots.indexOf(input.slot));
    const mixed = Float32Array.from(stored, (x, i) => (lost.includes(channel(i)) ? x : at(real.data, i)));
    const evaluated = evaluate(fused, new Map([...run.real, [input.tensor, tensorOf(real, mixed)]]));
    for (const output of fused.outputs) {
      const made = must(evaluated.get(output), 'the output was computed');
      const wanted = must(run.real.get(output), 'the output was computed');
      made.data.forEach((x: number, i: number) => {
        distances.add(at(wanted.data, i), x);
      });
    }
  }
  return distances.result().sqnr;
}

/** What is lost of an input matters where the output would be farther off than this. */
const matters = 30;

function inputWarnings(build: Build, measured: Measured, input: TensorFacts): readonly Warning[] {
  const lost = lostChannels(input);
  if (lost.length === 0 || build.program.rawInput !== undefined) return [];
  const effect = effectOf(build, measured, input, lost);
  if (effect >= matters) return [];
  const warning = warningOf('input', input, lost);
  return [{ ...warning, text: `${warning.text}; that alone leaves ${decibelText(effect)} of the output` }];
}

/** A classifier is for its largest output: one that is never near it may be lost. */
const isClassifier = ({ classes, sameClass }: Measured): boolean =>
  classes > 1 && sameClass !== undefined && sameClass.hits >= 0.9 * sameClass.total;

function outputWarnings({ program }: Build, measured: Measured): readonly Warning[] {
  if (isClassifier(measured)) return [];
  return [...measured.tensors].flatMap(([index, output]) => {
    if (isInput(program, index) || !isOutput(program, index)) return [];
    const lost = lostChannels(output);
    return lost.length === 0 ? [] : [warningOf('output', output, lost)];
  });
}

/** Shares of a calibrated range's width. */
const far = 0.5;

/** The first tensor whose range the float network leaves by far; a range that was cut on purpose is not reported. */
function leftRanges({ calibration, program }: Build, { steps, inputs }: Measured): readonly Warning[] {
  if (calibration?.method !== 'minmax') return [];
  const all = program.rawInput === undefined ? [...inputs, ...steps] : steps;
  for (const { tensor, lo, hi } of all) {
    const range = calibration.ranges.get(tensor);
    if (range === undefined) continue;
    const over = Math.max(hi - range.hi, range.lo - lo);
    if (over <= far * (range.hi - range.lo) || over <= 0) continue;
    return [
      {
        kind: 'calibration',
        tensor,
        text: `tensor '${tensor}' was calibrated to ${short(range.lo)}..${short(range.hi)}, and its values on other samples are ${short(lo)}..${short(hi)}`,
        todo: 'give --calibrate more samples, of all kinds that the network will see',
      },
    ];
  }
  return [];
}

export const rangeWarnings = (build: Build, measured: Measured): readonly Warning[] => [
  ...leftRanges(build, measured),
  ...measured.inputs.flatMap((input) => inputWarnings(build, measured, input)),
  ...outputWarnings(build, measured),
];
