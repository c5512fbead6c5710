/** What a page about the demo's model holds. */
import { join } from 'node:path';
import { compile } from '../../src/compile.ts';
import { drawDigit } from '../../src/data/digits.ts';
import { prepare } from '../../src/data/prepare.ts';
import { emitC } from '../../src/emit/package.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { cFunctions } from '../../src/view/c-functions.ts';
import type { ViewData } from '../../src/view/data.ts';
import { digitExamples } from '../../src/view/examples.ts';
import { frameOf } from '../../src/view/sample.ts';
import { readBytes, root } from './shared.ts';

const count = 10;

/** LeNet-5 for pixels, calibrated on drawn digits, with its float side and its C. */
export function demoData(): ViewData {
  const model = readBytes(join(root, 'models/lenet5.onnx'));
  const graph = importOnnx(model, { name: 'lenet5' });
  const data = new Uint8Array(count * 784);
  for (let i = 0; i < count; i++) data.set(drawDigit(i % 10, 500 + i), i * 784);
  const array = { dtype: 'uint8', shape: [count, 28, 28], data } as const;
  const preprocessing = { pad: 2 };
  const samples = prepare({ where: 'digits', array }, [1, 32, 32], preprocessing);
  const inputs = Array.from({ length: count }, (_, i) => samples.real(i));
  const raw = samples.pixels!.normalization;
  const { program } = compile(graph, { name: 'lenet5', arith: 'int8', calibration: { inputs, raw } });
  const files = emitC(program, { command: '', version: 'test', hash: '', golden: [] });
  return {
    version: 'test',
    program,
    float: { kind: 'program', program: compile(graph, { name: 'lenet5', arith: 'float32' }).program },
    preprocessing,
    sources: Object.fromEntries(cFunctions(String(files.get('lenet5.c')), 'lenet5')),
    examples: digitExamples(frameOf(program, preprocessing)!),
  };
}
