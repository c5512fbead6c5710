import { expect, test } from 'vitest';
import { callBounds } from '../../../src/prove/interval/runtime.ts';

test('calls are bounded for the arguments given, whatever was asked before', () => {
  const clamp = callBounds('clamp');
  for (let i = 0; i < 1000; i++)
    expect(clamp(i, i + 5, 0, 0, 500, 500)).toMatchObject({ lo: Math.min(i, 500), hi: Math.min(i + 5, 500) });
});
