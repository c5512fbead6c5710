/** The inputs that a program was exported with, which its archive keeps: one sample. */
import { complain, type InputError, must } from '../../../base/errors.ts';
import type { Tensor } from '../../tensor.ts';
import { asKind, kindOf, type Value } from './pickle.ts';
import { archiveOf, isOneProgram } from './pt2-tensors.ts';
import { readSaved } from './saved.ts';
import type { Zip } from './zip.ts';

const unusable = (found: string): InputError =>
  complain(found, 'a sample of tensors, one for each input', 'give samples as .npy');

/** More is no call, but a list that contains itself. */
const mostValues = 10_000;

/** In order, those within lists and tuples too. Numbers and the like were fixed at export: they are no inputs. */
function tensorsIn(values: readonly Value[]): readonly Tensor[] {
  const found: Tensor[] = [];
  const waiting = values.toReversed();
  for (let count = 0; waiting.length > 0; count++) {
    const value = must(waiting.pop(), 'a value');
    const [tensor, sequence] = [asKind(value, 'tensor'), asKind(value, 'tuple', 'list')];
    if (tensor !== undefined) found.push(tensor.read());
    else if (sequence !== undefined && count < mostValues) waiting.push(...sequence.items.toReversed());
    else if (typeof value === 'object' && value !== null)
      throw unusable(`a sample input that is a ${kindOf(value)}`);
  }
  return found;
}

/** Whether an exported program has its example inputs with it. */
export const hasSample = (zip: Zip): boolean => isOneProgram(zip) && zip.has(archiveOf(zip).sample);

/**
 * The example of each input: keyword arguments by their names, the others in order.
 * @param inputs their names, without fixed values
 * @throws InputError for a program without examples, and for examples of other inputs
 */
export function sampleInputs(zip: Zip, inputs: readonly string[]): readonly Tensor[] {
  const { sample } = archiveOf(zip);
  const [args, named] = asKind(zip.has(sample) ? readSaved(zip.bytes(sample)) : null, 'tuple')?.items ?? [];
  const keywords = asKind(named, 'dict')?.entries;
  if (args === undefined || keywords === undefined)
    throw unusable('an exported program without sample inputs');
  const ordered = [...tensorsIn([args])];
  const tensors = inputs.flatMap((name) =>
    keywords.has(name) ? tensorsIn([must(keywords.get(name), 'a value')]) : ordered.splice(0, 1),
  );
  const left = ordered.length + [...keywords.keys()].filter((key) => !inputs.includes(String(key))).length;
  if (tensors.length !== inputs.length || left > 0)
    throw unusable(`sample inputs that are not those of ${inputs.map((name) => `'${name}'`).join(', ')}`);
  return tensors;
}
