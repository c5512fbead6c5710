import type { Primitive } from '../primitive.ts';

/** What follows from the weights, and not from the code alone: it costs nothing, and the simulator checks it. */
export const knownWithin: Primitive = {
  name: 'known_within',
  doc: 'x, which lies from lo to hi',
  params: [
    { name: 'x', type: 'i32' },
    { name: 'lo', type: 'i32' },
    { name: 'hi', type: 'i32' },
  ],
  result: 'i32',
  c99: ['(void)lo;', '(void)hi;', 'return x;'],
  js: (x = 0) => x,
  wasm: (_, x = []) => x,
  violation: (x = { lo: 0, hi: 0 }, lo = x, hi = x) =>
    x.lo < lo.hi || x.hi > hi.lo ? `${x.lo}..${x.hi} within ${lo.hi}..${hi.lo}` : undefined,
  asserts: true,
  range: (x = { lo: 0, hi: 0 }, lo = x, hi = x) => ({ lo: lo.lo, hi: hi.hi }),
  cost: () => undefined,
};
