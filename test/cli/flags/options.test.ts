import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { clock } from '../../../src/cli/flags/options.ts';

test('clocks', () => {
  const read = ['64MHz', '133 mhz', '32.768 kHz', '16000000', '1G', '84M'].map(clock);
  expect(read).toEqual([64e6, 133e6, 32768, 16e6, 1e9, 84e6]);
  for (const text of ['', '0', '-4MHz', '64 MHertz', 'fast', '1.MHz'])
    expect(() => clock(text)).toThrow(InvalidArgumentError);
});
