/** Class labels: one whole number per sample. */
import { InputError } from '../base/errors.ts';
import type { Tensor } from '../ir/tensor.ts';

const bad = (
  where: string,
  found: string,
  todo = 'convert the labels to whole numbers counted from 0',
): InputError =>
  new InputError({
    where,
    found,
    supported: 'one class number (0, 1, 2, ...) per sample, as idx1, .npy, .npz or a text file',
    todo,
  });

function checked(numbers: ArrayLike<number>, where: string): Int32Array {
  if (numbers.length === 0) throw bad(where, 'no labels');
  const labels = Int32Array.from(numbers);
  const at = labels.findIndex((label, i) => label !== numbers[i] || label < 0);
  if (at >= 0) throw bad(where, `label ${at} is ${numbers[at]}`);
  return labels;
}

/** @throws InputError unless it is one axis (or N x 1) of whole numbers from 0 on. */
export function labelsOf(array: Tensor, where: string): Int32Array {
  const axes = array.shape.filter((n) => n !== 1).length;
  if (axes > 1)
    throw bad(
      where,
      `an array of shape ${array.shape.join('x')}`,
      'are these the samples? give the labels here',
    );
  return checked(array.data, where);
}

/** Numbers separated by white space or commas; lines that begin with # are comments. */
export function labelsOfText(text: string, where: string): Int32Array {
  const lines = text.split(/\r?\n/).filter((line) => !line.trimStart().startsWith('#'));
  const words = lines.flatMap((line) => line.split(/[\s,]+/)).filter((word) => word !== '');
  const wrong = words.find((word) => !/^[0-9]+$/.test(word));
  if (wrong !== undefined) throw bad(where, `'${wrong.slice(0, 20)}'`);
  return checked(words.map(Number), where);
}

/** @throws InputError when there are not as many labels as samples. */
export function requireLabelCount(labels: Int32Array, count: number, where: string): void {
  if (labels.length === count) return;
  throw new InputError({
    where,
    found: `${labels.length} labels for ${count} samples`,
    supported: 'as many labels as samples, in the same order',
    todo: 'check that both files belong together',
  });
}

/** @throws InputError for a label that no output stands for. */
export function requireClasses(labels: ArrayLike<number>, classes: number, where: string): void {
  const at = Array.prototype.findIndex.call(labels, (label: number) => label >= classes);
  if (at < 0) return;
  throw new InputError({
    where,
    found: `label ${at} is ${labels[at]}, but the model has ${classes} outputs`,
    supported: `class numbers 0 to ${classes - 1}`,
    todo: 'check that labels and model belong together',
  });
}
