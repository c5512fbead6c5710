/** Pruning, and weights of few bits, of networks with several inputs and outputs. */
import { describe, expect, test } from 'vitest';
import { type CompileOptions, compile } from '../../src/compile.ts';
import { finetune } from '../../src/compress/train/finetune.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { fuse } from '../../src/passes/fuse.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../support/onnx-model.ts';

const wave = (count: number, phase = 0): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(i * 1.3 + phase));
const model = importOnnx(
  encodeModel({
    opset: 13,
    inputs: [valueInfo('image', [1, 1, 6, 6]), valueInfo('beside', [1, 3])],
    outputs: ['scores', 'shares', 'features'],
    initializers: [
      floatTensor('w', [4, 1, 3, 3], wave(36)),
      floatTensor('k', [4, 64], wave(256, 1)),
      floatTensor('l', [4, 3], wave(12, 2)),
    ],
    nodes: [
      { op: 'Conv', inputs: ['image', 'w'], outputs: ['c'] },
      { op: 'Relu', inputs: ['c'], outputs: ['features'] },
      { op: 'Flatten', inputs: ['features'], outputs: ['f'] },
      { op: 'Gemm', inputs: ['f', 'k'], outputs: ['a'], attributes: [int('transB', 1)] },
      { op: 'Gemm', inputs: ['beside', 'l'], outputs: ['b'], attributes: [int('transB', 1)] },
      { op: 'Add', inputs: ['a', 'b'], outputs: ['scores'] },
      { op: 'Softmax', inputs: ['scores'], outputs: ['shares'], attributes: [int('axis', 1)] },
    ],
  }),
);
const inputs = Array.from({ length: 60 }, (_, i) => Float32Array.from(wave(39, i)));

describe('weights are changed, and outputs keep their channels', () => {
  test.each<[string, Partial<CompileOptions>, number]>([
    ['the least ones', { prune: { method: 'magnitude', sparsity: 0.3 } }, 0],
    ['those that matter least', { prune: { method: 'obs', sparsity: 0.3 } }, 15],
    ['whole channels', { prune: { method: 'channel', sparsity: 0.3 } }, 0],
    ['4 bits', { weightBits: 4 }, 20],
    ['16 values', { codebook: 16 }, 20],
  ])('%s', (_, more, least) => {
    const { agreement, program } = compile(model, {
      name: 'net',
      arith: 'int8',
      calibration: { inputs },
      ...more,
    });
    const outputs = agreement!.outputs!;
    expect(outputs.map(({ tensor }) => tensor)).toEqual(['scores', 'shares', 'features']);
    for (const { given, sqnr } of outputs) expect((given ?? { sqnr }).sqnr).toBeGreaterThan(least);
    expect(program.outputs.map(({ slot }) => program.slots[slot]!.shape)).toEqual([
      [1, 4],
      [1, 4],
      [1, 4, 4, 4],
    ]);
  });
});

test('training is refused for several outputs', async () => {
  const graph = fuse.run(canonicalize.run(model));
  const data = { count: inputs.length, input: (i: number) => inputs[i]! };
  await expect(finetune(graph, graph, data, { epochs: 1, batch: 16 })).rejects.toThrow(
    'a network with 3 outputs (scores, shares, features)',
  );
});
