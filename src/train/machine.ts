/** Memory and kernels together. */
import { instantiate } from '../wasm/host.ts';
import { type Kernels, kernelModule } from './kernels.ts';

/** Zeroed memory and the kernels that work in it. */
export function machineOf(bytes: number): { readonly buffer: ArrayBuffer; readonly kernels: Kernels } {
  const { buffer, exports } = instantiate(kernelModule(), bytes);
  return { buffer, kernels: exports as Kernels };
}
