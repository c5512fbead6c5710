/** What an operator of one real function has to keep: its reference, its table of bytes and its float32 kernel. */
import { expect } from 'vitest';
import type { CanonicalOp } from '../../src/ir/graph/op.ts';
import type { Kernel } from '../../src/ir/kernel/kernel.ts';
import type { Quant } from '../../src/ir/kernel/stored.ts';
import type { Lookup } from '../../src/ir/ops/common/pointwise.ts';
import { floats } from '../../src/ir/tensor.ts';
import { prove } from '../../src/prove/prove.ts';
import { type EngineName, inference } from '../../src/runtime/engines.ts';
import * as ir from './ir.ts';

const engines: readonly EngineName[] = ['checked', 'js', 'wasm-simd'];

/** What every engine makes of the input; they agree byte for byte, and no rule of C is left to a check. */
function outputOf(kernel: Kernel, elem: 'u8' | 'f32', input: Uint8Array, length: number): Uint8Array {
  expect(prove(kernel).unproven).toEqual([]);
  const program = ir.program(
    [
      { name: 'x', address: 0, elem, length },
      { name: 'y', address: input.length, elem, length },
    ],
    [[kernel, [0, 1]]],
  );
  const [first, ...others] = engines.map((engine) => inference(program, engine)(input).output);
  for (const other of others) expect(other).toEqual(first);
  return first!;
}

const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);

/** @param f the function, written for the test. */
export function holdsInt8<A>(
  op: CanonicalOp<A, Lookup>,
  attrs: A,
  f: (x: number) => number,
  [input, output]: readonly [Quant, Quant],
): void {
  const type = { dtype: 'float32', shape: [1, 256] } as const;
  const common = { name: 'y', attrs, inputs: ['x'], outputs: ['y'], inputTypes: [type], outputTypes: [type] };
  const scale = {
    ...common,
    mode: 'single',
    weightBits: 8,
    inputQuants: [input],
    range: { lo: 0, hi: 1 },
  } as const;
  const quantized = op.quantize!({
    ...scale,
    outputQuant: output,
    outputQuants: [output],
    inputMean: undefined,
  });
  const place = (quant: Quant) => ({ shape: type.shape, quant });
  const kernel = op.int8!(attrs, quantized, { name: 'y', inputs: [place(input)], outputs: [place(output)] });
  const made = outputOf(kernel, 'u8', bytes, 256);
  bytes.forEach((byte) => {
    const real = f((byte - input.zeroPoint) * input.scale);
    const least = output.scale * (0 - output.zeroPoint);
    const most = output.scale * (255 - output.zeroPoint);
    const stored = (made[byte]! - output.zeroPoint) * output.scale;
    const wanted = Math.max(least, Math.min(most, real));
    const off = Math.abs(stored - wanted) / output.scale;
    if (!(off <= 0.5000001)) expect(stored, `byte ${byte}`).toBe(wanted);
  });
}

/** Numbers around 0, far from it, and the largest ones. */
const numbers = Float32Array.from([
  ...Array.from({ length: 4001 }, (_, i) => (i - 2000) / 100),
  ...[
    -0, 12345.6, -98765.4, 1e-30, -1e-30, 1e-4, -1e-4, 87, -87, 88.8, -88.8, 200, -200, 1e30, -1e30, 3.4e38,
    -3.4e38,
  ],
]);

/** Absolute where the value is below 1, else relative. */
function near(found: number, wanted: number, within: number, what: string): void {
  if (Math.fround(wanted) === found) return;
  // What float32 cannot hold may be infinite, or the largest that was reached.
  if (Math.abs(wanted) > 3e38 && Math.abs(found) > 3e38 && found * wanted > 0) return;
  const most = within * Math.max(1, Math.abs(wanted));
  // Thousands of expectations that hold take a second.
  if (!(Math.abs(found - wanted) <= most)) expect(found, `${what}, within ${most}`).toBe(wanted);
}

/** @param domain outside of it there is no value */
export function holdsFloat32<A, Q>(
  op: CanonicalOp<A, Q>,
  attrs: A,
  f: (x: number) => number,
  [lo, hi]: readonly [number, number] = [-Infinity, Infinity],
): void {
  const inside = numbers.filter((x) => x >= lo && x <= hi);
  const shape = [1, inside.length];
  const [reference] = op.reference(attrs, [floats(shape, inside)]);
  inside.forEach((x, i) => {
    near(reference!.data[i]!, f(x), 2 ** -23, `reference at ${x}`);
  });
  const place = { shape };
  const kernel = op.float32!(attrs, { name: 'y', inputs: [place], outputs: [place] }, []);
  const made = new Float32Array(
    outputOf(kernel, 'f32', new Uint8Array(inside.slice().buffer), inside.length).slice().buffer,
  );
  inside.forEach((x, i) => {
    near(made[i]!, f(x), 2 ** -19, `kernel at ${x}`);
  });
}
