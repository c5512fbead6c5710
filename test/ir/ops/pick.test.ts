/** Elements of an activation by indices of the network's input: Gather, GatherElements and GatherND. */
import { expect, test } from 'vitest';
import { compile } from '../../../src/compile.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { Draw } from '../../support/draw.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { encodeModel, int, valueInfo } from '../../support/onnx-model.ts';

const int64 = 7;
type Shape = readonly number[];

interface Case {
  readonly op: string;
  readonly data: Shape;
  readonly indices: Shape;
  readonly axis?: number;
  readonly batch?: number;
}

const count = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

/** The place of each axis of element i. */
function places(i: number, shape: Shape): number[] {
  let rest = i;
  return shape
    .toReversed()
    .map((size) => {
      const place = rest % size;
      rest = Math.floor(rest / size);
      return place;
    })
    .toReversed();
}

const element = (place: readonly number[], shape: Shape): number =>
  place.reduce((index, p, axis) => index * shape[axis]! + p, 0);

const near = (index: number, size: number): number => {
  const kept = index < -size ? -size : index >= size ? size - 1 : index;
  return kept < 0 ? kept + size : kept;
};

/** ONNX's definitions, element by element. */
function meaning(
  { op, data, indices, axis = 0, batch = 0 }: Case,
  x: Float32Array,
  index: readonly number[],
) {
  if (op === 'GatherElements')
    return index.map((i, e) => x[element(places(e, indices).with(axis, near(i, data[axis]!)), data)]!);
  if (op === 'Gather') {
    const shape = [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
    return Array.from({ length: count(shape) }, (_, e) => {
      const place = places(e, shape);
      const own = index[element(place.slice(axis, axis + indices.length), indices)]!;
      const behind = place.slice(axis + indices.length);
      return x[element([...place.slice(0, axis), near(own, data[axis]!), ...behind], data)]!;
    });
  }
  const named = indices.at(-1)!;
  const shape = [...indices.slice(0, -1), ...data.slice(batch + named)];
  return Array.from({ length: count(shape) }, (_, e) => {
    const place = places(e, shape);
    const row = place.slice(0, indices.length - 1);
    const own = Array.from({ length: named }, (_, k) =>
      near(index[element([...row, k], indices)]!, data[batch + k]!),
    );
    return x[element([...place.slice(0, batch), ...own, ...place.slice(indices.length - 1)], data)]!;
  });
}

const cases: readonly Case[] = [
  { op: 'Gather', data: [1, 3, 5], indices: [2], axis: 1 },
  { op: 'Gather', data: [4, 3], indices: [1, 2], axis: 0 },
  { op: 'Gather', data: [1, 2, 6], indices: [], axis: 2 },
  { op: 'Gather', data: [1, 3, 2, 4], indices: [2, 2], axis: 2 },
  { op: 'GatherElements', data: [1, 6, 4], indices: [1, 3, 4], axis: 1 },
  { op: 'GatherElements', data: [1, 6, 4], indices: [1, 6, 7], axis: 2 },
  { op: 'GatherElements', data: [1, 6, 4], indices: [1, 2, 3], axis: 1 },
  { op: 'GatherND', data: [5, 6], indices: [3, 1] },
  { op: 'GatherND', data: [2, 5, 6], indices: [4, 2] },
  { op: 'GatherND', data: [2, 5, 6], indices: [2, 3, 1], batch: 1 },
  { op: 'GatherND', data: [2, 5, 4], indices: [2, 2], batch: 1 },
];

test.each(cases)('$op of $data by $indices, axis $axis', (one) => {
  const { op, data, indices, axis, batch } = one;
  const attributes = [
    ...(axis === undefined ? [] : [int('axis', axis)]),
    ...(batch === undefined ? [] : [int('batch_dims', batch)]),
  ];
  const bytes = encodeModel({
    opset: 13,
    inputs: [valueInfo('x', data), valueInfo('i', indices, int64)],
    nodes: [
      { op: 'Relu', inputs: ['x'], outputs: ['a'] },
      { op, inputs: ['a', 'i'], outputs: ['y'], attributes },
    ],
  });
  const draw = new Draw(count(data));
  const sample = (low: number, high: number) => {
    const x = Float32Array.of(0, 1, ...draw.floats(count(data) - 2, 0, 1));
    const index = Array.from({ length: count(indices) }, () => draw.int(low, high));
    return { x, index, all: Float32Array.of(...x, ...index) };
  };
  const [calibration, tried] = [
    [sample(0, 0), sample(0, 0)],
    [sample(-3, 3), sample(-300, 300)],
  ];
  for (const arith of ['float32', 'int8'] as const) {
    const inputs = calibration.map(({ all }) => all);
    const { program } = compile(importOnnx(bytes), { name: 'net', arith, calibration: { inputs } });
    const facts = factsOf(program);
    requireProved(program, facts);
    const runs = simulated(
      program,
      tried.map(({ all }) => encodeInput(program, all)),
      facts,
    );
    tried.forEach(({ x, index }, i) => {
      const wanted = meaning(one, x, index);
      const step = arith === 'int8' ? 0.5001 / 255 : 0;
      decodeOutput(program, runs[i]!.output).forEach((y, e) => {
        expect(Math.abs(y - wanted[e]!), `${arith}, sample ${i}, element ${e}`).toBeLessThanOrEqual(step);
      });
    });
  }
});
