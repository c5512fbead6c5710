/** GridSample against a meaning that pads each neighbour by itself, then float32 and int8 programs of it. */
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import { encodeModel, floatTensor, int, text, valueInfo } from '../../support/onnx-model.ts';

const [channels, height, width] = [2, 5, 4];
const [rows, columns] = [3, 4];
/** Some beyond the image, by more than its width. */
const grid = [...new Draw(6).floats(rows * columns * 2, -3.2, 3.2)].map((x, i) => (i % 3 === 0 ? x / 4 : x));

interface Case {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly padding: 'zeros' | 'border' | 'reflection';
  readonly corners: 0 | 1;
}

/** Reflected one bounce at a time. */
function reflected(x: number, lo: number, hi: number): number {
  let place = x;
  while (place < lo || place > hi) place = place < lo ? 2 * lo - place : 2 * hi - place;
  return place;
}

function indexOf(i: number, size: number, { padding, corners }: Case): number | undefined {
  if (i >= 0 && i < size) return i;
  if (padding === 'zeros') return undefined;
  if (padding === 'border') return i < 0 ? 0 : size - 1;
  const [lo, hi] = corners === 1 ? [0, size - 1] : [-0.5, size - 0.5];
  return Math.round(reflected(i, lo, hi));
}

const cubic = (t: number): number => {
  const [x, a] = [Math.abs(t), -0.75];
  if (x < 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1;
  return x < 2 ? a * (x ** 3 - 5 * x ** 2 + 8 * x - 4) : 0;
};
const weights = { nearest: () => 1, linear: (t: number) => 1 - Math.abs(t), cubic };
const reach = { nearest: [0], linear: [0, 1], cubic: [-1, 0, 1, 2] };

function sample(image: readonly number[], x: number, y: number, c: Case): number {
  const [column, row] = [x, y].map((g, i) => {
    const size = i === 0 ? width : height;
    return c.corners === 1 ? ((g + 1) / 2) * (size - 1) : ((g + 1) * size - 1) / 2;
  }) as [number, number];
  const first = (place: number) => (c.mode === 'nearest' ? Math.round(place) : Math.floor(place));
  let sum = 0;
  for (const i of reach[c.mode])
    for (const j of reach[c.mode]) {
      const [r, k] = [first(row) + i, first(column) + j];
      const [own, along] = [indexOf(r, height, c), indexOf(k, width, c)];
      const value = own === undefined || along === undefined ? 0 : image[own * width + along]!;
      sum += value * weights[c.mode](row - r) * weights[c.mode](column - k);
    }
  return sum;
}

const model = ({ mode, padding, corners }: Case): Uint8Array =>
  encodeModel({
    opset: 20,
    inputs: [valueInfo('x', [1, channels, height, width])],
    nodes: [
      {
        op: 'GridSample',
        inputs: ['x', 'grid'],
        attributes: [text('mode', mode), text('padding_mode', padding), int('align_corners', corners)],
      },
    ],
    initializers: [floatTensor('grid', [1, rows, columns, 2], grid)],
  });

const cases = (['nearest', 'linear', 'cubic'] as const).flatMap((mode) =>
  (['zeros', 'border', 'reflection'] as const).flatMap((padding) =>
    ([0, 1] as const).map((corners) => ({ mode, padding, corners })),
  ),
);

describe('GridSample', () => {
  test.each(cases)('$mode, $padding, corners $corners', (c) => {
    const x = new Draw(7).floats(channels * height * width, -1, 1);
    const imported = importOnnx(model(c));
    for (const graph of [imported, canonicalize.run(imported)]) {
      const made = evaluate(graph, new Map([['x', floats([1, channels, height, width], x)]])).get('y')!;
      for (let i = 0; i < channels * rows * columns; i++) {
        const [channel, place] = [Math.floor(i / (rows * columns)), i % (rows * columns)];
        const image = [...x].slice(channel * height * width, (channel + 1) * height * width);
        const wanted = sample(image, grid[2 * place]!, grid[2 * place + 1]!, c);
        expect(Math.abs(made.data[i]! - wanted), `element ${i}`).toBeLessThan(2e-6);
      }
    }
  });
  test('programs', () => {
    for (const c of [cases[0]!, cases[6]!]) holdsModel(model(c), { seed: 5 });
  });
  test('of a grid that the network computes it is refused by name', () => {
    const bytes = encodeModel({
      opset: 20,
      inputs: [valueInfo('x', [1, 2, 2, 2]), valueInfo('g', [1, 3, 3, 2])],
      nodes: [{ op: 'GridSample', name: 'warp', inputs: ['x', 'g'] }],
    });
    expect(() => canonicalize.run(importOnnx(bytes))).toThrow(/'warp'.*grid is computed/);
  });
});
