/** Signal to noise of int8 against float on small networks with random weights: the tables of docs/numerics.md. */
import { test } from 'vitest';
import { Draw } from '../test/support/draw.ts';
import { type Int8Error, int8Error } from '../test/support/int8-error.ts';
import { type Normalized, normalizedNetwork } from '../test/support/normalized.ts';
import { encodeModel, ints, valueInfo } from '../test/support/onnx-model.ts';
import { markdown, writeSection } from './page.ts';

const decibels = (sqnr: number): string => `${sqnr.toFixed(1)} dB`;

const places = ['input', 'conv relu', 'conv relu pool'] as const;
const layers = ['dense', 'depthwise', 'grouped'] as const;

/** Before the normalization each of `places`; behind it all weights, or half of them. */
function around(behind: (typeof layers)[number], beta: number): readonly number[] {
  return places.flatMap((before) =>
    [0, 0.5].map((sparsity) => {
      const network: Normalized = {
        seed: 10 + beta,
        before,
        behind,
        padded: true,
        beta,
        gains: [0.5, 1.5],
        negative: beta > 2,
        variances: [1, 1],
        sparsity,
      };
      const { model, inputs } = normalizedNetwork(network);
      return int8Error(model, inputs).sqnr;
    }),
  );
}

test('folds', () => {
  const rows = [0, 1, 2, 4, 8].map((beta) => [
    beta === 0 ? '0' : `-${beta} to ${beta}`,
    ...layers.map((behind) => {
      const all = around(behind, beta);
      return `${Math.min(...all).toFixed(1)} to ${decibels(Math.max(...all))}`;
    }),
  ]);
  writeSection('folds', markdown(['shifts', ...layers], rows), 'numerics.md');
});

const channels = 16;
/** That calibrate, and as many others that judge. */
const samples = 512;

interface Average {
  readonly name: string;
  readonly kernel: number;
  readonly stride: number;
  readonly side: number;
  readonly pad: number;
}

const averages: readonly Average[] = [
  { name: '2x2', kernel: 2, stride: 2, side: 8, pad: 0 },
  { name: '3x3, clipped', kernel: 3, stride: 1, side: 8, pad: 1 },
  { name: '4x4', kernel: 4, stride: 4, side: 8, pad: 0 },
  { name: 'mean of 8x8', kernel: 8, stride: 8, side: 8, pad: 0 },
  { name: 'mean of 16x16', kernel: 16, stride: 16, side: 16, pad: 0 },
];

/** Box and Muller's. */
const normal = (draw: Draw): number =>
  Math.sqrt(-2 * Math.log(1 - draw.unit())) * Math.cos(2 * Math.PI * draw.unit());

function averaged(
  { kernel, stride, side, pad }: Average,
  relu: boolean,
  requant: 'tfl-double' | 'single',
): Int8Error {
  const draw = new Draw(1);
  const gains = Array.from({ length: channels }, () => draw.between(0.5, 1.5));
  const inputs = Array.from({ length: 2 * samples }, () =>
    Float32Array.from({ length: channels * side * side }, (_, i) => {
      const x = normal(draw) * (gains[Math.floor(i / (side * side))] ?? 1);
      return relu ? Math.max(0, x) : x;
    }),
  );
  const attributes = [
    ints('kernel_shape', [kernel, kernel]),
    ints('strides', [stride, stride]),
    ints('pads', [pad, pad, pad, pad]),
  ];
  const model = encodeModel({
    nodes: [{ op: 'AveragePool', name: 'average', inputs: ['x'], outputs: ['y'], attributes }],
    initializers: [],
    inputs: [valueInfo('x', [1, channels, side, side])],
    outputs: ['y'],
  });
  return int8Error(model, inputs, { requant });
}

function stepsOf({ compiled: { program } }: Int8Error): number {
  const [input, output] = [program.slots[program.inputs[0]!.slot], program.slots[program.outputs[0]!.slot]];
  return (output?.quant?.scale ?? Number.NaN) / (input?.quant?.scale ?? Number.NaN);
}

test('averages', () => {
  const rows = averages.flatMap((average) =>
    [false, true].map((relu) => {
      const [same, own] = [averaged(average, relu, 'tfl-double'), averaged(average, relu, 'single')];
      return [
        average.name,
        relu ? 'normal, ReLU' : 'normal',
        decibels(same.sqnr),
        `${decibels(own.sqnr)} (${stepsOf(own).toFixed(2)})`,
      ];
    }),
  );
  const head = ['average', 'input', "input's grid (`tfl-double`, `pow2`)", 'grid of its own (other modes)'];
  writeSection('averages', markdown(head, rows), 'numerics.md');
});
