/** A compiled network to be called: typed arrays and ndarrays in and out, the bytes of the C inside. */

import type { NdArray } from 'ndarray';
import type { Artifact, Preprocessing } from '../artifact/make.ts';
import { at, InputError, must } from '../base/errors.ts';
import { indexOfLargest } from '../base/extremes.ts';
import { prepare, sampleShapeOfSlot } from '../data/prepare.ts';
import { countOf, type Numbers, type Shape } from '../ir/tensor.ts';
import type { Program, Slot } from '../program/program.ts';
import { argOf, inputSlots, outputSlots, slotAt, slotBytes } from '../program/slots.ts';
import { arrangeInput, decodePort, encodeInput } from '../program/values.ts';
import { type EngineName, fastest, inference } from '../runtime/engines.ts';
import { fromNdarray, toNdarray } from './ndarray.ts';

/**
 * Float32Array (or any ndarray but of uint8): what the network computes with, normalized. Uint8Array (or an ndarray
 * of uint8): pixels 0..255, of programs that take them. Both in the model's shape, row-major, unless `layout` says
 * that channels come last.
 */
export type NetInput = Float32Array | Uint8Array | Uint8ClampedArray | NdArray;

/** A picture of any size that the artifact's own preparation (resize, pad, normalize) brings to the model's. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 1 or 3, or what the model has. */
  readonly channels: number;
  /** Rows of pixels, channels innermost. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

export interface RunOptions {
  /** Every layer's output too. */
  readonly layers?: boolean;
  /** How typed arrays lie; `chw` when absent. Ndarrays have the model's shape. */
  readonly layout?: 'chw' | 'hwc';
}

export interface Values {
  /** Of the model's tensor, the batch axis first. */
  readonly shape: Shape;
  /** Real numbers, row-major. */
  readonly real: Float32Array;
  /** The bytes in the arena of the C, in its order. */
  readonly stored: Uint8Array;
  /** A view of `real`. */
  readonly ndarray: NdArray<Numbers>;
}

export interface NetResult {
  readonly output: Values;
  /** By tensor name, in order of execution, where asked for. */
  readonly layers?: ReadonlyMap<string, Values>;
}

export interface Classified {
  /** Of the largest output. */
  readonly index: number;
  readonly score: number;
  /** All outputs. */
  readonly scores: Float32Array;
}

export interface NetOptions {
  /** `fast`, the default: the fastest that this machine has. */
  readonly engine?: EngineName | 'fast';
}

export interface Net {
  readonly name: string;
  readonly program: Program;
  readonly engine: EngineName;
  /** Why `fast` is slower here than elsewhere, where it is. */
  readonly note?: string;
  readonly inputShape: Shape;
  readonly outputShape: Shape;
  /** @throws InputError for inputs of another size or type. */
  run(input: NetInput, options?: RunOptions): NetResult;
  /** @throws InputError as `run`, and for pictures that the artifact's preparation does not make fit. */
  classify(image: NetInput | Picture, options?: RunOptions): Classified;
  /** The bytes of the program's input slot. @throws InputError */
  encode(input: NetInput, options?: RunOptions): Uint8Array;
  /** The values of the output slot's bytes. */
  decode(stored: Uint8Array): Values;
}

const isNdarray = (input: NetInput): input is NdArray => 'stride' in input;

const refuse = (program: Program, found: string, supported: string, todo: string): InputError =>
  new InputError({ where: `input of ${program.name}`, found, supported, todo });

/** The model's order of what lies with channels innermost. */
function chwOf<T extends Float32Array | Uint8Array>(data: T, shape: Shape): T {
  const [, channels = 1, ...spatial] = shape;
  const pixels = countOf(spatial);
  return data.map((_, i) =>
    must(data[(i % pixels) * channels + Math.floor(i / pixels)], 'a number per element'),
  ) as T;
}

/** Row-major in the model's shape: bytes are pixels. */
function numbersIn(program: Program, slot: Slot, input: NetInput, layout: string): Float32Array | Uint8Array {
  const numbers = isNdarray(input) ? fromNdarray(input).data : input;
  if (numbers.length !== slot.length)
    throw refuse(
      program,
      `${numbers.length} numbers`,
      `${slot.length}: ${slot.shape.join('x')}`,
      'give one whole input; classify takes pictures of other sizes',
    );
  const bytes = numbers instanceof Uint8Array || numbers instanceof Uint8ClampedArray;
  const plain = bytes
    ? new Uint8Array(numbers)
    : numbers instanceof Float32Array
      ? numbers
      : Float32Array.from(numbers as ArrayLike<number>);
  const turned = layout === 'hwc' && !isNdarray(input) && !('channelsLast' in sampleShapeOfSlot(slot));
  return turned ? chwOf(plain, slot.shape) : plain;
}

function encoded(program: Program, slot: Slot, input: NetInput, layout: string): Uint8Array {
  const numbers = numbersIn(program, slot, input, layout);
  if (numbers instanceof Float32Array) return encodeInput(program, numbers);
  if (program.rawInput === undefined)
    throw refuse(
      program,
      'pixels (uint8)',
      'numbers as the network was trained on, in a Float32Array',
      'normalize them, or compile with --calibrate of uint8 images',
    );
  return arrangeInput(program, numbers);
}

function valuesOf(program: Program, index: number, stored: Uint8Array): Values {
  const real = decodePort(program, index, stored);
  const { shape } = slotAt(program, index);
  return {
    shape,
    real,
    stored,
    get ndarray() {
      return toNdarray({ dtype: 'float32', shape, data: real });
    },
  };
}

function outputsOfSteps(program: Program, arenas: readonly Uint8Array[]): ReadonlyMap<string, Values> {
  return new Map(
    program.steps.map((made, step) => {
      const index = argOf(made, 'out');
      const slot = slotAt(program, index);
      const arena = must(arenas[step], 'an arena per step');
      const stored = arena.slice(slot.address, slot.address + slotBytes(slot));
      return [slot.name, valuesOf(program, index, stored)];
    }),
  );
}

/** As the samples of --calibrate were brought to the model. */
function prepared(
  program: Program,
  { width, height, channels, data }: Picture,
  how: Preprocessing,
): NetInput {
  const slot = at(inputSlots(program), 0);
  const { pixels, real } = prepare(
    {
      where: 'picture',
      array: { dtype: 'uint8', shape: [1, height, width, channels], data: new Uint8Array(data) },
    },
    sampleShapeOfSlot(slot),
    { ...how, layout: 'nhwc' } as Parameters<typeof prepare>[2],
  );
  return program.rawInput === undefined || pixels === undefined ? real(0) : pixels.raw(0);
}

const isPicture = (image: NetInput | Picture): image is Picture => 'width' in image;

/** @throws as `createEngine` and `createSimulator` */
export function netOf(
  { program, preprocessing }: { readonly program: Program; readonly preprocessing?: Preprocessing },
  { engine = 'fast' }: NetOptions = {},
): Net {
  const chosen = engine === 'fast' ? fastest() : { engine };
  const execute = inference(program, chosen.engine);
  const [input, output] = [at(inputSlots(program), 0), at(outputSlots(program), 0)];
  const encode: Net['encode'] = (x, { layout = 'chw' } = {}) => encoded(program, input, x, layout);
  const run: Net['run'] = (x, options = {}) => {
    const outcome = execute(encode(x, options), { keepArenas: options.layers === true });
    return {
      output: valuesOf(program, at(program.outputs, 0).slot, outcome.output),
      ...(options.layers === true ? { layers: outputsOfSteps(program, outcome.arenas) } : {}),
    };
  };
  return {
    name: program.name,
    program,
    ...chosen,
    inputShape: input.shape,
    outputShape: output.shape,
    encode,
    decode: (stored) => valuesOf(program, at(program.outputs, 0).slot, stored),
    run,
    classify(image, options) {
      const scores = run(isPicture(image) ? prepared(program, image, preprocessing ?? {}) : image, options)
        .output.real;
      const index = indexOfLargest(scores);
      return { index, score: scores[index] ?? Number.NaN, scores };
    },
  };
}

export const netOfArtifact = (
  { program, manifest }: Pick<Artifact, 'program' | 'manifest'>,
  options?: NetOptions,
): Net => netOf({ program, preprocessing: manifest.preprocessing as Preprocessing }, options);
