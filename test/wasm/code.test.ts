import { expect, test } from 'vitest';
import { kernelModule } from '../../src/compress/gradient/kernels.ts';
import { func, int, moduleOf } from '../../src/wasm/code.ts';
import { plus, storeFloat, sweep, times } from '../../src/wasm/instructions.ts';

interface Assembly {
  readonly Memory: new (descriptor: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: object } },
  ) => { readonly exports: unknown };
  validate(bytes: Uint8Array): boolean;
}
const wasm = (globalThis as unknown as { readonly WebAssembly: Assembly }).WebAssembly;

test('the kernels are a valid module, small enough to be compiled at once in every browser', () => {
  expect(wasm.validate(kernelModule())).toBe(true);
  expect(kernelModule().length).toBeLessThan(4096);
});

test('constants of all sizes arrive as they are', () => {
  const values = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, -8193, 2 ** 20, 2 ** 31 - 1, -(2 ** 31)];
  // Reinterpreted: what is stored are the bits of the integer.
  const reinterpret = 0xbe;
  const store = func('store', {}, [], [], () =>
    values.map((value, i) => storeFloat(int(4 * i), [...int(value), reinterpret])),
  );
  const memory = new wasm.Memory({ initial: 1 });
  const { exports } = new wasm.Instance(new wasm.Module(moduleOf([store])), { env: { memory } });
  (exports as { store(): void }).store();
  expect([...new Int32Array(memory.buffer, 0, values.length)]).toEqual(values);
});

test('a sweep visits every step below its end, and none of an empty range', () => {
  const one = [0x43, 0, 0, 0x80, 0x3f];
  const fill = func('fill', { from: 'i32', end: 'i32' }, ['twice'], [], (v) => [
    sweep(v.from, v.end.get, 8, [
      ...v.twice.set(times(v.from.get, int(1))),
      ...storeFloat(plus(v.twice.get, int(4)), one),
    ]),
  ]);
  const memory = new wasm.Memory({ initial: 1 });
  const { exports } = new wasm.Instance(new wasm.Module(moduleOf([fill])), { env: { memory } });
  const run = (exports as { fill(from: number, end: number): void }).fill;
  run(0, 24);
  run(64, 64);
  expect([...new Float32Array(memory.buffer, 0, 8)]).toEqual([0, 1, 0, 1, 0, 1, 0, 0]);
  expect([...new Float32Array(memory.buffer, 64, 2)]).toEqual([0, 0]);
});
