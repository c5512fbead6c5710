/** Channels that never change, with weights that would take all bits of a row. */
import { expect, test } from 'vitest';
import { is } from '../../src/ir/graph/graph.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { Draw } from '../support/draw.ts';
import { int8Error } from '../support/int8-error.ts';
import { encodeModel, floatTensor, int, ints, valueInfo } from '../support/onnx-model.ts';

/** Convolution, ReLU, flatten, batch normalization, linear: one channel's ReLU is dead. */
function flattened(value: number) {
  const draw = new Draw(5);
  const inputs = Array.from({ length: 64 }, () => draw.floats(2 * 16, -1, 1));
  const features = 4 * 16;
  const dead = (f: number): boolean => Math.floor(f / 16) === 1;
  const list = (f: (i: number) => number): number[] => Array.from({ length: features }, (_, i) => f(i));
  const model = encodeModel({
    nodes: [
      { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['c'], attributes: [ints('pads', [1, 1, 1, 1])] },
      { op: 'Relu', inputs: ['c'], outputs: ['r'] },
      { op: 'Flatten', inputs: ['r'], outputs: ['f'] },
      { op: 'BatchNormalization', inputs: ['f', 'g', 'h', 'm', 'v'], outputs: ['n'] },
      { op: 'Gemm', inputs: ['n', 'w2', 'b2'], outputs: ['y'], attributes: [int('transB', 1)] },
    ],
    initializers: [
      floatTensor(
        'w',
        [4, 2, 3, 3],
        [...draw.floats(72, -0.5, 0.5)].map((w, i) => (Math.floor(i / 18) === 1 ? 0 : w)),
      ),
      floatTensor('b', [4], [0, value, 0, 0]),
      floatTensor(
        'g',
        [features],
        list(() => draw.between(0.5, 1.5)),
      ),
      floatTensor(
        'h',
        [features],
        list(() => draw.between(-1, 1)),
      ),
      floatTensor(
        'm',
        [features],
        list((f) => (dead(f) ? value : 0.3)),
      ),
      floatTensor(
        'v',
        [features],
        list((f) => (dead(f) ? 1e-12 : 0.2)),
      ),
      floatTensor('w2', [3, features], [...draw.floats(3 * features, -1, 1)]),
      floatTensor('b2', [3], [...draw.floats(3, -1, 1)]),
    ],
    inputs: [valueInfo('x', [1, 2, 4, 4])],
  });
  return { model, inputs };
}

test.each([-1, 0, 0.25])(
  'dead channels behind a flatten, %s before their ReLU: int8 follows float',
  (value) => {
    const { model, inputs } = flattened(value);
    const { sqnr, compiled } = int8Error(model, inputs);
    expect(sqnr).toBeGreaterThan(30);
    const layer = compiled.fused.nodes.find((node) => is(node, linear))!;
    // Columns of 0 then go, and the channel with them.
    expect(compiled.fused.tensors.get(layer.inputs[1]!)!.shape).toEqual([3, 48]);
  },
);
