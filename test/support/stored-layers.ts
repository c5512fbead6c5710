/** Single quantized layers with sparse weights in any format: the kernel, its program, and the oracle's answer. */
import fc from 'fast-check';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import { requantOf } from '../../src/ir/integers/requant.ts';
import { elemBytes, type Kernel } from '../../src/ir/kernel/kernel.ts';
import { spatialOrder } from '../../src/ir/kernel/memory-order.ts';
import type { StoredTensor } from '../../src/ir/kernel/stored.ts';
import type { WeightFormat } from '../../src/ir/kernel/weight-format.ts';
import { type ConvAttrs, conv, type QuantizedConv } from '../../src/ir/ops/conv.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { countOf } from '../../src/ir/tensor.ts';
import type { Program, Slot } from '../../src/program/program.ts';
import { type Bytes, convOracle, linearOracle } from '../oracles/operators.ts';
import { Draw } from './draw.ts';

export interface LayerRecipe {
  readonly seed: number;
  /** Of nonzero weights, 0 to 1. */
  readonly density: number;
  /** Of the largest weight. */
  readonly bits: 8 | 4 | 2;
  /** So many values that the weights share, drawn from all that have these bits; 0 among them. */
  readonly shared?: number;
  readonly image?: {
    readonly channels: number;
    readonly height: number;
    readonly width: number;
    readonly kernel: readonly [number, number];
    readonly stride: number;
    readonly dilation: number;
    readonly pad: number;
    readonly pooled: boolean;
    readonly groups: number;
  };
  /** Of a linear layer. */
  readonly inputs: number;
  readonly outputs: number;
}

const spanOf = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1;

const image = fc
  .record({
    channels: fc.integer({ min: 1, max: 5 }),
    // A depthwise layer's: below, between and at whole vectors of rows.
    depth: fc.integer({ min: 1, max: 13 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    stride: fc.integer({ min: 1, max: 2 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    pad: fc.integer({ min: 0, max: 2 }),
    pooled: fc.boolean(),
    groups: fc.constantFrom(1, 1, 1, 2, 'depthwise' as const),
    extra: fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 60 })),
  })
  .map(({ channels: few, depth, kernel, stride, dilation, pad, pooled, groups, extra }) => {
    const wanted = pooled ? 2 * stride : stride;
    const channels = groups === 'depthwise' ? depth : few;
    return {
      channels: groups === 2 ? 2 * channels : channels,
      height: spanOf(kernel[0], dilation) + wanted + extra[0],
      width: spanOf(kernel[1], dilation) + wanted + extra[1],
      kernel,
      stride,
      dilation,
      pad,
      pooled,
      groups: groups === 'depthwise' ? channels : groups,
    };
  });

/** Of a 3x3 convolution with a pool of 2x2 behind it. */
export const plainImage: NonNullable<LayerRecipe['image']> = {
  ...{ channels: 3, height: 12, width: 12, stride: 1, dilation: 1, pad: 0, pooled: true, groups: 1 },
  kernel: [3, 3],
};

export const layerRecipes: fc.Arbitrary<LayerRecipe> = fc.record(
  {
    seed: fc.nat({ max: 1_000_000 }),
    density: fc.constantFrom(0, 0.01, 0.1, 0.3, 0.7, 1),
    bits: fc.constantFrom(8, 4, 2),
    shared: fc.integer({ min: 1, max: 16 }),
    image,
    inputs: fc.integer({ min: 1, max: 700 }),
    outputs: fc.integer({ min: 1, max: 9 }),
  },
  { requiredKeys: ['seed', 'density', 'bits', 'inputs', 'outputs'] },
) as fc.Arbitrary<LayerRecipe>;

/** Every format there is, with each way to walk it. */
export const allFormats: readonly WeightFormat[] = [
  ...([8, 4, 2] as const).map((bits) => ({ kind: 'dense', bits }) as const),
  ...(['csr', 'rel'] as const).flatMap((kind) =>
    ([8, 4] as const).flatMap((bits) =>
      ([1, 2, 4] as const).flatMap((unroll) =>
        [false, true].map((segmented) => ({ kind, bits, unroll, segmented }) as const),
      ),
    ),
  ),
  ...([2, 4] as const).flatMap((width) =>
    ([1, 2] as const).map((unroll) => ({ kind: 'block', width, unroll, segmented: true }) as const),
  ),
  ...([8, 4, 2] as const).map((bits) => ({ kind: 'bitmap', bits }) as const),
];

const weightsOf = (draw: Draw, count: number, { density, bits, shared }: LayerRecipe): Int8Array => {
  const most = 2 ** (bits - 1) - 1;
  if (shared !== undefined) {
    const values = Array.from({ length: shared }, (_, i) => (i === 0 ? 0 : draw.int(-most, most)));
    return Int8Array.from({ length: count }, () =>
      draw.unit() < density ? values[draw.int(0, shared - 1)]! : 0,
    );
  }
  return Int8Array.from({ length: count }, () => {
    const size = draw.int(1, most);
    return draw.unit() < density ? (draw.unit() < 0.5 ? size : -size) : 0;
  });
};

function macOf(draw: Draw, recipe: LayerRecipe, outs: number, terms: number): QuantizedMac {
  const weights = weightsOf(draw, outs * terms, recipe);
  const largest = 255 * 2 ** (recipe.bits - 1) * Math.max(1, Math.sqrt(terms * recipe.density));
  const scales = Array.from({ length: outs }, () => Math.min(1, draw.between(50, 500) / largest));
  return {
    weights,
    bits: recipe.bits,
    weightScales: new Float64Array(outs).fill(1),
    bias: Int32Array.from({ length: outs }, () => draw.int(-2000, 2000)),
    requant: requantOf('single', scales),
    saturation: { zeroPoint: draw.int(0, 40), lo: 0, hi: 255 },
  };
}

export interface Layer {
  readonly mac: QuantizedMac;
  readonly input: Bytes;
  readonly inputPlace: StoredTensor;
  readonly outputPlace: StoredTensor;
  readonly expected: Bytes;
  readonly kernel: (changes: Partial<QuantizedMac>) => Kernel;
}

const placeOf = (shape: readonly number[]): StoredTensor => {
  const order = shape.length > 2 ? spatialOrder(shape) : undefined;
  return { shape, ...(order === undefined ? {} : { order }) };
};

/** @param changes to what is drawn, for the kernel and the oracle alike */
export const layerOf = (recipe: LayerRecipe, changes: Partial<QuantizedMac> = {}): Layer =>
  recipe.image === undefined ? linearLayer(recipe, changes) : convLayer(recipe, recipe.image, changes);

function linearLayer(recipe: LayerRecipe, fixed: Partial<QuantizedMac>): Layer {
  const draw = new Draw(recipe.seed);
  const mac = { ...macOf(draw, recipe, recipe.outputs, recipe.inputs), ...fixed };
  const input = { shape: [1, recipe.inputs], data: draw.bytes(recipe.inputs) };
  const expected = linearOracle(mac, input);
  const [inputPlace, outputPlace] = [placeOf(input.shape), placeOf(expected.shape)];
  const context = { name: 'layer', inputs: [inputPlace], outputs: [outputPlace] };
  const kernel = (changes: Partial<QuantizedMac>) => linear.int8!({}, { ...mac, ...changes }, context);
  return { mac, input, inputPlace, outputPlace, expected, kernel };
}

function convLayer(
  recipe: LayerRecipe,
  i: NonNullable<LayerRecipe['image']>,
  fixed: Partial<QuantizedMac>,
): Layer {
  const draw = new Draw(recipe.seed);
  const pad = Math.min(i.pad, spanOf(i.kernel[0], i.dilation) - 1, spanOf(i.kernel[1], i.dilation) - 1);
  const two = (n: number): [number, number] => [n, n];
  const attrs: ConvAttrs = {
    kernel: i.kernel,
    strides: two(i.stride),
    dilations: two(i.dilation),
    pads: [pad, pad, pad, pad],
    autoPad: 'NOTSET',
    groups: i.groups,
    ...(i.pooled
      ? {
          pool: {
            ...{ kernel: two(2), strides: two(2), pads: [0, 0, 0, 0], autoPad: 'NOTSET', dilations: two(1) },
            ...{ ceilMode: false, countIncludePad: false },
          },
        }
      : {}),
  };
  const outs = i.groups === i.channels ? i.channels : i.groups * Math.ceil(recipe.outputs / i.groups);
  const drawn = macOf(draw, recipe, outs, (i.channels / i.groups) * i.kernel[0] * i.kernel[1]);
  const mac = { ...drawn, ...fixed };
  const bytes = Array.from({ length: i.channels }, () => draw.int(0, 255));
  // Behind a ReLU it is 0.
  const padding = recipe.seed % 2 === 0 ? bytes : bytes.map(() => 0);
  const q: QuantizedConv = { ...mac, padding };
  const shape = [1, i.channels, i.height, i.width];
  const input = { shape, data: draw.bytes(countOf(shape)) };
  const expected = convOracle(attrs, q, input);
  const [inputPlace, outputPlace] = [placeOf(shape), placeOf(expected.shape)];
  const context = { name: 'layer', inputs: [inputPlace], outputs: [outputPlace] };
  const kernel = (changes: Partial<QuantizedMac>) => conv.int8!(attrs, { ...q, ...changes }, context);
  return { mac: q, input, inputPlace, outputPlace, expected, kernel };
}

/** The kernel alone, its arrays one after the other in the arena. */
export function programOf(layer: Layer, kernel: Kernel, name = 'net'): Program {
  let address = 0;
  const slots = kernel.params.map((p): Slot => {
    const place = { in: layer.inputPlace, out: layer.outputPlace, scratch: { shape: [p.length] } }[p.role];
    const slot = { name: p.name, address, elem: p.elem, length: p.length, ...place };
    address += p.length * elemBytes[p.elem];
    return { ...slot, firstStep: p.role === 'in' ? -1 : 0, lastStep: p.role === 'out' ? 1 : 0 };
  });
  return {
    name,
    arith: 'int8',
    arenaBytes: address,
    slots,
    steps: [{ kernel, args: slots.map((_, i) => i), origin: ['layer'] }],
    inputs: [{ name: 'input', slot: 0 }],
    outputs: [{ name: 'output', slot: 1 }],
  };
}

/** Row-major bytes in the order of memory. */
export const inMemory = ({ order }: StoredTensor, { data }: Bytes): Uint8Array =>
  order === undefined ? Uint8Array.from(data) : Uint8Array.from(order, (i) => data[i]!);

/** A codebook of the weights, where they have at most 16 values; with 0, which bridges distances. */
export function codebookFor(weights: Int8Array): Int8Array | undefined {
  const values = Int8Array.from(new Set([0, ...weights])).sort();
  return values.length <= 16 ? values : undefined;
}
