/** Memory and kernels together. */
import { type Kernels, kernelModule } from './kernels.ts';

/** What thimble uses of the WebAssembly interface, which every engine with modules has. */
interface WebAssemblyLike {
  readonly Memory: new (descriptor: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, object>>>>,
  ) => { readonly exports: unknown };
}
const wasm = (globalThis as unknown as { readonly WebAssembly: WebAssemblyLike }).WebAssembly;

const pageBytes = 65_536;

/** Zeroed memory and the kernels that work in it. */
export function machineOf(bytes: number): { readonly buffer: ArrayBuffer; readonly kernels: Kernels } {
  const memory = new wasm.Memory({ initial: Math.max(1, Math.ceil(bytes / pageBytes)) });
  const instance = new wasm.Instance(new wasm.Module(kernelModule()), { env: { memory } });
  return { buffer: memory.buffer, kernels: instance.exports as Kernels };
}
