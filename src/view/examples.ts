/** What a page shows before anybody has drawn or dropped anything. */

import { mulberry32 } from '../base/random.ts';
import { digitSide, drawDigit } from '../data/digits.ts';
import type { ModelInput } from '../data/model-inputs.ts';
import type { Prepared } from '../data/prepare.ts';
import { padPlanes, resizePlanes } from '../data/resized.ts';
import { countOf } from '../ir/tensor.ts';
import type { Example } from './data.ts';
import type { Frame } from './sample.ts';

/** `indices` of the prepared samples of a file. */
export const examplesFrom = (
  file: string,
  prepared: Prepared,
  indices: readonly number[],
): readonly Example[] =>
  indices.map((i) => {
    const name = `${file}, sample ${i}`;
    return prepared.pixels === undefined
      ? { kind: 'real', name, numbers: Array.from(prepared.real(i)) }
      : { kind: 'pixels', name, numbers: Array.from(prepared.pixels.raw(i)) };
  });

const seed = 7;

/** Ten drawn digits of the frame's size, for networks that take one channel. */
export const digitExamples = ({ height, width, pad }: Frame): readonly Example[] =>
  Array.from({ length: 10 }, (_, digit) => {
    const drawn = resizePlanes(drawDigit(digit, seed), [1, digitSide, digitSide], height, width);
    const numbers = Array.from(padPlanes(drawn, [1, height, width], pad));
    return { kind: 'pixels', name: `a drawn ${digit}`, numbers };
  });

/** Noise, for networks whose inputs are nothing that could be drawn; integers are 0 or 1. */
export function noiseExamples(
  inputs: readonly Pick<ModelInput, 'shape' | 'integers'>[],
  isPicture: boolean,
): readonly Example[] {
  const random = mulberry32(seed);
  return [1, 2, 3].map((i) => {
    const uniform = inputs.map(({ shape }) => Array.from({ length: countOf(shape) }, random));
    const numbers = uniform.flatMap((list, input) =>
      list.map((x) => (inputs[input]?.integers ? Math.round(x) : 2 * x - 1)),
    );
    return isPicture
      ? { kind: 'pixels', name: `noise ${i}`, numbers: uniform.flat().map((x) => Math.floor(256 * x)) }
      : { kind: 'real', name: `noise ${i}`, numbers };
  });
}
