/** Transposed convolutions as convolutions whose channels become pixels: the same numbers as scattering gives. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { countOf, floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';

interface Geometry {
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly pads?: readonly number[];
  readonly dilation?: readonly number[];
  readonly more?: readonly number[];
  readonly group?: number;
  /** Channels of input and output in a group. */
  readonly depth?: number;
  readonly made?: number;
}

const titleOf = (g: Geometry): string =>
  Object.entries(g)
    .map(([key, value]) => `${key} ${[value].flat().join('x')}`)
    .join(', ');

const attributesOf = ({ kernel, stride, pads, dilation, more, group = 1 }: Geometry) => [
  ints('kernel_shape', kernel),
  ints('strides', stride),
  int('group', group),
  ...(pads === undefined ? [] : [ints('pads', pads)]),
  ...(dilation === undefined ? [] : [ints('dilations', dilation)]),
  ...(more === undefined ? [] : [ints('output_padding', more)]),
];

function model(g: Geometry, behind: readonly NodeSpec[] = []): Uint8Array {
  const { size, kernel, group = 1, depth = 2, made = 3 } = g;
  const [channels, outs] = [group * depth, group * made];
  const draw = new Draw(5);
  return encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, channels, ...size])],
    nodes: [
      {
        op: 'ConvTranspose',
        inputs: ['x', 'w', 'b'],
        outputs: [behind.length === 0 ? 'y' : 't'],
        attributes: attributesOf(g),
      },
      ...behind,
    ],
    initializers: [
      floatTensor(
        'w',
        [channels, made, ...kernel],
        [...draw.floats(channels * made * countOf(kernel), -1, 1)],
      ),
      floatTensor('b', [outs], [...draw.floats(outs, -0.5, 0.5)]),
      ...['scale', 'shift', 'mean'].map((name) =>
        floatTensor(name, [outs], [...draw.floats(outs, 0.5, 1.5)]),
      ),
      floatTensor('var', [outs], [...draw.floats(outs, 0.5, 2)]),
    ],
  });
}

/** What is written of each output: sum over inputs and taps that fall on it. */
function gathered(
  g: Geometry,
  x: Float32Array,
  w: readonly number[],
  b: readonly number[],
  out: number,
): number[] {
  const { size, kernel, stride, pads = [], dilation, group = 1, depth = 2, made = 3 } = g;
  const [n = 0, k = 0, s = 1, d = dilation?.[0] ?? 1] = [size[0], kernel[0], stride[0]];
  return Array.from({ length: group * made * out }, (_, element) => {
    const [channel, place] = [Math.floor(element / out), element % out];
    const own = Math.floor(channel / made);
    let sum = b[channel]!;
    for (let tap = 0; tap < k; tap++) {
      const i = (place + (pads[0] ?? 0) - tap * d) / s;
      if (!Number.isInteger(i) || i < 0 || i >= n) continue;
      for (let c = own * depth; c < (own + 1) * depth; c++)
        sum += x[c * n + i]! * w[(c * made + (channel % made)) * k + tap]!;
    }
    return sum;
  });
}

const geometries: readonly Geometry[] = [
  { size: [3, 4], kernel: [2, 2], stride: [2, 2] },
  { size: [3, 4], kernel: [4, 4], stride: [2, 2], pads: [1, 1, 1, 1] },
  { size: [3, 4], kernel: [3, 3], stride: [2, 2], pads: [1, 1, 1, 1], more: [1, 1] },
  { size: [4, 3], kernel: [3, 5], stride: [1, 3], pads: [2, 0, 0, 1] },
  { size: [4, 3], kernel: [3, 3], stride: [1, 1], pads: [1, 1, 1, 1] },
  { size: [4, 5], kernel: [3, 3], stride: [1, 1], pads: [3, 3, 2, 2] },
  { size: [4, 3], kernel: [2, 3], stride: [3, 2], dilation: [2, 2], pads: [1, 0, 2, 1] },
  { size: [4, 3], kernel: [3, 2], stride: [1, 1], dilation: [2, 3] },
  { size: [3, 3], kernel: [4, 4], stride: [2, 2], pads: [1, 1, 1, 1], group: 2 },
  { size: [3, 3], kernel: [3, 3], stride: [2, 2], group: 3, depth: 1, made: 1 },
  { size: [3, 3], kernel: [3, 3], stride: [1, 1], pads: [2, 2, 2, 2], group: 3, depth: 1, made: 1 },
  { size: [6], kernel: [5], stride: [3], pads: [2, 1], more: [1] },
  { size: [6], kernel: [1], stride: [2], more: [1] },
  { size: [6], kernel: [2], stride: [4], more: [3] },
];

const isAlike = (a: ArrayLike<number>, b: ArrayLike<number>, bound: number): void => {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++)
    expect(Math.abs(a[i]! - b[i]!), `element ${i}: ${a[i]} for ${b[i]}`).toBeLessThan(bound);
};

describe('ConvTranspose', () => {
  for (const g of geometries)
    test(`${titleOf(g)}: as a convolution`, () => {
      const [imported, shape] = [importOnnx(model(g)), [1, (g.group ?? 1) * (g.depth ?? 2), ...g.size]];
      const x = floats(shape, new Draw(2).floats(countOf(shape), -1, 1));
      const [scattered, made] = [imported, canonicalize.run(imported)].map(
        (graph) => evaluate(graph, new Map([['x', x]])).get('y')!,
      );
      expect(made!.shape).toEqual(scattered!.shape);
      isAlike(made!.data, scattered!.data, 1e-6);
    });
  test('along one axis, each output by itself', () => {
    const draw = new Draw(17);
    for (let run = 0; run < 60; run++) {
      const [kernel, stride, d] = [draw.int(1, 5), draw.int(1, 4), draw.int(1, 2)];
      const g: Geometry = {
        size: [draw.int(2, 6)],
        kernel: [kernel],
        stride: [stride],
        dilation: [d],
        pads: [draw.int(0, 2), draw.int(0, 1)],
        more: [stride > 1 ? draw.int(0, stride - 1) : 0],
        group: draw.int(1, 2),
      };
      const out = stride * (g.size[0]! - 1) + g.more![0]! + (kernel - 1) * d + 1 - g.pads![0]! - g.pads![1]!;
      if (out < 1) continue;
      const shape = [1, 2 * g.group!, ...g.size];
      const x = new Draw(run).floats(countOf(shape), -1, 1);
      const graph = canonicalize.run(importOnnx(model(g)));
      const weights = new Draw(5);
      const w = [...weights.floats(2 * g.group! * 3 * kernel, -1, 1)];
      const b = [...weights.floats(3 * g.group!, -0.5, 0.5)];
      const y = evaluate(graph, new Map([['x', floats(shape, x)]])).get('y')!;
      isAlike(y.data, gathered(g, x, w, b, out), 2e-6);
    }
  });
  for (const g of geometries.filter((_, i) => ![4, 7].includes(i)))
    test(`${titleOf(g)}: programs`, () => {
      holdsModel(model(g), { seed: 3 });
    });
  test('a normalization and an activation behind it are in the layer', () => {
    const g: Geometry = { size: [4, 4], kernel: [4, 4], stride: [2, 2], pads: [1, 1, 1, 1] };
    const behind: readonly NodeSpec[] = [
      { op: 'BatchNormalization', inputs: ['t', 'scale', 'shift', 'mean', 'var'], outputs: ['n'] },
      { op: 'Relu', inputs: ['n'], outputs: ['y'] },
    ];
    const { int8, float32 } = holdsModel(model(g, behind), { seed: 4 });
    for (const { program } of [int8, float32])
      expect(program.steps.map(({ kernel }) => kernel.name)).toEqual(['conv1']);
  });
  test('channels of a convolution that become pixels are stored there at once', () => {
    for (const mode of ['CRD', 'DCR']) {
      const draw = new Draw(9);
      const bytes = encodeModel({
        opset: 13,
        inputs: [valueInfo('x', [1, 2, 4, 5])],
        nodes: [
          { op: 'Conv', inputs: ['x', 'w'], outputs: ['a'], attributes: [ints('pads', [1, 1, 1, 1])] },
          { op: 'Relu', inputs: ['a'], outputs: ['r'] },
          {
            op: 'DepthToSpace',
            inputs: ['r'],
            attributes: [int('blocksize', 2), { name: 'mode', type: 3, s: new TextEncoder().encode(mode) }],
          },
        ],
        initializers: [floatTensor('w', [12, 2, 3, 3], [...draw.floats(12 * 18, -1, 1)])],
      });
      const { int8 } = holdsModel(bytes, { seed: 6 });
      expect(int8.program.steps.length).toBe(1);
    }
  });
  test('weights that are computed are refused by name', () => {
    const bytes = encodeModel({
      inputs: [valueInfo('x', [1, 2, 3, 3])],
      nodes: [
        { op: 'ConvTranspose', name: 'up', inputs: ['x', 'x2'] },
        { op: 'Relu', outputs: ['x2'] },
      ].reverse(),
    });
    expect(() => canonicalize.run(importOnnx(bytes))).toThrow(InputError);
  });
});
