/** Outputs judged as numbers, by what they should be and by the float network's: regression, autoencoders, boxes. */

import { Distances } from '../../base/distance.ts';
import { at, InputError } from '../../base/errors.ts';
import { readSamples } from '../../data/node-files.ts';
import type { Prepared } from '../../data/prepare.ts';
import { countOf } from '../../ir/tensor.ts';
import { formatMany } from '../../text/numbers.ts';
import { table } from '../../text/table.ts';
import type { Progress } from '../progress.ts';
import { type Engine, sampleAt } from './subject.ts';

/** What an output of sample `i` should be. */
export type Expected = (i: number, output: number) => ArrayLike<number>;

export interface Score {
  readonly engine: string;
  readonly output: string;
  /** Mean squared error against what is expected. */
  readonly error?: number;
  /** Signal to noise against the float network, in decibels. */
  readonly sqnr?: number;
}

/**
 * @param file numbers, as many per sample as the outputs have, one after the other; `input`: the samples themselves
 * @throws InputError for numbers that do not fit
 */
export function readExpected(file: string, engine: Engine, prepared: Prepared): Expected {
  const sizes = engine.outputs.map(({ shape }) => countOf(shape));
  const starts = sizes.map((_, o) => sizes.slice(0, o).reduce((sum, n) => sum + n, 0));
  const size = sizes.reduce((sum, n) => sum + n, 0);
  const { count } = prepared;
  const data = file === 'input' ? undefined : readSamples(file).array.data;
  const numbers = data?.length ?? prepared.real(0).length * count;
  if (numbers !== size * count)
    throw new InputError({
      where: `--expected ${file}`,
      found: `${numbers} numbers for ${formatMany(count, 'sample')}`,
      supported: `${size} per sample, as ${engine.outputs.map(({ name }) => `'${name}'`).join(', ')} have, one after the other`,
    });
  return (i, output) => {
    const all = data?.subarray(i * size, (i + 1) * size) ?? prepared.real(i);
    const first = at(starts, output);
    return all.subarray(first, first + at(sizes, output));
  };
}

function addAll(distances: Distances, real: ArrayLike<number>, found: Float32Array): void {
  found.forEach((value, i) => {
    distances.add(at(real, i), value);
  });
}

/** By engine and output; the first engine is the float network where there are two. */
export function scoresOf(
  engines: readonly Engine[],
  prepared: Prepared,
  count: number,
  expected: Expected | undefined,
  progress: Progress,
): readonly Score[] {
  const sums = engines.map(({ outputs }) => outputs.map(() => [new Distances(), new Distances()] as const));
  for (let i = 0; i < count; i++) {
    const made = engines.map((engine) => engine.run(sampleAt(prepared, i)));
    made.forEach((outputs, e) => {
      outputs.forEach((found, o) => {
        const [wanted, float] = at(at(sums, e), o);
        if (expected !== undefined) addAll(wanted, expected(i, o), found);
        addAll(float, at(at(made, 0), o), found);
      });
    });
    progress.report('samples', i + 1, count);
  }
  return engines.flatMap((engine, e) =>
    engine.outputs.map(({ name }, o) => {
      const [wanted, float] = at(at(sums, e), o);
      return {
        ...{ engine: engine.name, output: name },
        ...(expected === undefined ? {} : { error: wanted.noise / wanted.count }),
        ...(e === 0 ? {} : { sqnr: float.result().sqnr }),
      };
    }),
  );
}

const columns = [
  { head: 'engine' },
  { head: 'output' },
  { head: 'mean squared error', align: 'right' },
  { head: 'against float', align: 'right' },
] as const;

export const scoreTable = (scores: readonly Score[], width: number): string =>
  table(
    columns,
    scores.map(({ engine, output, error, sqnr }) => [
      engine,
      output,
      error === undefined ? '' : error.toPrecision(4),
      sqnr === undefined ? '' : sqnr === Infinity ? 'equal' : `${sqnr.toFixed(1)} dB`,
    ]),
    width,
  );
