/** The trained networks through the engine: the answers of the reference, and gradients that lower a loss. */
import { expect, test } from 'vitest';
import { lanes } from '../../../src/compress/gradient/kernels.ts';
import { networkOf, weightsIn } from '../../../src/compress/gradient/network.ts';
import { finetune } from '../../../src/compress/train/finetune.ts';
import { fixedEngine } from '../../../src/compress/train/shard.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { foldBatchNorm } from '../../../src/passes/fold-batch-norm.ts';
import { fuse } from '../../../src/passes/fuse.ts';
import { readNpy, rowOf } from '../../support/npy.ts';
import { describeWith, readBytes, shared } from '../../support/shared.ts';

function fusedOf(folder: string, name: string): Graph<'float'> {
  const model = importOnnx(readBytes(`${folder}/${name}.training-bn.onnx`), { name });
  return fuse.run(foldBatchNorm.run(canonicalize.run(model)));
}

for (const name of ['lenet5', 'cifarnet', 'resnet8', 'dscnn']) {
  const folder = `${shared}/models/${name}`;
  describeWith([folder], `${name} in the training engine`, () => {
    const images = readNpy(`${folder}/${name}.first100.input.npy`);
    const sample = (i: number) => Float32Array.from(rowOf(images, i).data);

    test('answers as the reference', () => {
      const graph = fusedOf(folder, name);
      const network = networkOf(graph);
      const engine = fixedEngine(network, weightsIn(graph, network));
      for (const lane of [0, 1])
        sample(lane).forEach((x, e) => {
          engine.input[e * lanes + lane] = x;
        });
      engine.forward();
      for (const lane of [0, 1]) {
        const [y] = evaluate(graph, new Map([[graph.inputs[0]!, rowOf(images, lane)]])).values();
        // float32 sums against float64 ones; logits reach 22, and the measured difference is 3e-6.
        y!.data.forEach((want: number, c: number) => {
          expect(Math.abs(engine.output[c * lanes + lane]! - want)).toBeLessThan(1e-4);
        });
      }
    });

    test('learns back what 3-bit weights have lost', async () => {
      const graph = fusedOf(folder, name);
      const { history } = await finetune(
        graph,
        graph,
        { count: 32, input: sample },
        { epochs: 8, batch: 32, weightBits: 3, learningRate: 5e-4, warmup: 0 },
      );
      expect(history.at(-1)!.loss).toBeLessThan(0.7 * history[0]!.loss);
    });
  });
}
