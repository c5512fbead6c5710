/** What test/package.test.ts runs twice, in Node and in Chromium: the whole way from ONNX bytes to arenas and C. */
import type * as Door from '../../src/browser.ts';

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Every file of the artifact, and of each input every arena after every kernel and the float model's outputs. */
export function everything(
  { artifactOf, compile, createSimulator, encodeInput, evaluate, loadOnnx }: typeof Door,
  model: Uint8Array,
  inputs: readonly Float32Array[],
) {
  const graph = loadOnnx(model, { name: 'lenet5' });
  const compiled = compile(graph, { name: 'lenet5', arith: 'int8', calibration: { inputs } });
  const { program, floatGraph } = compiled;
  const simulator = createSimulator(program, { mode: 'checked' });
  const runs = inputs.map((input) => simulator.run(encodeInput(program, input), { keepArenas: true }));
  const reals = inputs.map((data) =>
    evaluate(floatGraph, new Map([['input', { dtype: 'float32', shape: [1, 1, 32, 32], data }]])),
  );
  const files = artifactOf(compiled, { command: '', version: '', model, preprocessing: {} });
  return {
    files: [...files],
    arenas: runs.flatMap(({ arenas }) => arenas.map(hex)),
    floats: reals.flatMap((outputs) => [...outputs.values()].map(({ data }) => [...data])),
  };
}
