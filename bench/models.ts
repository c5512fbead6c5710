/** The networks that are measured, with the data that they are calibrated and judged on. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { calibrationOf } from '../src/cli/flags/calibrate.ts';
import { type Compiled, type CompileOptions, compile } from '../src/compile.ts';
import { readLabels, readSamples } from '../src/data/node-files.ts';
import { type Prepared, type PrepareOptions, prepare } from '../src/data/prepare.ts';
import type { Graph } from '../src/ir/graph/graph.ts';
import { importOnnx } from '../src/ir/import/onnx.ts';

export const root = path.join(import.meta.dirname, '..');
export const shared = path.join(root, '../shared');

export interface Net {
  readonly name: string;
  readonly title: string;
  readonly sampleShape: readonly number[];
  readonly prepare: PrepareOptions;
  readonly data: 'mnist' | 'cifar10';
  /** Normalized inputs only: the network was not trained on scaled pixels. */
  readonly pixels: boolean;
}

export const nets: readonly Net[] = [
  {
    name: 'lenet5',
    title: 'LeNet-5',
    sampleShape: [1, 32, 32],
    prepare: { pad: 2 },
    data: 'mnist',
    pixels: true,
  },
  {
    name: 'cifarnet',
    title: 'CIFAR net',
    sampleShape: [3, 32, 32],
    prepare: { normalize: { mean: [0.5], std: [0.5] } },
    data: 'cifar10',
    pixels: true,
  },
  {
    name: 'resnet8',
    title: 'ResNet-8',
    sampleShape: [3, 32, 32],
    prepare: { normalize: { mean: [0.5], std: [0.5] } },
    data: 'cifar10',
    pixels: true,
  },
  {
    name: 'dscnn',
    title: 'DS-CNN',
    sampleShape: [1, 49, 10],
    prepare: { resize: { height: 49, width: 10 } },
    data: 'mnist',
    pixels: true,
  },
];

const files = {
  mnist: { train: 'mnist/train-images-idx3-ubyte.gz', test: 'mnist/t10k-images-idx3-ubyte.gz' },
  cifar10: { train: 'cifar10/train-5000.bin.gz', test: 'cifar10/test-2000.bin.gz' },
} as const;

export function samplesOf(net: Net, part: 'train' | 'test'): Prepared {
  return prepare(readSamples(path.join(shared, 'data', files[net.data][part])), net.sampleShape, net.prepare);
}

export function labelsOf(prepared: Prepared): Int32Array {
  return prepared.labels ?? readLabels(path.join(shared, 'data/mnist/t10k-labels-idx1-ubyte.gz'));
}

export const modelBytes = (net: Net): Uint8Array =>
  readFileSync(path.join(shared, `models/${net.name}/${net.name}.opset13.onnx`));
export const modelOf = (net: Net): Graph<'imported'> => importOnnx(modelBytes(net), { name: net.name });

/** Calibrated on 512 training images spread over the file, as the command line does. */
export function compiledOf(net: Net, options: Partial<CompileOptions> = {}): Compiled {
  return compile(modelOf(net), {
    name: net.name,
    arith: 'int8',
    calibration: calibrationOf(samplesOf(net, 'train'), 512),
    ...options,
  });
}
