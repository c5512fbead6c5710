/** What rounding costs the outputs: of many tensors by segments, as of few by whole runs. */
import { expect, test } from 'vitest';
import { clip } from '../../src/ir/ops/clip.ts';
import { calibrate } from '../../src/passes/calibrate.ts';
import { storedRanges } from '../../src/passes/quantize.ts';
import { RoundingNoise } from '../../src/passes/rounding-noise.ts';
import { convolution } from '../support/affine-layers.ts';
import { Draw } from '../support/draw.ts';
import { floatGraph, layer } from '../support/float-graph.ts';

const decibels = (noise: number): number => -10 * Math.log10(noise);

test('an error at the end of a segment tells about what a tensor costs the outputs', () => {
  const draw = new Draw(11);
  const layers = Array.from({ length: 24 }, () => [
    convolution([4, 4, 3, 3], [...draw.floats(144, -0.4, 0.4)], { pad: 1 }),
    layer(clip, { lo: -1, hi: 1 }),
  ]).flat();
  const graph = floatGraph([1, 4, 5, 5], layers);
  const samples = Array.from({ length: 8 }, () => draw.floats(100, -1, 1));
  const calibration = calibrate(graph, samples, 'minmax');
  const ranged = {
    graph,
    rangeOf: storedRanges(graph, calibration),
    byChannel: new Map(),
    alone: calibration.alone,
    fixedInput: false,
  };
  const names = ['x', ...graph.nodes.flatMap(({ outputs }) => outputs)];
  const few = new RoundingNoise(ranged, samples, false, names.slice(0, 31));
  const many = new RoundingNoise(ranged, samples, false, names);
  const { worst } = many.of(new Set(names), () => 8);
  const [whole, inSegments] = [few.alone(worst), many.alone(worst)];
  const off = names.slice(0, 31).map((name) => decibels(inSegments(name, 8)) - decibels(whole(name, 8)));
  // Of 31 tensors from 19 to 40 dB.
  expect(Math.max(...off.map(Math.abs))).toBeLessThan(4.5);
  expect(off.reduce((sum, x) => sum + Math.abs(x), 0) / off.length).toBeLessThan(1.5);
});
