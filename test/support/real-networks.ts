/**
 * The networks of models/networks, which scripts/networks made with PyTorch: each is compiled, run, and held to what
 * PyTorch computed on the same inputs.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Distances } from '../../src/base/distance.ts';
import { InputError } from '../../src/base/errors.ts';
import { type CompileOptions, compileFused, front } from '../../src/compile.ts';
import { readNpz } from '../../src/data/npz.ts';
import { emitC } from '../../src/emit/package.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { countOf, type Tensor } from '../../src/ir/tensor.ts';
import type { Program } from '../../src/program/program.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference } from '../../src/runtime/engines.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import type { Ran } from './native-laws.ts';
import { type InputSpec, sampleOf } from './network-data.ts';

/** A bound that is not the usual one, and why. */
interface Exception {
  readonly bound: number;
  readonly reason: string;
}

export interface Trained {
  readonly data: 'mnist' | 'cifar10';
  /** Share of all test images that PyTorch got right. */
  readonly top1: number;
}

export interface Listed {
  /** Of the files beside the index: name.onnx.gz, and name.npz with PyTorch's outputs. */
  readonly name: string;
  readonly family: string;
  /** PyTorch's old exporter (by tracing), or its new one. */
  readonly exporter: 'old' | 'new';
  readonly opset: number;
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly string[];
  /** Why it does not compile. Absent: it compiles. */
  readonly refused?: string;
  /** Of the float32 program's error, where it is more than `floatBound`. */
  readonly float32?: Exception;
  /** Of the int8 program's SQNR, where it is less than `int8Bound`. */
  readonly int8?: Exception;
  /** Start of the SHA-256 of its int8 C: a change of it is seen, and meant. */
  readonly c?: string;
  /** On images, and not with random weights. */
  readonly trained?: Trained;
}

const folder = path.resolve('models/networks');
export const indexFile = `${folder}/index.json`;

export const listed = JSON.parse(readFileSync(indexFile, 'utf8')) as readonly Listed[];

/** The largest difference from PyTorch's output, as a part of its largest number. */
export const floatBound = 1e-5;
/** In decibels, from the float32 program, on inputs that did not calibrate. */
export const int8Bound = 30;

/** Of the outputs on record. */
const recordedSeeds = [101, 102];

/** Inputs of few numbers need more samples until their ranges are known: 16 for an image, 256 for a row of a table. */
function seedsOf({ inputs }: Listed, numbers: number, least: number, most: number, first: number): number[] {
  const each = inputs.reduce((sum, { shape }) => sum + countOf(shape), 0);
  const count = Math.min(most, Math.max(least, Math.ceil(numbers / each)));
  return Array.from({ length: count }, (_, i) => first + i);
}

export const testSeeds = (one: Listed): number[] => seedsOf(one, 4096, 8, 64, 101);
export const calibrationSeeds = (one: Listed): number[] => seedsOf(one, 16384, 16, 256, 5001);

export const modelOf = ({ name }: Listed): Graph<'imported'> =>
  importOnnx(new Uint8Array(gunzipSync(readFileSync(`${folder}/${name}.onnx.gz`))), { name });

/** Several tensors one after the other. */
const joined = (tensors: readonly Tensor[]): Float32Array =>
  Float32Array.from(tensors.flatMap(({ data }) => [...data]));

export const inputsOf = ({ inputs }: Listed, seeds: readonly number[]): Float32Array[] =>
  seeds.map((seed) => joined(sampleOf(inputs, seed)));

/** PyTorch's outputs of each recorded sample. */
export function recordedOutputs({ name, outputs }: Listed): Tensor[][] {
  const arrays = readNpz(new Uint8Array(readFileSync(`${folder}/${name}.npz`)), name);
  return recordedSeeds.map((_, i) => outputs.map((output) => arrays.get(`${i}/${output}`)!));
}

export interface Compiled {
  readonly float32: Program;
  readonly int8: Program;
}

/** @throws InputError for networks that cannot be compiled */
export function compiledNetwork(one: Listed, inputs = inputsOf(one, calibrationSeeds(one))): Compiled {
  const model = modelOf(one);
  const name = one.name.replaceAll('-', '_');
  const made = (options: CompileOptions) => compileFused(front(model, options), options).program;
  return {
    float32: made({ name: `${name}_float32`, arith: 'float32' }),
    int8: made({ name, arith: 'int8', calibration: { inputs, heldBack: inputsOf(one, testSeeds(one)) } }),
  };
}

/** Whether it is refused, or ended by a fault that the index then names. */
export function isRefused(one: Listed): boolean {
  try {
    compiledNetwork(one);
    return false;
  } catch (error) {
    return error instanceof InputError || one.refused?.startsWith('a fault: ') === true;
  }
}

const filesOf = (program: Program): ReadonlyMap<string, string> =>
  emitC(program, { command: '', version: '', hash: '', golden: [] });

/** Words may change. */
const withoutComments = (text: string): string =>
  text.replaceAll(/\s*\/\*[\s\S]*?\*\//g, '').replaceAll(/\s*\n\s*/g, '\n');

/** Start of the SHA-256 of the C of a program, without comments. */
export function checksumOfC(program: Program): string {
  const hash = createHash('sha256');
  for (const [file, text] of filesOf(program)) hash.update(`${file}\n${withoutComments(text)}`);
  return hash.digest('hex').slice(0, 16);
}

/** A program with what the simulator makes of one input. */
export function oneRun(one: Listed, program: Program): Ran {
  const files = filesOf(program);
  const inputs = inputsOf(one, recordedSeeds.slice(0, 1)).map((input) => encodeInput(program, input));
  const simulator = createSimulator(program, { mode: 'fast' });
  const outcomes = inputs.map((input) => simulator.run(input, { keepArenas: true }));
  return { built: { program, inputs }, files, outcomes };
}

function outputsOf(program: Program, inputs: readonly Float32Array[]): Float32Array[] {
  const run = inference(program);
  return inputs.map((x) => decodeOutput(program, run(encodeInput(program, x)).output));
}

/** An output's numbers among those of all outputs. */
function partsOf(numbers: Float32Array, outputs: readonly Tensor[]): Float32Array[] {
  let from = 0;
  const parts = outputs.map(({ shape }) => {
    const start = from;
    from += countOf(shape);
    return numbers.subarray(start, from);
  });
  if (from !== numbers.length) throw new Error(`${numbers.length} numbers instead of ${from}`);
  return parts;
}

/** The worst output's error, of all recorded samples. */
export function floatError(one: Listed, program: Program): number {
  const recorded = recordedOutputs(one);
  const made = outputsOf(program, inputsOf(one, recordedSeeds));
  const errors = one.outputs.map((_, output) => {
    let [most, largest] = [0, 0];
    recorded.forEach((tensors, i) => {
      const numbers = partsOf(made[i]!, tensors)[output]!;
      tensors[output]!.data.forEach((wanted, j) => {
        most = Math.max(most, Math.abs(wanted - numbers[j]!));
        largest = Math.max(largest, Math.abs(wanted));
      });
    });
    return most === 0 ? 0 : most / largest;
  });
  return Math.max(...errors);
}

/** The worst output's SQNR; of an output of indices Infinity where nine of ten are the same, else -10 log10 of the others' share. */
export function int8Quality(one: Listed, { float32, int8 }: Compiled): number {
  const inputs = inputsOf(one, testSeeds(one));
  const outputs = recordedOutputs(one)[0]!;
  const [real, stored] = [float32, int8].map((program) =>
    outputsOf(program, inputs).map((numbers) => partsOf(numbers, outputs)),
  ) as [Float32Array[][], Float32Array[][]];
  return Math.min(...outputs.map(({ dtype }, i) => qualityOf(dtype, column(real, i), column(stored, i))));
}

const column = (rows: readonly Float32Array[][], i: number): readonly number[] =>
  rows.flatMap((row) => [...row[i]!]);

function qualityOf(dtype: Tensor['dtype'], real: readonly number[], stored: readonly number[]): number {
  if (dtype !== 'float32') {
    const others = real.filter((x, i) => x !== stored[i]).length / real.length;
    return others <= 0.1 ? Infinity : -10 * Math.log10(others);
  }
  const distances = new Distances();
  real.forEach((x, i) => {
    distances.add(x, stored[i]!);
  });
  return distances.result().sqnr;
}

export interface Judged {
  readonly floatError: number;
  readonly quality: number;
  /** What is not as the index says. */
  readonly complaints: readonly string[];
}

/** How near both programs are to PyTorch, against the bounds. */
export function judged(one: Listed, compiled: Compiled): Judged {
  const [error, quality] = [floatError(one, compiled.float32), int8Quality(one, compiled)];
  const [most, least] = [one.float32?.bound ?? floatBound, one.int8?.bound ?? int8Bound];
  return {
    floatError: error,
    quality,
    complaints: [
      // A NaN is a complaint.
      ...(error <= most ? [] : [`float error ${error.toExponential(1)}, at most ${most}`]),
      ...(quality >= least ? [] : [`SQNR ${quality.toFixed(1)} dB, at least ${least}`]),
    ],
  };
}
