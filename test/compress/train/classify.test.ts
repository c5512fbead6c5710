import { expect, test } from 'vitest';
import { accuracy, classify } from '../../../src/compress/train/classify.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { tinyData, tinyTeacher } from '../../support/tiny-training.ts';

const data = { ...tinyData, count: 37 };
const reference = Array.from({ length: data.count }, (_, i) => {
  const inputs = new Map([['x', floats([1, 1, 8, 8], data.input(i))]]);
  const [y] = evaluate(tinyTeacher, inputs).values();
  return [...y!.data].indexOf(Math.max(...y!.data));
});

test('classes are those of the reference, for counts that are no multiple of a group', () => {
  expect([...classify(tinyTeacher, data)]).toEqual(reference);
  expect(new Set(reference).size).toBeGreaterThan(2);
});

test('accuracy is the share of labels that are met', () => {
  const half = { ...data, count: 20, label: (i: number) => (i % 2 === 0 ? reference[i]! : -1) };
  expect(accuracy(tinyTeacher, half)).toBe(0.5);
});
