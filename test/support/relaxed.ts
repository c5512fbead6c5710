/** Relaxed vector instructions of WebAssembly, which Node 20 has behind a flag. */
import { setFlagsFromString } from 'node:v8';
import { expect } from 'vitest';
import { bestInstructions } from '../../src/sim/wasm/engine.ts';

const has = (): boolean => bestInstructions() === 'wasm-relaxed';
const flag = 'experimental-wasm-relaxed-simd';
/** For a process of its own. */
export const relaxedFlags: readonly string[] = has() ? [] : [`--${flag}`];

/** What runs meanwhile finds these instructions. */
export function withRelaxed(run: () => void): void {
  const had = has();
  if (!had) setFlagsFromString(`--${flag}`);
  try {
    expect(has()).toBe(true);
    run();
  } finally {
    if (!had) setFlagsFromString(`--no-${flag}`);
  }
}
