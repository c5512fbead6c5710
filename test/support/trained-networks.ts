/** The networks of models/networks that were trained, judged on images that stand beside the project. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { must } from '../../src/base/errors.ts';
import { indexOfLargest } from '../../src/base/extremes.ts';
import { readLabels, readSamples } from '../../src/data/node-files.ts';
import { type Prepared, prepare } from '../../src/data/prepare.ts';
import type { Program } from '../../src/program/program.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference } from '../../src/runtime/engines.ts';
import { compiledNetwork, type Listed, type Trained } from './real-networks.ts';

const folder = path.resolve('../shared/data');

const files: Readonly<Record<Trained['data'], { readonly train: string; readonly test: string }>> = {
  mnist: { train: 'mnist/train-images-idx3-ubyte.gz', test: 'mnist/t10k-images-idx3-ubyte.gz' },
  cifar10: { train: 'cifar10/train-5000.bin.gz', test: 'cifar10/test-2000.bin.gz' },
};

/** The files that judging needs. */
export const filesOf = ({ data }: Trained): readonly string[] =>
  [files[data].train, files[data].test].map((file) => path.join(folder, file));

export const areThere = (trained: Trained): boolean => filesOf(trained).every((file) => existsSync(file));

const spread = ({ real }: Prepared, count: number, step: number): Float32Array[] =>
  Array.from({ length: count }, (_, i) => real(i * step));

function hits(program: Program, images: Prepared, labels: Int32Array): number {
  const run = inference(program);
  const isHit = (i: number): boolean =>
    indexOfLargest(decodeOutput(program, run(encodeInput(program, images.real(i))).output)) === labels[i];
  return Array.from({ length: judging }, (_, i) => isHit(i)).filter(Boolean).length;
}

/** In percent. */
export interface Top1 {
  readonly float32: number;
  readonly int8: number;
}

const judging = 2000;

/** Of the first images of the test set; calibrated on images of the training set. */
export function top1Of(one: Listed, trained: Trained): Top1 {
  const shape = one.inputs[0]!.shape.slice(1);
  const [train, images] = filesOf(trained).map((file) => prepare(readSamples(file), shape)) as [
    Prepared,
    Prepared,
  ];
  const labels = images.labels ?? readLabels(path.join(folder, 'mnist/t10k-labels-idx1-ubyte.gz'));
  const { float32, int8 } = compiledNetwork(one, spread(train, 64, 70));
  const percent = (program: Program): number => (100 * hits(program, images, labels)) / judging;
  return { float32: percent(float32), int8: percent(int8) };
}

export function top1Complaints({ trained }: Listed, { float32, int8 }: Top1): readonly string[] {
  const torch = 100 * must(trained, 'it was trained').top1;
  return [
    // PyTorch's is of all images: of digits these are a fifth, and deviate by up to a point.
    ...(Math.abs(float32 - torch) < 3 ? [] : [`float32 gets ${float32} % right, PyTorch ${torch} %`]),
    ...(float32 - int8 <= 0.5 ? [] : [`int8 gets ${int8} % right, float32 ${float32} %`]),
  ];
}
