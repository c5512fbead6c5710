/** Running sums, and slices by index: float32 and int8 programs, held to sums and slices written out. */
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  floatTensor,
  int,
  intTensor,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';

const [height, width] = [4, 6];

/** Two channels of 4x6, through a convolution of one pixel that changes nothing. */
const model = (node: NodeSpec, axis: number, indices: readonly number[] = [0]): Uint8Array =>
  encodeModel({
    opset: 14,
    inputs: [valueInfo('x', [1, 2, height, width])],
    nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['a'] }, node],
    initializers: [
      floatTensor('w', [2, 2, 1, 1], [1, 0, 0, 1]),
      intTensor('axis', [], [axis]),
      intTensor('indices', [indices.length / 3, 3], indices),
    ],
  });

const madeOf = (bytes: Uint8Array, x: Float32Array): Float32Array => {
  const graph = canonicalize.run(importOnnx(bytes));
  const made = evaluate(graph, new Map([['x', floats([1, 2, height, width], x)]]));
  return Float32Array.from(made.get('y')!.data);
};

const sample = new Draw(5).floats(2 * height * width, -1, 1);

describe('CumSum', () => {
  for (const [exclusive, reverse] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ] as const)
    for (const axis of [2, 3])
      test(`along axis ${axis}${exclusive ? ', exclusive' : ''}${reverse ? ', reverse' : ''}`, () => {
        const attributes = [int('exclusive', exclusive), int('reverse', reverse)];
        const bytes = model({ op: 'CumSum', inputs: ['a', 'axis'], attributes }, axis);
        const [size, step] = axis === 2 ? [height, width] : [width, 1];
        const wanted = sample.map((_, i) => {
          const index = Math.floor(i / step) % size;
          let sum = 0;
          for (let k = 0; k < size; k++)
            if (reverse ? k >= index + exclusive : k <= index - exclusive)
              sum += sample[i + (k - index) * step]!;
          return sum;
        });
        madeOf(bytes, sample).forEach((y, i) => {
          expect(Math.abs(y - wanted[i]!), `element ${i}`).toBeLessThan(1e-6);
        });
        holdsModel(bytes, { seed: 3 });
      });
});

describe('GatherND', () => {
  for (const [title, indices] of [
    ['in equal steps', [0, 0, 3, 0, 0, 1, 0, 1, 3, 0, 1, 1]],
    ['in no order', [0, 1, -1, 0, 0, 2, 0, 0, 2, 0, 1, 0]],
  ] as const)
    test(`rows ${title}`, () => {
      const bytes = model({ op: 'GatherND', inputs: ['a', 'indices'] }, 0, indices);
      const rows = [0, 3, 6, 9].map((i) => indices[i + 1]! * height + ((indices[i + 2]! + height) % height));
      const wanted = rows.flatMap((row) => [...sample.subarray(row * width, (row + 1) * width)]);
      expect([...madeOf(bytes, sample)]).toEqual(wanted);
      holdsModel(bytes, { seed: 4 });
    });
});
