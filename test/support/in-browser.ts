/** What test/browser.test.ts runs twice, here and in Chromium: the whole way from ONNX bytes to arenas. */
import { compile } from '../../src/compile.ts';
import { drawDigit } from '../../src/data/digits.ts';
import { prepare } from '../../src/data/prepare.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { floats } from '../../src/ir/tensor.ts';
import { encodeInput } from '../../src/program/values.ts';
import { createSimulator } from '../../src/sim/simulate.ts';

const count = 12;

function digits() {
  const pixels = Array.from({ length: count }, (_, i) => drawDigit(i % 10, 40 + i));
  const data = new Uint8Array(count * 784);
  pixels.forEach((digit, i) => {
    data.set(digit, i * 784);
  });
  const samples = { where: 'digits', array: { dtype: 'uint8', shape: [count, 28, 28], data } } as const;
  return prepare(samples, [1, 32, 32], { pad: 2 });
}

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Every arena after every kernel of `count` inferences, and the float model's outputs, in hexadecimal. */
export function everything(model: Uint8Array): { readonly arenas: string[]; readonly floats: string[] } {
  const graph = importOnnx(model, { name: 'lenet5' });
  const samples = digits();
  const inputs = Array.from({ length: count }, (_, i) => samples.real(i));
  const { program, floatGraph } = compile(graph, { name: 'lenet5', arith: 'int8', calibration: { inputs } });
  const simulator = createSimulator(program, { mode: 'checked' });
  const runs = inputs.map((input) => simulator.run(encodeInput(program, input), { keepArenas: true }));
  const name = floatGraph.inputs[0] ?? '';
  const reals = inputs.map((x) => evaluate(floatGraph, new Map([[name, floats([1, 1, 32, 32], x)]])));
  return {
    arenas: runs.flatMap(({ arenas }) => arenas.map(hex)),
    floats: reals.flatMap((outputs) =>
      [...outputs.values()].map(({ data }) => hex(new Uint8Array((data as Float32Array).slice().buffer))),
    ),
  };
}
