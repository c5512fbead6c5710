/** Resize against a meaning written down pixel by pixel, then float32 and int8 programs of networks with it. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { nearestIndex, smoothTaps } from '../../../src/ir/geometry/resize-axis.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  intTensor,
  text,
  valueInfo,
} from '../../support/onnx-model.ts';

interface Case {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly coordinates: string;
  readonly nearest?: string;
  readonly size: readonly [number, number];
}

const [height, width] = [5, 7];

/** A convolution to 3 channels, which may end as an image of one axis; then Resize. */
function model({ mode, coordinates, nearest, size }: Case, flat = false): Uint8Array {
  const draw = new Draw(11);
  return encodeModel({
    opset: 19,
    inputs: [valueInfo('x', flat ? [1, 2, width] : [1, 2, height, width])],
    nodes: [
      { op: 'Conv', inputs: ['x', 'w'], outputs: ['a'] },
      {
        op: 'Resize',
        inputs: ['a', '', '', 'size'],
        outputs: ['y'],
        attributes: [
          text('mode', mode),
          text('coordinate_transformation_mode', coordinates),
          ...(nearest === undefined ? [] : [text('nearest_mode', nearest)]),
        ],
      },
    ],
    initializers: [
      floatTensor('w', flat ? [3, 2, 1] : [3, 2, 1, 1], [...draw.floats(6, -1, 1)]),
      intTensor('size', flat ? [3] : [4], flat ? [1, 3, size[1]] : [1, 3, ...size]),
    ],
  });
}

/** Where new pixel `i` lies among `old` ones. */
function placeOf(coordinates: string, i: number, old: number, made: number): number {
  if (coordinates === 'align_corners') return made === 1 ? 0 : (i * (old - 1)) / (made - 1);
  if (coordinates === 'asymmetric') return (i * old) / made;
  if (coordinates === 'pytorch_half_pixel' && made === 1) return 0;
  return ((i + 0.5) * old) / made - 0.5;
}

/** Weight of old pixel `k` for a place. */
function weightOf({ mode, nearest }: Case, place: number, k: number, old: number): number {
  const clamp = (i: number) => Math.min(Math.max(i, 0), old - 1);
  const low = Math.floor(place);
  if (mode === 'nearest') {
    const whole = { floor: low, ceil: Math.ceil(place) }[nearest ?? ''];
    const round = nearest === 'round_prefer_ceil' ? Math.floor(place + 0.5) : Math.ceil(place - 0.5);
    return clamp(whole ?? round) === k ? 1 : 0;
  }
  const around = mode === 'linear' ? [0, 1] : [-1, 0, 1, 2];
  const curve = (d: number): number => {
    if (mode === 'linear') return Math.max(0, 1 - d);
    return d <= 1 ? 1.25 * d ** 3 - 2.25 * d ** 2 + 1 : -0.75 * (d ** 3 - 5 * d ** 2 + 8 * d - 4);
  };
  return around
    .filter((step) => clamp(low + step) === k)
    .reduce((sum, step) => sum + curve(Math.abs(place - low - step)), 0);
}

function meaning(c: Case, x: Float32Array, channels: number): number[] {
  const [tall, wide] = c.size;
  const made: number[] = [];
  for (let channel = 0; channel < channels; channel++)
    for (let y = 0; y < tall; y++)
      for (let column = 0; column < wide; column++) {
        let sum = 0;
        for (let i = 0; i < height; i++)
          for (let j = 0; j < width; j++)
            sum +=
              x[(channel * height + i) * width + j]! *
              weightOf(c, placeOf(c.coordinates, y, height, tall), i, height) *
              weightOf(c, placeOf(c.coordinates, column, width, wide), j, width);
        made.push(sum);
      }
  return made;
}

const cases: readonly Case[] = [
  { mode: 'nearest', coordinates: 'asymmetric', nearest: 'floor', size: [10, 14] },
  { mode: 'nearest', coordinates: 'half_pixel', nearest: 'round_prefer_floor', size: [8, 17] },
  { mode: 'nearest', coordinates: 'half_pixel', nearest: 'round_prefer_ceil', size: [3, 20] },
  { mode: 'nearest', coordinates: 'align_corners', nearest: 'ceil', size: [9, 4] },
  { mode: 'linear', coordinates: 'half_pixel', size: [10, 14] },
  { mode: 'linear', coordinates: 'pytorch_half_pixel', size: [1, 21] },
  { mode: 'linear', coordinates: 'align_corners', size: [9, 12] },
  { mode: 'linear', coordinates: 'asymmetric', size: [3, 11] },
  { mode: 'cubic', coordinates: 'half_pixel', size: [10, 9] },
];

const titleOf = ({ mode, coordinates, nearest = '', size }: Case): string =>
  `${mode} ${coordinates} ${nearest} to ${size.join('x')}`;

const resizeOf = (c: Case): Uint8Array =>
  encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, 2, height, width])],
    nodes: [
      {
        op: 'Resize',
        inputs: ['x', '', '', 'size'],
        attributes: [
          text('mode', c.mode),
          text('coordinate_transformation_mode', c.coordinates),
          text('nearest_mode', c.nearest ?? 'floor'),
        ],
      },
    ],
    initializers: [intTensor('size', [4], [1, 2, ...c.size])],
  });

describe('Resize', () => {
  for (const c of cases) {
    test(`${titleOf(c)}: as written out`, () => {
      const x = new Draw(4).floats(2 * height * width, -1, 1);
      const wanted = meaning(c, x, 2);
      const imported = importOnnx(resizeOf(c));
      for (const graph of [imported, canonicalize.run(imported)]) {
        const made = evaluate(graph, new Map([['x', floats([1, 2, height, width], x)]])).get('y')!;
        made.data.forEach((value: number, i: number) => {
          expect(Math.abs(value - wanted[i]!), `element ${i}`).toBeLessThan(2e-6);
        });
      }
    });
    test(`${titleOf(c)}: programs`, () => {
      holdsModel(model(c), { seed: 7 });
    });
  }
  test('halves go where the mode says', () => {
    const halved = { in: 8, out: 4, scale: 0.5 };
    expect(nearestIndex(halved, 'half_pixel', 'round_prefer_floor')).toEqual([0, 2, 4, 6]);
    expect(nearestIndex(halved, 'half_pixel', 'round_prefer_ceil')).toEqual([1, 3, 5, 7]);
    expect(nearestIndex(halved, 'asymmetric', 'simple')).toEqual([0, 2, 4, 6]);
    expect(nearestIndex({ in: 3, out: 4, scale: 1.5 }, 'asymmetric', 'simple')).toEqual([0, 0, 1, 2]);
  });
  test('along one axis', () => {
    for (const mode of ['linear', 'nearest'] as const)
      holdsModel(model({ mode, coordinates: 'half_pixel', size: [1, 23] }, true), { seed: 8 });
  });
  test('twice as large, bilinear: integers are exact but for the halves', () => {
    const { int8 } = holdsModel(model({ mode: 'linear', coordinates: 'half_pixel', size: [10, 14] }), {
      seed: 9,
    });
    const table = int8.program.steps
      .flatMap(({ kernel }) => kernel.tables)
      .find(({ name }) => name.endsWith('weights2'));
    expect(new Set(table!.data)).toEqual(new Set([0, 512, 1536, 2048]));
  });
  const resized = (
    attributes: Parameters<typeof text>[],
    roi: readonly number[],
    numbers = [int('antialias', 0)],
  ) =>
    encodeModel({
      opset: 19,
      inputs: [valueInfo('x', [1, 2, height, width])],
      nodes: [
        { op: 'Conv', inputs: ['x', 'w'], outputs: ['a'] },
        {
          op: 'Resize',
          inputs: ['a', roi.length === 0 ? '' : 'roi', '', 'size'],
          outputs: ['y'],
          attributes: [...attributes.map((one) => text(...one)), ...numbers],
        },
      ],
      initializers: [
        floatTensor('w', [3, 2, 1, 1], [...new Draw(5).floats(6, -1, 1)]),
        intTensor('size', [4], [1, 3, 4, 5]),
        ...(roi.length === 0 ? [] : [floatTensor('roi', [8], [...roi])]),
      ],
    });
  test('antialiased: what is outside counts for the border, or not at all', () => {
    const halved = { in: 8, out: 4, scale: 0.5 };
    const weights = (inside: boolean, reach: 1 | 2) => [
      ...smoothTaps(halved, 'half_pixel', reach, { a: -0.5, inside }).weights,
    ];
    // Triangles of 4 elements: 1/4, 3/4, 3/4, 1/4 around the first new one, which begins at -1.
    expect(weights(false, 1).slice(0, 4)).toEqual([4 / 8, 3 / 8, 1 / 8, 0]);
    expect(weights(true, 1).slice(0, 4)).toEqual([3 / 7, 3 / 7, 1 / 7, 0]);
    for (const reach of [1, 2] as const)
      expect(weights(true, reach).slice(0, 4)).not.toEqual(weights(false, reach).slice(0, 4));
  });
  test('antialiased: programs', () => {
    for (const mode of ['linear', 'cubic'])
      holdsModel(resized([['mode', mode]], [], [int('antialias', 1), int('exclude_outside', 1)]), {
        seed: 7,
      });
  });
  test('crops that reach beyond the input: programs', () => {
    const crop = ['coordinate_transformation_mode', 'tf_crop_and_resize'] as const;
    for (const mode of ['linear', 'nearest'])
      holdsModel(
        resized(
          [['mode', mode], [...crop]],
          [0, 0, -0.3, 0.2, 1, 1, 0.8, 1.25],
          [float('extrapolation_value', -0.7)],
        ),
        { seed: 7 },
      );
  });
  test('Upsample-9 and Resize-10: scales, no shift', () => {
    for (const [op, opset] of [
      ['Upsample', 9],
      ['Resize', 10],
    ] as const) {
      const bytes = encodeModel({
        opset,
        inputs: [valueInfo('x', [1, 1, 2, 2])],
        nodes: [{ op, inputs: ['x', 's'], attributes: [text('mode', 'nearest')] }],
        initializers: [floatTensor('s', [4], [1, 1, 2, 1.5])],
      });
      const x = floats([1, 1, 2, 2], Float32Array.of(1, 2, 3, 4));
      const made = evaluate(importOnnx(bytes), new Map([['x', x]])).get('y')!;
      expect(made.shape).toEqual([1, 1, 4, 3]);
      expect([...made.data]).toEqual([1, 1, 2, 1, 1, 2, 3, 3, 4, 3, 3, 4]);
    }
  });
  test('what is not there is refused by name', () => {
    const refused = (attribute: Parameters<typeof encodeModel>[0]['nodes']): unknown => {
      try {
        return canonicalize.run(
          importOnnx(
            encodeModel({
              opset: 19,
              inputs: [valueInfo('x', [1, 1, 4, 4])],
              nodes: attribute ?? [],
              initializers: [floatTensor('s', [4], [1, 1, 2, 2])],
            }),
          ),
        );
      } catch (error) {
        return error;
      }
    };
    const node = { op: 'Resize', name: 'up', inputs: ['x', '', 's'] };
    const crop = refused([
      { ...node, attributes: [text('coordinate_transformation_mode', 'tf_crop_and_resize')] },
    ]);
    expect(crop).toBeInstanceOf(InputError);
    expect(String(crop)).toContain("'up'");
    expect(String(crop)).toContain("no 'roi'");
  });
});
