/** A compiled network to be called: typed arrays and ndarrays in and out, the bytes of the C inside. */

import type { Artifact, Preprocessing } from '../artifact/make.ts';
import { at, InputError, must } from '../base/errors.ts';
import { indexOfLargest } from '../base/extremes.ts';
import { prepare, sampleShapeOf } from '../data/prepare.ts';
import type { Elem } from '../ir/kernel/kernel.ts';
import { countOf, type Shape } from '../ir/tensor.ts';
import { inputPorts, outputPorts, type Port, portOf } from '../program/port.ts';
import type { Program } from '../program/program.ts';
import { argsOf, joinedBytes, outputSlots, partsFor, slotAt, slotBytes } from '../program/slots.ts';
import { arrangeInput, decodedPort, encodedPort } from '../program/values.ts';
import { type EngineName, fastest, inference } from '../runtime/engines.ts';
import { fromNdarray, type NdArray, type NdArrayLike, toNdarray } from './ndarray.ts';

/**
 * Float32Array (or any ndarray but of uint8): what the network computes with, normalized. Uint8Array (or an ndarray
 * of uint8): pixels 0..255, of programs that take them. Both in the model's shape, row-major, unless `layout` says
 * that channels come last. Where the model takes integers or booleans: these, in any of the arrays.
 */
export type NetInput = Float32Array | Uint8Array | Uint8ClampedArray | Int32Array | NdArrayLike;

/** All inputs, by the model's names. */
export type NamedInputs = Readonly<Record<string, NetInput>>;

/** A picture of any size that the artifact's own preparation (resize, pad, normalize) brings to the model's. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 1 or 3, or what the model has. */
  readonly channels: number;
  /** Rows of pixels, channels innermost. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Options of one inference. */
export interface RunOptions {
  /** Every layer's output too. */
  readonly layers?: boolean;
  /** The order of typed arrays; `chw` when absent. Ndarrays have the model's shape. */
  readonly layout?: 'chw' | 'hwc';
}

/** The numbers of one tensor. */
export interface Values {
  /** Of the model's tensor, the batch axis first. */
  readonly shape: Shape;
  /** Real numbers, row-major. */
  readonly real: Float32Array;
  /** The bytes in the arena of the C, in its order. */
  readonly stored: Uint8Array;
  /** A view of `real`. */
  readonly ndarray: NdArray;
}

/** The result of an inference. */
export interface NetResult {
  /** The first output. */
  readonly output: Values;
  /** All outputs, by the model's names. */
  readonly outputs: Readonly<Record<string, Values>>;
  /** By tensor name, in order of execution, where asked for. */
  readonly layers?: ReadonlyMap<string, Values>;
}

/** The class of an input. */
export interface Classified {
  /** Of the largest number of the first output. */
  readonly index: number;
  readonly score: number;
  /** All of them. */
  readonly scores: Float32Array;
}

/** Options of a net, however it is made. */
export interface NetOptions {
  /** `fast`, the default: the fastest that this machine has. */
  readonly engine?: EngineName | 'fast';
}

/** A compiled network to be called. It has the bytes of the C, whatever the engine. */
export interface Net {
  readonly name: string;
  readonly program: Program;
  /** The order of the C's inputs and outputs, and of `stored` and `encode`; `real` and arrays have the model's order. */
  readonly portOrder: 'memory' | 'model';
  readonly engine: EngineName;
  /** Why `fast` is slower here than elsewhere, where it is. */
  readonly note?: string;
  /** Of the first input and output. */
  readonly inputShape: Shape;
  readonly outputShape: Shape;
  /** All of them, in the model's order. */
  readonly inputs: readonly NetPort[];
  readonly outputs: readonly NetPort[];
  /**
   * @param input of networks with several inputs all of them by name
   * @throws InputError for inputs of another size, type or name.
   */
  run(input: NetInput | NamedInputs, options?: RunOptions): NetResult;
  /** @throws InputError as `run`, and for pictures that the artifact's preparation does not make fit. */
  classify(image: NetInput | Picture, options?: RunOptions): Classified;
  /** The bytes of the program's inputs, one after the other. @throws InputError */
  encode(input: NetInput | NamedInputs, options?: RunOptions): Uint8Array;
  /** The values of the first output, from the bytes of all outputs, one after the other. */
  decode(stored: Uint8Array): Values;
  /** The values of all outputs, by name, from the same. */
  decodeAll(stored: Uint8Array): Readonly<Record<string, Values>>;
}

/** An input or output. */
export interface NetPort {
  readonly name: string;
  readonly shape: Shape;
  /** What the C stores of it: `u8`, `i16`, `i32` or `f32`. */
  readonly type: Elem;
}

const isNdarray = (input: NetInput): input is NdArrayLike => 'get' in input;

const isArray = (input: NetInput | NamedInputs): input is NetInput =>
  ArrayBuffer.isView(input) || typeof (input as Partial<NdArrayLike>).get === 'function';

const refuse = (port: Port, found: string, supported: string, todo: string): InputError =>
  new InputError({ where: port.where, found, supported, todo });

/** The model's order of what lies with channels innermost. */
function chwOf<T extends Float32Array | Uint8Array>(data: T, shape: Shape): T {
  const [, channels = 1, ...spatial] = shape;
  const pixels = countOf(spatial);
  return data.map((_, i) =>
    must(data[(i % pixels) * channels + Math.floor(i / pixels)], 'a number per element'),
  ) as T;
}

/** Row-major in the model's shape: bytes are pixels. */
function numbersIn(port: Port, input: NetInput, layout: string): Float32Array | Uint8Array {
  const { slot } = port;
  const numbers = isNdarray(input) ? fromNdarray(input).data : input;
  if (numbers.length !== slot.length)
    throw refuse(
      port,
      `${numbers.length} numbers`,
      `${slot.length}: ${slot.shape.join('x')}`,
      'give one whole input; classify takes pictures of other sizes',
    );
  const plain =
    numbers instanceof Uint8Array || numbers instanceof Float32Array
      ? numbers
      : numbers instanceof Uint8ClampedArray
        ? new Uint8Array(numbers)
        : Float32Array.from(numbers as ArrayLike<number>);
  const turned = layout === 'hwc' && !isNdarray(input) && !('channelsLast' in sampleShapeOf(port));
  return turned ? chwOf(plain, slot.shape) : plain;
}

/** Where the model takes integers, which have no grid. */
const takesIntegers = ({ slot, grids }: Port): boolean => grids.length === 0 && slot.elem !== 'f32';

function encoded(program: Program, port: Port, input: NetInput, layout: string): Uint8Array {
  if (takesIntegers(port)) return encodedPort(port, isNdarray(input) ? fromNdarray(input).data : input);
  const numbers = numbersIn(port, input, layout);
  if (numbers instanceof Float32Array) return encodedPort(port, numbers);
  if (program.rawInput === undefined)
    throw refuse(
      port,
      'pixels (uint8)',
      'numbers as the network was trained on, in a Float32Array',
      'normalize them, or compile with --calibrate of uint8 images',
    );
  return arrangeInput(program, numbers);
}

/** @throws InputError for a name that is no input's, and an input that is not there. */
function inputNamed(program: Program, inputs: NamedInputs, port: Port): NetInput {
  const names = program.inputs.map(({ name }) => name);
  const odd = Object.keys(inputs).find((name) => !names.includes(name));
  const found = Object.hasOwn(inputs, port.name) ? inputs[port.name] : undefined;
  if (odd === undefined && found !== undefined) return found;
  throw new InputError({
    where: `the inputs of ${program.name}`,
    found: odd === undefined ? `none called '${port.name}'` : `one called '${odd}'`,
    supported: `all of: ${names.join(', ')}`,
    todo: 'give an array for each input, by its name',
  });
}

function encodedAll(program: Program, input: NetInput | NamedInputs, layout: string): Uint8Array {
  const ports = inputPorts(program);
  const [port, ...more] = ports;
  if (!isArray(input))
    return joinedBytes(ports.map((p) => encoded(program, p, inputNamed(program, input, p), layout)));
  if (port !== undefined && more.length === 0) return encoded(program, port, input, layout);
  throw new InputError({
    where: `the inputs of ${program.name}`,
    found: 'one array',
    supported: `an array for each of: ${ports.map(({ name }) => name).join(', ')}`,
    todo: 'give an object of arrays by name',
  });
}

const outputsIn = (program: Program, stored: Uint8Array): Readonly<Record<string, Values>> => {
  const parts = partsFor(outputSlots(program), stored);
  return Object.fromEntries(
    outputPorts(program).map((port, i) => [port.name, valuesOf(port, at(parts, i).slice())]),
  );
};

function valuesOf(port: Port, stored: Uint8Array): Values {
  const real = decodedPort(port, stored);
  const { shape } = port.slot;
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
    program.steps.flatMap((made, step) =>
      argsOf(made, 'out').map((index) => {
        const slot = slotAt(program, index);
        const arena = must(arenas[step], 'an arena per step');
        const stored = arena.slice(slot.address, slot.address + slotBytes(slot));
        return [slot.name, valuesOf(portOf(program, index), stored)] as const;
      }),
    ),
  );
}

/** As the samples of --calibrate were brought to the model. */
function prepared(
  program: Program,
  { width, height, channels, data }: Picture,
  how: Preprocessing,
): NetInput {
  const { pixels, real } = prepare(
    {
      where: 'picture',
      array: { dtype: 'uint8', shape: [1, height, width, channels], data: new Uint8Array(data) },
    },
    sampleShapeOf(at(inputPorts(program), 0)),
    { ...how, layout: 'nhwc' } as Parameters<typeof prepare>[2],
  );
  return program.rawInput === undefined || pixels === undefined ? real(0) : pixels.raw(0);
}

const netPorts = (ports: readonly Port[]): readonly NetPort[] =>
  ports.map(({ name, slot: { shape, elem } }) => ({ name, shape, type: elem }));

const isPicture = (image: NetInput | Picture): image is Picture => 'width' in image;

/**
 * A net from a program, for example of `compile`.
 * @throws DefectError for a program that breaks the rules of Kernel IR; Trap for one whose tensors do not fit the arena
 */
export function netOf(
  { program, preprocessing }: { readonly program: Program; readonly preprocessing?: Preprocessing },
  { engine = 'fast' }: NetOptions = {},
): Net {
  const chosen = engine === 'fast' ? fastest() : { engine };
  const execute = inference(program, chosen.engine);
  const [inputs, outputs] = [netPorts(inputPorts(program)), netPorts(outputPorts(program))];
  const first = at(outputs, 0).name;
  const encode: Net['encode'] = (x, { layout = 'chw' } = {}) => encodedAll(program, x, layout);
  const decodeAll: Net['decodeAll'] = (stored) => outputsIn(program, stored);
  const decode: Net['decode'] = (stored) => must(decodeAll(stored)[first], 'the first output');
  const run: Net['run'] = (x, options = {}) => {
    const outcome = execute(encode(x, options), { keepArenas: options.layers === true });
    const made = decodeAll(outcome.output);
    return {
      output: must(made[first], 'the first output'),
      outputs: made,
      ...(options.layers === true ? { layers: outputsOfSteps(program, outcome.arenas) } : {}),
    };
  };
  return {
    name: program.name,
    program,
    portOrder: program.portOrder ?? 'memory',
    ...chosen,
    inputShape: at(inputs, 0).shape,
    outputShape: at(outputs, 0).shape,
    inputs,
    outputs,
    encode,
    decode,
    decodeAll,
    run,
    classify(image, options) {
      const scores = run(isPicture(image) ? prepared(program, image, preprocessing ?? {}) : image, options)
        .output.real;
      const index = indexOfLargest(scores);
      return { index, score: scores[index] ?? Number.NaN, scores };
    },
  };
}

/** Makes a net of a loaded artifact. */
export const netOfArtifact = (
  { program, manifest }: Pick<Artifact, 'program' | 'manifest'>,
  options?: NetOptions,
): Net => netOf({ program, preprocessing: manifest.preprocessing as Preprocessing }, options);
