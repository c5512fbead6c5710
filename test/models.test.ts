/** The trained networks, in every form they were exported in, against PyTorch's own logits. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { verifyGraph } from '../src/ir/graph/check.ts';
import { evaluate } from '../src/ir/graph/evaluate.ts';
import type { Graph } from '../src/ir/graph/graph.ts';
import { importOnnx } from '../src/ir/import/onnx.ts';
import { canonicalize } from '../src/passes/canonicalize.ts';
import { largestDifference, readNpy, rowOf } from './support/npy.ts';
import { describeWith, readBytes, root, shared } from './support/shared.ts';

/**
 * PyTorch sums in float32, the reference in float64. The longest sum has 800 products, logits reach 22, and
 * float32's unit is 6e-8 of that: 1e-4 leaves 75 units for errors that add up over the layers. Measured: 6e-6.
 */
const tolerance = 1e-4;

function logits(
  graph: Graph<'imported'> | Graph<'float'>,
  images: ReturnType<typeof readNpy>,
  count: number,
) {
  return Array.from({ length: count }, (_, i) => {
    const [output] = evaluate(graph, new Map([[graph.inputs[0]!, rowOf(images, i)]])).values();
    return [...output!.data];
  }).flat();
}

for (const name of ['lenet5', 'cifarnet', 'resnet8', 'dscnn']) {
  const folder = `${shared}/models/${name}`;
  describeWith([folder], `${name} computes PyTorch's logits`, () => {
    const images = readNpy(`${folder}/${name}.first100.input.npy`);
    const expected = readNpy(`${folder}/${name}.first100.output.npy`);
    const classes = expected.shape[1]!;
    for (const file of readdirSync(folder).filter((path) => path.endsWith('.onnx'))) {
      test(file, () => {
        // The same weights in another wrapping need no more images.
        const count = file.includes('opset13.onnx') || file.includes('training') ? 40 : 10;
        const imported = importOnnx(readBytes(`${folder}/${file}`), { name: file });
        verifyGraph(imported);
        const float = canonicalize.run(imported);
        verifyGraph(float);
        const wanted = (images: number) => expected.data.subarray(0, images * classes);
        expect(largestDifference(logits(imported, images, 10), wanted(10))).toBeLessThan(tolerance);
        expect(largestDifference(logits(float, images, count), wanted(count))).toBeLessThan(tolerance);
      });
    }
  });
}

test('the LeNet-5 that ships with the project becomes twelve layers', () => {
  const graph = canonicalize.run(importOnnx(readBytes(`${root}/models/lenet5.onnx`), { name: 'lenet5' }));
  expect(graph.nodes.map((node) => node.op.kind)).toEqual([
    'conv',
    'clip',
    'maxPool',
    'conv',
    'clip',
    'maxPool',
    'reshape',
    'linear',
    'clip',
    'linear',
    'clip',
    'linear',
  ]);
  expect(graph.tensors.get(graph.outputs[0]!)?.shape).toEqual([1, 10]);
});
