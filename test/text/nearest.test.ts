import { expect, test } from 'vitest';
import { didYouMean } from '../../src/text/nearest.ts';

const chips = ['cortex-m0', 'cortex-m4', 'cortex-m33', 'rv32imc'];

test.each([
  ['cortexm4', "did you mean 'cortex-m4'?"],
  ['Cortex_M33', "did you mean 'cortex-m33'?"],
  ['rv32', undefined],
  ['rv32im', "did you mean 'rv32imc'?"],
  ['avr', undefined],
  ['', undefined],
])('%s', (word, wanted) => {
  expect(didYouMean(word, chips)).toBe(wanted);
});

test('nothing known', () => {
  expect(didYouMean('a', [])).toBeUndefined();
});
