/** Random windows that fit, over 1 to 3 spatial axes. */
import fc from 'fast-check';
import type { WindowAttrs } from '../../src/ir/geometry/window.ts';

const axis = fc
  .record({
    size: fc.integer({ min: 1, max: 6 }),
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    before: fc.integer({ min: 0, max: 2 }),
    after: fc.integer({ min: 0, max: 2 }),
  })
  .map((a) => ({ ...a, extent: (a.kernel - 1) * a.dilation + 1 }))
  .map((a) => ({ ...a, before: Math.min(a.before, a.extent - 1), after: Math.min(a.after, a.extent - 1) }))
  .filter((a) => a.size + a.before + a.after >= a.extent);

export interface Windows {
  readonly spatial: readonly number[];
  readonly attrs: WindowAttrs;
}

export const windowsArbitrary: fc.Arbitrary<Windows> = fc
  .tuple(
    fc.array(axis, { minLength: 1, maxLength: 3 }),
    fc.constantFrom('NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
  )
  .filter(([axes, autoPad]) => autoPad === 'NOTSET' || axes.every((a) => a.size >= a.extent))
  .map(([axes, autoPad]) => ({
    spatial: axes.map((a) => a.size),
    attrs: {
      kernel: axes.map((a) => a.kernel),
      strides: axes.map((a) => a.stride),
      pads: autoPad === 'NOTSET' ? [...axes.map((a) => a.before), ...axes.map((a) => a.after)] : [],
      autoPad,
      dilations: axes.map((a) => a.dilation),
    },
  }));
