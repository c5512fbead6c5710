/** The sample programs' C, as it is kept under test/golden. */

import { must } from '../../src/base/errors.ts';
import type { EmitInfo } from '../../src/emit/info.ts';
import { emitC } from '../../src/emit/package.ts';
import { evaluate } from '../oracles/kernel-evaluator.ts';
import { familyPrograms } from './families.ts';
import { type Sample, samples } from './sample-programs.ts';

/** Proved by hand: nine products of at most 255 * 127, and a bias from -900 to 70000. */
const ranges = new Map([['conv', new Map([['acc', { lo: -292365, hi: 361465 }]])]]);

export const infoOf = ({ program, inputs }: Sample): EmitInfo => ({
  command: `thimble compile ${program.name}.onnx`,
  version: '0.0.0-golden',
  hash: 'written by hand',
  golden: inputs.map((input) => ({ input, output: evaluate(program, input).output })),
  ranges,
});

export const filesOf = (sample: Sample): ReadonlyMap<string, string> => emitC(sample.program, infoOf(sample));

/** Paths below test/golden, and contents. */
export const goldenFiles = (): ReadonlyMap<string, string> =>
  new Map([
    ...samples.flatMap((sample) =>
      [...filesOf(sample)].map(([file, text]) => [`${sample.program.name}/${file}`, text] as const),
    ),
    ...familyPrograms().map((program) => {
      const file = `${program.name}.c`;
      const text = must(filesOf({ program, inputs: [] }).get(file), 'a program has a file of kernels');
      return [`families/${file}`, text] as const;
    }),
  ]);
