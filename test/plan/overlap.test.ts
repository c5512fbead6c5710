import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { elemBytes, type Kernel } from '../../src/ir/kernel/kernel.ts';
import { type Overlap, overlapOf } from '../../src/plan/overlap.ts';
import type { Program } from '../../src/program/program.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { Trap } from '../../src/sim/trap.ts';
import * as ir from '../support/ir.ts';
import { arrayLength, kernels, runs } from '../support/kernels.ts';
import { convPool, dense } from '../support/lenet.ts';

/** The kernel with its output `distance` bytes above its input (negative: below), scratch out of the way. */
function placed(k: Kernel, distance: number): Program {
  const base = 256;
  const slots = k.params.map((p, i): ir.SlotSpec => {
    const address = p.role === 'in' ? base : p.role === 'out' ? base + distance : 1024 * i;
    return { name: p.name, address, elem: p.elem, length: p.length };
  });
  const made = ir.program(slots, [[k, slots.map((_, i) => i)]]);
  return { ...made, arenaBytes: 4096 };
}

/** Whether the simulator, which knows the owner of every byte, finds nothing wrong with the placement. */
function isSafe(k: Kernel, distance: number): boolean {
  const p = placed(k, distance);
  const input = new Uint8Array(k.params[0]!.length * elemBytes[k.params[0]!.elem]).fill(3);
  try {
    createSimulator(p, { mode: 'checked' }).run(input);
  } catch (error) {
    if (error instanceof Trap) return false;
    throw error;
  }
  return true;
}

const only = (k: Kernel): Overlap => {
  const found = overlapOf(k) ?? [];
  expect(found.length).toBe(1);
  return found[0]!;
};

/** Kernels that are right where nothing overlaps: what else goes wrong is the placement's fault. */
const sound = (fixedReads: boolean) =>
  kernels({ fixedAddresses: true, integersOnly: true, fixedReads }).filter((k) => isSafe(k, 64));

const isAligned = (k: Kernel, d: number): boolean => d % elemBytes[k.params[1]!.elem] === 0;

describe('random kernels, against placements in the simulator', () => {
  test('every placement beyond the bounds is safe', () => {
    fc.assert(
      fc.property(sound(false), (k) => {
        const { below, above, inPlace } = only(k);
        // The input has 8 bytes, the output up to 32.
        for (let d = -33; d <= 9; d++)
          if (isAligned(k, d) && (d <= -below || d >= above)) expect(isSafe(k, d), `${d}`).toBe(true);
        if (inPlace) expect(isSafe(k, 0)).toBe(true);
      }),
      runs(40),
    );
  });

  test('the first placement inside of the bounds is not, where reads do not depend on the input', () => {
    fc.assert(
      fc.property(sound(true), (k) => {
        const { below, above, inPlace } = only(k);
        if (below > 0 && isAligned(k, below - 1)) expect(isSafe(k, 1 - below), 'below').toBe(false);
        if (above > 0 && isAligned(k, above - 1)) expect(isSafe(k, above - 1), 'above').toBe(false);
        expect(isSafe(k, 0)).toBe(inPlace);
      }),
      runs(200),
    );
  });
});

const bytes = (name: string, role: 'in' | 'out', length = arrayLength) => ir.param(name, role, 'u8', length);
const params = [bytes('in', 'in'), bytes('out', 'out')];
const i = ir.local('i');
const x = (at: Parameters<typeof ir.load>[2]) => ir.load('in', 'u8', at);

describe('the distances of', () => {
  test('an elementwise kernel: in place, or to either side after the whole tensor', () => {
    const k = ir.kernel('k', params, [ir.for_('i', 0, 8, [ir.store('out', 'u8', i, x(i))])]);
    expect(only(k)).toEqual({ input: 0, output: 1, below: 0, above: 8, inPlace: true });
  });

  test('a reversed elementwise kernel', () => {
    const back = ir.sub(7, i);
    const k = ir.kernel('k', params, [ir.for_('i', 0, 8, [ir.store('out', 'u8', back, x(back))])]);
    expect(only(k)).toEqual({ input: 0, output: 1, below: 8, above: 0, inPlace: true });
  });

  test('a kernel that reads everything for every output', () => {
    expect(only(dense('fc', 40, 10))).toEqual({ input: 0, output: 1, below: 9, above: 40, inPlace: false });
  });

  test('a kernel that never looks back: nothing is read after a write', () => {
    const k = ir.kernel('k', params, [
      ir.let_('a', x(7)),
      ir.for_('i', 0, 8, [ir.store('out', 'u8', i, ir.local('a'))]),
    ]);
    expect(only(k)).toEqual({ input: 0, output: 1, below: 0, above: 0, inPlace: true });
  });

  test('a memcpy may not touch itself at all', () => {
    const k = ir.kernel('k', params, [ir.copy('u8', 'out', 0, 'in', 0, 8)]);
    expect(only(k)).toEqual({ input: 0, output: 1, below: 8, above: 8, inPlace: false });
  });

  test('wide outputs, in bytes', () => {
    const k = ir.kernel(
      'k',
      [bytes('in', 'in'), ir.param('out', 'out', 'i32', 8)],
      [ir.for_('i', 0, 8, [ir.store('out', 'i32', i, x(i))])],
    );
    // After output 6 is written, at bytes 24 to 27, input byte 7 is read.
    expect(only(k)).toEqual({ input: 0, output: 1, below: 21, above: 8, inPlace: false });
  });

  test('a convolution with fused pooling: the output trails by some rows', () => {
    const k = convPool('conv', 12, 2, 3);
    const { below, above, inPlace } = only(k);
    expect(inPlace).toBe(false);
    expect(above).toBe(288);
    expect(isSafe(k, -below)).toBe(true);
    expect(isSafe(k, 1 - below)).toBe(false);
    expect(below).toBeLessThan(4 * 4 * 3);
  });

  test('every pair of an input and an output', () => {
    const k = ir.kernel(
      'k',
      [bytes('a', 'in'), ...params],
      [ir.for_('i', 0, 8, [ir.store('out', 'u8', i, ir.and(ir.load('a', 'u8', i), x(0)))])],
    );
    expect(overlapOf(k)).toEqual([
      { input: 0, output: 2, below: 0, above: 8, inPlace: true },
      { input: 1, output: 2, below: 7, above: 1, inPlace: false },
    ]);
  });

  test('what may be read or written under a condition counts as done', () => {
    const k = ir.kernel('k', params, [
      ir.for_('i', 0, 8, [
        ir.store('out', 'u8', i, 1),
        ir.if_(ir.compare('gt', x(i), 9), [ir.let_('y', x(ir.and(ir.sub(i, 1), 7)))]),
      ]),
    ]);
    const { below, above } = only(k);
    // After output i is written, input i - 1 may still be read; 1 would do if only input i were.
    expect([below, above]).toEqual([2, 8]);
  });
});

describe('no distances for', () => {
  test('addresses from the input', () => {
    const k = ir.kernel('k', params, [ir.store('out', 'u8', 0, x(ir.and(x(0), 7)))]);
    expect(overlapOf(k)).toBeUndefined();
  });

  test('pointers that the input moves', () => {
    const k = ir.kernel('k', params, [
      ir.pointer('p', 'in', 'u8', 0),
      ir.if_(x(0), [ir.advance('p', 1)]),
      ir.store('out', 'u8', 0, ir.load('p', 'u8', 0)),
    ]);
    expect(overlapOf(k)).toBeUndefined();
  });

  test('trip counts from the input', () => {
    const k = ir.kernel('k', params, [ir.for_('i', 0, ir.and(x(0), 7), [ir.store('out', 'u8', 0, 1)])]);
    expect(overlapOf(k)).toBeUndefined();
  });
});

test('tables are no part of the arena: lookups by the input leave addresses known', () => {
  const k = ir.kernel(
    'k',
    params,
    [ir.for_('i', 0, 8, [ir.store('out', 'u8', i, ir.load('lut', 'u8', ir.and(x(i), 1)))])],
    [ir.table('lut', 'u8', [4, 5])],
  );
  expect(only(k).inPlace).toBe(true);
});
