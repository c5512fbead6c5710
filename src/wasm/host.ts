/** What thimble uses of the WebAssembly interface, which every engine with modules has. */
interface WebAssemblyLike {
  readonly Memory: new (descriptor: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, object>>>>,
  ) => { readonly exports: unknown };
  validate(bytes: Uint8Array): boolean;
}

const { WebAssembly: wasm } = globalThis as { readonly WebAssembly?: WebAssemblyLike };

const pageBytes = 65_536;

/** Whether this machine can run the module. */
export const canRun = (module: Uint8Array): boolean => wasm?.validate(module) === true;

/**
 * Zeroed memory, and what the module exports over it.
 * @throws what the engine throws: ask `canRun` first where that is not known.
 */
export function instantiate(
  module: Uint8Array,
  bytes: number,
): { readonly buffer: ArrayBuffer; readonly exports: unknown } {
  if (wasm === undefined) throw new ReferenceError('this engine has no WebAssembly');
  const memory = new wasm.Memory({ initial: Math.max(1, Math.ceil(bytes / pageBytes)) });
  const { exports } = new wasm.Instance(new wasm.Module(module), { env: { memory } });
  return { buffer: memory.buffer, exports };
}
