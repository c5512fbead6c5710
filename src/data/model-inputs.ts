/** Samples of a model's inputs: of one as pictures or arrays, of several an array each, of any shape and type. */
import { at, InputError, must } from '../base/errors.ts';
import { countOf, type Shape, showShape } from '../ir/tensor.ts';
import { type Prepared, type PrepareOptions, prepare, type SampleShape } from './prepare.ts';
import type { Samples } from './samples.ts';

/** An input of a model or program, as samples fill it. */
export interface ModelInput {
  readonly name: string;
  /** The first axis included. */
  readonly shape: Shape;
  /** Without a first axis of 1. */
  readonly sample: SampleShape;
  /** It takes integers or booleans, which are never scaled. */
  readonly integers: boolean;
}

/** What `prepare` knows: one vector, line or picture. */
const isPicture = ({ shape, integers }: ModelInput): boolean =>
  !integers && shape[0] === 1 && shape.length >= 2 && shape.length <= 4;

/** Samples of one input. @throws InputError when they do not fit it */
export const prepareInput = (samples: Samples, input: ModelInput, options: PrepareOptions = {}): Prepared =>
  isPicture(input) ? prepare(samples, input.sample, options) : plain(samples, input, options);

/** The array as it is: samples first, with or without the model's own first axis of 1. */
function plain({ where, array }: Samples, input: ModelInput, options: PrepareOptions): Prepared {
  requirePlain(where, input, options);
  const { shape } = input;
  const rest = shape[0] === 1 ? shape.slice(1) : shape;
  const fits = [shape, rest].some((wanted) => String(array.shape.slice(1)) === String(wanted));
  const [count = 0] = array.shape;
  if (!fits || count === 0)
    throw new InputError({
      where,
      found: `an array of shape ${showShape(array.shape)}`,
      supported: `samples by ${showShape(shape)}, for input '${input.name}'`,
      todo: 'save all samples as one array, their axis first',
    });
  const size = countOf(shape);
  const numbers = Float32Array.from(array.data);
  const odd = array.data.findIndex((x: number, i: number) => isOdd(x, at(numbers, i), input));
  if (odd >= 0)
    throw new InputError({
      where,
      found: `sample ${Math.floor(odd / size)} holds ${array.data[odd]}`,
      supported: input.integers ? 'integers of up to 24 bits' : 'finite float32 numbers',
      todo: 'clean the data first',
    });
  const real = (i: number): Float32Array => numbers.slice(i * size, (i + 1) * size);
  return { where, count, sampleShape: rest, real };
}

const isOdd = (x: number, stored: number, { integers }: ModelInput): boolean =>
  integers ? !Number.isInteger(x) || x !== stored : !Number.isFinite(stored);

/** @throws InputError for options that are about pictures */
function requirePlain(
  where: string,
  input: Pick<ModelInput, 'name' | 'shape'>,
  { normalize, pad, resize, layout }: PrepareOptions,
): void {
  const asked = Object.entries({ normalize, pad, resize, layout }).find(([, value]) => value !== undefined);
  if (asked === undefined) return;
  throw new InputError({
    where,
    found: `--${asked[0]} for input '${input.name}' of ${showShape(input.shape)}`,
    supported: 'such options for models whose only input is a picture',
    todo: 'prepare the arrays before they are saved',
  });
}

/**
 * Samples of several inputs, one after the other in each.
 * @param parts by input
 * @throws InputError where one has more samples than another, and for options that are about pictures
 */
export function joined(
  parts: readonly Prepared[],
  inputs: readonly ModelInput[],
  options: PrepareOptions,
): Prepared {
  const first = at(parts, 0);
  parts.forEach((part, i) => {
    requirePlain(part.where, at(inputs, i), options);
    if (part.count === first.count) return;
    throw new InputError({
      where: part.where,
      found: `${part.count} samples for input '${inputs[i]?.name}'`,
      supported: `${first.count}, as for input '${inputs[0]?.name}'`,
      todo: 'give the same number of each',
    });
  });
  const real = (i: number): Float32Array => {
    const each = parts.map((part) => part.real(i));
    const all = new Float32Array(each.reduce((sum, numbers) => sum + numbers.length, 0));
    let from = 0;
    for (const numbers of each) {
      all.set(numbers, from);
      from += numbers.length;
    }
    return all;
  };
  const labels = parts.find((part) => part.labels !== undefined)?.labels;
  const { where, count } = first;
  const sampleShape = [must(count > 0 ? real(0).length : undefined, 'there are samples')];
  return { where, count, sampleShape, real, ...(labels === undefined ? {} : { labels }) };
}
