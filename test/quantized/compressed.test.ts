/** Quantized models whose weights are changed: the activations keep the grids of the file. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { mulberry32 } from '../../src/base/random.ts';
import { type Compiled, type CompileOptions, compile, compileFused, front } from '../../src/compile.ts';
import { finetune } from '../../src/compress/train/finetune.ts';
import { onFileGrid } from '../../src/ir/graph/evaluate.ts';
import { importModel } from '../../src/ir/import/import-model.ts';
import { countOf, floats } from '../../src/ir/tensor.ts';
import { root } from '../support/shared.ts';

const modelOf = (file: string) =>
  importModel(readFileSync(path.join(root, 'test/fixtures/quantized', file)), { name: file });

const given = (file: string, more: Partial<CompileOptions> = {}): Compiled =>
  compile(modelOf(file), { name: 'net', arith: 'int8', ...more });

/** Random inputs over most of what the input's grid holds. */
function samplesFor({ assembled: { inputs, tensors } }: Compiled, count = 24): readonly Float32Array[] {
  const random = mulberry32(7);
  const { shape, quant } = tensors.get(inputs[0]!)!;
  const reach = quant === undefined ? 1 : 100 * quant.scale;
  return Array.from({ length: count }, () =>
    Float32Array.from({ length: countOf(shape) }, () => reach * (random() + random() - 1)),
  );
}

/** By tensor, what it is stored on. */
const gridsIn = ({ assembled: { tensors } }: Compiled) =>
  new Map(
    [...tensors].flatMap(([name, { quant, constant }]) =>
      quant === undefined || constant !== undefined ? [] : [[name, quant] as const],
    ),
  );

function requireGrids(built: Compiled, plain: Compiled): void {
  const own = gridsIn(built);
  // Of removed channels nothing is left.
  for (const [name, quant] of gridsIn(plain))
    if (own.has(name)) expect({ name, quant: own.get(name) }).toEqual({ name, quant });
  expect(built.scales).toMatchObject({ file: plain.scales!.file, calibrated: [] });
}

const ways = {
  'weights by the surgeon': { prune: { method: 'obs', sparsity: 0.4 } },
  'channels, in 4 bits': { prune: { method: 'channel', sparsity: 0.3 }, weightBits: 4 },
  'a codebook, as onnxruntime rounds': { codebook: 16, requant: 'ort-float' },
  'formats by size': { weightBits: 4, formats: { objective: 'flash', target: 'cortex-m4' } },
  'samples alone': {},
} as const satisfies Readonly<Record<string, Partial<CompileOptions>>>;

/** QOperator has all of them; of QONNX, PT2E and 16 bits one each is enough. */
const cases: readonly (readonly [string, keyof typeof ways])[] = [
  ...(Object.keys(ways) as (keyof typeof ways)[]).map((way) => ['gap_fc-qop-s8s8-pc.onnx', way] as const),
  ['qonnx-small.onnx', 'channels, in 4 bits'],
  ['qonnx-small.onnx', 'a codebook, as onnxruntime rounds'],
  ['q_xnn.pt2', 'samples alone'],
  ['q_xnn.pt2', 'channels, in 4 bits'],
  ['small16-qdq-s16s8.onnx', 'weights by the surgeon'],
];

test.each(cases)('%s keeps its grids: %s', (file, way) => {
  const options: Partial<CompileOptions> = ways[way];
  const { requant = 'single' } = options;
  const plain = given(file, { requant });
  const built = given(file, { ...options, calibration: { inputs: samplesFor(plain, 24) } });
  requireGrids(built, plain);
  // Of the model with its roundings: what is left is a step here and there, of 2 to 16 bits.
  expect(built.agreement!.output.sqnr).toBeGreaterThan(22);
  if (way === 'samples alone') expect(built.scales!.rounded).toEqual([]);
});

test('weights that few bits hold already stay the integers of the file', () => {
  const file = 'brevitas-qonnx-w4a4.onnx';
  const plain = given(file);
  const built = given(file, {
    weightBits: 4,
    formats: { objective: 'flash', target: 'cortex-m4' },
    calibration: { inputs: samplesFor(plain) },
  });
  expect(built.scales!.rounded).toEqual([]);
  expect(built.agreement!.worst.sqnr).toBe(Infinity);
});

test('training keeps the grids', async () => {
  const plain = given('gap_fc-qop-s8s8-pc.onnx');
  const inputs = samplesFor(plain, 64);
  const options: CompileOptions = { name: 'net', arith: 'int8', weightBits: 4, calibration: { inputs } };
  const made = front(modelOf('gap_fc-qop-s8s8-pc.onnx'), options);
  const { graph } = await finetune(
    made.fused,
    made.fused,
    { count: inputs.length, input: (i) => inputs[i]! },
    { epochs: 1, sparsity: 0.4, weightBits: 4, batch: 16 },
  );
  const built = compileFused(made, { ...options, rounded: true }, graph);
  requireGrids(built, plain);
  expect(built.scales!.rounded.length).toBe(2);
});

test('a tensor on a grid holds the numbers of its steps', () => {
  const tensor = floats([5], Float32Array.of(-9, -0.26, 0.25, 0.75, 90));
  const grid = { scale: 0.5, zeroPoint: 2 };
  expect([...onFileGrid(tensor, grid).data]).toEqual([-1, -0.5, 0, 1, 90]);
  expect(onFileGrid(tensor, undefined)).toBe(tensor);
});
