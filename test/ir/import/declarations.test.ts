/** Sizes that a file leaves open. */
import { expect, test } from 'vitest';
import type { Sizes } from '../../../src/ir/import/model-options.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { encodeModel, valueInfo } from '../../support/onnx-model.ts';

type Dims = readonly (number | string)[] | undefined;

const graphOf = (inputs: Readonly<Record<string, Dims>>, sizes: Sizes = {}) => {
  const names = Object.keys(inputs);
  return importOnnx(
    encodeModel({
      nodes: names.map((name, i) => ({ op: 'Relu', inputs: [name], outputs: [`y${i}`] })),
      inputs: names.map((name) => valueInfo(name, inputs[name])),
      outputs: names.map((_, i) => `y${i}`),
    }),
    { name: 'net.onnx', ...sizes },
  );
};

const shapesOf = (inputs: Readonly<Record<string, Dims>>, sizes?: Sizes) => {
  const { tensors, obstacles } = graphOf(inputs, sizes);
  expect(obstacles).toEqual([]);
  return Object.keys(inputs).map((name) => tensors.get(name)?.shape);
};

test('one name is one size everywhere; the batch is 1', () => {
  const inputs = { x: ['batch', 'frames', 40], state: [2, 'batch', 8], mask: ['n', 'frames'] };
  expect(shapesOf(inputs, { axes: { frames: 98 } })).toEqual([
    [1, 98, 40],
    [2, 1, 8],
    [1, 98],
  ]);
  expect(shapesOf(inputs, { shapes: { x: [1, 7, 40] } })[2]).toEqual([1, 7]);
  expect(shapesOf(inputs, { axes: { frames: 3, batch: 4 } })[1]).toEqual([2, 4, 8]);
});

test('axes without a name, and an input without a shape', () => {
  expect(shapesOf({ x: [-1, 3, 0, 32] }, { shapes: { x: [1, 3, 16, 32] } })).toEqual([[1, 3, 16, 32]]);
  expect(shapesOf({ x: undefined }, { shapes: { x: [1, 5] } })).toEqual([[1, 5]]);
});

const refused = (inputs: Readonly<Record<string, Dims>>, sizes?: Sizes) => () =>
  canonicalize.run(graphOf(inputs, sizes));

test('what stays open is asked for by name, with its places', () => {
  expect(refused({ x: ['batch', 'frames', 40], y: [1, 'frames'] })).toThrow(
    "axis 1 of input 'x', axis 1 of input 'y': a dynamic size, 'frames'; supported: a dynamic batch (axis 0), and sizes that are given; write --axis frames=N with its size",
  );
  expect(refused({ x: [1, '2*s0 + 1'] })).toThrow("write --axis '2*s0 + 1'=N");
  expect(refused({ x: ['n', 3, -1, 'w'] }, { axes: { w: 8 } })).toThrow(
    "input 'x': a dynamic size without a name: 1x3x?x8; supported: a dynamic batch (axis 0), and sizes that are given; write --shape x=1x3x?x8 with a size for each ?",
  );
  expect(refused({ x: undefined })).toThrow("input 'x': no shape; write --shape x=1x..., its sizes");
});

test.each<[string, Dims, Sizes, string]>([
  [
    'an axis of another name',
    [1, 'frames'],
    { axes: { frame: 2 } },
    "axis 'frame': no input has a dynamic axis of this name; supported: names: frames",
  ],
  ['a size of 0', [1, 'n'], { axes: { n: 0 } }, "axis 'n': size 0; supported: whole numbers from 1 on"],
  [
    'an input of another name',
    [1, 'n'],
    { shapes: { z: [1, 2] } },
    "the shape 1x2 of input 'z': no input of this name; supported: x",
  ],
  [
    'more axes',
    [1, 'n'],
    { shapes: { x: [1, 2, 3] } },
    'another shape than that of the file; supported: 1xn',
  ],
  [
    'another fixed size',
    [8, 'n'],
    { shapes: { x: [1, 2] } },
    'another shape than that of the file; supported: 8xn',
  ],
  [
    'two sizes of one name',
    ['n', 'n'],
    { shapes: { x: [1, 2] } },
    'another shape than that of the file; supported: nx1',
  ],
  [
    'a shape against an axis',
    [1, 'n'],
    { shapes: { x: [1, 2] }, axes: { n: 3 } },
    'another shape than that of the file; supported: 1x3',
  ],
])('%s', (_, dims, sizes, message) => {
  expect(() => graphOf({ x: dims }, sizes)).toThrow(message);
});
