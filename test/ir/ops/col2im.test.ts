/** Col2Im against sums written out, then float32 and int8 programs of it. */
import { expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import { encodeModel, ints, intTensor, valueInfo } from '../../support/onnx-model.ts';

const channels = 2;
type Pair = readonly [number, number];

interface Case {
  readonly image: Pair;
  readonly block: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pads: readonly [number, number, number, number];
  readonly steps: Pair;
}

const cases: readonly Case[] = [
  { image: [5, 6], block: [2, 3], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], steps: [4, 4] },
  // The last row and column are in no block.
  { image: [6, 7], block: [3, 2], strides: [2, 3], dilations: [1, 2], pads: [0, 1, 0, 0], steps: [2, 2] },
  { image: [1, 20], block: [1, 8], strides: [1, 4], dilations: [1, 1], pads: [0, 0, 0, 0], steps: [1, 4] },
];

/** [channel][block place][step], each added to the pixel that it comes from. */
function meaning({ image, block, strides, dilations, pads, steps }: Case, x: Float32Array): number[] {
  const made = new Array<number>(channels * image[0] * image[1]).fill(0);
  let i = 0;
  for (let channel = 0; channel < channels; channel++)
    for (let row = 0; row < block[0]; row++)
      for (let column = 0; column < block[1]; column++)
        for (let down = 0; down < steps[0]; down++)
          for (let right = 0; right < steps[1]; right++, i++) {
            const y = down * strides[0] + row * dilations[0] - pads[0];
            const z = right * strides[1] + column * dilations[1] - pads[1];
            if (y >= 0 && y < image[0] && z >= 0 && z < image[1])
              made[(channel * image[0] + y) * image[1] + z]! += x[i]!;
          }
  return made;
}

test.each(cases)('of $image by $block every $strides', (c) => {
  const shape = [1, channels * c.block[0] * c.block[1], c.steps[0] * c.steps[1]];
  const bytes = encodeModel({
    opset: 18,
    inputs: [valueInfo('x', shape)],
    nodes: [
      {
        op: 'Col2Im',
        inputs: ['x', 'image', 'block'],
        attributes: [ints('strides', c.strides), ints('dilations', c.dilations), ints('pads', c.pads)],
      },
    ],
    initializers: [intTensor('image', [2], [...c.image]), intTensor('block', [2], [...c.block])],
  });
  const x = new Draw(4).floats(shape[1]! * shape[2]!, -1, 1);
  const imported = importOnnx(bytes);
  for (const graph of [imported, canonicalize.run(imported)]) {
    const { data, shape: made } = evaluate(graph, new Map([['x', floats(shape, x)]])).get('y')!;
    expect(made).toEqual([1, channels, ...c.image]);
    meaning(c, x).forEach((y, i) => {
      expect(Math.abs(data[i]! - y), `element ${i}`).toBeLessThan(1e-6);
    });
  }
  holdsModel(bytes, { seed: 3 });
});
